//! From bytes to the next thing in the tar: an entry, a global header, the end.

use super::super::{ArchiveError, pax};
use super::chain::Chain;
use super::entry::{Entry, understood};
use crate::place::Extent;
use tar_core::EntryType;
use tar_core::parse::{ParseError, ParseEvent, Parser};

/// A name of the archive (`tar --label`), and a directory of `tar
/// --incremental`, whose data are the names of what was in it.
pub(super) const LABEL: EntryType = EntryType::Other(b'V');
pub(super) const DUMPED: EntryType = EntryType::Other(b'D');

/// What the next bytes are.
pub(super) enum Step {
    /// So many bytes at least, with those that are there.
    NeedData(usize),
    Entry(Box<Entry>),
    Global(usize),
    Label(usize),
    End(usize),
}

/// What is wrong with a header.
pub(super) enum Wrong {
    Header(ParseError),
    Refused(Vec<u8>, &'static str),
    Stream(&'static str),
}

impl Wrong {
    pub(super) fn after(self, last: &[u8]) -> ArchiveError {
        let after = last.to_vec();
        match self {
            Self::Header(source) => ArchiveError::Header {
                after,
                source: Box::new(source),
            },
            Self::Refused(path, what) => ArchiveError::refused(&path, what),
            Self::Stream(what) => ArchiveError::Stream { after, what },
        }
    }
}

/// One step of the parser.
pub(super) fn step(parser: &mut Parser, bytes: &[u8]) -> Result<Step, Wrong> {
    let chain = Chain::of(bytes);
    if chain.lone_zeros {
        return Err(Wrong::Stream(
            "has a single block of zeros, at which some readers stop,",
        ));
    }
    if chain.parted {
        let what = "has a header between an entry and its long name or pax header";
        return Err(Wrong::Stream(what));
    }
    match parser.parse(bytes).map_err(Wrong::Header)? {
        ParseEvent::NeedData { min_bytes } => Ok(Step::NeedData(min_bytes)),
        ParseEvent::End { consumed } => Ok(Step::End(consumed)),
        ParseEvent::GlobalExtensions { consumed, pax_data } => {
            if !pax::is_harmless(pax_data) {
                let what = "has a global header that is not a comment";
                return Err(Wrong::Stream(what));
            }
            Ok(Step::Global(consumed))
        }
        ParseEvent::Entry { consumed, entry } => {
            let size = entry.size;
            if entry.entry_type == LABEL && size == 0 {
                return Ok(Step::Label(consumed));
            }
            understood(&entry, &chain, consumed, size, None)
        }
        ParseEvent::SparseEntry {
            consumed,
            entry,
            sparse_map,
            real_size,
        } => {
            let extents: Vec<_> = sparse_map
                .iter()
                .filter(|part| part.length > 0)
                .map(|part| Extent {
                    offset: part.offset,
                    length: part.length,
                })
                .collect();
            understood(&entry, &chain, consumed, real_size, Some(extents))
        }
    }
}
