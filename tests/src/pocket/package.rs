//! Packages of pacman's, made in process: good ones, and ones that makepkg
//! would never make.
//!
//! Follows what makepkg 6 and 7 write: a compressed tar whose first members
//! are `.BUILDINFO`, `.INSTALL`, `.MTREE` and `.PKGINFO`.

use super::compression::Compression;
use super::member::{self, Kind, Member};
use super::{info, mtree};

/// Who builds packages here.
const PACKAGER: &str = "Pocket <pocket@localhost>";

/// A package.
#[derive(Clone, Debug)]
pub struct Pkg {
    pub(super) name: String,
    pub(super) version: String,
    pub(super) base: String,
    pub(super) description: String,
    pub(super) url: String,
    pub(super) packager: String,
    pub(super) architecture: String,
    size: Option<u64>,
    /// Lists of `.PKGINFO`, such as `depend`, in the order in which they were
    /// added to.
    pub(super) lists: Vec<(&'static str, Vec<String>)>,
    /// More lines of `.PKGINFO`.
    pub(super) lines: String,
    pub(super) script: Option<String>,
    pub(super) contents: Vec<Member>,
    order: Vec<String>,
    without: Vec<String>,
    compression: Compression,
}

impl Pkg {
    /// An empty package for all architectures, compressed with zstd.
    #[must_use]
    pub fn new(name: &str, version: &str) -> Self {
        Self {
            name: name.to_owned(),
            version: version.to_owned(),
            base: name.to_owned(),
            description: format!("{name} in the pocket"),
            url: "https://localhost/".to_owned(),
            packager: PACKAGER.to_owned(),
            architecture: "any".to_owned(),
            size: None,
            lists: Vec::new(),
            lines: String::new(),
            script: None,
            contents: Vec::new(),
            order: Vec::new(),
            without: Vec::new(),
            compression: Compression::Zstd,
        }
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its version, such as `1:2.3-1`.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.version
    }

    /// What it says it takes when installed, in bytes.
    #[must_use]
    pub fn installed_size(&self) -> u64 {
        let sizes = self.contents.iter().map(|m| m.bytes().len() as u64);
        self.size.unwrap_or_else(|| sizes.sum())
    }

    /// For this architecture only.
    #[must_use]
    pub fn architecture(mut self, architecture: &str) -> Self {
        architecture.clone_into(&mut self.architecture);
        self
    }

    /// Built from the same source as another one.
    #[must_use]
    pub fn base(mut self, base: &str) -> Self {
        base.clone_into(&mut self.base);
        self
    }

    /// With a description.
    #[must_use]
    pub fn description(mut self, text: &str) -> Self {
        text.clone_into(&mut self.description);
        self
    }

    /// Built by somebody else, such as `Unknown Packager`.
    #[must_use]
    pub fn packager(mut self, packager: &str) -> Self {
        packager.clone_into(&mut self.packager);
        self
    }

    /// Says another size than that of its files.
    #[must_use]
    pub fn size(mut self, bytes: u64) -> Self {
        self.size = Some(bytes);
        self
    }

    /// Needs `name`, `name>=1` or `libname.so=1-64`.
    #[must_use]
    pub fn depends(self, on: &str) -> Self {
        self.with("depend", on)
    }

    /// Would like `name: what for`.
    #[must_use]
    pub fn optdepends(self, on: &str) -> Self {
        self.with("optdepend", on)
    }

    /// Was built with `name`.
    #[must_use]
    pub fn makedepends(self, on: &str) -> Self {
        self.with("makedepend", on)
    }

    /// Stands for `name`, `name=1` or `libname.so=1-64`.
    #[must_use]
    pub fn provides(self, what: &str) -> Self {
        self.with("provides", what)
    }

    /// Cannot be beside `name` or `name<1`.
    #[must_use]
    pub fn conflicts(self, with: &str) -> Self {
        self.with("conflict", with)
    }

