//! How catalogs are signed: what `publish` and `catalog refresh` share.

use crate::{environment, span};
use anyhow::Context as _;
use clap::Args;
use hatchery_image::Keyring;
use hatchery_mirror::Signing;
use std::path::PathBuf;
use std::time::Duration;

/// How the catalog is signed.
#[derive(Args, Debug)]
pub(crate) struct CatalogSigning {
    /// How long the catalog is good, such as 7d [default: 30d]
    #[arg(long, value_name = "TIME", value_parser = span::parse)]
    expires_after: Option<Duration>,
    /// The public key of another publisher of this store; may be given several times
    #[arg(long, value_name = "FILE")]
    trust: Vec<PathBuf>,
    /// Sign a catalog that no trusted key signed, or that does not list this key
    #[arg(long)]
    adopt: bool,
}

impl CatalogSigning {
    /// In the library's terms.
    pub(crate) fn signing(&self) -> anyhow::Result<Signing> {
        let mut signing = Signing::new(environment::now());
        if let Some(after) = self.expires_after {
            signing.expires_after = after.try_into().context("such a span cannot be counted")?;
        }
        for path in &self.trust {
            signing.trusted.extend(Keyring::load(path)?);
        }
        signing.adopt = self.adopt;
        Ok(signing)
    }
}
