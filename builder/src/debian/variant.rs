//! Which packages an image has before any is named, in mmdebstrap's words.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Which packages a tree begins with, as mmdebstrap has them. All hold the
/// essential packages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Variant {
    /// Essential packages.
    Essential,
    /// Essential packages and apt.
    Apt,
    /// Essential packages, apt and those of priority required.
    #[default]
    #[serde(alias = "required")]
    Minbase,
    /// `minbase` and build-essential.
    Buildd,
    /// `minbase` and those of priority important: debootstrap's default.
    #[serde(alias = "debootstrap")]
    Important,
    /// `important` and those of priority standard.
    Standard,
}

impl Variant {
    /// The name that is written; others are understood, too.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Essential => "essential",
            Self::Apt => "apt",
            Self::Minbase => "minbase",
            Self::Buildd => "buildd",
            Self::Important => "important",
            Self::Standard => "standard",
        }
    }

    /// The priorities that are in it.
    pub(crate) fn priorities(self) -> &'static [&'static str] {
        match self {
            Self::Essential | Self::Apt => &[],
            Self::Minbase | Self::Buildd => &["required"],
            Self::Important => &["required", "important"],
            Self::Standard => &["required", "important", "standard"],
        }
    }

    /// Packages that are in it by name.
    pub(crate) fn names(self) -> &'static [&'static str] {
        match self {
            Self::Apt => &["apt"],
            Self::Buildd => &["build-essential"],
            _ => &[],
        }
    }
}

impl fmt::Display for Variant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
