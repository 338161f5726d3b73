//! Debian's archive keys, as they are in `keys/`.

use hatchery_image::Keyring;
use hatchery_image::keyring::KeyringError;

/// What is in `keys/debian.pgp`.
const DEBIAN: &[u8] = include_bytes!("../../../keys/debian.pgp");

/// The keys whose signatures on Debian's own suites count.
///
/// # Errors
/// None while the file in `keys/` is whole.
pub fn keyring() -> Result<Keyring, KeyringError> {
    Keyring::parse(DEBIAN)
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_keys_of_the_archive_are_there() {
        assert!(super::keyring().unwrap().fingerprints().len() >= 3);
    }
}
