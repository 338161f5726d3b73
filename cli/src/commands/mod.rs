//! One file a subcommand: its arguments, and a few lines that call one verb
//! of a library and show what it returned.

#[cfg(feature = "serve")]
pub(crate) mod catalog;
pub(crate) mod completions;
pub(crate) mod key;
pub(crate) mod man;
#[cfg(feature = "serve")]
pub(crate) mod publish;
#[cfg(feature = "serve")]
pub(crate) mod serve;
#[cfg(feature = "serve")]
mod signing;

use std::process::ExitCode;

/// Runs a helper process that a library asked for, if this is one. Helpers
/// are not part of the command line: their arguments are the library's own.
pub(crate) fn helper() -> Option<ExitCode> {
    match std::env::args_os().nth(1)?.to_str()? {
        #[cfg(feature = "build")]
        CONFINE => Some(hatchery_builder::confine::helper_main()),
        _ => None,
    }
}

/// First argument of the helper that runs programs inside a tree.
#[cfg(feature = "build")]
pub(crate) const CONFINE: &str = "__confine";
