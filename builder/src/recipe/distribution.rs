//! Distributions, and the parts of a recipe that mean something only to one
//! family of them.

use super::name::{Component, Glob, MirrorUrl, Suite};
use crate::debian::Variant;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A distribution that images can be built of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Distribution {
    /// Arch Linux; on ARM processors, Arch Linux ARM.
    Arch,
    /// Debian.
    Debian,
}

impl Distribution {
    /// `ID` of its `os-release`.
    #[must_use]
    pub const fn id(self) -> &'static str {
        match self {
            Self::Arch => "arch",
            Self::Debian => "debian",
        }
    }
}

/// What a recipe says to one family of distributions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Family {
    /// Those with pacman's packages.
    Arch(Arch),
    /// Those with .deb packages.
    Debian(Debian),
}

/// What a recipe says to distributions with pacman's packages.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Arch {
    /// pacman's own settings.
    pub pacman: Pacman,
    /// Mirrors that keep the state of each day, in folders `YYYY/MM/DD`, as
    /// mirrors are written: with `$repo` and `$arch`.
    #[serde(skip)]
    pub snapshots: Vec<MirrorUrl>,
}

/// What pacman has in `pacman.conf`, while the image is built and inside it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Pacman {
    /// Packages that are not installed: pacman's IgnorePkg.
    pub ignore_pkg: Vec<Glob>,
    /// Groups whose packages are not installed: pacman's IgnoreGroup.
    pub ignore_group: Vec<Glob>,
    /// Paths of packages, without the leading `/`, that are not unpacked:
    /// pacman's NoExtract. One with a leading `!` is unpacked all the same.
    pub no_extract: Vec<Glob>,
}

impl Pacman {
    /// Whether nothing is set.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// What must be signed in a repository, in the words of pacman's SigLevel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum SigLevel {
    /// Every package; the database if it is: `Required DatabaseOptional`.
    #[default]
    Required,
    /// Every package and the database: `Required`.
    DatabaseRequired,
    /// What is signed is verified, and the rest taken as it comes.
    Optional,
    /// Nothing is verified.
    Never,
}

impl SigLevel {
    /// As pacman.conf has it.
    #[must_use]
    pub const fn pacman(self) -> &'static str {
        match self {
            Self::Required => "Required DatabaseOptional",
            Self::DatabaseRequired => "Required",
            Self::Optional => "Optional",
            Self::Never => "Never",
        }
    }

    /// Whether this is what there is unless something else is said.
    #[must_use]
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// What a recipe says to distributions with .deb packages.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Debian {
    /// The release, a suite of the archive.
    pub release: Suite,
    /// Which packages a tree begins with.
    pub variant: Variant,
    /// Components of the distribution's archive.
    pub components: Vec<Component>,
    /// Whether recommended packages are installed too.
    pub recommends: bool,
}
