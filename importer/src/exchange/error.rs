//! Why a tree could not take the place of another.

use crate::record::RecordError;
use crate::settings::SettingsError;
use hatchery_image::MachineName;
use hatchery_image::durable::DurableError;
use hatchery_image::shown;
use std::io;
use std::path::PathBuf;

/// Why a tree could not take the place of another.
#[derive(Debug, thiserror::Error)]
pub enum ExchangeError {
    /// A step on a tree or a file failed.
    #[error("cannot {doing} {path}")]
    Failed {
        /// What was being done.
        doing: &'static str,
        /// To which path.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A file of the state folder that is not what it should be.
    #[error("{path} cannot be understood; it is written by hatchery and not to be edited")]
    Json {
        /// Which file.
        path: PathBuf,
        /// What the parser said.
        #[source]
        source: serde_json::Error,
    },
    /// A newer program wrote it.
    #[error("{path} has format {format}; a newer hatchery is needed")]
    TooNew {
        /// Which file.
        path: PathBuf,
        /// Its format.
        format: u32,
    },
    /// What was begun or kept is not of this place.
    #[error(
        "what was begun with {name}, or is kept of it, names {}, which is not this machine's; if it is of another \
         machines directory or settings folder, name that with --machines and --nspawn",
        shown::path(path)
    )]
    Elsewhere {
        /// The machine.
        name: MachineName,
        /// What it names.
        path: PathBuf,
    },
    /// A file of the state folder cannot be written.
    #[error("cannot remember what is done to a machine")]
    Write(#[source] DurableError),
    /// A new tree cannot be made visible.
    #[error("cannot put the machine into its place")]
    Publish(#[source] DurableError),
    /// The record cannot be read or written.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// The settings cannot be read or written.
    #[error(transparent)]
    Settings(#[from] SettingsError),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_journal_names_steers_no_terminal() {
        let error = ExchangeError::Elsewhere {
            name: "web".parse().unwrap(),
            path: "/m/\u{202e}\x1b[2J".into(),
        };
        let text = error.to_string();
        assert!(text.contains("/m/\\u{202e}\\u{1b}[2J,"), "{text}");
    }
}
