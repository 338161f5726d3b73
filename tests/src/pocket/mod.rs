//! The pocket: a small Arch Linux for tests, where no mirror of Arch's can be
//! reached. Debian's own programs under Arch's names, in packages and
//! repositories of pacman's format, signed by a throw-away key; and small
//! packages in which everything occurs that pacman must deal with.
//!
//! Follows what makepkg, repo-add and pacman's ALPM-PKGINFO, ALPM-MTREE and
//! ALPM-DESC pages say; pacstrap installs it and the tree boots. None of it
//! comes from Arch. Tests that want a package or a repository that is wrong
//! make it with [`Pkg`] and [`PkgRepository`], whose every part can be
//! spoilt.

mod compression;
mod contents;
mod convert;
pub mod database;
mod debian;
mod features;
mod filesystem;
mod info;
mod key;
mod member;
mod mtree;
mod names;
mod package;
mod repository;
mod system;

pub use compression::Compression;
pub use key::Key;
pub use member::{Kind, Member};
pub use package::Pkg;
pub use repository::{ARCHITECTURE, Listed, PkgRepository};

use crate::tree;
use hatchery_image::Sha256;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// When everything here was built and signed, in seconds since 1970: the 15th
/// of June 2025.
pub const BUILT: i64 = 1_750_000_000;

/// The same as a version.
const VERSION: &str = "2025.06.15-1";

/// What decides what is in the pocket. When any of it changes, it is made
/// anew.
const RECIPE: [&str; 16] = [
    include_str!("compression.rs"),
    include_str!("contents.rs"),
    include_str!("convert.rs"),
    include_str!("database.rs"),
    include_str!("debian.rs"),
    include_str!("features.rs"),
    include_str!("filesystem.rs"),
    include_str!("info.rs"),
    include_str!("key.rs"),
    include_str!("member.rs"),
    include_str!("mod.rs"),
    include_str!("mtree.rs"),
    include_str!("names.rs"),
    include_str!("package.rs"),
    include_str!("repository.rs"),
    include_str!("system.rs"),
];

/// The repositories `core` and `extra` in a folder.
#[derive(Clone, Debug)]
pub struct Pocket {
    folder: PathBuf,
}

impl Pocket {
    /// The repositories, in that order.
    pub const REPOSITORIES: [&str; 2] = ["core", "extra"];

    /// What is installed to have all of it that matters.
    pub const PACKAGES: [&str; 2] = ["base", "pocket-features"];

    /// The pocket beneath `folder`, made there unless it is there already.
    /// Neither it nor anything in it must be changed: see [`Pocket::copy`].
    /// Ask for [`crate::Need::Network`] first.
    ///
    /// # Panics
    /// When it cannot be made.
    #[must_use]
    pub fn repository(folder: &Path) -> Self {
        let state = Sha256::of(RECIPE.concat().as_bytes()).to_string();
        let cache = folder.join("debian");
        let folder = tree::keep(folder, "pocket", &state[..16], |staging| {
            make(staging, &cache);
        });
        Self { folder }
    }

    /// A copy in the new folder `to` that may be changed.
    ///
    /// # Panics
    /// When it cannot be made.
    #[must_use]
    pub fn copy(&self, to: &Path) -> Self {
        tree::copy(&self.folder, to);
        Self {
            folder: to.to_owned(),
        }
    }

