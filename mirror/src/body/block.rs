//! A block of a file in memory, from its reading until the kernel took its last
//! byte.

use super::{BLOCK_MAX, Budget};
use crate::activity::Flight;
use crate::ranges::Span;
use rustix::buffer::spare_capacity;
use std::fs::File;
use std::io;
use std::sync::Arc;

/// A block, counted while it lives.
pub(super) struct Block {
    bytes: Vec<u8>,
    counted: usize,
    budget: Arc<Budget>,
    /// The request is under way until its last block was taken.
    flight: Option<Arc<Flight>>,
}

impl AsRef<[u8]> for Block {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Block {
    /// An empty one for the bytes of a span.
    pub(super) fn allot(span: Span, budget: &Arc<Budget>, flight: Option<Arc<Flight>>) -> Self {
        let counted = usize::try_from(span.length).unwrap_or(BLOCK_MAX);
        budget.spend(counted);
        Self {
            bytes: Vec::new(),
            counted,
            budget: Arc::clone(budget),
            flight,
        }
    }

    /// Reads the bytes that it was allotted for.
    pub(super) fn read(mut self, file: &File, span: Span) -> io::Result<Self> {
        self.bytes.reserve_exact(self.counted);
        while self.bytes.len() < self.counted {
            let offset = span.offset + self.bytes.len() as u64;
            let read = rustix::io::pread(file, spare_capacity(&mut self.bytes), offset)?;
            if read == 0 {
                // The length was promised in the head; the connection is
                // cut so that the client notices.
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        // The allocation may be larger than what was asked for.
        self.bytes.truncate(self.counted);
        Ok(self)
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        self.budget.regain(self.counted);
        if let Some(flight) = &self.flight {
            flight.progress();
        }
    }
}
