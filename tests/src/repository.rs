//! A small signed Debian repository in a folder: pool, index, `InRelease`.
//!
//! It is made in two steps, so that a test can spoil what lies between them:
//! [`Repository::add`] puts packages into the pool, [`Repository::publish`]
//! writes index and release file and signs.

use crate::debs::Deb;
use crate::run::run;
use flate2::Compression;
use flate2::write::GzEncoder;
use hatchery_builder::debian::{self, Role, Variant};
use hatchery_image::signer::Signer;
use hatchery_image::{Architecture, Keyring, Progress, Sha256};
use hatchery_transfer::{Cache, Client, Location};
use jiff::Timestamp;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

/// The one component.
const COMPONENT: &str = "main";

/// A repository of one suite.
#[derive(Debug)]
pub struct Repository {
    folder: PathBuf,
    suite: String,
    signer: Signer,
    stanzas: String,
}

/// What a release file says of its age.
#[derive(Clone, Copy, Debug)]
pub struct Dates {
    /// `Date`.
    pub made: Timestamp,
    /// `Valid-Until`.
    pub until: Option<Timestamp>,
}

impl Repository {
    /// One without packages in the new folder `folder`. Ask for `gpg` first.
    ///
    /// # Panics
    /// When the folder cannot be made.
    #[must_use]
    pub fn create(folder: &Path, suite: &str, signer: &Signer) -> Self {
        for inner in ["pool/main".to_owned(), index_folder(suite)] {
            fs::create_dir_all(folder.join(inner)).expect("folders of a repository");
        }
        Self {
            folder: folder.to_owned(),
            suite: suite.to_owned(),
            signer: signer.clone(),
            stanzas: String::new(),
        }
    }

    /// Puts a package into the pool.
    pub fn add(&mut self, deb: &Deb) {
        self.add_bytes(deb, &deb.bytes());
    }

    /// Puts these bytes into the pool, which the index says are the package.
    ///
    /// # Panics
    /// When they cannot be written.
    pub fn add_bytes(&mut self, deb: &Deb, bytes: &[u8]) {
        fs::write(self.folder.join(deb.path()), bytes).expect("a package in the pool");
        self.stanzas.push_str(&deb.stanza(bytes));
    }

    /// Writes index and release file, and signs.
    ///
    /// # Panics
    /// When something cannot be written or signed.
    pub fn publish(&self, dates: Dates) {
        let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
        let written = gzip.write_all(self.stanzas.as_bytes());
        let index = written.and_then(|()| gzip.finish()).expect("memory");
        fs::write(self.index(), &index).expect("the index");
        let release = self.release_text(dates, &index);
        fs::write(self.release(), release).expect("the release file");
        let home = self.signer.home().expect("a key in a home of its own");
        let text = |path: &Path| path.to_str().expect("temporary names are UTF-8").to_owned();
        let (home, output) = (text(home), text(&self.in_release()));
        let input = text(&self.release());
        let gpg = ["gpg", "--batch", "--yes", "--homedir", &home];
        let sign = ["--output", &output, "--clearsign", &input];
        run(&[&gpg[..], &sign[..]].concat()).expect("a signature");
    }

    fn release_text(&self, dates: Dates, index: &[u8]) -> String {
        let shown = |time: Timestamp| time.strftime("%a, %d %b %Y %H:%M:%S UTC").to_string();
        let until = dates.until.map(|t| format!("Valid-Until: {}\n", shown(t)));
        let architecture = architecture();
        format!(
            "Origin: test\nSuite: {suite}\nCodename: {suite}\nDate: {made}\n{until}\
             Architectures: all {architecture}\nComponents: {COMPONENT}\n\
             No-Support-for-Architecture-all: Packages\nSHA256:\n \
             {digest} {length} {COMPONENT}/binary-{architecture}/Packages.gz\n",
            suite = self.suite,
            made = shown(dates.made),
            until = until.unwrap_or_default(),
            digest = Sha256::of(index),
            length = index.len(),
        )
    }

    /// Where it lies.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The file of a package.
    #[must_use]
    pub fn file(&self, deb: &Deb) -> PathBuf {
        self.folder.join(deb.path())
    }

    /// The signed release file.
    #[must_use]
    pub fn in_release(&self) -> PathBuf {
        self.folder
            .join("dists")
            .join(&self.suite)
            .join("InRelease")
    }

    /// The same text without a signature.
    #[must_use]
    pub fn release(&self) -> PathBuf {
        self.in_release().with_file_name("Release")
    }

    /// The index.
    #[must_use]
    pub fn index(&self) -> PathBuf {
        let folder = self.folder.join(index_folder(&self.suite));
        folder.join("Packages.gz")
    }

    /// The key that signs it.
    ///
    /// # Panics
    /// When it cannot be exported.
    #[must_use]
    pub fn key(&self) -> Vec<u8> {
        self.signer.public_key().expect("a public key")
    }

    /// The text of a lock of these packages on top of the essential ones, for
    /// a recipe that has this repository as Debian's: what `hatchery plan`
    /// would write if it trusted the key.
    ///
    /// # Panics
    /// When they cannot be planned.
    #[must_use]
    pub fn lock(&self, packages: &[&str], now: Timestamp) -> String {
        let request = debian::Request {
            distribution: "debian".to_owned(),
            release: self.suite.clone(),
            architecture: Architecture::host().expect("a host that images are made for"),
            variant: Variant::Essential,
            packages: packages.iter().map(|&p| p.to_owned()).collect(),
            recommends: false,
            repositories: vec![debian::Repository {
                suite: self.suite.clone(),
                components: vec![COMPONENT.to_owned()],
                locations: vec![Location::from(self.folder.as_path())],
                keyring: Keyring::parse(&self.key()).expect("the key of the repository"),
                role: Role::Base,
            }],
            accept_expired: false,
        };
        let folder = tempfile::tempdir().expect("a temporary folder");
        let cache = Cache::open(folder.path()).expect("a cache");
        let client = Client::new().expect("a client");
        let plan = debian::plan(&request, &client, &cache, now, &Progress::silent());
        plan.expect("a plan").to_lock_text()
    }
}

impl Drop for Repository {
    fn drop(&mut self) {
        let _ = self.signer.stop_agent();
    }
}

fn index_folder(suite: &str) -> String {
    format!("dists/{suite}/{COMPONENT}/binary-{}", architecture())
}

fn architecture() -> &'static str {
    let host = Architecture::host().expect("a host that images are made for");
    host.debian()
}
