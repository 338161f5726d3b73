//! A plan as a text that is kept beside a recipe and obeyed by later builds.
//!
//! TOML, one table a package, in the order of installation, one value a line:
//! a change of one package's version is a change of a few neighbouring lines.
//! It pins bytes, so it says nothing of mirrors; and it repeats what the
//! recipe asked for, so that a change of the recipe can be named.

use super::{Drift, PACKAGE_MAX, Plan, PlannedIndex, PlannedPackage, PlannedRepository, Wanted};
use hatchery_image::{Fingerprint, Sha256};
use hatchery_transfer::Location;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// Longest lock that is read, in bytes: 5,000 packages take 2 MiB.
pub const LOCK_MAX: usize = 32 << 20;

/// The format that this program writes and reads.
const FORMAT: u32 = 1;

const HEADER: &str = "\
# Exact packages of an image: `hatchery plan` writes this file, and
# `hatchery build --locked` installs these bytes and no others.
";

/// A lock that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lock {
    document: Document,
    digest: Sha256,
}

/// Why a lock cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// It is longer than [`LOCK_MAX`].
    #[error("the lock is {0} bytes long; at most {LOCK_MAX} are read")]
    TooLong(usize),
    /// It is not such a document.
    #[error("cannot read the lock")]
    Syntax(#[source] toml::de::Error),
    /// It was written by a newer version.
    #[error("the lock has format {0}; this program reads format {FORMAT}")]
    Format(u32),
    /// It contradicts itself.
    #[error("the lock is damaged: {0}")]
    Damaged(String),
    /// The recipe asks for something else now.
    #[error(transparent)]
    Drift(#[from] Drift),
    /// A repository of the lock has no mirror.
    #[error("no mirror is known for the repository {0} of the lock")]
    NoMirror(String),
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    format: u32,
    source_date_epoch: i64,
    wanted: Wanted,
    #[serde(rename = "repository")]
    repositories: Vec<LockedRepository>,
    #[serde(rename = "package", default)]
    packages: Vec<PlannedPackage>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct LockedRepository {
    suite: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    components: Vec<String>,
    date: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    signer: Option<Fingerprint>,
    #[serde(rename = "index", default)]
    indexes: Vec<PlannedIndex>,
}

impl Plan {
    /// The plan as the text of a lock: the same plan gives the same text.
    ///
    /// # Panics
    /// Never: what is in a plan can be written as TOML.
    #[must_use]
    pub fn to_lock_text(&self) -> String {
        let document = Document {
            format: FORMAT,
            source_date_epoch: self.source_date_epoch,
            wanted: self.wanted.clone(),
            repositories: self
                .repositories
                .iter()
                .map(|r| LockedRepository {
                    suite: r.suite.clone(),
                    components: r.components.clone(),
                    date: r.date,
                    signer: r.signer.clone(),
                    indexes: r.indexes.clone(),
                })
                .collect(),
            packages: self.packages.clone(),
        };
        let text = toml::to_string_pretty(&document).expect("a plan can be written as TOML");
        format!("{HEADER}\n{text}")
    }
}

impl Lock {
    /// Reads a lock.
    ///
    /// # Errors
    /// A text that is too long, is not one, or contradicts itself.
    pub fn parse(text: &str) -> Result<Self, LockError> {
        if text.len() > LOCK_MAX {
            return Err(LockError::TooLong(text.len()));
        }
        let document: Document = toml::from_str(text).map_err(LockError::Syntax)?;
        if document.format != FORMAT {
            return Err(LockError::Format(document.format));
        }
        document.check().map_err(LockError::Damaged)?;
        Ok(Self {
            document,
            digest: Sha256::of(text.as_bytes()),
        })
    }

    /// Digest of the text, for the manifest.
    #[must_use]
    pub fn digest(&self) -> Sha256 {
        self.digest
    }

    /// What it was written for.
    #[must_use]
    pub fn wanted(&self) -> &Wanted {
        &self.document.wanted
    }

    /// Whether it was written for what is asked `now`.
    ///
    /// # Errors
    /// What differs.
    pub fn check(&self, now: &Wanted) -> Result<(), LockError> {
        Ok(self.document.wanted.same_as(now)?)
    }

    /// The plan that it pins; `locations` says where the repository of a
    /// suite or name lies whose index has a date.
    ///
    /// # Errors
    /// A repository without any location.
    pub fn into_plan(
        self,
        locations: impl Fn(&str, Timestamp) -> Vec<Location>,
    ) -> Result<Plan, LockError> {
        let repositories = self.document.repositories.into_iter().map(|r| {
            let locations = locations(&r.suite, r.date);
            if locations.is_empty() {
                return Err(LockError::NoMirror(r.suite));
            }
            Ok(PlannedRepository {
                suite: r.suite,
                components: r.components,
                locations,
                date: r.date,
                signer: r.signer,
                indexes: r.indexes,
            })
        });
        Ok(Plan {
            repositories: repositories.collect::<Result<_, _>>()?,
            wanted: self.document.wanted,
            source_date_epoch: self.document.source_date_epoch,
            packages: self.document.packages,
        })
    }
}

impl Document {
    fn check(&self) -> Result<(), String> {
        if self.source_date_epoch < 0 {
            return Err("source_date_epoch is before 1970".to_owned());
        }
        let mut names = BTreeSet::new();
        for package in &self.packages {
            let name = &package.name;
            if !names.insert(name) {
                return Err(format!("the package {name} is in it twice"));
            }
            if package.repository >= self.repositories.len() {
                return Err(format!("the package {name} comes from no repository"));
            }
            if package.size > PACKAGE_MAX {
                return Err(format!("the package {name} is too large"));
            }
            for text in [&package.version, &package.architecture] {
                if !is_word(text) {
                    return Err(format!("{text:?} is no version or architecture of {name}"));
                }
            }
        }
        Ok(())
    }
}

/// Whether a version or architecture is one word that no shell reads anything
/// into: they become parts of file names, commands and package databases.
pub(crate) fn is_word(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= 256
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"+-._~:^".contains(&b))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{PlannedPackage, WantedRepository};
    use hatchery_image::Architecture;

    pub(crate) fn plan() -> Plan {
        let package = |name: &str, named| PlannedPackage {
            name: name.parse().unwrap(),
            version: "1:1.0~rc1-2+b1".into(),
            architecture: "amd64".into(),
            source: None,
            size: 1234,
            installed_size: 5678 << 10,
            sha256: Sha256::of(name.as_bytes()),
            path: format!("pool/main/{name}.deb").parse().unwrap(),
            repository: 0,
            named,
            essential: !named,
            licenses: Vec::new(),
            signature: (!named).then(|| crate::plan::Signature::try_from(vec![1, 2]).unwrap()),
        };
        Plan {
            wanted: Wanted {
                distribution: "debian".into(),
                release: "trixie".into(),
                architecture: Architecture::Amd64,
                variant: "minbase".into(),
                recommends: false,
                packages: vec!["dbus".into()],
                ignored: Vec::new(),
                repositories: vec![WantedRepository {
                    suite: "trixie".into(),
                    components: vec!["main".into()],
                }],
            },
            source_date_epoch: 1_763_716_544,
            repositories: vec![PlannedRepository {
                suite: "trixie".into(),
                components: vec!["main".into()],
                locations: vec![Location::parse("http://mirror.example/debian").unwrap()],
                date: "2025-11-21T09:15:44Z".parse().unwrap(),
                signer: "4D64FEC119C2029067D6E791F8D2585B8783D481".parse().ok(),
                indexes: vec![PlannedIndex {
                    path: "dists/trixie/main/binary-amd64/Packages.xz"
                        .parse()
                        .unwrap(),
                    sha256: Sha256::of(b"index"),
                }],
            }],
            packages: vec![package("base-files", false), package("dbus", true)],
        }
    }

    #[test]
    fn a_plan_survives_its_lock() {
        let plan = plan();
        let text = plan.to_lock_text();
        assert!(!text.contains("mirror.example"), "{text}");
        let lock = Lock::parse(&text).unwrap();
        lock.check(&plan.wanted).unwrap();
        let locations = plan.repositories[0].locations.clone();
        let again = lock.into_plan(|_, _| locations.clone()).unwrap();
        assert_eq!(again, plan);
        assert_eq!(again.to_lock_text(), text);
    }

    #[test]
    fn a_lock_says_what_drifted() {
        let lock = Lock::parse(&plan().to_lock_text()).unwrap();
        let mut now = plan().wanted;
        now.release = "forky".into();
        now.packages = vec!["openssh-server".into()];
        let text = lock.check(&now).unwrap_err().to_string();
        for part in [
            "the release was trixie and is forky",
            "openssh-server was added",
            "dbus was removed",
        ] {
            assert!(text.contains(part), "{text}");
        }
    }

    #[test]
    fn damaged_locks_are_refused() {
        let good = plan().to_lock_text();
        for (from, to) in [
            ("format = 1", "format = 2"),
            ("repository = 0", "repository = 7"),
            ("name = \"dbus\"", "name = \"base-files\""),
            ("name = \"dbus\"", "name = \"../dbus\""),
            ("pool/main/dbus.deb", "../../etc/shadow"),
            ("amd64\"", "amd64\\n\""),
            ("1:1.0~rc1-2+b1", "1 2"),
            ("source_date_epoch = 1763716544", "source_date_epoch = -1"),
            ("variant =", "varient ="),
        ] {
            assert!(good.contains(from), "{from}");
            assert!(Lock::parse(&good.replace(from, to)).is_err(), "{to}");
        }
    }
}
