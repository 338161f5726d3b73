//! Distributions, and the parts of a recipe that mean something only to one
//! family of them.

use super::name::{Component, Suite};
use crate::debian::Variant;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A distribution that images can be built of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Distribution {
    /// Debian.
    Debian,
}

impl Distribution {
    /// `ID` of its `os-release`.
    #[must_use]
    pub const fn id(self) -> &'static str {
        match self {
            Self::Debian => "debian",
        }
    }
}

/// What a recipe says to one family of distributions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Family {
    /// Those with .deb packages.
    Debian(Debian),
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
