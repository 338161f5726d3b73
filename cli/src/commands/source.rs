//! Where images come from and whom to believe about them, from flags and the
//! host's configuration: what every subcommand that reads a catalog takes.

use super::key::{day, grouped};
use super::places::HostPlaces;
use crate::environment::TRUSTED_KEYS;
use crate::terminal::Terminal;
use clap::Args;
use hatchery_image::catalog::Stale;
use hatchery_image::keyring::Certificate;
use hatchery_image::{Fingerprint, Keyring};
use hatchery_importer::ImportError;
use hatchery_importer::remote::RemoteError;
use hatchery_importer::repository::{Repository, RepositoryError};
use hatchery_transfer::Location;
use std::path::PathBuf;

/// Which repository, and whom to believe.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Source")]
pub(crate) struct Source {
    /// A mirror: a URL or a folder; may be given several times, instead of the configured ones
    #[arg(long, value_name = "URL", value_parser = Location::parse)]
    mirror: Vec<Location>,
    /// A file with keys to trust, one or several, binary or armored; may be given several
    /// times, instead of the trusted keys
    #[arg(long, value_name = "FILE")]
    key: Vec<PathBuf>,
    /// The fingerprint of a key to trust from now on, once the catalog was verified with it;
    /// its certificate is taken from the mirror. May be given several times
    #[arg(long, value_name = "HEX", conflicts_with = "key")]
    trust: Vec<Fingerprint>,
    /// Where the keys that this host trusts are
    #[arg(long, value_name = "DIR", default_value = TRUSTED_KEYS)]
    keys: PathBuf,
    /// Take a catalog that has expired, as an air-gapped mirror has it
    #[arg(long)]
    allow_stale: bool,
}

impl Source {
    /// Whether a flag names another repository or key than the configured.
    pub(crate) fn is_given(&self) -> bool {
        !self.mirror.is_empty()
            || !self.key.is_empty()
            || !self.trust.is_empty()
            || self.allow_stale
    }

    /// The repository in the library's terms.
    pub(crate) fn repository(&self, places: &HostPlaces) -> anyhow::Result<Repository> {
        let config = places.config()?;
        let mut keyring = Keyring::default();
        for file in &self.key {
            keyring.extend(Keyring::load(file)?);
        }
        if self.key.is_empty() {
            keyring = Keyring::load_directory(&self.keys)?;
        }
        let configured = self.mirror.is_empty();
        Ok(Repository {
            locations: if configured {
                config.locations(&places.config)?
            } else {
                self.mirror.clone()
            },
            keyring,
            trust: self.trust.clone(),
            keys: self.key.is_empty().then(|| self.keys.clone()),
            // An id is that of the configured mirrors.
            id: config.repository.id.filter(|_| configured),
            stale: if self.allow_stale {
                Stale::Accept
            } else {
                Stale::Refuse
            },
        })
    }
}

/// Does `verb` with a repository. If this host trusts no key yet, and a person
/// is there who says that the one that signed is the right one, once more with
/// that. Without a person the error stands, which says what to do.
pub(crate) fn introduced<T>(
    mut repository: Repository,
    terminal: &Terminal,
    verb: impl Fn(Repository) -> anyhow::Result<T>,
) -> anyhow::Result<T> {
    let error = match verb(repository.clone()) {
        Err(error) => error,
        done => return done,
    };
    let Some((address, candidates)) = unknown(&error) else {
        return Err(error);
    };
    for candidate in candidates {
        let question = question(address, candidate);
        if terminal.asks(&question, "Trust this key from now on? [y/N] ")? {
            repository.trust = vec![candidate.fingerprint.clone()];
            return verb(repository);
        }
    }
    Err(error)
}

/// The keys of a first contact.
fn unknown(error: &anyhow::Error) -> Option<(&str, &[Certificate])> {
    let of_import = match error.downcast_ref() {
        Some(ImportError::Repository(error)) => Some(error),
        _ => None,
    };
    let of_remote = match error.downcast_ref() {
        Some(RemoteError::Repository(error)) => Some(error),
        _ => None,
    };
    match of_import.or(of_remote)? {
        RepositoryError::FirstContact {
            address,
            candidates,
        } => Some((address, candidates)),
        _ => None,
    }
}

fn question(address: &str, candidate: &Certificate) -> String {
    let mut text = format!(
        "No key is trusted yet. {address} is signed by\n\n  {}\n",
        grouped(candidate.fingerprint.as_str())
    );
    for user_id in &candidate.user_ids {
        text.push_str(&format!("      {user_id}\n"));
    }
    let made = candidate.created.map_or("?".to_owned(), day);
    text.push_str(&format!("      made {made}\n\n"));
    text.push_str(
        "Anybody can make a key of that name. Compare the fingerprint with one that came\n",
    );
    text.push_str("by another way: by telephone, on paper, from a page that you trust.\n");
    text
}
