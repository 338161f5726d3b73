//! Signatures and keys that must count, and every kind that must not.

mod clearsigned;
mod hostile;
mod keys;
mod old_digests;
mod own;
mod readers;
mod signatures;
mod web;

use super::{KeyringError, Reason};

/// The one reason why nothing was verified.
fn reason<T: std::fmt::Debug>(result: Result<T, KeyringError>) -> Reason {
    match result {
        Err(KeyringError::Untrusted(mut rejected)) if rejected.len() == 1 => {
            rejected.pop().map(|r| r.reason).unwrap()
        }
        other => panic!("not one rejected signature: {other:?}"),
    }
}