    /// The folder that `$repo/os/$arch` is beneath.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.folder
    }

    /// What a `Server` line of pacman.conf says.
    #[must_use]
    pub fn server(&self) -> String {
        format!("file://{}/$repo/os/$arch", self.folder.display())
    }

    /// Where the files of a repository lie.
    #[must_use]
    pub fn files(&self, repository: &str) -> PathBuf {
        self.folder.join(repository).join("os").join(ARCHITECTURE)
    }

    /// The file of a repository's database.
    #[must_use]
    pub fn database(&self, repository: &str) -> PathBuf {
        self.files(repository).join(format!("{repository}.db"))
    }

    /// The file of a package, whichever its version is.
    ///
    /// # Panics
    /// When there is none.
    #[must_use]
    pub fn package(&self, name: &str) -> PathBuf {
        let found = self.packages().remove(name);
        let (repository, file) = found.unwrap_or_else(|| panic!("there is no package {name}"));
        self.files(&repository).join(file)
    }

    /// All packages by name: the repository of each, and its file's name.
    ///
    /// # Panics
    /// When a database cannot be read.
    #[must_use]
    pub fn packages(&self) -> BTreeMap<String, (String, String)> {
        let mut found = BTreeMap::new();
        for repository in Self::REPOSITORIES {
            for (_, desc) in database::read(&self.database(repository)) {
                let value = |field: &str| {
                    let start = format!("%{field}%\n");
                    let rest = desc.split(&start).nth(1).and_then(|r| r.lines().next());
                    rest.expect("a field that every package has").to_owned()
                };
                let place = (repository.to_owned(), value("FILENAME"));
                found.insert(value("NAME"), place);
            }
        }
        found
    }

    /// The key that signs, with its private half.
    ///
    /// # Panics
    /// When it cannot be read.
    #[must_use]
    pub fn key(&self) -> Key {
        Key::from_secret(&fs::read(self.folder.join("key")).expect("the kept key"))
    }
}

fn make(folder: &Path, cache: &Path) {
    let key = Key::new("Pocket <pocket@localhost>");
    let closure = debian::fetch(cache);
    let mut packages = convert::packages(&closure);
    system::complete(&mut packages, &key);
    check(&packages);
    fs::create_dir(folder).expect("a folder for the pocket");
    fs::write(folder.join("key"), key.secret()).expect("the key");
    let create = |name, compression| {
        let repository = PkgRepository::create(folder, name, &key).compressed(compression);
        Mutex::new(repository)
    };
    let core = create("core", Compression::Gzip);
    let extra = create("extra", Compression::Zstd);
    let packages: Vec<Pkg> = packages.into_values().collect();
    parallel(&packages, |package| {
        let listed = Listed::new(package, &key);
        let repository = match names::repository(package.name()) {
            "core" => &core,
            _ => &extra,
        };
        repository.lock().expect("no thread failed").put(listed);
    });
    let publish =
        |repository: Mutex<PkgRepository>| repository.into_inner().expect("no thread failed");
    publish(core).publish();
    publish(extra).signed().publish();
}

/// Finds what pacman would refuse: files of two packages, needs of none.
fn check(packages: &BTreeMap<String, Pkg>) {
    let mut problems = Vec::new();
    let mut owners: BTreeMap<&str, &str> = BTreeMap::new();
    for package in packages.values() {
        let files = package.contents.iter().filter(|m| m.kind != Kind::Folder);
        for file in files {
            if let Some(other) = owners.insert(&file.path, &package.name) {
                problems.push(format!("{} is of {other} and {}", file.path, package.name));
            }
        }
    }
    let name = |relation: &str| {
        let name = relation.split(['<', '>', '=']).next().unwrap_or_default();
        name.to_owned()
    };
    let all = packages.values();
    let provided = all.flat_map(|p| p.list("provides").iter().map(|v| name(v)));
    let known: Vec<String> = packages.keys().cloned().chain(provided).collect();
    for package in packages.values() {
        let missing = package.list("depend").iter();
        let missing = missing.filter(|needed| !known.contains(&name(needed)));
        problems.extend(missing.map(|needed| format!("{} needs {needed}", package.name)));
    }
    assert!(problems.is_empty(), "the pocket is wrong: {problems:#?}");
}

/// Does the same with each, on all processors; the results in their order.
fn parallel<T: Sync, R: Send>(items: &[T], work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let next = AtomicUsize::new(0);
    let done = Mutex::new(BTreeMap::new());
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    let Some(item) = items.get(at) else { break };
                    let result = work(item);
                    done.lock().expect("no thread failed").insert(at, result);
                }
            });
        }
    });
    let done = done.into_inner().expect("no thread failed");
    done.into_values().collect()
}
