//! Packages that only the real dpkg can unpack rightly: their preinst wants
//! other packages configured.

use super::InstallError;
use super::dpkg::Dpkg;
use super::rounds::Late;
use crate::debian::unpack::{UnpackError, Unpacked};
use hatchery_image::place::{Entry, Node, Root};
use std::fs::File;
use std::io::{self, Read as _, Seek as _};
use std::sync::Arc;

/// Where dpkg finds a package file: a folder of its own that is empty
/// otherwise.
const FILE: &str = "var/lib/dpkg/parts/package.deb";

/// Configures what such a package needs, and lets dpkg unpack it.
pub(super) fn unpack(
    all: &[Arc<Unpacked>],
    late: &Late,
    root: &Root,
    dpkg: &mut Dpkg<'_>,
) -> Result<(), InstallError> {
    let needs = late.needs.iter().map(|index| &all[*index].control);
    let names: Vec<String> = needs.map(|c| c.info_name()).collect();
    if !names.is_empty() {
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        dpkg.configure(&names)?;
    }
    copy_in(&all[late.package], root)?;
    dpkg.run("--unpack", &[&format!("/{FILE}")])?;
    let removed = root.placer().remove(FILE.as_bytes());
    removed.map_err(|e| UnpackError::Database(e).into())
}

fn copy_in(package: &Unpacked, root: &Root) -> Result<(), UnpackError> {
    let read = |source| UnpackError::Read {
        package: package.control.package().to_owned(),
        source,
    };
    let file: Option<&File> = package.file.as_ref();
    let mut file = file.ok_or_else(|| read(io::ErrorKind::NotFound.into()))?;
    let size = file.metadata().map_err(read)?.len();
    file.rewind().map_err(read)?;
    let entry = Entry::of_root(FILE.as_bytes(), Node::file(size), 0o644, 0);
    let placed = root.placer().place(&entry, &mut file.take(size));
    placed.map(drop).map_err(UnpackError::Database)
}
