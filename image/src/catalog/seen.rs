//! What a host has seen of a repository, so that a mirror cannot hand it an
//! older catalog, or one of two that bear the same version.
//!
//! Values only: the importer keeps one file a repository id.

use super::Catalog;
use crate::{Sha256, Verified};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// The newest catalog that was seen of a repository.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    /// Id of the repository.
    pub repository: String,
    /// Highest version.
    pub version: u64,
    /// Digest of `catalog.json` of that version, signatures and all.
    pub sha256: Sha256,
    /// Newest `created`.
    pub created: Timestamp,
}

/// Why a verified catalog is not taken after those that were seen.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SeenError {
    /// An older one.
    #[error(
        "the mirror has version {offered} of the catalog, and this host has seen version {seen} \
         already; the mirror is behind, or somebody replays an old catalog"
    )]
    Older {
        /// Highest version that was seen.
        seen: u64,
        /// The one offered.
        offered: u64,
    },
    /// Another one of the same version.
    #[error(
        "the mirror has another catalog of version {version} ({offered}) than the one this host \
         has seen ({seen}); the repository was signed in two places, or its key is misused"
    )]
    Forked {
        /// The version of both.
        version: u64,
        /// Digest of the one that was seen.
        seen: Sha256,
        /// Digest of the one offered.
        offered: Sha256,
    },
    /// A newer version with an older time.
    #[error(
        "the mirror has a newer catalog that was made at {offered}, before the one of {seen} \
         that this host has seen; its publisher's clock is wrong"
    )]
    MadeBefore {
        /// Newest time that was seen.
        seen: Timestamp,
        /// That of the one offered.
        offered: Timestamp,
    },
    /// The state is that of another repository.
    #[error("the catalog is that of repository {offered}, not of {seen}")]
    OtherRepository {
        /// The id of the state.
        seen: String,
        /// The id of the catalog.
        offered: String,
    },
}

impl Seen {
    /// What is known once only this catalog was seen. `sha256` is the digest
    /// of the whole `catalog.json`.
    #[must_use]
    pub fn first(catalog: &Verified<Catalog>, sha256: Sha256) -> Self {
        Self {
            repository: catalog.repository.clone(),
            version: catalog.version,
            sha256,
            created: catalog.created,
        }
    }

    /// What is known once this catalog was seen too: never less than before.
    /// `sha256` is the digest of the whole `catalog.json`.
    ///
    /// # Errors
    /// The catalog must not be used after what was seen.
    pub fn check(&self, catalog: &Verified<Catalog>, sha256: Sha256) -> Result<Self, SeenError> {
        if catalog.repository != self.repository {
            return Err(SeenError::OtherRepository {
                seen: self.repository.clone(),
                offered: catalog.repository.clone(),
            });
        }
        if catalog.version < self.version {
            return Err(SeenError::Older {
                seen: self.version,
                offered: catalog.version,
            });
        }
        if catalog.version == self.version && sha256 != self.sha256 {
            return Err(SeenError::Forked {
                version: self.version,
                seen: self.sha256,
                offered: sha256,
            });
        }
        if catalog.created < self.created {
            return Err(SeenError::MadeBefore {
                seen: self.created,
                offered: catalog.created,
            });
        }
        Ok(Self::first(catalog, sha256))
    }
}
