//! Packages that only the real dpkg can unpack rightly: their preinst wants
//! other packages configured.

use super::status::Watch;
use super::{ConfigureError, dpkg};
use crate::confine::Confinement;
use crate::debian::unpack::{Late, UnpackError, Unpacking};
use hatchery_image::Progress;
use hatchery_image::place::{Entry, Node};
use std::io::{Read as _, Seek as _};

/// Where dpkg finds a package file: a folder of its own that is empty
/// otherwise.
const FILE: &str = "var/lib/dpkg/parts/package.deb";

/// Configures what such a package needs, and lets dpkg unpack it.
pub(super) fn unpack(
    unpacking: &mut Unpacking,
    late: &Late,
    confinement: &Confinement,
    watch: &mut Watch<'_>,
    progress: &Progress,
) -> Result<(), ConfigureError> {
    let mut names = Vec::new();
    for &index in &late.needs {
        names.push(unpacking.control(index)?.info_name());
    }
    if !names.is_empty() {
        let mut arguments = vec!["--configure"];
        arguments.extend(names.iter().map(String::as_str));
        dpkg(&arguments, confinement, watch, progress)?;
    }
    copy_in(unpacking, late.package)?;
    let path = format!("/{FILE}");
    dpkg(&["--unpack", &path], confinement, watch, progress)?;
    let removed = unpacking.root().placer().remove(FILE.as_bytes());
    removed.map_err(|e| UnpackError::Database(e).into())
}

fn copy_in(unpacking: &mut Unpacking, index: usize) -> Result<(), ConfigureError> {
    let name = unpacking.control(index)?.package().to_owned();
    let read = |source| UnpackError::Read {
        package: name.clone(),
        source,
    };
    let mut file = unpacking.file(index)?.try_clone().map_err(read)?;
    let size = file.metadata().map_err(read)?.len();
    file.rewind().map_err(read)?;
    let entry = Entry {
        path: FILE.as_bytes(),
        node: Node::File {
            size,
            extents: None,
        },
        mode: 0o644,
        uid: 0,
        gid: 0,
        mtime: (0, 0),
        xattrs: &[],
    };
    let placed = unpacking
        .root()
        .placer()
        .place(&entry, &mut file.take(size));
    placed
        .map(drop)
        .map_err(|e| UnpackError::Database(e).into())
}
