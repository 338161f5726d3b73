//! Files and folders beside a recipe whose content goes into the image, and
//! keys of repositories. Read whole and kept, so that what was digested is
//! what is written.

use hatchery_image::{RelativePath, Sha256};
use serde::{Serialize, Serializer};
use std::fmt;
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// Most bytes that the files of one recipe have together. They are kept in
/// memory; larger things belong into a package.
pub const SOURCES_MAX: u64 = 64 << 20;

/// Most entries that the folders of one recipe have together.
pub const ENTRIES_MAX: usize = 10_000;

/// Deepest folder, in levels.
const DEPTH_MAX: usize = 64;

/// Bytes of a file; in a digest they stand as their SHA-256.
#[derive(Clone, PartialEq, Eq)]
pub struct Content(Vec<u8>);

impl Content {
    /// The bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }
}

impl From<Vec<u8>> for Content {
    fn from(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }
}

impl fmt::Debug for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Content({} bytes)", self.0.len())
    }
}

impl Serialize for Content {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Sha256::of(&self.0).serialize(serializer)
    }
}

/// What a `[[file]]` puts into the image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Body {
    /// One file.
    File {
        /// Its bytes.
        content: Content,
        /// Whether the source could be executed by its owner.
        executable: bool,
    },
    /// A folder's entries, sorted by path, parents before children.
    Folder(Vec<FolderEntry>),
}

/// Something in a folder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FolderEntry {
    /// Beneath the folder.
    pub path: RelativePath,
    /// What it is.
    pub node: FolderNode,
}

/// What something in a folder is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FolderNode {
    /// A folder.
    Folder,
    /// A file.
    File {
        /// Its bytes.
        content: Content,
        /// Whether its owner could execute it.
        executable: bool,
    },
    /// A symbolic link, with its target verbatim.
    Link(String),
}

/// What may still be read for one recipe.
#[derive(Debug)]
pub(super) struct Budget {
    bytes: u64,
    entries: usize,
}

impl Default for Budget {
    fn default() -> Self {
        Self {
            bytes: SOURCES_MAX,
            entries: ENTRIES_MAX,
        }
    }
}

impl Budget {
    /// One file's bytes, and whether it is executable.
    pub(super) fn file(&mut self, path: &Path) -> io::Result<(Content, bool)> {
        // Asked before opening: to open a FIFO would wait for a writer.
        let metadata = fs::metadata(path)?;
        if !metadata.is_file() {
            return Err(refused("it is not a regular file"));
        }
        let file = File::open(path)?;
        let mut bytes = Vec::new();
        file.take(self.bytes + 1).read_to_end(&mut bytes)?;
        self.bytes = self
            .bytes
            .checked_sub(bytes.len() as u64)
            .ok_or_else(|| refused("the files of a recipe are limited to 64 MiB together"))?;
        Ok((Content(bytes), metadata.permissions().mode() & 0o100 != 0))
    }

    /// A file or a folder with everything in it.
    pub(super) fn body(&mut self, path: &Path) -> io::Result<Body> {
        if fs::metadata(path)?.is_dir() {
            let mut entries = Vec::new();
            self.folder(path, "", 0, &mut entries)?;
            return Ok(Body::Folder(entries));
        }
        let (content, executable) = self.file(path)?;
        Ok(Body::File {
            content,
            executable,
        })
    }

    fn folder(
        &mut self,
        path: &Path,
        prefix: &str,
        depth: usize,
        entries: &mut Vec<FolderEntry>,
    ) -> io::Result<()> {
        if depth > DEPTH_MAX {
            return Err(refused("its folders are more than 64 levels deep"));
        }
        let mut names = Vec::new();
        for entry in fs::read_dir(path)? {
            self.entries = self
                .entries
                .checked_sub(1)
                .ok_or_else(|| refused("the folders of a recipe are limited to 10,000 entries"))?;
            let name = entry?.file_name().into_string();
            names.push(name.map_err(|_| refused("a name in it is not UTF-8"))?);
        }
        names.sort();
        for name in names {
            let source = path.join(&name);
            let relative = format!("{prefix}{name}");
            let kind = fs::symlink_metadata(&source)?.file_type();
            let node = if kind.is_symlink() {
                let target = fs::read_link(&source)?.into_os_string().into_string();
                FolderNode::Link(target.map_err(|_| refused("a link in it is not UTF-8"))?)
            } else if kind.is_dir() {
                FolderNode::Folder
            } else {
                let (content, executable) = self.file(&source)?;
                FolderNode::File {
                    content,
                    executable,
                }
            };
            let is_folder = node == FolderNode::Folder;
            let path = relative
                .parse()
                .map_err(|_| refused("a path in it is too long"))?;
            entries.push(FolderEntry { path, node });
            if is_folder {
                self.folder(&source, &format!("{relative}/"), depth + 1, entries)?;
            }
        }
        Ok(())
    }
}

fn refused(why: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, why)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_read_sorted_with_links_and_execute_bits() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("b")).unwrap();
        fs::write(dir.path().join("b/z"), "1").unwrap();
        fs::write(dir.path().join("a.sh"), "2").unwrap();
        fs::set_permissions(dir.path().join("a.sh"), fs::Permissions::from_mode(0o755)).unwrap();
        std::os::unix::fs::symlink("/etc/shadow", dir.path().join("link")).unwrap();
        let Body::Folder(entries) = Budget::default().body(dir.path()).unwrap() else {
            panic!("a folder")
        };
        let paths: Vec<&str> = entries.iter().map(|e| e.path.as_str()).collect();
        assert_eq!(paths, ["a.sh", "b", "b/z", "link"]);
        assert_eq!(entries[3].node, FolderNode::Link("/etc/shadow".into()));
        assert!(matches!(
            &entries[0].node,
            FolderNode::File {
                executable: true,
                ..
            }
        ));
    }

    #[test]
    fn limits_hold() {
        let dir = tempfile::tempdir().unwrap();
        for n in 0..3 {
            fs::write(dir.path().join(n.to_string()), [0; 10]).unwrap();
        }
        let with = |bytes, entries| Budget { bytes, entries }.body(dir.path());
        assert!(with(30, 3).is_ok());
        assert!(with(29, 3).is_err());
        assert!(with(30, 2).is_err());
        assert!(Budget::default().body(Path::new("/dev/null")).is_err());
    }
}
