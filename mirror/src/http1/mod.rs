//! HTTP/1 as nearly every client speaks it: `GET` and `HEAD` without a body, one
//! after another. Everything else (HTTP/2, other methods, bodies, whatever is
//! malformed) is handed to hyper, together with the bytes that were read, and
//! hyper keeps the connection.
//!
//! hyper is made for every program; for a mirror it costs a small answer as much
//! in the program as all of nginx does, an idle connection two buffers, and it
//! takes bodies as memory alone, while the kernel could send files by itself.
//! So what is simple is done here: the head is parsed by `httparse` as hyper
//! does it, the same answers are made, an idle connection holds no buffer, and
//! blocks of files go from the page cache to the socket. There is nothing here
//! about the lengths of requests' bodies, which is where servers and proxies
//! come to disagree. A client that closes its side is answered all the same; one
//! that is gone is noticed when the answer is sent.

mod answer;
mod head;

use crate::activity::Activity;
use crate::body::{Body, Piece};
use crate::faults;
use crate::ranges::Span;
use crate::reply::Answer;
use crate::transport::{Rewound, Transport};
use bytes::{Buf as _, Bytes};
use head::{Head, Read};
use hyper::http::Request;
use rustix::io::Errno;
use std::fs::File;
use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncWriteExt as _, ReadBuf};

/// Most headers of a request, as hyper has it.
const HEADERS_MAX: usize = 100;
/// Bytes that are read at once.
const READ: usize = 4 << 10;

/// How a connection went on.
pub(crate) enum Outcome<S> {
    /// It was closed, by either side.
    Closed,
    /// Its next request is not an ordinary one.
    Other {
        stream: Rewound<S>,
        /// Whether none was before it, so that HTTP/2 may begin.
        is_first: bool,
    },
}

/// A connection, and what was read of its next request.
struct Line<'a, S> {
    stream: S,
    ahead: Vec<u8>,
    activity: &'a Activity,
}

/// Whoever answers requests. A trait, because a closure cannot promise yet that
/// what it returns may go from thread to thread (`Send`) when it borrows.
pub(crate) trait Service: Sync {
    fn call(&self, request: Request<()>) -> impl Future<Output = Answer> + Send;
}

/// Has ordinary requests answered until there is another, the client goes, or
/// the connection is to end. Heads have at most `most` bytes.
pub(crate) async fn converse<S: Transport>(
    stream: S,
    most: usize,
    activity: &Activity,
    service: &impl Service,
) -> io::Result<Outcome<S>> {
    let mut line = Line {
        stream,
        ahead: Vec::new(),
        activity,
    };
    let mut is_first = true;
    loop {
        let head = match line.next_head(most).await? {
            Next::Head(head) => head,
            Next::End => break,
            Next::Other => {
                let stream = Rewound::new(line.ahead, line.stream);
                return Ok(Outcome::Other { stream, is_first });
            }
        };
        is_first = false;
        let mut answer = service.call(head.request).await;
        let is_kept = head.is_kept && !activity.is_ending();
        let begin = answer::head(&answer, is_kept);
        line.send(begin, &mut answer.body).await?;
        if !is_kept {
            break;
        }
    }
    line.stream.shutdown().await?;
    Ok(Outcome::Closed)
}

/// What comes next on a connection.
enum Next {
    Head(Box<Head>),
    Other,
    End,
}

