//! Puts into a package what lies in it: by name and with the folders above,
//! as tools do, or as it is.

use super::member::{Kind, Member};
use super::package::Pkg;

impl Pkg {
    /// What lies in it, the metadata apart.
    #[must_use]
    pub fn contents(&self) -> &[Member] {
        &self.contents
    }

    /// With a hook of this file name, which ends in `.hook`.
    #[must_use]
    pub fn hook(self, name: &str, text: &str) -> Self {
        self.file(&format!("usr/share/libalpm/hooks/{name}"), text.as_bytes())
    }

    /// With a folder, and those above it.
    #[must_use]
    pub fn folder(self, path: &str) -> Self {
        self.placed(Member::new(path, Kind::Folder))
    }

    /// With a file, and the folders above it.
    #[must_use]
    pub fn file(self, path: &str, bytes: &[u8]) -> Self {
        self.placed(Member::new(path, Kind::File(bytes.to_vec())))
    }

    /// With a program, and the folders above it.
    #[must_use]
    pub fn program(self, path: &str, bytes: &[u8]) -> Self {
        let mut member = Member::new(path, Kind::File(bytes.to_vec()));
        member.mode = 0o755;
        self.placed(member)
    }

    /// With a symbolic link, and the folders above it.
    #[must_use]
    pub fn link(self, path: &str, target: &str) -> Self {
        self.placed(Member::new(path, Kind::Link(target.to_owned())))
    }

    /// With another name of a file, and the folders above it.
    #[must_use]
    pub fn hard_link(self, path: &str, target: &str) -> Self {
        self.placed(Member::new(path, Kind::HardLink(target.to_owned())))
    }

    /// With anything, and the folders above it.
    #[must_use]
    pub fn placed(mut self, member: Member) -> Self {
        self.place(member);
        self
    }

    /// With anything and nothing else, whatever its path is.
    #[must_use]
    pub fn bare(mut self, member: Member) -> Self {
        self.contents.push(member);
        self
    }

    /// Puts something in, and the folders above it; what lies there already
    /// is replaced.
    pub(super) fn place(&mut self, member: Member) {
        for (end, _) in member.path.match_indices('/') {
            let folder = &member.path[..end];
            if self.find(folder).is_none() {
                self.contents.push(Member::new(folder, Kind::Folder));
            }
        }
        match self.find(&member.path) {
            Some(there) => *there = member,
            None => self.contents.push(member),
        }
    }

    /// Something that is in it.
    pub(super) fn find(&mut self, path: &str) -> Option<&mut Member> {
        self.contents.iter_mut().find(|m| m.path == path)
    }

    /// Without what lies at a path.
    pub(super) fn remove(&mut self, path: &str) {
        self.contents.retain(|m| m.path != path);
    }

    /// In the order in which makepkg finds what lies in it.
    #[must_use]
    pub fn sorted(mut self) -> Self {
        self.contents.sort_by(|a, b| a.path.cmp(&b.path));
        // A hard link comes after the file that it names.
        let later = |m: &Member| matches!(m.kind, Kind::HardLink(_));
        self.contents.sort_by_key(later);
        self
    }
}
