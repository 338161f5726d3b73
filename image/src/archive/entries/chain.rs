//! The headers before an entry: readers that take them together in different
//! ways must not be given the choice.

use super::super::pax::Pax;
use super::step::LABEL;
use super::{BLOCK, PENDING_MAX};
use tar_core::{EntryType, Header};

/// The headers before an entry, as far as they lie in memory.
#[derive(Debug, Default)]
pub(super) struct Chain {
    /// GNU's long name and long link target.
    name: bool,
    link: bool,
    /// A block of zeros with something after it: at one, GNU tar stops, and
    /// others go on.
    pub(super) lone_zeros: bool,
    /// What is nobody's entry, between an entry's own headers: its long name
    /// would be lost here, and kept by GNU tar.
    pub(super) parted: bool,
}

impl Chain {
    pub(super) fn of(mut bytes: &[u8]) -> Self {
        let mut chain = Self::default();
        for index in 0..=PENDING_MAX {
            let Some((block, rest)) = bytes.split_first_chunk() else {
                break;
            };
            if block.iter().all(|b| *b == 0) {
                let next = rest.get(..BLOCK as usize);
                chain.lone_zeros = next.is_some_and(|next| next.iter().any(|b| *b != 0));
                break;
            }
            let header = Header::from_bytes(block);
            match header.entry_type() {
                EntryType::GnuLongName => chain.name = true,
                EntryType::GnuLongLink => chain.link = true,
                EntryType::XHeader => {}
                EntryType::XGlobalHeader | LABEL => {
                    chain.parted = index > 0;
                    break;
                }
                _ => break,
            }
            let size = header.entry_size().unwrap_or(u64::MAX);
            let size = size.checked_next_multiple_of(BLOCK);
            let size = size.and_then(|size| usize::try_from(size).ok());
            match size.and_then(|size| rest.get(size..)) {
                Some(rest) => bytes = rest,
                None => break,
            }
        }
        chain
    }

    pub(super) fn check(&self, pax: &Pax) -> Result<(), &'static str> {
        if self.name && pax.path {
            return Err("it has two long names");
        }
        if self.link && pax.link {
            return Err("it has two long targets");
        }
        Ok(())
    }
}
