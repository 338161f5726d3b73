//! Why a request of an OCI client is refused, as the specification words it: a
//! status, a code that programs know, and a sentence for people.

use crate::refusal::Refusal;
use crate::target::TargetError;
use hyper::http::StatusCode;
use serde::Serialize;

/// What a request of this protocol asks for and does not get.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Complaint {
    /// There is no such image.
    Name,
    /// It has no such tag or manifest.
    Manifest,
    /// It has no such blob.
    Blob,
    /// The number of results on a page is none.
    Page,
}

impl Complaint {
    /// The status of the answer.
    pub(crate) fn status(self) -> StatusCode {
        match self {
            Self::Name | Self::Manifest | Self::Blob => StatusCode::NOT_FOUND,
            Self::Page => StatusCode::BAD_REQUEST,
        }
    }

    fn code(self) -> (&'static str, &'static str) {
        match self {
            Self::Name => ("NAME_UNKNOWN", "there is no such image"),
            Self::Manifest => ("MANIFEST_UNKNOWN", "the image has no such manifest"),
            Self::Blob => ("BLOB_UNKNOWN", "the image has no such blob"),
            Self::Page => (
                "PAGINATION_NUMBER_INVALID",
                "n is not a number that a page can have",
            ),
        }
    }
}

#[derive(Serialize)]
struct Errors {
    errors: [Error; 1],
}

#[derive(Serialize)]
struct Error {
    code: &'static str,
    message: &'static str,
}

/// The body of an answer that refuses. It says nothing of the store.
pub(crate) fn refused(refusal: &Refusal) -> Vec<u8> {
    let (code, message) = match refusal {
        Refusal::Oci(complaint) => complaint.code(),
        Refusal::Method => ("UNSUPPORTED", "this registry can only be read"),
        Refusal::Target(TargetError::Nothing) | Refusal::Missing => {
            ("UNSUPPORTED", "there is no such endpoint")
        }
        Refusal::Target(_) => ("NAME_INVALID", "the path is malformed or too long"),
        Refusal::Precondition => ("DENIED", "a precondition failed"),
        Refusal::Range { .. } => ("RANGE_INVALID", "the range lies outside of the content"),
        Refusal::Pace { .. } => ("TOOMANYREQUESTS", "too many requests"),
        Refusal::Busy => ("TOOMANYREQUESTS", "the server is busy"),
        Refusal::Holdings(_) | Refusal::Task(_) => ("UNKNOWN", "the server failed"),
    };
    let errors = Errors {
        errors: [Error { code, message }],
    };
    serde_json::to_vec(&errors).expect("errors have only string keys")
}
