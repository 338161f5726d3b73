//! Which GnuPG home holds the private keys.

use crate::environment;
use clap::Args;
use hatchery_image::signer::{Home, Signer};
use std::path::PathBuf;

/// Which key signs.
#[derive(Args, Clone, Debug)]
pub(crate) struct SigningKey {
    /// The key that signs: fingerprint, mail address or name [default: the only one]
    #[arg(long, value_name = "KEY")]
    key: Option<String>,
    #[command(flatten)]
    home: GnupgHome,
}

impl SigningKey {
    /// The key, which must be there.
    pub(crate) fn signer(&self) -> anyhow::Result<Signer> {
        self.home.signer(self.key.as_deref())
    }

    /// Where it is.
    #[cfg(feature = "serve")]
    pub(crate) fn home(&self) -> &GnupgHome {
        &self.home
    }
}

/// Where private keys are.
#[derive(Args, Clone, Debug)]
pub(crate) struct GnupgHome {
    /// The GnuPG home with the private keys [default: $GNUPGHOME, or GnuPG's own]
    #[arg(long, value_name = "DIR")]
    pub(crate) gnupg_home: Option<PathBuf>,
}

impl GnupgHome {
    /// The home, which must exist unless it is the user's own.
    pub(crate) fn open(&self) -> anyhow::Result<Home> {
        Ok(match self.path() {
            Some(path) => Home::open(&path)?,
            None => Home::of_the_user(),
        })
    }

    /// The home, made if it is missing.
    pub(crate) fn create(&self) -> anyhow::Result<Home> {
        Ok(match self.path() {
            Some(path) => Home::create(&path)?,
            None => Home::of_the_user(),
        })
    }

    /// The one key there that matches, or the only one.
    pub(crate) fn signer(&self, query: Option<&str>) -> anyhow::Result<Signer> {
        Ok(Signer::find(self.path().as_deref(), query)?)
    }

    fn path(&self) -> Option<PathBuf> {
        self.gnupg_home.clone().or_else(environment::gnupg_home)
    }
}
