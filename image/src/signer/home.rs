//! A GnuPG home: its keys, and the agent that starts with the first of them.
//!
//! A gpgme context belongs to one thread and one call, so each verb opens its
//! own; what is slow is gpg itself.

use super::{HOME_MAX, SignerError};
use crate::{Fingerprint, Keyring, run};
use gpgme::{Context, CreateKeyFlags, ExportMode, Key, Protocol};
use jiff::Timestamp;
use std::fs::DirBuilder;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A GnuPG home: the user's own, or a folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Home {
    path: Option<PathBuf>,
}

/// A secret key of a home.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecretKey {
    /// Primary fingerprint.
    pub fingerprint: Fingerprint,
    /// User ids, the primary one first.
    pub user_ids: Vec<String>,
    /// When it was made.
    pub created: Option<Timestamp>,
    /// When it expires, if ever.
    pub expires: Option<Timestamp>,
    /// Whether GnuPG would sign with it now: not expired, revoked, disabled
    /// or for other uses only.
    pub can_sign: bool,
}

/// How the private half of a new key is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protection {
    /// GnuPG asks for a passphrase, with the user's pinentry.
    Passphrase,
    /// Whoever can read the home can sign: for machines that sign alone.
    None,
}

impl Home {
    /// The user's own home, as GnuPG finds it.
    #[must_use]
    pub fn of_the_user() -> Self {
        Self { path: None }
    }

    /// A private home, which must exist. Relative paths are made absolute.
    ///
    /// # Errors
    /// It is not a folder, or its path is too long for gpg-agent.
    pub fn open(path: &Path) -> Result<Self, SignerError> {
        let failed = |source| SignerError::Home {
            home: path.to_owned(),
            source,
        };
        let absolute = path.canonicalize().map_err(failed)?;
        std::fs::read_dir(&absolute).map_err(failed)?;
        // With a runtime folder of the user, GnuPG puts its sockets there.
        let elsewhere = format!("/run/user/{}", rustix::process::geteuid().as_raw());
        if absolute.as_os_str().len() > HOME_MAX && !Path::new(&elsewhere).is_dir() {
            return Err(SignerError::HomeTooLong { home: absolute });
        }
        Ok(Self {
            path: Some(absolute),
        })
    }

    /// A private home, created with mode 0700 if it is missing.
    ///
    /// # Errors
    /// As above, and when it cannot be created.
    pub fn create(path: &Path) -> Result<Self, SignerError> {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(path)
            .map_err(|source| SignerError::Home {
                home: path.to_owned(),
                source,
            })?;
        Self::open(path)
    }

