//! What a user can do about a failure, where there is something.

use crate::environment;
use crate::exit::{self, Code};

/// A hint on a failure.
pub(crate) fn hint(error: &anyhow::Error) -> Option<&'static str> {
    #[cfg(feature = "import")]
    if let Some(hint) = of_import(error) {
        return Some(hint);
    }
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

#[cfg(feature = "import")]
fn of_import(error: &anyhow::Error) -> Option<&'static str> {
    use hatchery_importer::ImportError;
    use hatchery_importer::repository::RepositoryError;
    match error.downcast_ref()? {
        ImportError::Repository(RepositoryError::NoMirror) => Some(
            "name one with --mirror URL, or list some in /etc/hatchery/config.toml: \
             [repository] mirrors = [\"https://…/\"]",
        ),
        ImportError::Repository(RepositoryError::NoKey) => Some(
            "name the publisher's key with --key FILE, or trust it from now on: \
             hatchery key trust FILE, or --trust FINGERPRINT",
        ),
        _ => None,
    }
}

fn mentions(error: &anyhow::Error, text: &str) -> bool {
    error.chain().any(|cause| cause.to_string().contains(text))
}
