//! What the process that unpacks is told, and waiting for it.

use super::UnpackError;
use super::patience::{Silence, TICK};
use super::wire::{Begin, Order, Wire};
use crate::image::{Image, ImageError};
use hatchery_image::progress::Progress;
use hatchery_transfer::{Cache, Client};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{MemfdFlags, SealFlags};
use std::fs::File;
use std::io;
use std::sync::atomic::AtomicU64;
use std::sync::mpsc::{Receiver, RecvTimeoutError};

/// Bytes that arrive before the helper is told again.
const TOLD_EVERY: u64 = 512 << 10;

/// What the helper is told. It may be stopped, or have been taken over: it is
/// never waited for without an end, or when the user wants to stop.
pub(super) struct Feed<'a> {
    pub(super) wire: &'a Wire,
    /// How often it said something.
    pub(super) heard: &'a AtomicU64,
    pub(super) progress: &'a Progress,
}

impl Feed<'_> {
    pub(super) fn begin(&self, begin: Begin, table: Option<Vec<u8>>) -> Result<(), UnpackError> {
        let table = table.map(|bytes| in_memory(&bytes)).transpose();
        let table = table.map_err(UnpackError::Talk)?;
        let files: Vec<_> = table.iter().map(AsFd::as_fd).collect();
        self.tell(&Order::Begin(Box::new(begin)), &files)
    }

    /// Says what it must know, waiting until it reads.
    pub(super) fn tell(&self, order: &Order, files: &[BorrowedFd<'_>]) -> Result<(), UnpackError> {
        let mut silence = Silence::new(self.heard);
        while !self.wire.offer(order, files).map_err(UnpackError::Talk)? {
            self.progress.check().map_err(UnpackError::Interrupted)?;
            silence.tick()?;
            self.wire.await_room(TICK).map_err(UnpackError::Talk)?;
        }
        Ok(())
    }

    /// Waits for its end.
    pub(super) fn wait(
        &self,
        result: &Receiver<Result<(), UnpackError>>,
    ) -> Result<(), UnpackError> {
        let mut silence = Silence::new(self.heard);
        loop {
            match result.recv_timeout(TICK) {
                Ok(answer) => return answer,
                Err(RecvTimeoutError::Timeout) => {
                    self.progress.check().map_err(UnpackError::Interrupted)?;
                    silence.tick()?;
                }
                Err(RecvTimeoutError::Disconnected) => return Err(UnpackError::Silent),
            }
        }
    }

    /// Downloads, and says how far it has come.
    pub(super) fn fetch_frames(
        &self,
        image: &Image,
        client: &Client,
        cache: &Cache,
        progress: &Progress,
    ) -> Result<File, ImageError> {
        let mut told: Option<u64> = None;
        let mut arrival = |file: &File, length: u64| {
            let is_near = |told: u64| length.wrapping_sub(told) < TOLD_EVERY;
            if told.is_some_and(is_near) {
                return true;
            }
            let begun = told.is_some() || self.tell(&Order::Arriving, &[file.as_fd()]).is_ok();
            // A helper that does not listen has failed, and said why; to one
            // that has no time, the next number says the same.
            match self.wire.offer(&Order::Reached(length), &[]) {
                Ok(is_told) if begun => {
                    if is_told {
                        told = Some(length);
                    }
                    true
                }
                _ => false,
            }
        };
        image.fetch_frames(client, cache, progress, &mut arrival)
    }
}

/// A table of contents as a file without a name that nobody can change.
fn in_memory(bytes: &[u8]) -> io::Result<OwnedFd> {
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    let file = File::from(rustix::fs::memfd_create("table", flags)?);
    std::os::unix::fs::FileExt::write_all_at(&file, bytes, 0)?;
    let seals = SealFlags::WRITE | SealFlags::GROW | SealFlags::SHRINK | SealFlags::SEAL;
    rustix::fs::fcntl_add_seals(&file, seals)?;
    Ok(file.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::Ordering;

    #[test]
    fn whoever_does_not_read_holds_up_nobody_who_wants_to_stop() {
        let (ours, _theirs) = Wire::pair().unwrap();
        let progress = Progress::silent();
        let heard = AtomicU64::new(0);
        let feed = Feed {
            wire: &ours,
            heard: &heard,
            progress: &progress,
        };
        while ours.offer(&Order::Reached(1), &[]).unwrap() {}
        progress.stop_flag().store(true, Ordering::Relaxed);
        let error = feed.tell(&Order::Whole, &[]).unwrap_err();
        assert!(matches!(error, UnpackError::Interrupted(_)), "{error}");
    }
}
