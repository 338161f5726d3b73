//! Signing with the user's own GnuPG, through gpgme. Private keys never leave
//! GnuPG's homes (agent, smart cards and hardware tokens included).
//!
//! Never verifies: gpgme hands over the output of bad signatures too, and
//! [`crate::keyring`] does it better. What GnuPG made is looked at before it
//! is handed on: a `local-user` or `digest-algo` in somebody's `gpg.conf`
//! would otherwise add a second signature, which systemd refuses, or a weak
//! one, which we do.

mod error;
mod home;

pub use error::SignerError;
pub use home::{Home, Protection, SecretKey};

use crate::keyring::{self, Fingerprint, Keyring, KeyringError};
use std::path::Path;

/// Longest path of a private home, in bytes: `S.gpg-agent.browser` inside it
/// must fit into the 107 bytes of a socket's address, and GnuPG keeps one
/// spare.
pub const HOME_MAX: usize = 86;

/// A private key in a GnuPG home.
#[derive(Clone, Debug)]
pub struct Signer {
    home: Home,
    fingerprint: Fingerprint,
}

impl Signer {
    /// Finds the one secret key that matches `query` (fingerprint, mail
    /// address or name; all secret keys when none) in the GnuPG home.
    ///
    /// # Errors
    /// None or several match, or GnuPG does not answer.
    pub fn find(home: Option<&Path>, query: Option<&str>) -> Result<Self, SignerError> {
        let home = home.map_or(Ok(Home::of_the_user()), Home::open)?;
        let mut keys = home.matching(query)?;
        keys.retain(|key| key.can_sign);
        match keys.as_slice() {
            [] => Err(SignerError::NoKey {
                home: home.in_words(),
                query: query.map(ToOwned::to_owned),
            }),
            [key] => Ok(Self {
                fingerprint: key.fingerprint.clone(),
                home,
            }),
            _ => Err(SignerError::SeveralKeys {
                home: home.in_words(),
                keys: keys
                    .into_iter()
                    .map(|k| {
                        (
                            k.fingerprint,
                            k.user_ids.into_iter().next().unwrap_or_default(),
                        )
                    })
                    .collect(),
            }),
        }
    }

    /// Primary fingerprint.
    #[must_use]
    pub fn fingerprint(&self) -> &Fingerprint {
        &self.fingerprint
    }

    /// The GnuPG home, if it is not the user's own.
    #[must_use]
    pub fn home(&self) -> Option<&Path> {
        self.home.path()
    }

    /// A binary detached signature: exactly one.
    ///
    /// # Errors
    /// GnuPG refused, or made something else.
    pub fn sign_detached(&self, data: &[u8]) -> Result<Vec<u8>, SignerError> {
        let doing = "sign";
        let mut context = self.home.context()?;
        let key = context
            .get_secret_key(self.fingerprint.as_str())
            .map_err(self.home.failed("find the key to sign with"))?;
        context.set_armor(false);
        context.set_text_mode(false);
        context
            .add_signer(&key)
            .map_err(self.home.failed("choose the key to sign with"))?;
        let mut signature = Vec::new();
        context
            .sign_detached(data, &mut signature)
            .map_err(self.home.failed(doing))?;
        let unexpected = |error: KeyringError| SignerError::Unexpected {
            doing,
            source: Box::new(error),
        };
        // `armor` in gpg.conf cannot be switched off through gpgme.
        let signature = keyring::dearmor_signature(&signature).map_err(unexpected)?;
        Keyring::parse(&self.public_key()?)
            .and_then(|own| own.check_made(data, &signature))
            .map_err(unexpected)?;
        Ok(signature)
    }

    /// Seals a payload in an envelope; the bytes of the file.
    ///
    /// # Errors
    /// GnuPG refused.
    pub fn seal(&self, payload_type: &str, payload: &[u8]) -> Result<Vec<u8>, SignerError> {
        Self::seal_together(&[self], payload_type, payload)
    }

    /// Seals a payload in an envelope that bears a signature by each of them.
    ///
    /// # Errors
    /// GnuPG refused one.
    pub fn seal_together(
        signers: &[&Self],
        payload_type: &str,
        payload: &[u8],
    ) -> Result<Vec<u8>, SignerError> {
        let covered = crate::envelope::pre_authentication_encoding(payload_type, payload);
        let mut signatures = Vec::new();
        for signer in signers {
            signatures.push((&signer.fingerprint, signer.sign_detached(&covered)?));
        }
        Ok(crate::envelope::write(payload_type, payload, &signatures))
    }

    /// The public certificate, binary, as systemd's keyrings want it.
    ///
    /// # Errors
    /// GnuPG refused.
    pub fn public_key(&self) -> Result<Vec<u8>, SignerError> {
        self.home.export(&self.fingerprint)
    }

    /// The public certificate as text.
    ///
    /// # Errors
    /// GnuPG refused.
    pub fn public_key_armored(&self) -> Result<Vec<u8>, SignerError> {
        self.home.export_armored(&self.fingerprint)
    }

    /// Stops the agent of a private home; see [`Home::stop_agent`].
    ///
    /// # Errors
    /// `gpgconf` failed.
    pub fn stop_agent(&self) -> Result<(), SignerError> {
        self.home.stop_agent()
    }
}
