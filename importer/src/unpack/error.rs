//! Why an archive could not be unpacked.

use super::patience::SILENCE_MAX;
use super::words;
use crate::run::RunError;
use hatchery_image::progress::Interrupted;
use std::io;

/// Why there is no tree.
#[derive(Debug, thiserror::Error)]
pub enum UnpackError {
    /// The helper process cannot be started.
    #[error("cannot start the process that unpacks")]
    Start(#[source] RunError),
    /// The helper process cannot be talked to.
    #[error("cannot talk to the process that unpacks")]
    Talk(#[source] io::Error),
    /// The helper process could not give up what it does not need.
    #[error(
        "cannot {step} for the process that unpacks; this needs root with all its capabilities"
    )]
    NotConfined {
        /// The step.
        step: String,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The helper process was stopped, or is stuck.
    #[error(
        "the process that unpacks has said nothing for {} seconds, as if it was stopped",
        SILENCE_MAX.as_secs()
    )]
    Stuck,
    /// The helper process ended without an answer.
    #[error("the process that unpacks was killed or ended without an answer")]
    Silent,
    /// The archive is not the one that was signed.
    #[error("{what}")]
    Differs {
        /// How.
        what: String,
    },
    /// An entry was refused, or a step on it failed.
    #[error("{said}")]
    Refused {
        /// Which, and why.
        said: String,
        /// What lies beneath.
        #[source]
        source: Option<Cause>,
    },
    /// The user asked to stop.
    #[error(transparent)]
    Interrupted(Interrupted),
}

impl UnpackError {
    /// From the messages of an error and its sources, outermost first, and
    /// the system's number at its end.
    pub(super) fn refused(chain: &[String], errno: Option<i32>) -> Self {
        let mut chain = words::plain_chain(chain).into_iter();
        let said = chain.next().unwrap_or_default();
        let mut rest: Vec<_> = chain.collect();
        let system = errno.map(|errno| Cause::from(io::Error::from_raw_os_error(errno)));
        if system.is_some() {
            // The system's own words are the last of the chain.
            rest.pop();
        }
        let source = rest.into_iter().rev().fold(system, |source, text| {
            let cause: Cause = Box::new(Beneath { text, source });
            Some(cause)
        });
        Self::Refused { said, source }
    }
}

/// A cause, and those that it has itself; the system's error as what it is,
/// so that its kind can be asked.
type Cause = Box<dyn std::error::Error + Send + Sync>;

/// A cause that was told by the helper process.
#[derive(Debug, thiserror::Error)]
#[error("{text}")]
struct Beneath {
    text: String,
    #[source]
    source: Option<Cause>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::error::Error as _;

    #[test]
    fn the_causes_of_the_helper_are_ours() {
        let chain = ["cannot unpack", "cannot write etc/x", "No space left"].map(str::to_owned);
        let error = UnpackError::refused(&chain, Some(28));
        assert_eq!(error.to_string(), "cannot unpack");
        let cause = error.source().unwrap();
        assert_eq!(cause.to_string(), "cannot write etc/x");
        let system = cause.source().unwrap().downcast_ref::<io::Error>().unwrap();
        assert_eq!(system.kind(), io::ErrorKind::StorageFull);

        let error = UnpackError::refused(&["cannot write x", "full"].map(str::to_owned), Some(28));
        assert!(error.source().unwrap().is::<io::Error>());
        let error = UnpackError::refused(&["x: refused".to_owned()], None);
        assert!(error.source().is_none());
    }
}
