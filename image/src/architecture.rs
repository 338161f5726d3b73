//! Processor architectures, and what each part of the field calls them.
//!
//! The canonical spelling (in recipes, manifests, catalogs and paths) is
//! Debian's and OCI's: `amd64`, `arm64`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// A processor architecture that images are built for.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Architecture {
    /// x86-64.
    Amd64,
    /// AArch64.
    Arm64,
    /// 32-bit ARM, hard float.
    Armhf,
    /// 32-bit x86.
    I386,
    /// POWER, little endian.
    Ppc64el,
    /// RISC-V, 64 bit.
    Riscv64,
    /// IBM Z.
    S390x,
}

/// A text that names no architecture known here.
#[derive(Debug, thiserror::Error)]
#[error(
    "unknown architecture {0:?}; known are amd64, arm64, armhf, i386, ppc64el, riscv64 and s390x"
)]
pub struct UnknownArchitecture(pub String);

impl Architecture {
    /// Every architecture, in canonical order.
    pub const ALL: [Self; 7] = [
        Self::Amd64,
        Self::Arm64,
        Self::Armhf,
        Self::I386,
        Self::Ppc64el,
        Self::Riscv64,
        Self::S390x,
    ];

    /// The architecture that this program was compiled for, if it is one of ours.
    #[must_use]
    pub fn host() -> Option<Self> {
        Self::ALL.into_iter().find(|a| {
            a.machine() == std::env::consts::ARCH || a.rust_alias() == Some(std::env::consts::ARCH)
        })
    }

    /// Debian's name, which is also the canonical one.
    #[must_use]
    pub const fn debian(self) -> &'static str {
        match self {
            Self::Amd64 => "amd64",
            Self::Arm64 => "arm64",
            Self::Armhf => "armhf",
            Self::I386 => "i386",
            Self::Ppc64el => "ppc64el",
            Self::Riscv64 => "riscv64",
            Self::S390x => "s390x",
        }
    }

    /// The kernel's machine name, which Arch Linux uses too.
    #[must_use]
    pub const fn machine(self) -> &'static str {
        match self {
            Self::Amd64 => "x86_64",
            Self::Arm64 => "aarch64",
            Self::Armhf => "armv7h",
            Self::I386 => "i686",
            Self::Ppc64el => "ppc64le",
            Self::Riscv64 => "riscv64",
            Self::S390x => "s390x",
        }
    }

    const fn rust_alias(self) -> Option<&'static str> {
        match self {
            Self::Armhf => Some("arm"),
            Self::I386 => Some("x86"),
            Self::Ppc64el => Some("powerpc64"),
            _ => None,
        }
    }
}

impl fmt::Display for Architecture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.debian())
    }
}

impl FromStr for Architecture {
    type Err = UnknownArchitecture;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|a| a.debian() == text || a.machine() == text)
            .ok_or_else(|| UnknownArchitecture(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_spellings_are_read() {
        assert_eq!(
            "amd64".parse::<Architecture>().unwrap(),
            Architecture::Amd64
        );
        assert_eq!(
            "aarch64".parse::<Architecture>().unwrap(),
            Architecture::Arm64
        );
        assert!("pdp11".parse::<Architecture>().is_err());
    }

    #[test]
    fn the_host_is_known() {
        assert!(Architecture::host().is_some());
    }
}
