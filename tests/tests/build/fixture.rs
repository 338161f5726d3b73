//! A small repository, and a recipe whose only mirror it is.

use hatchery_builder::recipe::{Key, Recipe};
use hatchery_builder::{BuildRequest, Built};
use hatchery_image::durable::STAGING_PREFIX;
use hatchery_image::signer::Signer;
use hatchery_image::{Architecture, Progress};
use hatchery_tests::debs::{self, Deb};
use hatchery_tests::repository::{Dates, Repository};
use hatchery_tests::{Need, lab};
use hatchery_transfer::{Cache, Client, Settings};
use jiff::{Timestamp, ToSpan as _};
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tempfile::TempDir;

pub(super) const NEEDS: [Need; 2] = [Need::Root, Need::Program("gpg")];

const HELPER: &str = env!("CARGO_BIN_EXE_hatchery-test-helper");

/// The suite of the repository, and the name of the image.
pub(super) const SUITE: &str = "small";

/// A recipe's archive, packed as quickly as can be.
pub(crate) const ARCHIVE: &str = "archive = { formats = [\"tar.zst\"], zstd_level = 1 }";

/// A folder with everything that a build needs and makes.
pub(super) struct Workshop {
    folder: TempDir,
    pub(super) repository: Repository,
}

impl Workshop {
    /// With the packages `base`, which is essential, and `hello`.
    pub(super) fn new() -> Self {
        Self::with(&[Deb::new("hello", "1").file("usr/bin/hello", b"hello")])
    }

    /// With the packages `base` and these.
    pub(super) fn with(packages: &[Deb]) -> Self {
        let mut workshop = Self::empty();
        for package in packages {
            workshop.repository.add(package);
        }
        workshop.publish();
        workshop
    }

    /// With `base` in the pool, and not published yet.
    pub(super) fn empty() -> Self {
        // Mounts of this thread are its own from here on.
        hatchery_builder::userns::enter().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let signer = lab::key(&folder.path().join("gnupg"), "archive@example.org");
        let root = folder.path().join("repository");
        let mut repository = Repository::create(&root, SUITE, &signer);
        repository.add(&debs::base());
        Self { folder, repository }
    }

    /// Writes and signs the repository's indexes as of today.
    pub(super) fn publish(&self) {
        self.repository.publish(Dates {
            made: now(),
            until: Some(days(7)),
        });
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A key that signs nothing here.
    pub(super) fn other_key(&self) -> Signer {
        lab::key(&self.path("other"), "other@example.org")
    }

    /// To build a recipe with these lines besides the usual ones.
    pub(super) fn request(&self, lines: &str) -> BuildRequest {
        let mirror = self.repository.folder().display();
        let text = format!(
            "name = \"{SUITE}\"\ndistribution = \"debian\"\nrelease = \"{SUITE}\"\n\
             variant = \"essential\"\nmirrors = [\"file://{mirror}\"]\n{ARCHIVE}\n{lines}"
        );
        let host = Architecture::host().unwrap();
        let mut recipe = Recipe::parse(&text, Path::new("small.toml"), host).unwrap();
        // In a recipe's text, the archive's key is always Debian's own.
        recipe.repositories[0].key = Some(Key {
            name: "own.pgp".to_owned(),
            content: self.repository.key().into(),
        });
        request(recipe, &self.path("cache"), &self.path("output"))
    }

    /// Where the image is after a build.
    pub(super) fn image(&self) -> PathBuf {
        self.path("output").join(SUITE)
    }

    /// Builds what must be refused; everything that a user is told then.
    pub(super) fn refused(&self, lines: &str) -> String {
        refused(&self.request(lines))
    }

    pub(super) fn builds(&self, lines: &str) -> Built {
        build(&self.request(lines)).unwrap_or_else(|e| panic!("{e}"))
    }
}

/// To build a recipe with nothing but what it says.
pub(crate) fn request(recipe: Recipe, cache: &Path, output: &Path) -> BuildRequest {
    let settings = Settings {
        connect: Duration::from_secs(5),
        stall: Duration::from_secs(10),
        pauses: vec![Duration::from_millis(20)],
        offline: false,
        system_proxy: true,
        ..Settings::default()
    };
    BuildRequest {
        recipe,
        mirrors: Vec::new(),
        host_sources: Vec::new(),
        lock: None,
        snapshot: None,
        version: None,
        source_date_epoch: None,
        output: output.to_owned(),
        cache: Cache::open(cache).unwrap(),
        client: Client::with(settings).unwrap(),
        signer: None,
        helper: [HELPER, "__confine"].map(OsString::from).to_vec(),
        user_namespace: false,
        threads: 2,
        hostname: None,
        accept_expired: false,
        now: now(),
    }
}

/// Builds; or everything that a user is told.
pub(crate) fn build(request: &BuildRequest) -> Result<Built, String> {
    build_with(request, &Progress::silent())
}

/// The same, with somebody who listens.
pub(crate) fn build_with(request: &BuildRequest, progress: &Progress) -> Result<Built, String> {
    hatchery_builder::build(request, progress).map_err(|error| chain(&error))
}

/// Builds what must be refused, and asserts that nothing is left of it; the
/// whole text of the error.
pub(crate) fn refused(request: &BuildRequest) -> String {
    let before = names(&request.output);
    let error = match build(request) {
        Ok(built) => panic!("it built {}", built.directory.display()),
        Err(error) => error,
    };
    assert_eq!(names(&request.output), before, "{error}");
    for folder in ["work", "base"] {
        let mut left = names(&request.cache.root().join(folder));
        left.retain(|name| name.starts_with(STAGING_PREFIX));
        assert!(left.is_empty(), "{folder} holds {left:?} after {error}");
    }
    error
}

/// The names in a folder; none if it is not there.
pub(crate) fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten();
    let mut names: Vec<String> = entries
        .map(|e| e.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

/// Asserts that a text holds all of these.
#[track_caller]
pub(crate) fn says(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "no {part:?} in:\n{text}");
    }
}

/// All causes of an error, as a user sees them.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text.push_str("\n  because: ");
        text.push_str(&cause.to_string());
        next = cause.source();
    }
    text
}

/// So many days from now.
pub(super) fn days(days: i64) -> Timestamp {
    now().checked_add((days * 24).hours()).unwrap()
}

#[expect(
    clippy::disallowed_methods,
    reason = "signatures are made by the clock"
)]
pub(crate) fn now() -> Timestamp {
    Timestamp::now()
}
