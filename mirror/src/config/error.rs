//! What is wrong with a configuration, for whoever wrote it.

use super::LISTENERS_MAX;
use std::path::PathBuf;

/// Why a configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// It is not TOML of the expected shape.
    #[error("{path}: {message}")]
    Syntax {
        /// Which file.
        path: PathBuf,
        /// What is wrong, with the line.
        message: String,
    },
    /// A path is relative, and to what would depend on who starts the server.
    #[error("{path}: {message}")]
    Relative {
        /// Which file.
        path: PathBuf,
        /// Which key, and what it holds.
        message: String,
    },
    /// There are too many listeners.
    #[error("{path}: there are more than {LISTENERS_MAX} [[listen]]; leave some out")]
    Listeners {
        /// Which file.
        path: PathBuf,
    },
}
