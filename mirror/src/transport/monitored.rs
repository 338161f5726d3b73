//! A socket that tells its connection's [`Activity`] what its client takes, and
//! goes when that says so.
//!
//! It lies below TLS and HTTP, whoever speaks them, so that all of them are
//! looked after when they are polled.

use super::{Transport, forget_unsent, on_the_way};
use crate::activity::Activity;
use crate::ranges::Span;
use std::fs::File;
use std::io::{self, IoSlice};
use std::os::fd::BorrowedFd;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// A socket of a connection.
#[derive(Debug)]
pub(crate) struct Monitored<S> {
    stream: S,
    activity: Activity,
}

impl<S: Transport> Monitored<S> {
    pub(crate) fn new(stream: S, activity: Activity) -> Self {
        Self { stream, activity }
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
        self.look()?;
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
