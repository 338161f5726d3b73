//! Applies a recipe's settings to a tree whose packages are configured: one
//! file a concern. The result depends on the tree, the recipe and
//! `SOURCE_DATE_EPOCH` only.
//!
//! Files are written natively, and so are users and groups (see [`accounts`]
//! for why). What only the guest's own programs can do is run confined:
//! enabling units, generating locales, the recipe's script.
//!
//! The order matters: users come before files that belong to them, files
//! before units that they may contain, and the script sees everything.

mod accounts;
mod apt;
mod files;
mod hostname;
mod locale;
mod network;
mod pacman;
mod script;
mod time;
mod units;

pub use accounts::AccountsError;

use crate::confine::{ConfineError, Confinement};
use crate::recipe::{Family, Recipe};
use crate::rootfs::{Access, Rootfs, RootfsError};
use hatchery_image::Progress;
use hatchery_image::keyring::KeyringError;
use hatchery_image::progress::{Interrupted, Stage, Unit};
use std::path::Path;

/// A setting that could not be applied.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// The tree.
    #[error(transparent)]
    Rootfs(#[from] RootfsError),
    /// Users and groups.
    #[error("cannot set up the accounts")]
    Accounts(#[source] AccountsError),
    /// A key that is to go into the image is none.
    #[error("cannot read {name}, the key of a repository")]
    Key {
        /// Its file.
        name: String,
        /// Why not.
        #[source]
        source: KeyringError,
    },
    /// The tree lacks what a setting needs.
    #[error("the recipe sets {what}, and the tree has no {needed}{hint}")]
    Missing {
        /// Which setting.
        what: String,
        /// Which program or file.
        needed: String,
        /// What to do about it, with the punctuation before it.
        hint: String,
    },
    /// A program in the tree failed.
    #[error("cannot {doing}")]
    Program {
        /// What it was to do.
        doing: &'static str,
        /// How it failed.
        #[source]
        source: ConfineError,
    },
    /// The user asked to stop.
    #[error(transparent)]
    Interrupted(#[from] Interrupted),
}

type Result<T> = std::result::Result<T, SettingsError>;

/// What each concern works with.
struct Context<'a> {
    rootfs: Rootfs,
    recipe: &'a Recipe,
    confinement: &'a Confinement,
    progress: &'a Progress,
}

type Concern = fn(&Context<'_>) -> Result<()>;

/// The concerns that every distribution has, in their order.
const CONCERNS: [(&str, Concern); 9] = [
    ("accounts", accounts::apply),
    ("package sources", package_sources),
    ("host name", hostname::apply),
    ("locale", locale::apply),
    ("time zone", time::apply),
    ("network", network::apply),
    ("files", files::apply),
    ("units", units::apply),
    ("script", script::apply),
];

/// Applies the recipe's settings to the tree at `root`, in which
/// `confinement` runs programs.
///
/// # Errors
/// The first setting that could not be applied. The tree is then to be thrown
/// away.
pub fn apply(
    root: &Path,
    recipe: &Recipe,
    confinement: &Confinement,
    progress: &Progress,
) -> Result<()> {
    let context = Context {
        rootfs: Rootfs::open(root, confinement.source_date_epoch)?,
        recipe,
        confinement,
        progress,
    };
    let running = progress.begin(Stage::Settings, Some(CONCERNS.len() as u64), Unit::Items);
    for (name, concern) in CONCERNS {
        running.check()?;
        running.message(name);
        concern(&context)?;
        running.advance(1);
    }
    Ok(())
}

fn package_sources(context: &Context<'_>) -> Result<()> {
    match &context.recipe.family {
        Family::Arch(arch) => pacman::apply(context, &arch.pacman),
        Family::Debian(_) => apt::apply(context),
    }
}

/// A text file that everybody may read.
const PUBLIC: Access = Access::root(0o644);
