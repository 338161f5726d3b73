//! Why a request is refused, and the one place where that becomes a status.
//!
//! What the client hears is the status and its name; everything else is for
//! the log, and only what the server itself did wrong is logged as an error.

use crate::faults;
use crate::holdings::HoldingsError;
use crate::protocols::oci::Complaint;
use crate::target::TargetError;
use hyper::http::{StatusCode, Uri};
use std::time::Duration;

#[derive(Debug, thiserror::Error)]
pub(crate) enum Refusal {
    #[error("only GET and HEAD are answered")]
    Method,
    #[error("the request names no file")]
    Target(#[source] TargetError),
    #[error("there is no such file")]
    Missing,
    #[error("an OCI client asks for what is not there: {0:?}")]
    Oci(Complaint),
    #[error("a precondition failed")]
    Precondition,
    #[error("the range lies outside of the {length} bytes")]
    Range { length: u64 },
    #[error("the client asks too quickly; it may again in {wait:?}")]
    Pace { wait: Duration },
    #[error("too much of what was made is still being sent")]
    Busy,
    #[error("the store cannot be read")]
    Holdings(#[source] HoldingsError),
    #[error("a task of the server failed")]
    Task(#[source] tokio::task::JoinError),
}

impl Refusal {
    /// The status of the answer.
    pub(crate) fn status(&self) -> StatusCode {
        match self {
            Self::Method => StatusCode::METHOD_NOT_ALLOWED,
            Self::Target(TargetError::TooLong) => StatusCode::URI_TOO_LONG,
            Self::Target(TargetError::Malformed(_)) => StatusCode::BAD_REQUEST,
            // Never 403 or 410: systemd's pull gives up on these where it
            // would have gone on without the file.
            Self::Target(TargetError::Nothing) | Self::Missing => StatusCode::NOT_FOUND,
            Self::Oci(complaint) => complaint.status(),
            Self::Precondition => StatusCode::PRECONDITION_FAILED,
            Self::Range { .. } => StatusCode::RANGE_NOT_SATISFIABLE,
            Self::Pace { .. } => StatusCode::TOO_MANY_REQUESTS,
            Self::Busy => StatusCode::SERVICE_UNAVAILABLE,
            Self::Holdings(_) | Self::Task(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// Logs it, with its causes.
    pub(crate) fn log(&self, uri: &Uri) {
        let text = faults::with_causes(self);
        // Clients decide how often the server is too busy.
        let is_fault = self.status().is_server_error() && !matches!(self, Self::Busy);
        if is_fault && faults::is_news(&text) {
            tracing::error!(path = uri.path(), "{text}");
        } else {
            tracing::debug!(path = uri.path(), "{text}");
        }
    }
}