    /// Takes the place of another one.
    #[must_use]
    pub fn replaces(self, what: &str) -> Self {
        self.with("replaces", what)
    }

    /// Belongs to a group.
    #[must_use]
    pub fn group(self, group: &str) -> Self {
        self.with("group", group)
    }

    /// Under a licence.
    #[must_use]
    pub fn license(self, license: &str) -> Self {
        self.with("license", license)
    }

    /// The administrator's changes of this file are kept.
    #[must_use]
    pub fn backup(self, path: &str) -> Self {
        self.with("backup", path)
    }

    fn with(mut self, list: &'static str, value: &str) -> Self {
        self.push(list, value);
        self
    }

    /// Adds to a list of `.PKGINFO` what is not in it yet.
    pub(super) fn push(&mut self, list: &'static str, value: &str) {
        let at = self.lists.iter().position(|(name, _)| *name == list);
        let at = at.unwrap_or_else(|| {
            self.lists.push((list, Vec::new()));
            self.lists.len() - 1
        });
        let values = &mut self.lists[at].1;
        if !values.iter().any(|v| v == value) {
            values.push(value.to_owned());
        }
    }

    /// Takes a value out of a list of `.PKGINFO`.
    pub(super) fn unlist(&mut self, list: &str, value: &str) {
        for (_, values) in self.lists.iter_mut().filter(|(name, _)| *name == list) {
            values.retain(|v| v != value);
        }
    }

    /// A list of `.PKGINFO`, such as `depend`.
    #[must_use]
    pub fn list(&self, name: &str) -> &[String] {
        let found = self.lists.iter().find(|(list, _)| *list == name);
        found.map_or(&[], |(_, values)| values)
    }

    /// With one more line in `.PKGINFO`, whatever it says.
    #[must_use]
    pub fn line(mut self, line: &str) -> Self {
        self.lines.push_str(line);
        self.lines.push('\n');
        self
    }

    /// With an `.INSTALL`.
    #[must_use]
    pub fn script(mut self, text: &str) -> Self {
        self.script = Some(text.to_owned());
        self
    }

    /// The metadata in this order, such as `.PKGINFO`, `.MTREE`; those that
    /// are not named come first.
    #[must_use]
    pub fn metadata_order(mut self, names: &[&str]) -> Self {
        self.order = names.iter().map(|&n| n.to_owned()).collect();
        self
    }

    /// Without one of the four.
    #[must_use]
    pub fn without(mut self, name: &str) -> Self {
        self.without.push(name.to_owned());
        self
    }

    /// Compressed otherwise.
    #[must_use]
    pub fn compressed(mut self, compression: Compression) -> Self {
        self.compression = compression;
        self
    }

    /// What its file is called.
    #[must_use]
    pub fn file_name(&self) -> String {
        format!(
            "{}-{}-{}.pkg.tar{}",
            self.name,
            self.version,
            self.architecture,
            self.compression.suffix()
        )
    }

    /// The file.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        let mut members = self.metadata();
        members.extend(self.contents.iter().cloned());
        self.compression.pack(&member::tar(&members))
    }

    fn metadata(&self) -> Vec<Member> {
        let file = |name: &str, bytes: Vec<u8>| Member::new(name, Kind::File(bytes));
        let mut members = vec![file(".BUILDINFO", info::build(self).into_bytes())];
        if let Some(script) = &self.script {
            members.push(file(".INSTALL", script.clone().into_bytes()));
        }
        members.push(file(".PKGINFO", info::package(self).into_bytes()));
        let is_wanted = |member: &Member| !self.without.contains(&member.path);
        members.retain(is_wanted);
        let mut listed = members.clone();
        listed.extend(self.contents.iter().cloned());
        let mtree = Compression::Gzip.pack(mtree::text(&listed).as_bytes());
        members.push(file(".MTREE", mtree));
        members.retain(is_wanted);
        members.sort_by(|a, b| a.path.cmp(&b.path));
        members.sort_by_key(|m| self.order.iter().position(|name| *name == m.path));
        members
    }
}
