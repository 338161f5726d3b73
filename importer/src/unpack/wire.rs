//! What is said between an import and the process that unpacks for it: a
//! message a packet of a socket that keeps them apart, as JSON, with open
//! files attached where a message speaks of one.

use hatchery_image::manifest::{Archive, Unpacked};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::io::{Errno, retry_on_intr};
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags,
    SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketFlags, SocketType,
};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::path::PathBuf;
use std::time::Duration;

/// Longest message, in bytes: an error with its causes
/// ([`super::words::CAUSES_MAX`]), each of the longest kind
/// ([`super::words::TEXT_MAX`]), of which JSON may double every byte.
const MESSAGE_MAX: usize = 64 << 10;

/// Most files in a message.
const FILES_MAX: usize = 1;

/// What the helper is told.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Order {
    /// What to unpack. Attached: the table of contents, compared with its
    /// digest, if there is one.
    Begin(Box<Begin>),
    /// Attached: the file that the archive arrives in.
    Arriving,
    /// So many bytes of it are there.
    Reached(u64),
    /// Attached: the whole archive, whose digest was compared.
    Whole,
}

/// What to unpack, and into which tree.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Begin {
    pub(super) tree: PathBuf,
    pub(super) archive: Archive,
    pub(super) limits: Unpacked,
    pub(super) threads: usize,
    pub(super) has_table: bool,
}

/// What the helper says.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Said {
    /// So many more bytes are unpacked; none, if it says only that it lives.
    Advanced(u64),
    /// All is unpacked.
    Done,
    /// It could not be confined.
    NotConfined { step: String, errno: i32 },
    /// The archive is not the one that was signed: how.
    Differs(String),
    /// An error, its causes, and the number of the system's error.
    Failed {
        chain: Vec<String>,
        errno: Option<i32>,
    },
}

/// One end of the socket.
#[derive(Debug)]
pub(super) struct Wire(OwnedFd);

impl Wire {
    /// Our end, and the one for the helper's stdin.
    pub(super) fn pair() -> io::Result<(Self, OwnedFd)> {
        let (ours, theirs) = rustix::net::socketpair(
            AddressFamily::UNIX,
            SocketType::SEQPACKET,
            SocketFlags::CLOEXEC,
            None,
        )?;
        Ok((Self(ours), theirs))
    }

    /// The helper's end: its stdin.
    pub(super) fn stdin() -> io::Result<Self> {
        Ok(Self::of(rustix::io::dup(rustix::stdio::stdin())?))
    }

    /// An end.
    pub(super) const fn of(end: OwnedFd) -> Self {
        Self(end)
    }

    /// The same end, for another thread.
    pub(super) fn another(&self) -> io::Result<Self> {
        Ok(Self(self.0.try_clone()?))
    }

    /// Waits until there is room for the message.
    pub(super) fn send(
        &self,
        message: &impl Serialize,
        files: &[BorrowedFd<'_>],
    ) -> io::Result<()> {
        self.send_flagged(message, files, SendFlags::NOSIGNAL)
    }

    /// The same without waiting: false if there is no room, because the other
    /// side does not read.
    pub(super) fn offer(
        &self,
        message: &impl Serialize,
        files: &[BorrowedFd<'_>],
    ) -> io::Result<bool> {
        let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
        match self.send_flagged(message, files, flags) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Waits until there is room for a message, but for at most `time`.
    pub(super) fn await_room(&self, time: Duration) -> io::Result<()> {
        let time = Timespec {
            tv_sec: time.as_secs().cast_signed(),
            tv_nsec: time.subsec_nanos().into(),
        };
        let mut fds = [PollFd::new(&self.0, PollFlags::OUT)];
        match poll(&mut fds, Some(&time)) {
            Ok(_) | Err(Errno::INTR) => Ok(()),
            Err(errno) => Err(errno.into()),
        }
    }

    fn send_flagged(
        &self,
        message: &impl Serialize,
        files: &[BorrowedFd<'_>],
        flags: SendFlags,
    ) -> io::Result<()> {
        let bytes = serde_json::to_vec(message)?;
        if bytes.len() > MESSAGE_MAX {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(FILES_MAX))];
        let mut attached = SendAncillaryBuffer::new(&mut space);
        if !files.is_empty() && !attached.push(SendAncillaryMessage::ScmRights(files)) {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        retry_on_intr(|| {
            let parts = [IoSlice::new(&bytes)];
            rustix::net::sendmsg(&self.0, &parts, &mut attached, flags)
        })?;
        Ok(())
    }

    /// The next message and the file attached to it; none at the end.
    pub(super) fn receive<T: DeserializeOwned>(&self) -> io::Result<Option<(T, Option<OwnedFd>)>> {
        let mut bytes = vec![0; MESSAGE_MAX];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(FILES_MAX))];
        let mut attached = RecvAncillaryBuffer::new(&mut space);
        let mut receive = || {
            retry_on_intr(|| {
                let mut parts = [IoSliceMut::new(&mut bytes)];
                let flags = RecvFlags::CMSG_CLOEXEC;
                rustix::net::recvmsg(&self.0, &mut parts, &mut attached, flags)
            })
        };
        let received = match receive() {
            // The other end left something of ours unread, which is said once;
            // what it said itself is still there.
            Err(Errno::CONNRESET) => match receive() {
                Err(Errno::CONNRESET) => return Ok(None),
                other => other?,
            },
            other => other?,
        };
        let file = attached.drain().find_map(|message| match message {
            RecvAncillaryMessage::ScmRights(mut files) => files.next(),
            _ => None,
        });
        if received.bytes == 0 {
            return Ok(None);
        }
        if received.flags.contains(ReturnFlags::TRUNC) {
            return Err(io::ErrorKind::InvalidData.into());
        }
        // serde's error would quote what the other end said.
        let message = serde_json::from_slice(&bytes[..received.bytes])
            .map_err(|_| io::Error::from(io::ErrorKind::InvalidData))?;
        Ok(Some((message, file)))
    }
}

impl AsFd for Wire {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File;
    use std::io::Read as _;

    #[test]
    fn messages_stay_apart_and_files_come_along() {
        let (ours, theirs) = Wire::pair().unwrap();
        let theirs = Wire(theirs);
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("x"), "content").unwrap();
        let file = File::open(dir.path().join("x")).unwrap();
        ours.send(&Order::Whole, &[file.as_fd()]).unwrap();
        ours.send(&Order::Reached(7), &[]).unwrap();
        let (order, attached) = theirs.receive::<Order>().unwrap().unwrap();
        assert!(matches!(order, Order::Whole), "{order:?}");
        let mut text = String::new();
        File::from(attached.unwrap())
            .read_to_string(&mut text)
            .unwrap();
        assert_eq!(text, "content");
        let (order, attached) = theirs.receive::<Order>().unwrap().unwrap();
        assert!(matches!(order, Order::Reached(7)), "{order:?}");
        assert!(attached.is_none());
        drop(ours);
        assert!(theirs.receive::<Order>().unwrap().is_none());
    }
}
