//! What bodies are made of, and what they are handed out in.

use crate::ranges::Span;
use bytes::Bytes;
use std::fs::File;
use std::sync::Arc;

/// What a body is made of.
#[derive(Debug)]
pub(crate) enum Part {
    /// These bytes.
    Bytes(Bytes),
    /// This part of the file.
    Span(Span),
}

impl Part {
    pub(super) fn length(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::Span(span) => span.length,
        }
    }
}

/// What is next of a body.
pub(crate) enum Piece {
    /// These bytes.
    Bytes(Bytes),
    /// This block of a file, which is in the page cache.
    File(Arc<File>, Span),
}

impl Piece {
    /// Length in bytes.
    pub(crate) fn length(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::File(_, span) => span.length,
        }
    }
}
