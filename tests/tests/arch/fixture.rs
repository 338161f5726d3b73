//! A small repository, `core`, and recipes whose only one it is.

use crate::build::fixture::{ARCHIVE, build_with, names, refused, request};
use hatchery_builder::BuildRequest;
use hatchery_builder::recipe::{Key as RecipeKey, Recipe};
use hatchery_image::Architecture;
use hatchery_tests::Need;
use hatchery_tests::pocket::{Key, Listed, Pkg, PkgRepository};
use hatchery_tests::run::run;
use hatchery_tests::warnings::Warnings;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tempfile::TempDir;

pub(super) const NEEDS: [Need; 1] = [Need::Root];

/// The name of every image.
const IMAGE: &str = "tiny";

/// The name of the repository.
pub(super) const CORE: &str = "core";

/// A package without anything in it.
pub(crate) fn pkg(name: &str) -> Pkg {
    Pkg::new(name, "1-1")
}

/// A package with a file of its own, `/etc/NAME`.
pub(super) fn with_file(name: &str) -> Pkg {
    pkg(name).file(&format!("etc/{name}"), name.as_bytes())
}

/// A package with the host's own shell, and the libraries that it needs.
pub(crate) fn shell() -> Pkg {
    let bash = fs::canonicalize("/bin/bash").unwrap();
    let mut package = pkg("bash")
        .program("usr/bin/bash", &fs::read(&bash).unwrap())
        .link("bin/sh", "../usr/bin/bash");
    let needed = run(&["ldd", bash.to_str().unwrap()]).unwrap();
    for library in needed.split_whitespace().filter(|w| w.starts_with('/')) {
        package = package.program(&library[1..], &fs::read(library).unwrap());
    }
    package
}

/// A folder with everything that builds need and make.
pub(super) struct Bench {
    folder: Arc<TempDir>,
    pub(super) repository: PkgRepository,
    /// The public key that recipes name.
    pub(super) trusted: Vec<u8>,
}

/// What a build has made.
pub(super) struct Built {
    _folder: Arc<TempDir>,
    /// The tree as its packages left it.
    pub(super) tree: PathBuf,
    pub(super) warnings: Vec<String>,
}

impl Bench {
    /// Signed by a key of its own, empty and not published yet.
    pub(super) fn empty() -> Self {
        Self::signed_by(&Key::new("Tiny <tiny@localhost>"))
    }

    /// The same, by this key, which is trusted as it is.
    pub(super) fn signed_by(key: &Key) -> Self {
        // Mounts of this thread are its own from here on.
        hatchery_builder::userns::enter().unwrap();
        let folder = Arc::new(tempfile::tempdir().unwrap());
        let repository = PkgRepository::create(folder.path(), CORE, key);
        let trusted = key.public();
        Self {
            folder,
            repository,
            trusted,
        }
    }

    /// With these packages.
    pub(super) fn with(packages: &[Pkg]) -> Self {
        let mut bench = Self::empty();
        for package in packages {
            bench.repository.add(package);
        }
        bench.repository.publish();
        bench
    }

    /// With one package, which was changed once it was signed.
    pub(super) fn with_changed(package: &Pkg, change: impl FnOnce(&mut Listed)) -> Self {
        let mut bench = Self::empty();
        bench.repository.add_changed(package, change);
        bench.repository.publish();
        bench
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// To build a recipe of these packages, with these lines besides.
    pub(super) fn request(&self, packages: &[&str], lines: &str) -> BuildRequest {
        self.request_from(&[self.folder.path()], packages, lines)
    }

    /// The same from mirrors in these folders.
    pub(super) fn request_from(
        &self,
        mirrors: &[&Path],
        packages: &[&str],
        lines: &str,
    ) -> BuildRequest {
        let mirrors = mirrors.iter();
        let mirrors: Vec<String> = mirrors
            .map(|top| format!("file://{}/$repo/os/$arch", top.display()))
            .collect();
        let text = format!(
            "name = \"{IMAGE}\"\ndistribution = \"arch\"\nmirrors = {mirrors:?}\n\
             packages = {packages:?}\n{ARCHIVE}\n{lines}"
        );
        let mut recipe = Recipe::parse(&text, Path::new("tiny.toml"), Architecture::Amd64).unwrap();
        recipe.repositories.retain(|r| r.suite.as_str() == CORE);
        // A recipe that is only a text cannot name a file.
        recipe.repositories[0].key = Some(RecipeKey {
            name: "tiny.pgp".to_owned(),
            content: self.trusted.clone().into(),
        });
        request(recipe, &self.path("cache"), &self.path("output"))
    }

    /// Builds what must be refused; everything that a user is told then.
    /// Nothing is left of it.
    pub(super) fn refused(&self, packages: &[&str], lines: &str) -> String {
        let request = self.request(packages, lines);
        let error = refused(&request);
        assert_eq!(names(&self.path("cache/base")), [""; 0], "{error}");
        error
    }

    /// Builds; the tree, and what was told.
    pub(super) fn builds(&self, packages: &[&str], lines: &str) -> Built {
        self.builds_request(&self.request(packages, lines))
    }

    pub(super) fn builds_request(&self, request: &BuildRequest) -> Built {
        let (progress, warnings) = Warnings::listen();
        build_with(request, &progress).unwrap_or_else(|error| panic!("{error}"));
        let bases = self.path("cache/base");
        let names = names(&bases);
        let [base] = names.as_slice() else {
            panic!("not one tree: {names:?}");
        };
        Built {
            _folder: Arc::clone(&self.folder),
            tree: bases.join(base).join("tree"),
            warnings: warnings.all(),
        }
    }
}

impl Built {
    /// A file of the tree; empty if there is none.
    pub(super) fn read(&self, path: &str) -> String {
        fs::read_to_string(self.tree.join(path)).unwrap_or_default()
    }

    pub(super) fn has(&self, path: &str) -> bool {
        fs::symlink_metadata(self.tree.join(path)).is_ok()
    }

    /// The names and versions of what is installed.
    pub(super) fn installed(&self) -> Vec<String> {
        let mut found = names(&self.tree.join("var/lib/pacman/local"));
        found.retain(|name| name != "ALPM_DB_VERSION");
        found
    }

    /// What the local database says of a field of a package.
    pub(super) fn field(&self, package: &str, field: &str) -> String {
        let desc = self.read(&format!("var/lib/pacman/local/{package}/desc"));
        let start = format!("%{field}%\n");
        let (_, rest) = desc.split_once(&start).unwrap_or_default();
        rest.split("\n\n").next().unwrap_or_default().to_owned()
    }

    /// Asserts that exactly one warning has been told, and holds these.
    #[track_caller]
    pub(super) fn warned_once(&self, parts: &[&str]) {
        let [warning] = self.warnings.as_slice() else {
            panic!("not one warning: {:#?}", self.warnings);
        };
        crate::build::fixture::says(warning, parts);
    }
}
