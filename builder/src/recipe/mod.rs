//! Recipes: TOML, one image each.
//!
//! [`Recipe::parse`] reads a text and touches no disk; [`Recipe::load`] is the
//! thin reader that resolves `include` and takes in the files that a recipe
//! refers to. Either ends in a [`Recipe`] whose every value is valid, or in an
//! error that names file, line, column and what would be right. A recipe
//! never holds a password, only hashes.
//!
//! After looking at mkosi's and debos' files: plain TOML instead of an own
//! syntax, no templating, no conditions; what varies goes into an included
//! file. What only one family of distributions understands is kept apart in
//! [`Family`].

mod check;
mod digest;
mod distribution;
mod document;
mod error;
mod include;
mod name;
mod source;
#[cfg(test)]
mod tests;
mod written;

pub use distribution::{Arch, Debian, Distribution, Family, Pacman, SigLevel};
pub(crate) use error::nearest;
pub use error::{INCLUDE_MAX, Position, RECIPE_MAX, RecipeError};
pub use name::{
    Component, FileMode, Glob, Locale, MirrorUrl, NotAHash, Owner, PackageName, PasswordHash,
    Principal, Size, SourcePath, SshKey, Suite, Target, TimeZone, UnitName, UserName,
};
pub use source::{Body, Content, ENTRIES_MAX, FolderEntry, FolderNode, SOURCES_MAX};
pub use written::{Archive, Comment, Lint, Network, Root, Sudo, Units, User};

use hatchery_image::settings::{HostName, Nspawn, Resolved};
use hatchery_image::{Architecture, ImageName};
use serde::Serialize;
use std::path::Path;

/// Where pacman looks for an administrator's hooks.
const HOOKS: &str = "etc/pacman.d/hooks";

/// What an image is made of. Every value is valid, and what it refers to has
/// been read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Recipe {
    /// The image.
    pub name: ImageName,
    /// The distribution.
    pub distribution: Distribution,
    /// What only its family understands.
    pub family: Family,
    /// What it runs on.
    pub architecture: Architecture,
    /// Packages to install, besides those of the variant; as written. See
    /// [`Recipe::effective_packages`].
    pub packages: Vec<PackageName>,
    /// Where packages come from: the distribution's archive first.
    pub repositories: Vec<Repository>,
    /// Whether an expired Release is accepted.
    pub accept_expired: bool,
    /// Seconds since 1970, where the recipe fixes it.
    pub source_date_epoch: Option<i64>,
    /// Host name, if all machines shall have the same.
    pub hostname: Option<HostName>,
    /// System locale; none leaves the C library's `C.UTF-8`.
    pub locale: Option<Locale>,
    /// Time zone; none leaves UTC.
    pub timezone: Option<TimeZone>,
    /// The root account.
    pub root: Root,
    /// Users to create.
    pub users: Vec<User>,
    /// Files and folders to put into the image, each path once.
    pub files: Vec<File>,
    /// systemd units.
    pub units: Units,
    /// A script to run inside the finished tree.
    pub post_install: Option<Script>,
    /// The network.
    pub network: Network,
    /// systemd-resolved.
    pub resolved: Resolved,
    /// Disk limit that the image suggests.
    pub disk_limit: Option<Size>,
    /// Settings for systemd-nspawn.
    pub nspawn: Nspawn,
    /// The archives.
    pub archive: Archive,
    /// What the lint lets be.
    pub lint: Lint,
}

/// Where packages come from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Repository {
    /// Mirrors, tried in order; never empty.
    pub mirrors: Vec<MirrorUrl>,
    /// Whether these are the distribution's own mirrors, which a command line
    /// or the build host can replace.
    pub shares_mirrors: bool,
    /// Its suite or name.
    pub suite: Suite,
    /// Its components: never empty for Debian, none for Arch.
    pub components: Vec<Component>,
    /// The OpenPGP keys that sign it; none means the distribution's own.
    pub key: Option<Key>,
    /// What must be signed: matters to Arch only.
    #[serde(skip_serializing_if = "SigLevel::is_default")]
    pub sig_level: SigLevel,
}

/// The keys of a repository.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Key {
    /// Name of the file it was read from.
    pub name: String,
    /// The file, armored or binary.
    pub content: Content,
}

/// A file or folder to put into the image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct File {
    /// Where it goes.
    pub path: Target,
    /// What.
    pub body: Body,
    /// Its mode; only with a single file.
    pub mode: Option<FileMode>,
    /// Its owner.
    pub owner: Owner,
}

/// A script to run inside the finished tree, confined.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Script {
    /// Its text.
    pub content: Content,
    /// Whether it can use the build host's network.
    pub network: bool,
}

impl Recipe {
    /// Reads a recipe from a text; `file` is its name in errors. It cannot
    /// refer to other files. `host` is the architecture if it names none.
    ///
    /// # Errors
    /// The first thing that is wrong, and where.
    pub fn parse(text: &str, file: &Path, host: Architecture) -> Result<Self, RecipeError> {
        let mut documents = document::Documents::default();
        documents.add(file, text.to_owned());
        check::recipe(&documents, check::Reach::Text, host)
    }

    /// Reads a recipe, what it includes and what it refers to. `host` is the
    /// architecture if it names none.
    ///
    /// # Errors
    /// What cannot be read, or the first thing that is wrong, and where.
    pub fn load(path: &Path, host: Architecture) -> Result<Self, RecipeError> {
        let documents = include::read(path)?;
        check::recipe(&documents, check::Reach::Disk, host)
    }

    /// The JSON schema of recipes as they are written.
    #[must_use]
    pub fn schema() -> serde_json::Value {
        schemars::schema_for!(written::Written).to_value()
    }

    /// The files that pacman has to find before it installs the first package:
    /// hooks, and what switches hooks off.
    pub fn hooks(&self) -> impl Iterator<Item = &File> {
        let is_arch = self.distribution == Distribution::Arch;
        self.files.iter().filter(move |file| {
            let rest = file.path.relative().strip_prefix(HOOKS);
            is_arch && rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        })
    }

    /// The packages to install, besides those of the variant: what is
    /// written, and what its settings need. Sorted, each once.
    #[must_use]
    pub fn effective_packages(&self) -> Vec<PackageName> {
        let locale = self.locale.as_ref().is_some_and(|l| !l.is_builtin());
        let needed = [
            // Arch has them in its C library.
            (
                locale && self.distribution == Distribution::Debian,
                "locales",
            ),
            (
                self.timezone.as_ref().is_some_and(|z| !z.is_utc()),
                "tzdata",
            ),
            (self.users.iter().any(|u| u.sudo.is_some()), "sudo"),
        ];
        let needed = needed.into_iter().filter(|(yes, _)| *yes);
        let needed = needed.map(|(_, name)| name.parse().expect("these are names of packages"));
        let mut packages: Vec<PackageName> = self.packages.iter().cloned().chain(needed).collect();
        packages.sort();
        packages.dedup();
        packages
    }
}