impl<S: Transport> Line<'_, S> {
    /// Waits for the next request.
    async fn next_head(&mut self, most: usize) -> io::Result<Next> {
        // What was read with the request before it.
        let mut from = 0;
        loop {
            // Empty lines may stand before a request, and count for nothing.
            if self
                .ahead
                .first()
                .is_some_and(|byte| b"\r\n".contains(byte))
            {
                let text = self.ahead.iter().position(|byte| !b"\r\n".contains(byte));
                self.ahead.drain(..text.unwrap_or(self.ahead.len()));
                from = 0;
            }
            if is_worth_reading(&self.ahead, from) {
                match head::read(&self.ahead) {
                    Read::Ordinary(head) => {
                        // Nothing is held for what was read.
                        self.ahead = self.ahead.split_off(head.length);
                        return Ok(Next::Head(head));
                    }
                    Read::Other => return Ok(Next::Other),
                    Read::Part => {}
                }
            }
            if self.ahead.len() >= most {
                return Ok(Next::Other);
            }
            from = self.ahead.len();
            if poll_fn(|cx| self.poll_fill(cx)).await? == 0 {
                return Ok(Next::End);
            }
        }
    }

    /// Reads what there is; 0 at the end, which also comes when no request is
    /// wanted.
    fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let mut some = [const { MaybeUninit::uninit() }; READ];
        let mut some = ReadBuf::uninit(&mut some);
        match Pin::new(&mut self.stream).poll_read(cx, &mut some) {
            Poll::Pending if self.activity.is_ending() => return Poll::Ready(Ok(0)),
            read => ready!(read)?,
        }
        self.ahead.extend_from_slice(some.filled());
        Poll::Ready(Ok(some.filled().len()))
    }

    /// Sends an answer to its end.
    async fn send(&mut self, head: Vec<u8>, body: &mut Body) -> io::Result<()> {
        let files = self.stream.sends_files();
        let mut head = Bytes::from(head);
        while !body.is_over() {
            let piece = poll_fn(|cx| body.poll_piece(cx, files)).await;
            match piece.transpose()? {
                Some(Piece::Bytes(bytes)) => self.send_bytes(&mut head, bytes, body).await?,
                Some(Piece::File(file, span)) => {
                    self.send_head(&mut head, true).await?;
                    self.send_file(&file, span, body).await?;
                }
                None => return Err(io::ErrorKind::UnexpectedEof.into()),
            }
        }
        self.send_head(&mut head, false).await?;
        self.stream.flush().await
    }

    async fn send_head(&mut self, head: &mut Bytes, more: bool) -> io::Result<()> {
        while head.has_remaining() {
            let sent = poll_fn(|cx| self.stream.poll_send(cx, &[IoSlice::new(head)], more));
            head.advance(some(sent.await?)?);
        }
        Ok(())
    }

    /// Sends bytes of a body after what is left of the head.
    async fn send_bytes(
        &mut self,
        head: &mut Bytes,
        mut bytes: Bytes,
        body: &mut Body,
    ) -> io::Result<()> {
        while bytes.has_remaining() {
            let sent = poll_fn(|cx| {
                let both = [IoSlice::new(head), IoSlice::new(&bytes)];
                let buffers = if head.is_empty() { &both[1..] } else { &both };
                let sent = self.stream.poll_send(cx, buffers, false);
                if sent.is_pending() {
                    body.settle();
                }
                sent
            });
            let sent = some(sent.await?)?;
            let of_head = sent.min(head.len());
            head.advance(of_head);
            bytes.advance(sent - of_head);
            body.taken((sent - of_head) as u64);
        }
        Ok(())
    }

    async fn send_file(&mut self, file: &File, mut span: Span, body: &mut Body) -> io::Result<()> {
        while span.length > 0 {
            let sent = poll_fn(|cx| self.stream.poll_send_file(cx, file, span)).await;
            let sent = sent.inspect_err(tell_of_file)? as u64;
            span = Span {
                offset: span.offset + sent,
                length: span.length - sent,
            };
            body.taken(sent);
        }
        Ok(())
    }
}

/// Tells what is wrong with a file, as opposed to a client.
fn tell_of_file(error: &io::Error) {
    let is_file = error.kind() == io::ErrorKind::UnexpectedEof
        || error.raw_os_error() == Some(Errno::IO.raw_os_error());
    if is_file {
        faults::tell(&format!("cannot send a file to its end: {error}"));
    }
}

/// A stream that takes nothing will take nothing later.
fn some(sent: usize) -> io::Result<usize> {
    match sent {
        0 => Err(io::ErrorKind::WriteZero.into()),
        sent => Ok(sent),
    }
}

/// Whether what came after the first bytes can have ended a head: nothing is
/// read again for each byte of a client that sends one at a time.
fn is_worth_reading(ahead: &[u8], from: usize) -> bool {
    !ahead.is_empty() && (from == 0 || ahead[from..].contains(&b'\n'))
}
