//! When, for how long and trusting whom a catalog is signed.

use super::error::CatalogError;
use hatchery_image::Keyring;
use hatchery_image::catalog::EXPIRES_AFTER_DAYS;
use hatchery_image::signer::Signer;
use jiff::{SignedDuration, Timestamp};

/// How a catalog is signed.
#[derive(Clone, Debug)]
pub struct Signing {
    /// When.
    pub now: Timestamp,
    /// For how long it is good.
    pub expires_after: SignedDuration,
    /// Certificates, besides the signer's own, whose signature on the present
    /// catalog and on images is trusted: those of other publishers.
    pub trusted: Keyring,
    /// Take over a catalog that does not list the signer's key, or that no
    /// trusted key signed. Everything in it is then signed as it stands.
    pub adopt: bool,
}

impl Signing {
    /// The usual way: 30 days, nobody but the signer.
    #[must_use]
    pub fn new(now: Timestamp) -> Self {
        Self {
            now,
            expires_after: SignedDuration::from_hours(24 * EXPIRES_AFTER_DAYS),
            trusted: Keyring::default(),
            adopt: false,
        }
    }

    /// The signer's certificate and the trusted ones.
    pub(crate) fn keyring(&self, signer: &Signer) -> Result<Keyring, CatalogError> {
        let certificate = signer.public_key().map_err(CatalogError::Signer)?;
        let mut keyring = Keyring::parse(&certificate).map_err(CatalogError::Certificate)?;
        keyring.extend(self.trusted.clone());
        Ok(keyring)
    }
}
