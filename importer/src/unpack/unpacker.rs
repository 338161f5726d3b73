//! The process that unpacks. It is handed a tree to enter and files to read,
//! and has nothing else.

use super::confine;
use super::wire::{Begin, Order, Said, Wire};
use super::words;
use hatchery_image::archive::{self, ArchiveError, Arriving, VerifiedArchive, toc};
use hatchery_image::place::{Resolve, Root};
use hatchery_image::progress::{Event, Progress};
use rustix::fd::OwnedFd;
use std::error::Error;
use std::fs::File;
use std::io::{self, BufReader};
use std::process::ExitCode;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

/// How often it says how far it has come.
const TOLD_EVERY: Duration = Duration::from_millis(50);

/// How often it says that it lives: one that was stopped is waited for
/// ([`super::patience::SILENCE_MAX`]), and no longer.
const SIGN_OF_LIFE: Duration = Duration::from_secs(2);

/// What the hidden subcommand does that an import names as its helper. Its
/// stdin is one end of a socket. It must be called before the process starts
/// any thread.
#[must_use]
pub fn helper_main() -> ExitCode {
    confine::forget_inherited();
    let Ok(wire) = Wire::stdin() else {
        return ExitCode::FAILURE;
    };
    let Ok(Some((Order::Begin(begin), table))) = wire.receive() else {
        return ExitCode::FAILURE;
    };
    let work = Work {
        table: table.filter(|_| begin.has_table),
        begin: *begin,
    };
    let Ok(shared) = wire.another() else {
        return ExitCode::FAILURE;
    };
    let said = match confine::enter(&work.begin.tree) {
        Ok(()) => work.run(Arc::new(shared)),
        Err(error) => Said::NotConfined {
            step: error.step.to_owned(),
            errno: error.errno.raw_os_error(),
        },
    };
    match wire.send(&said, &[]) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

/// What is to be done.
struct Work {
    begin: Begin,
    table: Option<OwnedFd>,
}

impl Work {
    fn run(mut self, wire: Arc<Wire>) -> Said {
        let advanced = Arc::new(Advanced::default());
        let progress = {
            let advanced = Arc::clone(&advanced);
            Progress::new(move |event| {
                if let Event::Advance { by, .. } = event {
                    *advanced.lock() += by;
                }
            })
        };
        let arriving = Arc::new(Arriving::new(self.begin.archive.clone()));
        let (whole, wholly) = std::sync::mpsc::channel();
        let listener = {
            let (wire, arriving) = (Arc::clone(&wire), Arc::clone(&arriving));
            move || listen(&wire, &arriving, |file| drop(whole.send(file)))
        };
        thread::spawn(listener);
        {
            let (wire, advanced) = (Arc::clone(&wire), Arc::clone(&advanced));
            thread::spawn(move || live(&wire, &advanced));
        }
        let result = match self.table.take() {
            Some(table) => self.unpack_arriving(&arriving, table, &progress),
            None => match wholly.recv() {
                Ok(file) => self.unpack_whole(file, &progress),
                Err(_) => Err(ArchiveError::Stopped),
            },
        };
        advanced.tell(&wire);
        match result {
            Ok(()) => Said::Done,
            Err(error) => failed(&error),
        }
    }

    fn unpack_arriving(
        &self,
        arriving: &Arriving,
        table: OwnedFd,
        progress: &Progress,
    ) -> Result<(), ArchiveError> {
        // Its memory is given back once the frames are known.
        let frames = toc::frames(BufReader::new(File::from(table)))?;
        let root = Root::own(Resolve::Beneath)?;
        let (limits, threads) = (&self.begin.limits, self.begin.threads);
        archive::unpack_arriving(arriving, &frames, &root, limits, threads, progress)
    }

    fn unpack_whole(&self, file: File, progress: &Progress) -> Result<(), ArchiveError> {
        // Its digest was compared by whoever handed it in.
        let (size, sha256) = (self.begin.archive.size, self.begin.archive.sha256);
        let archive = VerifiedArchive::received(file, &self.begin.archive, size, sha256)?;
        let root = Root::own(Resolve::Beneath)?;
        archive::unpack(
            &archive,
            &root,
            &self.begin.limits,
            self.begin.threads,
            progress,
        )
    }
}

/// Bytes that were unpacked and are still to be told. It is locked while they
/// are, so that nothing else is said before.
#[derive(Default)]
struct Advanced(Mutex<u64>);

impl Advanced {
    fn lock(&self) -> MutexGuard<'_, u64> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether there was something to tell.
    fn tell(&self, wire: &Wire) -> bool {
        let mut bytes = self.lock();
        let is_some = *bytes > 0;
        if is_some {
            say(wire, std::mem::take(&mut bytes));
        }
        is_some
    }
}

/// Says how far the others have come, or else that this process lives.
fn live(wire: &Wire, advanced: &Advanced) {
    let mut silent = Duration::ZERO;
    loop {
        thread::sleep(TOLD_EVERY);
        silent += TOLD_EVERY;
        if advanced.tell(wire) {
            silent = Duration::ZERO;
        } else if silent >= SIGN_OF_LIFE {
            say(wire, 0);
            silent = Duration::ZERO;
        }
    }
}

fn say(wire: &Wire, advanced: u64) {
    // Whoever does not listen any more ends this process.
    let _ = wire.send(&Said::Advanced(advanced), &[]);
}

/// Hands on what is said of the archive; ends the process with the other one.
fn listen(wire: &Wire, arriving: &Arriving, whole: impl Fn(File)) {
    loop {
        match wire.receive::<Order>() {
            Ok(Some((Order::Arriving, Some(file)))) => arriving.begin(file.into()),
            Ok(Some((Order::Reached(length), _))) => arriving.reached(length),
            Ok(Some((Order::Whole, Some(file)))) => {
                let file = File::from(file);
                if let Ok(again) = file.try_clone() {
                    whole(again);
                }
                arriving.complete(file);
            }
            _ => confine::exit(),
        }
    }
}

/// An error in words, with all its causes.
fn failed(error: &ArchiveError) -> Said {
    if let ArchiveError::Differs { .. } = error {
        return Said::Differs(words::plain(&error.to_string()));
    }
    let mut chain = vec![error.to_string()];
    let mut last: &dyn Error = error;
    while let Some(source) = last.source() {
        chain.push(source.to_string());
        last = source;
    }
    let errno = last
        .downcast_ref::<io::Error>()
        .and_then(io::Error::raw_os_error);
    Said::Failed {
        chain: words::plain_chain(&chain),
        errno,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_that_is_longer_than_a_message_arrives_cut() {
        let what = "long \x1b\" ".repeat(50_000);
        let error = ArchiveError::Refused {
            path: b"etc/x".to_vec(),
            what,
        };
        let (ours, theirs) = Wire::pair().unwrap();
        ours.send(&failed(&error), &[]).unwrap();
        let said = Wire::of(theirs).receive::<Said>().unwrap();
        let Some((Said::Failed { chain, .. }, _)) = said else {
            panic!("{said:?}");
        };
        assert!(chain[0].starts_with("etc/x: refused"), "{chain:?}");
        assert!(chain[0].ends_with('…'), "{chain:?}");
    }
}
