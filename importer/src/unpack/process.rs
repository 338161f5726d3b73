//! The process that unpacks, seen from the one that started it: how it begins
//! and ends, and what it says.

use super::wire::{Said, Wire};
use super::{UnpackError, words};
use crate::run::{self, Stdio3};
use std::ffi::OsString;
use std::io::{self, Read as _};
use std::process::{Child, Stdio};

/// Most of what a helper that panicked said that is logged, in bytes.
const LAST_WORDS_MAX: u64 = 4096;

/// The helper process; killed when dropped.
pub(super) struct Helper {
    child: Child,
    pub(super) wire: Wire,
    /// What it said before it died, if a defect of ours made it panic. The
    /// pipe's own size is the most of it.
    last_words: io::PipeReader,
}

impl Helper {
    pub(super) fn start(argv: &[OsString]) -> Result<Self, UnpackError> {
        let (ours, theirs) = Wire::pair().map_err(UnpackError::Talk)?;
        let (last_words, words) = io::pipe().map_err(UnpackError::Talk)?;
        let stdio = Stdio3 {
            stdin: Stdio::from(theirs),
            // Nothing of the caller's: a log of root's is no place for it to
            // write. There need not be a /dev/null.
            stdout: Stdio::from(words.try_clone().map_err(UnpackError::Talk)?),
            stderr: Stdio::from(words),
        };
        let child = run::start(argv, &[], stdio).map_err(UnpackError::Start)?;
        Ok(Self {
            child,
            wire: ours,
            last_words,
        })
    }

    /// Listens until it is done, has failed or is gone.
    pub(super) fn listen(&self, advance: impl Fn(u64)) -> Result<(), UnpackError> {
        listen(&self.wire, advance)
    }

    pub(super) fn kill(&self) {
        let pid = rustix::process::Pid::from_child(&self.child);
        // It may have ended by itself.
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
    }
}

impl Drop for Helper {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let mut words = Vec::new();
        // All is there by now; who else may hold the other end is not waited for.
        let _ = rustix::io::ioctl_fionbio(&self.last_words, true);
        let _ = (&mut self.last_words)
            .take(LAST_WORDS_MAX)
            .read_to_end(&mut words);
        if !words.is_empty() {
            let words = String::from_utf8_lossy(&words);
            tracing::error!("the process that unpacks said: {}", words.escape_debug());
        }
    }
}

fn listen(wire: &Wire, advance: impl Fn(u64)) -> Result<(), UnpackError> {
    loop {
        match wire.receive::<Said>() {
            Ok(Some((Said::Advanced(bytes), _))) => advance(bytes),
            Ok(Some((Said::Done, _))) => return Ok(()),
            Ok(Some((Said::Failed { chain, errno }, _))) => {
                return Err(UnpackError::refused(&chain, errno));
            }
            Ok(Some((Said::Differs(what), _))) => {
                let what = words::plain(&what);
                return Err(UnpackError::Differs { what });
            }
            Ok(Some((Said::NotConfined { step, errno }, _))) => {
                let step = words::plain(&step);
                let source = io::Error::from_raw_os_error(errno);
                return Err(UnpackError::NotConfined { step, source });
            }
            Ok(None) => return Err(UnpackError::Silent),
            Err(source) => return Err(UnpackError::Talk(source)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::error::Error as _;

    /// What is understood of what a helper says before it is gone.
    fn heard(said: &Said) -> UnpackError {
        let (ours, theirs) = Wire::pair().unwrap();
        Wire::of(theirs).send(said, &[]).unwrap();
        listen(&ours, |_| {}).unwrap_err()
    }

    #[test]
    fn words_of_the_helper_do_not_steer_the_terminal() {
        let bad = "\x1b[2Jx\u{202e}\n".repeat(100);
        let chain = vec![bad.clone(), bad.clone()];
        for error in [
            heard(&Said::Differs(bad.clone())),
            heard(&Said::Failed { chain, errno: None }),
            heard(&Said::NotConfined {
                step: bad.clone(),
                errno: 1,
            }),
        ] {
            let cause = error.source().map(ToString::to_string).unwrap_or_default();
            for text in [error.to_string(), cause] {
                assert!(!text.contains(char::is_control), "{text:?}");
                assert!(!text.contains('\u{202e}'), "{text:?}");
            }
        }
    }
}