    /// The folder, if it is not the user's own.
    #[must_use]
    pub fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }

    /// Every secret key of the home.
    ///
    /// # Errors
    /// GnuPG does not answer.
    pub fn secret_keys(&self) -> Result<Vec<SecretKey>, SignerError> {
        self.matching(None)
    }

    /// The secret keys that match a fingerprint, mail address or name.
    pub(super) fn matching(&self, query: Option<&str>) -> Result<Vec<SecretKey>, SignerError> {
        if query.is_some_and(|q| q.is_empty() || q.contains('\0')) {
            return Err(SignerError::Text(query.unwrap_or_default().to_owned()));
        }
        let doing = "list the secret keys";
        let mut context = self.context()?;
        let keys = context
            .find_secret_keys(query)
            .map_err(self.failed(doing))?;
        let mut found = Vec::new();
        for key in keys {
            let key = key.map_err(self.failed(doing))?;
            found.extend(describe(&key));
        }
        Ok(found)
    }

    /// Makes a key that certifies and signs (Ed25519, which every GnuPG since
    /// 2.1 reads). Without `expires` it never does.
    ///
    /// # Errors
    /// GnuPG refused; the user did not give a passphrase.
    pub fn new_key(
        &self,
        user_id: &str,
        protection: Protection,
        expires: Option<Duration>,
    ) -> Result<SecretKey, SignerError> {
        let doing = "make a key";
        if user_id.is_empty() || user_id.contains('\0') {
            return Err(SignerError::Text(user_id.to_owned()));
        }
        let mut flags = CreateKeyFlags::SIGN | CreateKeyFlags::CERT;
        if protection == Protection::None {
            flags |= CreateKeyFlags::NOPASSWD;
        }
        if expires.is_none() {
            flags |= CreateKeyFlags::NOEXPIRE;
        }
        let made = self
            .context()?
            .create_key_with_flags(user_id, "ed25519", expires.unwrap_or_default(), flags)
            .map_err(self.failed(doing))?;
        let fingerprint = made.fingerprint().unwrap_or_default().to_owned();
        let mut found = self.matching(Some(&fingerprint))?;
        found
            .pop()
            .ok_or_else(|| self.other_key(doing, &fingerprint))
    }

    /// The public certificate of a key, binary, without the certifications of
    /// others.
    ///
    /// # Errors
    /// GnuPG refused, or it is not there.
    pub fn export(&self, key: &Fingerprint) -> Result<Vec<u8>, SignerError> {
        self.export_as(key, false)
    }

    /// The same as text.
    ///
    /// # Errors
    /// As above.
    pub fn export_armored(&self, key: &Fingerprint) -> Result<Vec<u8>, SignerError> {
        self.export_as(key, true)
    }

    fn export_as(&self, key: &Fingerprint, armored: bool) -> Result<Vec<u8>, SignerError> {
        let doing = "export the public key";
        let mut context = self.context()?;
        context.set_armor(armored);
        let mut bytes = Vec::new();
        context
            .export(Some(key.as_str()), ExportMode::MINIMAL, &mut bytes)
            .map_err(self.failed(doing))?;
        let exported = Keyring::parse(&bytes).map_err(|error| SignerError::Unexpected {
            doing,
            source: Box::new(error),
        })?;
        if exported.fingerprints() != std::slice::from_ref(key) {
            return Err(self.other_key(doing, key.as_str()));
        }
        Ok(bytes)
    }

    /// Stops the agent that GnuPG left running in a private home; the user's
    /// own is left alone. Call it when done with a home that goes away.
    ///
    /// # Errors
    /// `gpgconf` failed.
    pub fn stop_agent(&self) -> Result<(), SignerError> {
        let Some(path) = &self.path else {
            return Ok(());
        };
        let argv = ["gpgconf", "--homedir"].map(std::ffi::OsStr::new);
        let kill = ["--kill", "all"].map(std::ffi::OsStr::new);
        run::run(&[&argv[..], &[path.as_os_str()], &kill[..]].concat())
            .map(drop)
            .map_err(SignerError::Agent)
    }

    pub(super) fn context(&self) -> Result<Context, SignerError> {
        let mut context = Context::from_protocol(Protocol::OpenPgp).map_err(SignerError::NoGpg)?;
        if let Some(path) = &self.path {
            context
                .set_engine_home_dir(path.as_os_str().as_bytes())
                .map_err(SignerError::NoGpg)?;
        }
        Ok(context)
    }

    pub(super) fn failed(&self, doing: &'static str) -> impl Fn(gpgme::Error) -> SignerError {
        let home = self.in_words();
        move |source| SignerError::Gpg {
            doing,
            home: home.clone(),
            source,
        }
    }

    fn other_key(&self, doing: &'static str, key: &str) -> SignerError {
        SignerError::OtherKey {
            doing,
            key: key.to_owned(),
            home: self.in_words(),
        }
    }

    pub(super) fn in_words(&self) -> String {
        match &self.path {
            Some(path) => path.display().to_string(),
            None => "your own".to_owned(),
        }
    }
}

fn describe(key: &Key) -> Option<SecretKey> {
    let primary = key.primary_key()?;
    let timestamp = |time: std::time::SystemTime| Timestamp::try_from(time).ok();
    Some(SecretKey {
        fingerprint: key.fingerprint().ok()?.parse().ok()?,
        user_ids: key
            .user_ids()
            .map(|u| String::from_utf8_lossy(u.id_raw().map_or(b"", |c| c.to_bytes())).into_owned())
            .collect(),
        created: primary.creation_time().and_then(timestamp),
        expires: primary.expiration_time().and_then(timestamp),
        can_sign: key.can_sign() && !key.is_bad(),
    })
}
