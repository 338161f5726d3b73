//! From unpacked packages to installed ones, in the order of the plan and
//! with what pacman runs on the way: scriptlets around each package, ldconfig,
//! and hooks.
//!
//! As pacman with `--root`: pre_install runs before a package's files are
//! there and post_install after, with what the earlier packages brought; a
//! scriptlet or hook that fails is reported, and the installation goes on. A
//! PreTransaction hook that fails and says AbortOnFail ends it. On a fresh
//! root there are no such hooks but those that the recipe itself puts there.

mod hook;
mod hooks;
mod local;
mod merge;
mod relations;
mod scriptlet;

use super::package::Staged;
use super::pattern::Patterns;
use super::request::Request;
use crate::confine::{ConfineError, Confinement};
use crate::handover::{Gone, Handover};
use crate::plan::Plan;
use hatchery_image::Progress;
use hatchery_image::place::{Entry, Node, PlaceError, Resolve, Root};
use hatchery_image::progress::{Interrupted, Stage, Unit};
use hooks::Hooks;
use local::LocalDatabase;
use merge::Merger;
use scriptlet::Scriptlets;
use std::io;
use std::path::{Path, PathBuf};

/// What pacstrap makes before the first package, and the mode of each.
const SKELETON: [(&str, u32); 14] = [
    ("var", 0o755),
    ("var/cache", 0o755),
    ("var/cache/pacman", 0o755),
    ("var/cache/pacman/pkg", 0o755),
    ("var/lib", 0o755),
    ("var/lib/pacman", 0o755),
    ("var/log", 0o755),
    ("dev", 0o755),
    ("run", 0o755),
    ("etc", 0o755),
    ("etc/pacman.d", 0o755),
    ("tmp", 0o1777),
    ("sys", 0o555),
    ("proc", 0o555),
];

/// Why packages are not installed.
#[derive(Debug, thiserror::Error)]
pub enum InstallError {
    /// The user asked to stop.
    #[error(transparent)]
    Interrupted(#[from] Interrupted),
    /// Another thread failed; its error is the one to show.
    #[error("installing was stopped")]
    Stopped,
    /// Two packages have the same path.
    #[error("the packages {first} and {second} both have {path}")]
    Conflict {
        /// A package.
        first: String,
        /// Another.
        second: String,
        /// The path.
        path: String,
    },
    /// A directory is where a package has a file.
    #[error("the package {package} has the file {path}, where there is a directory")]
    Directory {
        /// A package.
        package: String,
        /// The path.
        path: String,
    },
    /// A path that cannot be moved into the tree.
    #[error("cannot {doing} {path} of the package {package} in the tree")]
    Merge {
        /// Its name.
        package: String,
        /// Such as `move`.
        doing: &'static str,
        /// Which path.
        path: String,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A directory's attributes cannot be set.
    #[error("cannot finish the directories of the package {package}")]
    Finish {
        /// Its name.
        package: String,
        /// Why not.
        #[source]
        source: PlaceError,
    },
    /// The tree or the database cannot be written.
    #[error("cannot write {what}")]
    Place {
        /// What.
        what: &'static str,
        /// Why not.
        #[source]
        source: PlaceError,
    },
    /// A folder that packages were unpacked in cannot be opened or removed.
    #[error("cannot {doing} {}", .path.display())]
    Folder {
        /// Such as `remove`.
        doing: &'static str,
        /// Which.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A hook that may stop the installation did.
    #[error("the hook {hook} failed, and it says that nothing is installed then{}", said(.tail))]
    Hook {
        /// Its file name.
        hook: String,
        /// Its last lines.
        tail: String,
    },
    /// A hook of the recipe is none.
    #[error("the hook {hook} cannot be used: {why}")]
    HookText {
        /// Its path in the tree.
        hook: String,
        /// What is wrong, and in which line.
        why: String,
    },
    /// A package needs what is not installed.
    #[error(
        "the package {package} needs {dependency}, which is not installed: the repository's \
         database says something else of the package than the package itself; try another mirror"
    )]
    Unmet {
        /// Its name.
        package: String,
        /// What it needs.
        dependency: String,
    },
    /// Two packages cannot be installed together.
    #[error(
        "the packages {first} and {second} are in conflict ({reason}): the repository's database \
         says something else of {first} than the package itself; try another mirror"
    )]
    Incompatible {
        /// The one that says so.
        first: String,
        /// The other one.
        second: String,
        /// What the first one says.
        reason: String,
    },
    /// Programs cannot be run inside the tree.
    #[error("cannot run programs inside the tree")]
    Confine(#[source] ConfineError),
}

