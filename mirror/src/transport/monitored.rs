//! A socket that tells its connection's [`Activity`] what its client takes, and
//! goes when that says so.
//!
//! It lies below TLS and HTTP, whoever speaks them, so that all of them are
//! looked after when they are polled.
//!
//! It is shut down when its client has all that was sent: if anything arrives
//! after a socket was closed, or was not read before, the kernel forgets what is
//! still on its way. nginx calls that a lingering close. Until then the client is
//! judged like one that takes an answer.

use super::{Transport, forget_unsent, on_the_way};
use crate::activity::{Activity, Flight};
use crate::ranges::Span;
use std::fs::File;
use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::os::fd::BorrowedFd;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep};

/// A socket of a connection.
#[derive(Debug)]
pub(crate) struct Monitored<S> {
    stream: S,
    activity: Activity,
    closing: Option<Closing>,
}

/// A socket that was shut down, while its client still takes something.
#[derive(Debug)]
struct Closing {
    _flight: Flight,
    /// The kernel does not say when something has arrived.
    pause: Pin<Box<Sleep>>,
}

/// How often that is asked for.
const PAUSE: Duration = Duration::from_millis(50);
/// Bytes that are read at once from a client to whom nobody listens any more.
const DEAF: usize = 4 << 10;

impl<S: Transport> Monitored<S> {
    pub(crate) fn new(stream: S, activity: Activity) -> Self {
        Self {
            stream,
            activity,
            closing: None,
        }
    }

    /// Waits until the client has everything, or is gone.
    fn poll_taken(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.look()?;
        let mut some = [const { MaybeUninit::uninit() }; DEAF];
        let mut some = ReadBuf::uninit(&mut some);
        let read = Pin::new(&mut self.stream).poll_read(cx, &mut some)?;
        // The end itself is on its way as one byte.
        let waits = on_the_way(self.stream.socket());
        let Some(closing) = self.closing.as_mut().filter(|_| waits > Some(1)) else {
            return Poll::Ready(Ok(()));
        };
        if read.is_ready() && !some.filled().is_empty() {
            cx.waker().wake_by_ref();
        }
        while closing.pause.as_mut().poll(cx).is_ready() {
            closing.pause.as_mut().reset(Instant::now() + PAUSE);
        }
        Poll::Pending
    }

    /// Tells what waits for the client, if that was asked for.
    ///
    /// # Errors
    /// The connection hangs: what waits is forgotten.
    fn look(&self) -> io::Result<()> {
        let socket = self.stream.socket();
        self.activity.tell(|| on_the_way(socket));
        if self.activity.is_cut() {
            forget_unsent(socket)?;
            return Err(io::ErrorKind::TimedOut.into());
        }
        Ok(())
    }
}

impl<S: Transport> Transport for Monitored<S> {
    fn socket(&self) -> BorrowedFd<'_> {
        self.stream.socket()
    }

    fn sends_files(&self) -> bool {
        self.stream.sends_files()
    }

    fn poll_send(
        &mut self,
        cx: &mut Context<'_>,
        buffers: &[IoSlice<'_>],
        more: bool,
    ) -> Poll<io::Result<usize>> {
        self.look()?;
        self.stream.poll_send(cx, buffers, more)
    }

    fn poll_send_file(
        &mut self,
        cx: &mut Context<'_>,
        file: &File,
        span: Span,
    ) -> Poll<io::Result<usize>> {
        self.look()?;
        self.stream.poll_send_file(cx, file, span)
    }
}

impl<S: Transport> AsyncRead for Monitored<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.look()?;
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl<S: Transport> AsyncWrite for Monitored<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.look()?;
        Pin::new(&mut self.stream).poll_write(cx, buffer)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffers: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.look()?;
        Pin::new(&mut self.stream).poll_write_vectored(cx, buffers)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.look()?;
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.closing.is_none() {
            this.look()?;
            let waits = on_the_way(this.stream.socket());
            ready!(Pin::new(&mut this.stream).poll_shutdown(cx))?;
            if waits == Some(0) {
                return Poll::Ready(Ok(()));
            }
            this.closing = Some(Closing {
                _flight: this.activity.begin(Instant::now().into_std()),
                pause: Box::pin(sleep(PAUSE)),
            });
        }
        this.poll_taken(cx)
    }
}
