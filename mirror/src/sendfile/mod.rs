//! Files that reach a socket without passing through this process: the
//! kernel's `sendfile`, below hyper.
//!
//! hyper owns the connection and takes a body as buffers in memory. So a body
//! on plain TCP hands it a stand-in for a block of a file: a slice of an area
//! of zeros that nobody else has slices of. The block itself waits in the
//! connection's [`Outbox`]. hyper queues buffers as they are where it writes
//! vectored (`http1().writev(true)`), so that the [`FileStream`] below it sees
//! the same slice again, knows it by its address, and sends the block instead.
//!
//! A stand-in tells by its place and length how much of its block is still to
//! be sent. What does not agree with the outbox ends the connection: the zeros
//! are never sent. What hyper does with the buffers of HTTP/2, or TLS with any,
//! is another matter; neither gets stand-ins.
//!
//! A block that is not in the page cache would hold up the thread that serves
//! other connections, too, as it does nginx without `aio threads`. So only
//! blocks that it [`holds`](crate::page_cache::holds) are sent like this;
//! others are read by a blocking thread, after which they are cached.

use crate::activity::Flight;
use crate::body::BLOCK_SENT;
use crate::ranges::Span;
use bytes::Bytes;
use rustix::io::Errno;
use rustix::net::SendFlags;
use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, IoSlice};
use std::os::fd::AsFd;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::TcpStream;

/// Bytes that count as one of the things that a task may do in its turn.
const TURN: usize = 64 << 10;

/// What stand-ins are slices of: zeros that take no memory, since nobody
/// touches them.
static ZEROS: LazyLock<&'static [u8]> = LazyLock::new(|| vec![0; BLOCK_SENT].leak());

/// A block of a file that hyper has a stand-in for.
#[derive(Debug)]
struct Block {
    file: Arc<File>,
    span: Span,
    /// How much of it was sent already, in bytes.
    sent: usize,
    /// The request is under way until its last block was taken.
    flight: Option<Arc<Flight>>,
}

/// The blocks of a connection that are still to be sent, in their order. Cheap
/// to clone.
#[derive(Clone, Debug, Default)]
pub(crate) struct Outbox(Arc<Mutex<VecDeque<Block>>>);

impl Outbox {
    /// Puts a block of at most [`BLOCK_SENT`] bytes at the end, and gives the
    /// stand-in for it.
    pub(crate) fn post(&self, file: &Arc<File>, span: Span, flight: Option<Arc<Flight>>) -> Bytes {
        let length = usize::try_from(span.length).unwrap_or(usize::MAX);
        self.lock().push_back(Block {
            file: Arc::clone(file),
            span,
            sent: 0,
            flight,
        });
        Bytes::from_static(&ZEROS[..length])
    }

    /// Sends of the first block what the socket takes. `stand_in` is what is
    /// left of its stand-in.
    fn send(&self, socket: &TcpStream, stand_in: &[u8]) -> io::Result<usize> {
        let mut blocks = self.lock();
        let block = blocks.front_mut().ok_or_else(mismatch)?;
        let place = stand_in.as_ptr().addr() - ZEROS.as_ptr().addr();
        if place != block.sent || block.left() != stand_in.len() as u64 {
            return Err(mismatch());
        }
        let mut offset = block.span.offset + block.sent as u64;
        let sent = rustix::io::retry_on_intr(|| {
            rustix::fs::sendfile(socket, &*block.file, Some(&mut offset), stand_in.len())
        });
        let sent = sent.inspect_err(|errno| note_refusal(*errno))?;
        if sent == 0 {
            // The length was promised in the head; the connection is cut so
            // that the client notices.
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        block.sent += sent;
        if let Some(flight) = &block.flight {
            flight.progress();
        }
        if block.left() == 0 {
            blocks.pop_front();
        }
        Ok(sent)
    }

    fn is_empty(&self) -> bool {
        self.lock().is_empty()
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Block>> {
        // Nothing that is done with it panics half way.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Block {
    fn left(&self) -> u64 {
        self.span.length - self.sent as u64
    }
}

/// Whether the kernel has ever refused.
static REFUSED: AtomicBool = AtomicBool::new(false);

/// Whether the kernel does it: an odd file system or a filter of system calls
/// may say no, which ends the connection that finds out.
pub(crate) fn is_possible() -> bool {
    !REFUSED.load(Ordering::Relaxed)
}

fn note_refusal(errno: Errno) {
    let lasting = [Errno::INVAL, Errno::NOSYS, Errno::PERM, Errno::OPNOTSUPP];
    if lasting.contains(&errno) && !REFUSED.swap(true, Ordering::Relaxed) {
        tracing::warn!(%errno, "the kernel does not send files by itself; they are copied");
    }
}

/// Stand-ins and blocks do not agree.
fn mismatch() -> io::Error {
    io::Error::other("a block of a file is not where it was announced")
}

fn is_stand_in(buffer: &[u8]) -> bool {
    ZEROS.as_ptr_range().contains(&buffer.as_ptr())
}

/// Counts what was sent among what a task may do before others have their
/// turn, so that a quick client does not keep a thread to itself.
fn pay(cx: &mut Context<'_>, sent: usize) {
    for _ in 0..sent / TURN {
        match tokio::task::coop::poll_proceed(cx) {
            Poll::Ready(turn) => turn.made_progress(),
            Poll::Pending => return,
        }
    }
}

/// A TCP connection that sends the blocks of an outbox in place of their
/// stand-ins.
#[derive(Debug)]
pub(crate) struct FileStream {
    stream: TcpStream,
    outbox: Outbox,
}

impl FileStream {
    pub(crate) fn new(stream: TcpStream) -> Self {
        Self {
            stream,
            outbox: Outbox::default(),
        }
    }

    /// Where bodies put their blocks.
    pub(crate) fn outbox(&self) -> Outbox {
        self.outbox.clone()
    }

    fn write(&self, buffers: &[IoSlice<'_>]) -> io::Result<usize> {
        let stand_in = buffers.iter().position(|buffer| is_stand_in(buffer));
        let before = &buffers[..stand_in.unwrap_or(buffers.len())];
        match stand_in {
            // hyper made something else of it.
            None if !self.outbox.is_empty() => Err(mismatch()),
            Some(at) if before.iter().all(|buffer| buffer.is_empty()) => {
                self.outbox.send(&self.stream, &buffers[at])
            }
            // A head goes out with the block that follows.
            Some(_) => self.send(before, SendFlags::NOSIGNAL | SendFlags::MORE),
            None => self.send(before, SendFlags::NOSIGNAL),
        }
    }

    fn send(&self, buffers: &[IoSlice<'_>], flags: SendFlags) -> io::Result<usize> {
        let mut nothing = rustix::net::SendAncillaryBuffer::default();
        let sent = rustix::io::retry_on_intr(|| {
            rustix::net::sendmsg(self.stream.as_fd(), buffers, &mut nothing, flags)
        })?;
        Ok(sent)
    }
}

impl AsyncRead for FileStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for FileStream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[IoSlice::new(buffer)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffers: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        loop {
            ready!(self.stream.poll_write_ready(cx))?;
            let write = || self.write(buffers);
            match self.stream.try_io(Interest::WRITABLE, write) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                written => {
                    pay(cx, written.as_ref().map_or(0, |count| *count));
                    return Poll::Ready(written);
                }
            }
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests;
