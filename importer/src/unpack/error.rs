//! Why an archive could not be unpacked.

use crate::run::RunError;
use hatchery_image::progress::Interrupted;
use std::fmt;
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
        source: Option<Beneath>,
    },
    /// The user asked to stop.
    #[error(transparent)]
    Interrupted(Interrupted),
}

impl UnpackError {
    /// From the messages of an error and its sources, outermost first, and
    /// the system's number at its end.
    pub(super) fn refused(chain: Vec<String>, errno: Option<i32>) -> Self {
        let mut chain = chain.into_iter();
        let said = chain.next().unwrap_or_default();
        let rest: Vec<_> = chain.collect();
        let mut source = errno.map(|errno| Beneath::System(io::Error::from_raw_os_error(errno)));
        // The system's own words are the last of the chain.
        let words = rest.len() - usize::from(source.is_some() && !rest.is_empty());
        for text in rest.into_iter().take(words).rev() {
            let source_of = source.take().map(Box::new);
            source = Some(Beneath::Said(text, source_of));
        }
        Self::Refused { said, source }
    }
}

/// A cause that was told by the helper process.
#[derive(Debug)]
pub enum Beneath {
    /// Its words, and its own cause.
    Said(String, Option<Box<Beneath>>),
    /// What the system said.
    System(io::Error),
}

impl fmt::Display for Beneath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Said(text, _) => f.write_str(text),
            Self::System(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for Beneath {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Said(_, Some(source)) => Some(source.as_ref().inner()),
            _ => None,
        }
    }
}

impl Beneath {
    /// The system's own error as what it is, so that its kind can be asked.
    fn inner(&self) -> &(dyn std::error::Error + 'static) {
        match self {
            Self::System(error) => error,
            said => said,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::error::Error as _;

    #[test]
    fn the_causes_of_the_helper_are_ours() {
        let chain = ["cannot unpack", "cannot write etc/x", "No space left"].map(str::to_owned);
        let error = UnpackError::refused(chain.to_vec(), Some(28));
        assert_eq!(error.to_string(), "cannot unpack");
        let cause = error.source().unwrap();
        assert_eq!(cause.to_string(), "cannot write etc/x");
        let system = cause.source().unwrap().downcast_ref::<io::Error>().unwrap();
        assert_eq!(system.kind(), io::ErrorKind::StorageFull);

        let error = UnpackError::refused(vec!["x: refused".to_owned()], None);
        assert!(error.source().is_none());
    }
}
