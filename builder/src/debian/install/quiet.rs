//! Keeps services from starting while scripts run: `policy-rc.d` answers 101,
//! "forbidden by policy", and `start-stop-daemon` does nothing.

use super::InstallError;
use crate::beneath;
use hatchery_image::place::{Entry, Node, Root};
use std::io;

/// Path, where the real one is kept meanwhile, and what stands in for it.
const STAND_INS: [(&str, &str, &[u8]); 2] = [
    (
        "usr/sbin/policy-rc.d",
        "usr/sbin/policy-rc.d.REAL",
        b"#!/bin/sh\nexit 101\n",
    ),
    (
        "sbin/start-stop-daemon",
        "sbin/start-stop-daemon.REAL",
        b"#!/bin/sh\necho 'start-stop-daemon is a stand-in while packages are installed' >&2\nexit 0\n",
    ),
];

/// The stand-ins, in place.
pub(super) struct Quiet<'r> {
    root: &'r Root,
}

impl<'r> Quiet<'r> {
    /// Puts them in place.
    pub(super) fn keep(root: &'r Root) -> Result<Self, InstallError> {
        for (path, aside, text) in STAND_INS {
            match beneath::rename(root, path.as_bytes(), aside.as_bytes()) {
                Ok(()) | Err(rustix::io::Errno::NOENT) => {}
                Err(e) => return Err(failed("put aside", path)(e.into())),
            }
            let entry = Entry {
                path: path.as_bytes(),
                node: Node::File {
                    size: text.len() as u64,
                    extents: None,
                },
                mode: 0o755,
                uid: 0,
                gid: 0,
                mtime: (0, 0),
                xattrs: &[],
            };
            let placed = root.placer().place_slice(&entry, text);
            placed.map_err(|e| failed("write", path)(io::Error::other(e)))?;
        }
        Ok(Self { root })
    }

    /// Takes them away and puts back what they stood in for.
    pub(super) fn end(self) -> Result<(), InstallError> {
        for (path, aside, _) in STAND_INS {
            let removed = self.root.placer().remove(path.as_bytes());
            removed.map_err(|e| failed("remove", path)(io::Error::other(e)))?;
            match beneath::rename(self.root, aside.as_bytes(), path.as_bytes()) {
                Ok(()) | Err(rustix::io::Errno::NOENT) => {}
                Err(e) => return Err(failed("put back", path)(e.into())),
            }
        }
        Ok(())
    }
}

fn failed(doing: &'static str, path: &'static str) -> impl FnOnce(io::Error) -> InstallError {
    move |source| InstallError::Quiet {
        doing,
        path,
        source,
    }
}
