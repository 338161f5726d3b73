//! Debian's archive keys, as they are in `keys/`.

use hatchery_image::keyring::KeyringError;
use hatchery_image::{Keyring, Sha256};

/// What is in `keys/debian.pgp`.
const DEBIAN: &[u8] = include_bytes!("../../../keys/debian.pgp");

/// The keys whose signatures on Debian's own suites count.
///
/// # Errors
/// None while the file in `keys/` is whole.
pub fn keyring() -> Result<Keyring, KeyringError> {
    Keyring::parse(DEBIAN)
}

/// The digest of what is in `keys/debian.pgp`.
#[must_use]
pub fn keyring_digest() -> Sha256 {
    Sha256::of(DEBIAN)
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_keys_of_the_archive_are_there() {
        assert!(super::keyring().unwrap().fingerprints().len() >= 3);
    }
}
