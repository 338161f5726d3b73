//! Bodies of answers: nothing, a few bytes, or parts of a file in blocks.
//!
//! What is in the page cache is copied at once, or not at all where the kernel
//! sends it ([`Piece::File`]). Any other block is read on a blocking thread
//! when the connection asks for it, so a slow disk holds up nobody else, and
//! lives until the connection took its last byte. Blocks grow for clients that
//! are quick to take them and shrink for those that are slow, and all blocks
//! together have a [`Budget`], above which everybody gets the smallest: ten
//! thousand slow clients cost memory by their number times [`BLOCK_MIN`], not by
//! the size of what they fetch.

mod block;
mod budget;
mod piece;

pub(crate) use budget::Budget;
pub(crate) use piece::{Part, Piece};

use crate::access::Account;
use crate::activity::Flight;
use crate::faults;
use crate::page_cache;
use crate::ranges::Span;
use block::Block;
use bytes::Bytes;
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};
use tokio::task::JoinHandle;

/// The smallest block, in bytes.
pub(crate) const BLOCK_MIN: usize = 8 << 10;
/// The block that a body begins with, in bytes.
const BLOCK_FIRST: usize = 32 << 10;
/// The largest block that takes memory, in bytes.
pub(crate) const BLOCK_MAX: usize = 512 << 10;
/// The largest one that the kernel sends by itself, in bytes.
pub(crate) const BLOCK_SENT: usize = 4 << 20;
/// The largest one that is copied from the page cache, in bytes: it stays in
/// the processor's caches until it was encrypted.
const BLOCK_COPIED: usize = 64 << 10;
/// A block that was taken within this time makes the next one larger.
const QUICK: Duration = Duration::from_millis(50);
/// One that took longer than this makes the next one smaller.
const SLOW: Duration = Duration::from_millis(500);

/// The body of an answer.
pub(crate) struct Body {
    file: Option<Arc<File>>,
    parts: VecDeque<Part>,
    remaining: u64,
    reading: Option<JoinHandle<io::Result<Block>>>,
    block: usize,
    handed_out: Option<Instant>,
    budget: Arc<Budget>,
    account: Option<Box<Account>>,
    /// Bytes that the account does not know of yet.
    untold: u64,
    flight: Option<Arc<Flight>>,
}

impl Body {
    /// A body of these parts, of which spans are read from `file`.
    pub(crate) fn new(file: Option<Arc<File>>, parts: Vec<Part>, budget: &Arc<Budget>) -> Self {
        let remaining = parts.iter().map(Part::length).sum();
        Self {
            file,
            parts: parts.into(),
            remaining,
            reading: None,
            block: BLOCK_FIRST,
            handed_out: None,
            budget: Arc::clone(budget),
            account: None,
            untold: remaining,
            flight: None,
        }
    }

    /// Length in bytes.
    pub(crate) fn length(&self) -> u64 {
        self.remaining
    }

    /// The same answer without its body, for HEAD.
    pub(crate) fn emptied(mut self) -> Self {
        self.parts.clear();
        self.file = None;
        self.remaining = 0;
        self.untold = 0;
        self
    }

    /// What is told of the body's progress and its end.
    pub(crate) fn tracked(mut self, mut account: Box<Account>, flight: Flight) -> Self {
        if self.remaining == 0 {
            account.complete();
        }
        self.account = Some(account);
        self.flight = Some(Arc::new(flight));
        // What is read from a file may take its time, and so may what is longer
        // than a socket takes at once.
        if self.file.is_some() || self.remaining > BLOCK_FIRST as u64 {
            self.settle();
        }
        self
    }

    /// Lets go of what a client that takes its time need not hold.
    pub(crate) fn settle(&mut self) {
        if let Some(account) = &mut self.account {
            account.settle();
        }
    }

    /// So many bytes more were taken by the connection.
    pub(crate) fn taken(&mut self, length: u64) {
        self.untold = self.untold.saturating_sub(length);
        if let Some(flight) = &self.flight {
            flight.progress();
        }
        if let Some(account) = &mut self.account {
            account.sent(length);
            if self.untold == 0 {
                account.complete();
            }
        }
    }

    /// Whether all of it was handed out.
    pub(crate) fn is_over(&self) -> bool {
        self.remaining == 0
    }

