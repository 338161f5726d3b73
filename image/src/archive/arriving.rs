//! An archive that is still on its way: its frames can be used as soon as
//! they are there.
//!
//! The table of contents lies at the archive's end and is fetched first. Each
//! frame is compared with its digest before the decoder sees it, so nothing
//! unverified is interpreted although the rest is not there yet. Whoever
//! downloads says how far the file has come. A transfer may begin anew, and
//! another process may have been faster and left us another file; so a frame
//! that is not what the table says counts against the archive only once the
//! archive is whole.

use super::ArchiveError;
use super::toc::Frame;
use super::verified;
use crate::manifest;
use std::fs::File;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

/// An archive on its way. One thread says how far it has come, others wait
/// for frames.
#[derive(Debug)]
pub struct Arriving {
    archive: manifest::Archive,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    file: Option<Arc<File>>,
    /// So many bytes of it are there.
    length: u64,
    whole: bool,
    abandoned: bool,
}

impl Arriving {
    /// An archive of which nothing is there yet.
    #[must_use]
    pub fn new(archive: manifest::Archive) -> Self {
        Self {
            archive,
            state: Mutex::default(),
            changed: Condvar::new(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state());
        self.changed.notify_all();
    }

    /// This is the file that it arrives in.
    pub fn begin(&self, file: File) {
        self.change(|state| state.file = Some(Arc::new(file)));
    }

    /// So many bytes of it are there. They may become fewer again.
    pub fn reached(&self, length: u64) {
        self.change(|state| state.length = length);
    }

    /// All of it is there, in this file.
    pub fn complete(&self, file: File) {
        self.change(|state| {
            state.file = Some(Arc::new(file));
            state.whole = true;
        });
    }

    /// Nothing more will come: whoever waits is told to stop.
    pub fn abandon(&self) {
        self.change(|state| state.abandoned = true);
    }

    /// A compressed frame, compared with its digest; waits for it. `buffer`
    /// is used again.
    pub(super) fn frame(
        &self,
        frame: &Frame,
        mut buffer: Vec<u8>,
    ) -> Result<Vec<u8>, ArchiveError> {
        let mut least = frame.offset.saturating_add(frame.length);
        loop {
            let (file, whole) = self.wait(least)?;
            match verified::frame(&file, &self.archive, frame, &mut buffer) {
                Ok(()) => return Ok(buffer),
                Err(error) if whole => return Err(error),
                Err(_) => least = u64::MAX,
            }
        }
    }

    /// Waits until `least` bytes or all of them are there.
    fn wait(&self, least: u64) -> Result<(Arc<File>, bool), ArchiveError> {
        let mut state = self.state();
        loop {
            if state.abandoned {
                return Err(ArchiveError::Stopped);
            }
            if let Some(file) = &state.file
                && (state.whole || state.length >= least)
            {
                return Ok((Arc::clone(file), state.whole));
            }
            state = self
                .changed
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }
}
