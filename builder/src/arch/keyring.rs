//! Arch Linux's packagers and the master keys that certify them, as they are
//! in `keys/`.

use hatchery_image::keyring::{KeyringError, Policy};
use hatchery_image::{Keyring, Sha256};

/// What is in `keys/archlinux.pgp`.
const CERTIFICATES: &[u8] = include_bytes!("../../../keys/archlinux.pgp");

/// The master keys.
const TRUSTED: &str = include_str!("../../../keys/archlinux-trusted");

/// Keys that no longer count.
const REVOKED: &str = include_str!("../../../keys/archlinux-revoked");

/// The keys whose signatures on packages of Arch Linux count: as `pacman-key
/// --populate` would have it, with the clock that each verification is given.
///
/// # Errors
/// None while the files in `keys/` are whole.
pub fn keyring() -> Result<Keyring, KeyringError> {
    Keyring::from_web_of_trust(CERTIFICATES, TRUSTED, REVOKED, Policy::Arch)
}

/// The digest of all three files.
#[must_use]
pub fn digest() -> Sha256 {
    Sha256::of(&[CERTIFICATES, TRUSTED.as_bytes(), REVOKED.as_bytes()].concat())
}

#[cfg(test)]
mod tests {
    use hatchery_image::keyring::CertificateState;

    #[test]
    fn many_packagers_count_and_many_do_not() {
        let keyring = super::keyring().unwrap();
        let at = "2026-11-20T00:00:00Z".parse().unwrap();
        let certificates = keyring.certificates(at);
        let good = certificates
            .iter()
            .filter(|c| c.state == CertificateState::Good)
            .count();
        assert!(
            good >= 50 && good < certificates.len() / 2,
            "{good} of {}",
            certificates.len()
        );
    }
}
