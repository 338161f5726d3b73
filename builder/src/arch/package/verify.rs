//! The proof that a package file may be unpacked.

use super::PackageError;
use super::reader::Watched;
use crate::arch::Repository;
use crate::plan::PlannedPackage;
use crate::recipe::SigLevel;
use hatchery_image::keyring::Verified;
use hatchery_image::{Progress, Sha256};
use jiff::Timestamp;
use std::fs::File;
use std::io::{self, Seek as _};

/// What was verified, in pacman's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::arch) enum Proof {
    /// The package's own signature.
    Pgp,
    /// The digest in a database.
    Sha256,
}

impl Proof {
    /// As the local database has it.
    pub(in crate::arch) const fn word(self) -> &'static str {
        match self {
            Self::Pgp => "pgp",
            Self::Sha256 => "sha256",
        }
    }
}

/// An open package file, positioned at its beginning, whose signature counts,
/// or which needs none. Nothing else is unpacked.
pub(in crate::arch) struct VerifiedPackage {
    file: File,
    proof: Proof,
}

impl VerifiedPackage {
    /// Verifies the file of a planned package, whose digest the caller has
    /// compared with the plan's.
    ///
    /// # Errors
    /// The signature is missing where one is needed, or does not count.
    pub(in crate::arch) fn verify(
        mut file: File,
        planned: &PlannedPackage,
        repository: &Repository,
        now: Timestamp,
        progress: &Progress,
    ) -> Result<Self, PackageError> {
        let package = || planned.name.to_string();
        let read = |source: io::Error| PackageError::Read {
            package: package(),
            source,
        };
        let proof = match (&planned.signature, repository.sig_level) {
            (_, SigLevel::Never) | (None, SigLevel::Optional) => Proof::Sha256,
            (None, _) => return Err(PackageError::Unsigned { package: package() }),
            (Some(signature), _) => {
                let mut watched = Watched::new(&mut file, progress);
                let (keyring, policy) = (&repository.keyring, repository.policy);
                let verified = keyring.verify_reader(&mut watched, signature.bytes(), policy, now);
                // What stopped in the middle stopped because of that.
                progress.check()?;
                let verified: Verified<Sha256> =
                    verified.map_err(|source| PackageError::Signature {
                        package: package(),
                        source,
                    })?;
                if *verified != planned.sha256 {
                    return Err(PackageError::Changed { package: package() });
                }
                file.rewind().map_err(read)?;
                Proof::Pgp
            }
        };
        Ok(Self { file, proof })
    }

    /// The file.
    pub(super) fn into_parts(self) -> (File, Proof) {
        (self.file, self.proof)
    }
}
