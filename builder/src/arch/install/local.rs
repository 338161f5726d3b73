//! pacman's local database: what is installed, a folder a package.
//!
//! Format 9, as pacman 6 and 7 write it: `desc` and `files` as sections of
//! lines, and `mtree`, `install` and `changelog` as they are in the package.

use super::InstallError;
use crate::arch::package::{Metadata, Staged};
use hatchery_image::place::{Entry, Node, Root};

/// Where it is.
pub(super) const LOCAL: &str = "var/lib/pacman/local";

/// The file that says its format, and what it says.
const VERSION: (&str, &[u8]) = ("ALPM_DB_VERSION", b"9\n");

/// The database of a tree.
pub(super) struct LocalDatabase<'r> {
    root: &'r Root,
    /// When everything is said to be installed, in seconds since 1970.
    date: i64,
}

impl<'r> LocalDatabase<'r> {
    /// An empty one.
    pub(super) fn create(root: &'r Root, date: i64) -> Result<Self, InstallError> {
        let database = Self { root, date };
        database.write(LOCAL, Node::Directory, 0o755, date, b"")?;
        database.file(&format!("{LOCAL}/{}", VERSION.0), VERSION.1, date)?;
        Ok(database)
    }

    /// Adds a package, `name` being its name and version. `skips` are paths
    /// that were not extracted.
    pub(super) fn add(
        &self,
        name: &str,
        package: &Staged,
        explicit: bool,
        skips: &dyn Fn(&[u8]) -> bool,
    ) -> Result<(), InstallError> {
        let folder = format!("{LOCAL}/{name}");
        self.write(&folder, Node::Directory, 0o755, self.date, b"")?;
        let desc = desc(package, explicit, self.date);
        self.file(&format!("{folder}/desc"), desc.as_bytes(), self.date)?;
        let files = files(package, skips);
        self.file(&format!("{folder}/files"), &files, self.date)?;
        for (file, member) in [
            ("mtree", &package.mtree),
            ("install", &package.install),
            ("changelog", &package.changelog),
        ] {
            if let Some(Metadata { bytes, mtime }) = member {
                self.file(&format!("{folder}/{file}"), bytes, *mtime)?;
            }
        }
        Ok(())
    }

    fn file(&self, path: &str, bytes: &[u8], mtime: i64) -> Result<(), InstallError> {
        let node = Node::file(bytes.len() as u64);
        self.write(path, node, 0o644, mtime, bytes)
    }

    fn write(
        &self,
        path: &str,
        node: Node<'_>,
        mode: u32,
        mtime: i64,
        bytes: &[u8],
    ) -> Result<(), InstallError> {
        let entry = Entry::of_root(path.as_bytes(), node, mode, mtime);
        let placed = self.root.placer().place_slice(&entry, bytes);
        placed.map(drop).map_err(|source| InstallError::Place {
            what: "pacman's local database",
            source,
        })
    }
}

/// The text of `desc`.
fn desc(package: &Staged, explicit: bool, date: i64) -> String {
    let info = &package.info;
    let mut text = String::new();
    let mut list = |key: &str, values: &[String]| {
        if !values.is_empty() {
            text.push_str(&format!("%{key}%\n{}\n\n", values.join("\n")));
        }
    };
    let one = |value: &Option<String>| value.iter().cloned().collect::<Vec<_>>();
    let number = |value: &Option<String>| {
        let value = value.iter().filter(|v| v.as_str() != "0");
        value.cloned().collect::<Vec<_>>()
    };
    list("NAME", std::slice::from_ref(&info.name));
    list("VERSION", std::slice::from_ref(&info.version));
    list("BASE", &one(&info.base));
    list("DESC", &one(&info.description));
    list("URL", &one(&info.url));
    list("ARCH", &one(&info.architecture));
    list("BUILDDATE", &number(&info.build_date));
    list("INSTALLDATE", &[date.to_string()]);
    list("PACKAGER", &one(&info.packager));
    list("SIZE", &number(&info.size));
    if !explicit {
        list("REASON", &["1".to_owned()]);
    }
    list("GROUPS", &info.groups);
    list("LICENSE", &info.licenses);
    list("VALIDATION", &[package.proof.word().to_owned()]);
    list("REPLACES", &info.replaces);
    list("DEPENDS", &info.depends);
    list("OPTDEPENDS", &info.opt_depends);
    list("CONFLICTS", &info.conflicts);
    list("PROVIDES", &info.provides);
    list("XDATA", &info.xdata);
    text
}

/// The text of `files`.
fn files(package: &Staged, skips: &dyn Fn(&[u8]) -> bool) -> Vec<u8> {
    let mut text = Vec::new();
    if !package.paths.is_empty() {
        text.extend_from_slice(b"%FILES%\n");
        for path in &package.paths {
            text.extend_from_slice(path);
            text.push(b'\n');
        }
        text.push(b'\n');
    }
    if !package.info.backup.is_empty() {
        text.extend_from_slice(b"%BACKUP%\n");
        for path in &package.info.backup {
            let sum = package.sums.get(path.as_bytes());
            let sum = sum.filter(|_| !skips(path.as_bytes()));
            let sum = sum.map_or("(null)", String::as_str);
            text.extend_from_slice(format!("{path}\t{sum}\n").as_bytes());
        }
        text.push(b'\n');
    }
    text
}
