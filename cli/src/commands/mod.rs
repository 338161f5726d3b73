//! One file a subcommand: its arguments, and a few lines that call one verb
//! of a library and show what it returned.

#[cfg(feature = "build")]
pub(crate) mod build;
#[cfg(feature = "serve")]
pub(crate) mod catalog;
#[cfg(feature = "import")]
pub(crate) mod check;
pub(crate) mod completions;
#[cfg(feature = "serve")]
pub(crate) mod derive;
#[cfg(feature = "import")]
pub(crate) mod gc;
#[cfg(feature = "import")]
pub(crate) mod host;
#[cfg(feature = "import")]
pub(crate) mod import;
pub(crate) mod key;
#[cfg(feature = "import")]
pub(crate) mod limit;
#[cfg(feature = "import")]
pub(crate) mod list;
pub(crate) mod man;
#[cfg(feature = "import")]
mod network;
#[cfg(feature = "import")]
mod places;
#[cfg(feature = "build")]
pub(crate) mod plan;
#[cfg(feature = "import")]
pub(crate) mod pool;
#[cfg(feature = "serve")]
pub(crate) mod publish;
#[cfg(feature = "build")]
pub(crate) mod recipe;
#[cfg(feature = "import")]
pub(crate) mod remove;
#[cfg(feature = "import")]
pub(crate) mod rollback;
#[cfg(feature = "serve")]
pub(crate) mod serve;
#[cfg(feature = "serve")]
mod signing;
#[cfg(feature = "import")]
mod source;
#[cfg(feature = "build")]
mod sources;
#[cfg(feature = "import")]
pub(crate) mod status;
#[cfg(feature = "import")]
pub(crate) mod verify;

use std::process::ExitCode;
#[cfg(any(feature = "build", feature = "import"))]
use {crate::environment, anyhow::Context as _, std::ffi::OsString, std::path::Path};

/// Runs a helper process that a library asked for, if this is one. Helpers
/// are not part of the command line: their arguments are the library's own.
pub(crate) fn helper() -> Option<ExitCode> {
    match std::env::args_os().nth(1)?.to_str()? {
        #[cfg(feature = "build")]
        CONFINE => Some(hatchery_builder::confine::helper_main()),
        #[cfg(feature = "import")]
        CHECK => Some(hatchery_importer::check::helper_main()),
        #[cfg(feature = "import")]
        UNPACK => Some(hatchery_importer::unpack::helper_main()),
        _ => None,
    }
}

/// Program and first argument of a helper process. It is not called by its
/// path, which may mean another file in the mount namespace of a build; only
/// where there is no `/proc`.
#[cfg(any(feature = "build", feature = "import"))]
fn helper_argv(kind: &str) -> anyhow::Result<Vec<OsString>> {
    let itself = Path::new("/proc/self/exe");
    let program = match itself.exists() {
        true => itself.to_owned(),
        false => environment::program().context("cannot find this program's own file")?,
    };
    Ok(vec![program.into(), kind.into()])
}

/// First argument of the helper that boots a machine to look at it.
#[cfg(feature = "import")]
pub(crate) const CHECK: &str = "__check";

/// First argument of the helper that unpacks an archive.
#[cfg(feature = "import")]
pub(crate) const UNPACK: &str = "__unpack";

/// First argument of the helper that runs programs inside a tree.
#[cfg(feature = "build")]
pub(crate) const CONFINE: &str = "__confine";
