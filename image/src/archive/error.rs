//! Why a tree could not be packed, or an archive not be unpacked.

use crate::place::{PlaceError, shown};
use crate::progress::Interrupted;
use std::io;
use std::path::PathBuf;

/// A tree or an archive that was refused, or a step that failed.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// The root of the tree that is to be packed.
    #[error("cannot open the tree {path}")]
    Tree {
        /// Which.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// Something in the tree could not be read.
    #[error("cannot {doing} {}", shown(path))]
    Read {
        /// What was being done, such as `open`.
        doing: &'static str,
        /// The entry.
        path: Vec<u8>,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A file was written to, or replaced, while it was read.
    #[error("{}: it changed while it was being packed", shown(path))]
    Changed {
        /// The entry.
        path: Vec<u8>,
    },
    /// Something in the tree that an archive cannot hold.
    #[error("{}: {what}", shown(path))]
    Unpackable {
        /// The entry.
        path: Vec<u8>,
        /// Why.
        what: &'static str,
    },
    /// Something in the tree tells of the host that packs it.
    #[error("{}: it holds {trace:?}, which is a path of this host", shown(path))]
    Trace {
        /// The entry.
        path: Vec<u8>,
        /// What it holds.
        trace: String,
    },
    /// An archive could not be written.
    #[error("cannot {doing} {path}")]
    Write {
        /// What was being done, such as `create`.
        doing: &'static str,
        /// The archive.
        path: PathBuf,
        /// What the system or the compressor said.
        #[source]
        source: io::Error,
    },
    /// The compressor could not be set up or failed.
    #[error("cannot {doing}")]
    Compress {
        /// What was being done.
        doing: &'static str,
        /// What it said.
        #[source]
        source: io::Error,
    },
    /// An archive could not be read.
    #[error("cannot read the archive {file}: {doing}")]
    Archive {
        /// Its file name.
        file: String,
        /// What was being done.
        doing: &'static str,
        /// What the system or the decompressor said.
        #[source]
        source: io::Error,
    },
    /// A frame cannot be decompressed, though its digest is right.
    #[error("cannot decompress a frame of the archive")]
    Frame {
        /// What the decompressor said.
        #[source]
        source: io::Error,
    },
    /// The archive is not the one that was signed.
    #[error("the archive {file} differs from what is signed: {what}")]
    Differs {
        /// Its file name.
        file: String,
        /// How.
        what: String,
    },
    /// The table of contents is inconsistent.
    #[error("the archive's table of contents is unusable: {what}")]
    Table {
        /// Why.
        what: String,
    },
    /// A tar cannot be read to its end.
    #[error("cannot read the tar stream")]
    Tar(#[source] io::Error),
    /// A tar header is malformed.
    #[error("the tar stream is malformed after {}", shown(after))]
    Header {
        /// The last entry that was understood.
        after: Vec<u8>,
        /// What is wrong.
        #[source]
        source: Box<tar_core::parse::ParseError>,
    },
    /// The tar stream ends early, or goes on where it must not.
    #[error("the tar stream {what} after {}", shown(after))]
    Stream {
        /// The last entry that was understood.
        after: Vec<u8>,
        /// What is wrong.
        what: &'static str,
    },
    /// An entry that is refused.
    #[error("{}: refused, {what}", shown(path))]
    Refused {
        /// The entry.
        path: Vec<u8>,
        /// Why.
        what: String,
    },
    /// More than the manifest declares, or than a limit of [`super::limits`] allows.
    #[error(
        "{}: refused, the archive has more than the allowed {max} {what}",
        shown(path)
    )]
    TooMuch {
        /// The entry at which the limit was passed.
        path: Vec<u8>,
        /// Of what.
        what: &'static str,
        /// The limit.
        max: u64,
    },
    /// An entry could not be created.
    #[error(transparent)]
    Place(#[from] PlaceError),
    /// A file whose contents are not those of the table of contents.
    #[error(
        "{}: its contents are not those that the table of contents lists",
        shown(path)
    )]
    Contents {
        /// The entry.
        path: Vec<u8>,
    },
    /// The tar that was put together again is not the one that was signed.
    #[error("the tar that was put together from skeleton and files is not the one that was packed")]
    Replay,
    /// Skeleton, contents or output failed while a tar was put together.
    #[error("cannot {doing} while putting the tar together at {}", shown(path))]
    Replaying {
        /// What was being done.
        doing: &'static str,
        /// The entry.
        path: Vec<u8>,
        /// What the reader or writer said.
        #[source]
        source: io::Error,
    },
    /// The user asked to stop.
    #[error(transparent)]
    Interrupted(#[from] Interrupted),
    /// Another thread failed first; its error is the one that is reported.
    #[error("stopped because another part of the work failed")]
    Stopped,
}

impl ArchiveError {
    /// For `map_err` after reading something in the tree.
    pub(super) fn reading<E: Into<io::Error>>(
        doing: &'static str,
        path: &[u8],
    ) -> impl FnOnce(E) -> Self {
        move |source| Self::Read {
            doing,
            path: path.to_vec(),
            source: source.into(),
        }
    }

    pub(super) fn unpackable(path: &[u8], what: &'static str) -> Self {
        Self::Unpackable {
            path: path.to_vec(),
            what,
        }
    }

    pub(super) fn refused(path: &[u8], what: impl Into<String>) -> Self {
        Self::Refused {
            path: path.to_vec(),
            what: what.into(),
        }
    }

    pub(super) fn table(what: impl Into<String>) -> Self {
        Self::Table { what: what.into() }
    }
}