    /// What is next, files among it if they can be sent.
    pub(crate) fn poll_piece(
        &mut self,
        cx: &mut Context<'_>,
        files: bool,
    ) -> Poll<Option<io::Result<Piece>>> {
        loop {
            if let Some(reading) = &mut self.reading {
                let read = ready!(Pin::new(reading).poll(cx));
                self.reading = None;
                let block = read.map_err(io::Error::other).flatten();
                let piece = block.map(|block| Piece::Bytes(Bytes::from_owner(block)));
                return Poll::Ready(Some(self.handed(piece)));
            }
            match self.parts.front_mut() {
                None => return Poll::Ready(None),
                // Large ones are handed out in blocks too, so that progress is seen.
                Some(Part::Bytes(bytes)) => {
                    let next = bytes.split_to(bytes.len().min(BLOCK_FIRST));
                    if bytes.is_empty() {
                        self.parts.pop_front();
                    }
                    if !next.is_empty() {
                        return Poll::Ready(Some(self.handed(Ok(Piece::Bytes(next)))));
                    }
                }
                Some(&mut Part::Span(span)) => {
                    let Some(file) = self.file.clone() else {
                        return Poll::Ready(Some(Err(io::ErrorKind::NotFound.into())));
                    };
                    self.adapt(files);
                    if let Some(piece) = self.take(&file, span, files) {
                        return Poll::Ready(Some(self.handed(piece)));
                    }
                    self.begin(file, span);
                }
            }
        }
    }

    fn handed(&mut self, piece: io::Result<Piece>) -> io::Result<Piece> {
        let piece = piece.inspect_err(|error| {
            faults::tell(&format!(
                "cannot read on in a file that is being sent: {error}"
            ));
        })?;
        self.remaining = self.remaining.saturating_sub(piece.length());
        if self.remaining > 0 {
            self.handed_out = Some(Instant::now());
        }
        Ok(piece)
    }

    /// Sizes the next block by how quickly the last one was taken.
    fn adapt(&mut self, files: bool) {
        if let Some(since) = self.handed_out.take() {
            let taken = since.elapsed();
            if taken < QUICK {
                let most = match files {
                    true => BLOCK_SENT,
                    false => BLOCK_MAX,
                };
                self.block = (self.block * 2).min(most);
            } else if taken > SLOW {
                self.block = (self.block / 2).max(BLOCK_MIN);
            }
        }
    }

    /// The next block of the span, if it can be had without waiting. The span
    /// is what is left.
    fn take(&mut self, file: &Arc<File>, span: Span, files: bool) -> Option<io::Result<Piece>> {
        let most = match files {
            true => self.block,
            false => self.affordable().min(BLOCK_COPIED),
        };
        let next = span.first(most);
        if !page_cache::holds(file, next) {
            return None;
        }
        self.leave(span, next.length);
        Some(match files {
            true => Ok(Piece::File(Arc::clone(file), next)),
            false => {
                let read = self.allot(next).read(file, next);
                read.map(|block| Piece::Bytes(Bytes::from_owner(block)))
            }
        })
    }

    /// The size of a block that takes memory.
    fn affordable(&self) -> usize {
        match self.budget.is_spent() {
            false => self.block.min(BLOCK_MAX),
            true => BLOCK_MIN,
        }
    }

    fn allot(&self, span: Span) -> Block {
        Block::allot(span, &self.budget, self.flight.clone())
    }

    /// What is left of the first span without its first bytes.
    fn leave(&mut self, span: Span, without: u64) {
        self.parts.pop_front();
        let left = Span {
            offset: span.offset + without,
            length: span.length - without,
        };
        if left.length > 0 {
            self.parts.push_front(Part::Span(left));
        }
    }

    /// Begins to read the first block of a span; the span is what is left.
    fn begin(&mut self, file: Arc<File>, span: Span) {
        let next = span.first(self.affordable());
        let block = self.allot(next);
        self.leave(span, next.length);
        self.reading = Some(tokio::task::spawn_blocking(move || block.read(&file, next)));
    }
}

impl HttpBody for Body {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let piece = ready!(self.poll_piece(cx, false));
        Poll::Ready(piece.map(|piece| match piece? {
            Piece::Bytes(bytes) => {
                self.taken(bytes.len() as u64);
                Ok(Frame::data(bytes))
            }
            Piece::File(..) => Err(io::ErrorKind::Unsupported.into()),
        }))
    }

    fn is_end_stream(&self) -> bool {
        self.is_over()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.remaining)
    }
}