impl From<Gone> for InstallError {
    fn from(gone: Gone) -> Self {
        match gone {
            Gone::Stopped => Self::Stopped,
            Gone::Interrupted(stop) => Self::Interrupted(stop),
        }
    }
}

fn said(tail: &str) -> String {
    match tail {
        "" => String::new(),
        tail => format!("; its last lines:\n{tail}"),
    }
}

/// What packages are installed from and into.
pub(super) struct Installing<'a> {
    pub(super) plan: &'a Plan,
    pub(super) request: &'a Request,
    pub(super) packages: &'a Handover<Staged>,
    /// The folder in which each package was unpacked, by index.
    pub(super) work: &'a Path,
    pub(super) confinement: &'a Confinement,
    pub(super) unpacked: &'a (dyn Fn() + Sync),
    pub(super) progress: &'a Progress,
}

/// The folder that a package is unpacked in.
pub(super) fn folder(work: &Path, index: usize) -> PathBuf {
    work.join(index.to_string())
}

/// Installs packages into the empty directory of the confinement as they are
/// handed over.
///
/// # Errors
/// Which package or hook failed, and why.
pub(super) fn install(installing: &Installing<'_>) -> Result<(), InstallError> {
    let Installing {
        plan,
        request,
        packages,
        confinement,
        progress,
        ..
    } = *installing;
    let root = Root::open(&confinement.root, Resolve::InRoot);
    let root = root.map_err(|source| InstallError::Place {
        what: "the tree",
        source,
    })?;
    make_skeleton(&root)?;
    hooks::place(&root, &request.hooks)?;
    let names: Vec<&str> = plan.packages.iter().map(|p| p.name.as_str()).collect();
    let no_extract = Patterns::new(&request.pacman.no_extract);
    let hooks = Hooks::new(&root, confinement, &no_extract, progress);
    let stage = progress.begin(Stage::Configure, Some(names.len() as u64), Unit::Items);
    if hooks.has_any_before()? {
        let all: Vec<usize> = (0..names.len()).collect();
        hooks.before(&packages.wait(&all)?)?;
    }
    let database = LocalDatabase::create(&root, confinement.source_date_epoch)?;
    let scriptlets = Scriptlets {
        root: &root,
        confinement,
        progress,
    };
    let mut merger = Merger::new(&root, &names, progress);
    let mut installed = Vec::new();
    for (index, planned) in plan.packages.iter().enumerate() {
        let package = packages.wait(&[index])?.remove(0);
        stage.message(planned.name.as_str());
        let name = format!("{}-{}", package.info.name, package.info.version);
        scriptlets.before(&package)?;
        merge(installing, &mut merger, index, &package)?;
        let is_skipped = |path: &[u8]| no_extract.matches(path);
        database.add(&name, &package, planned.named, &is_skipped)?;
        scriptlets.after(&name, &package)?;
        installed.push(package);
        stage.advance(1);
    }
    relations::check(&installed)?;
    (installing.unpacked)();
    hooks.after(&installed)
}

fn merge(
    installing: &Installing<'_>,
    merger: &mut Merger<'_>,
    index: usize,
    package: &Staged,
) -> Result<(), InstallError> {
    let path = folder(installing.work, index);
    let folder = Root::open(&path, Resolve::Beneath);
    let folder = folder.map_err(|source| InstallError::Place {
        what: "what was unpacked",
        source,
    })?;
    merger.merge(index, package, &folder)?;
    std::fs::remove_dir_all(&path).map_err(|source| InstallError::Folder {
        doing: "remove",
        path,
        source,
    })
}

/// Makes what pacstrap makes.
fn make_skeleton(root: &Root) -> Result<(), InstallError> {
    let entries: Vec<Entry<'_>> = SKELETON
        .iter()
        .map(|(path, mode)| Entry::of_root(path.as_bytes(), Node::Directory, *mode, 0))
        .collect();
    let failed = |source| InstallError::Place {
        what: "the first directories of the tree",
        source,
    };
    let mut placer = root.placer();
    for entry in &entries {
        placer.place_slice(entry, b"").map_err(failed)?;
    }
    root.finish_directories(&entries).map_err(failed)
}
