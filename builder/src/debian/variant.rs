//! Which packages an image has before any is named, in mmdebstrap's words.

use std::fmt;
use std::str::FromStr;

/// A base set. All of them hold the essential packages, except for `Custom`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Variant {
    /// Nothing that was not named.
    Custom,
    /// The essential packages.
    Essential,
    /// Those and apt.
    Apt,
    /// Those and priority `required`, which has apt.
    #[default]
    Minbase,
    /// Those and build-essential.
    Buildd,
    /// `required` and `important`: debootstrap's default.
    Important,
    /// `required`, `important` and `standard`.
    Standard,
}

/// A text that names no variant.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "unknown variant {0:?}; known are minbase (or required), essential, apt, buildd, important (or \
     debootstrap), standard and custom"
)]
pub struct UnknownVariant(String);

impl Variant {
    /// The name that is written; others are understood, too.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Custom => "custom",
            Self::Essential => "essential",
            Self::Apt => "apt",
            Self::Minbase => "minbase",
            Self::Buildd => "buildd",
            Self::Important => "important",
            Self::Standard => "standard",
        }
    }

    /// Whether the essential packages are in it.
    pub(crate) fn has_essential(self) -> bool {
        self != Self::Custom
    }

    /// The priorities that are in it.
    pub(crate) fn priorities(self) -> &'static [&'static str] {
        match self {
            Self::Custom | Self::Essential | Self::Apt => &[],
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

impl FromStr for Variant {
    type Err = UnknownVariant;
    fn from_str(text: &str) -> Result<Self, UnknownVariant> {
        Ok(match text {
            "custom" => Self::Custom,
            "essential" => Self::Essential,
            "apt" => Self::Apt,
            "minbase" | "required" => Self::Minbase,
            "buildd" => Self::Buildd,
            "important" | "debootstrap" | "-" => Self::Important,
            "standard" => Self::Standard,
            _ => return Err(UnknownVariant(text.chars().take(60).collect())),
        })
    }
}
