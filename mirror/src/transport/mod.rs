//! What a connection is spoken over: a socket, or TLS on one.
//!
//! The kernel sends files on a socket by itself (`sendfile`), so that they do
//! not pass through this process. What it sends depends on the page cache: a
//! block that is not in it would hold up the thread that serves other
//! connections, too, as it does nginx without `aio threads`. So only blocks
//! that it [`holds`](crate::page_cache::holds) are sent like this; others are
//! read by a blocking thread, after which they are cached.
//!
//! A socket that took less of a file than there is, is full, or the file is
//! shorter than it was. `poll` says which, at less cost than a second `sendfile`.

mod monitored;
mod rewound;

pub(crate) use monitored::Monitored;
pub(crate) use rewound::Rewound;

use crate::ranges::Span;
use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::io::Errno;
use rustix::ioctl::{Getter, ioctl};
use rustix::net::SendFlags;
use socket2::SockRef;
use std::fs::File;
use std::io::{self, IoSlice};
use std::os::fd::{AsFd, BorrowedFd};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, Interest};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::server::TlsStream;

/// Bytes that count as one of the things that a task may do in its turn.
const TURN: usize = 64 << 10;

/// What HTTP is spoken over.
pub(crate) trait Transport: AsyncRead + AsyncWrite + Send + Unpin + 'static {
    /// The socket below it.
    fn socket(&self) -> BorrowedFd<'_>;

    /// Whether [`poll_send_file`](Self::poll_send_file) can be asked for.
    fn sends_files(&self) -> bool {
        false
    }

    /// Writes what is taken of some buffers, which more will follow at once or
    /// not.
    fn poll_send(
        &mut self,
        cx: &mut Context<'_>,
        buffers: &[IoSlice<'_>],
        _more: bool,
    ) -> Poll<io::Result<usize>> {
        Pin::new(self).poll_write_vectored(cx, buffers)
    }

    /// Sends what is taken of a span of a file, one byte at least.
    fn poll_send_file(
        &mut self,
        _cx: &mut Context<'_>,
        _file: &File,
        _span: Span,
    ) -> Poll<io::Result<usize>> {
        Poll::Ready(Err(io::ErrorKind::Unsupported.into()))
    }
}

/// Has the kernel forget what it holds for a client when the socket is closed.
fn forget_unsent(socket: BorrowedFd<'_>) -> io::Result<()> {
    SockRef::from(&socket).set_linger(Some(Duration::ZERO))
}

/// Limits the bytes that the kernel holds for a client beyond those on their
/// way, where that can be said.
pub(crate) fn limit_unsent(socket: BorrowedFd<'_>, most: u32) -> io::Result<()> {
    SockRef::from(&socket).set_tcp_notsent_lowat(most)
}

/// Bytes that were written to a socket and did not arrive yet.
pub(crate) fn on_the_way(socket: BorrowedFd<'_>) -> Option<u32> {
    const SIOCOUTQ: u32 = linux_raw_sys::ioctl::TIOCOUTQ;
    #[expect(unsafe_code, reason = "the request is paired with its type")]
    // SAFETY: the kernel writes one `int` for it.
    let bytes = unsafe { ioctl(socket, Getter::<{ SIOCOUTQ as _ }, i32>::new()) };
    bytes.ok().and_then(|bytes| u32::try_from(bytes).ok())
}

impl Transport for TcpStream {
    fn socket(&self) -> BorrowedFd<'_> {
        self.as_fd()
    }

    fn sends_files(&self) -> bool {
        is_possible()
    }

    fn poll_send(
        &mut self,
        cx: &mut Context<'_>,
        buffers: &[IoSlice<'_>],
        more: bool,
    ) -> Poll<io::Result<usize>> {
        let flags = match more {
            true => SendFlags::NOSIGNAL | SendFlags::MORE,
            false => SendFlags::NOSIGNAL,
        };
        let all: usize = buffers.iter().map(|buffer| buffer.len()).sum();
        let write = |stream: &TcpStream| {
            let mut nothing = rustix::net::SendAncillaryBuffer::default();
            rustix::net::sendmsg(stream, buffers, &mut nothing, flags)
        };
        poll_written(self, cx, write, |_, count| count < all)
    }

    fn poll_send_file(
        &mut self,
        cx: &mut Context<'_>,
        file: &File,
        span: Span,
    ) -> Poll<io::Result<usize>> {
        let all = usize::try_from(span.length).unwrap_or(usize::MAX);
        let mut offset = span.offset;
        let write = |stream: &TcpStream| {
            rustix::fs::sendfile(stream, file, Some(&mut offset), all).inspect_err(note_refusal)
        };
        let sent = poll_written(self, cx, write, |stream, count| {
            count < all && is_full(stream)
        });
        match ready!(sent)? {
            // The length was promised in the head; the connection is cut so
            // that the client notices.
            0 => Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into())),
            sent => Poll::Ready(Ok(sent)),
        }
    }
}

impl Transport for UnixStream {
    fn socket(&self) -> BorrowedFd<'_> {
        self.as_fd()
    }
}

impl<S: Transport> Transport for TlsStream<S> {
    fn socket(&self) -> BorrowedFd<'_> {
        self.get_ref().0.socket()
    }
}

/// Writes when the socket takes it, and waits for it before the next time if it
/// then `is_full`.
fn poll_written(
    stream: &TcpStream,
    cx: &mut Context<'_>,
    mut write: impl FnMut(&TcpStream) -> rustix::io::Result<usize>,
    is_full: impl Fn(&TcpStream, usize) -> bool,
) -> Poll<io::Result<usize>> {
    loop {
        ready!(stream.poll_write_ready(cx))?;
        let mut written = None;
        let tried = stream.try_io(Interest::WRITABLE, || {
            let count = rustix::io::retry_on_intr(|| write(stream))?;
            written = Some(count);
            match is_full(stream, count) {
                true => Err(io::ErrorKind::WouldBlock.into()),
                false => Ok(()),
            }
        });
        if let Some(count) = written {
            pay(cx, count);
            return Poll::Ready(Ok(count));
        }
        match tried {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            tried => return Poll::Ready(tried.map(|()| 0)),
        }
    }
}

/// Whether nothing more can be written now. If so, the kernel says when it can.
fn is_full(stream: &TcpStream) -> bool {
    let mut asked = [PollFd::new(stream, PollFlags::OUT)];
    let polled = rustix::event::poll(&mut asked, Some(&Timespec::default()));
    matches!(polled, Ok(0))
}

/// Whether the kernel has ever refused to send a file.
static REFUSED: AtomicBool = AtomicBool::new(false);

/// Whether the kernel does it: an odd file system or a filter of system calls
/// may say no, which ends the connection that finds out.
fn is_possible() -> bool {
    !REFUSED.load(Ordering::Relaxed)
}

fn note_refusal(errno: &Errno) {
    let lasting = [Errno::INVAL, Errno::NOSYS, Errno::PERM, Errno::OPNOTSUPP];
    if lasting.contains(errno) && !REFUSED.swap(true, Ordering::Relaxed) {
        tracing::warn!(%errno, "the kernel does not send files by itself; they are copied");
    }
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

#[cfg(test)]
mod tests;
