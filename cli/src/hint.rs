//! What a user can do about a failure, where there is something.

use crate::environment;
use crate::exit::{self, Code};

/// A hint on a failure.
pub(crate) fn hint(error: &anyhow::Error) -> Option<&'static str> {
    let root = environment::is_root();
    match exit::code(error) {
        Code::Host if !root && mentions(error, "ermission denied") => {
            Some("this needs root; try it with sudo")
        }
        Code::Host if mentions(error, "No space left") => Some(
            "free some space, or point --cache-dir, --output or --machines at another file system",
        ),
        _ => None,
    }
}

fn mentions(error: &anyhow::Error, text: &str) -> bool {
    error.chain().any(|cause| cause.to_string().contains(text))
}
