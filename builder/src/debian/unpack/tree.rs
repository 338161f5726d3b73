//! The tree that packages are moved into.

use super::alias::{self, Alias};
use super::amend::{self, Owners};
use super::error::UnpackError;
use super::merge::{Lost, Merger, Staged};
use super::{Unpacked, Unpacking};
use crate::beneath::ancestors;
use crate::debian::control::{Control, Interest};
use crate::debian::diversions::Diversions;
use hatchery_image::place::{Resolve, Root};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;

/// Packages by index.
pub(crate) type Packages = BTreeMap<usize, Arc<Unpacked>>;

/// A package as the database shows it.
pub(crate) struct Record<'u> {
    pub(crate) control: &'u Control,
    /// The text of its `.list`.
    pub(crate) paths: Vec<u8>,
    /// The text of a `md5sums` that it does not bring.
    pub(crate) md5sums: &'u str,
}

/// The tree.
#[derive(Debug)]
pub(crate) struct Tree {
    root: Root,
    merger: Merger,
    diversions: Diversions,
    lost: HashSet<Lost>,
}

impl Tree {
    /// Prepares an empty directory: see [`alias`].
    pub(crate) fn create(path: &Path, architecture: &str) -> Result<Self, UnpackError> {
        let aliases = alias::aliases(architecture);
        let skeleton = make_skeleton(path, &aliases)?;
        Ok(Self {
            root: Root::open(path, Resolve::InRoot).map_err(UnpackError::Database)?,
            merger: Merger::new(aliases, skeleton.into_iter()),
            diversions: Diversions::default(),
            lost: HashSet::new(),
        })
    }

    /// Its handle.
    pub(crate) const fn root(&self) -> &Root {
        &self.root
    }

    /// Moves packages from their folders into the tree.
    pub(crate) fn merge(
        &mut self,
        unpacking: &Unpacking,
        packages: &Packages,
    ) -> Result<(), UnpackError> {
        for (&index, package) in packages {
            unpacking.progress.check()?;
            let path = unpacking.folder(index);
            let folder = Root::open(&path, Resolve::InRoot).map_err(UnpackError::Database)?;
            let staged = staged(index, package);
            self.merger
                .merge(&staged, &folder, &self.diversions, &self.root)?;
            std::fs::remove_dir_all(&path).map_err(|source| UnpackError::System {
                doing: "remove",
                path,
                source,
            })?;
        }
        self.lost.extend(self.merger.take_lost());
        self.merger.finish_directories(&self.root)
    }

    /// Learns what scripts have diverted, and moves what packages that are in
    /// the tree already have there.
    pub(crate) fn divert(&mut self, packages: &Packages) -> Result<(), UnpackError> {
        self.diversions = amend::diversions(&self.root)?;
        if self.diversions == Diversions::default() {
            return Ok(());
        }
        for (&index, package) in packages {
            let staged = staged(index, package);
            amend::move_diverted(&staged, &mut self.merger, &self.diversions, &self.root)?;
        }
        Ok(())
    }

    /// Gives files to whom they belong by name or by an override.
    pub(crate) fn give(&self, packages: &Packages) -> Result<(), UnpackError> {
        let owners = Owners::read(&self.root)?;
        for (&index, package) in packages {
            let staged = staged(index, package);
            owners.by_name(&staged, &self.merger, &self.diversions, &self.root)?;
        }
        owners.overrides(&self.merger, &self.root)
    }

    /// What the database says of a package.
    pub(crate) fn record<'p>(&self, index: usize, package: &'p Unpacked) -> Record<'p> {
        let name = package.control.package();
        let mut paths = Vec::new();
        for item in &package.listing.items {
            let path = self.merger.on_disk(&item.own, name, &self.diversions);
            let lost = Lost {
                package: index,
                path,
            };
            if self.lost.contains(&lost) {
                continue;
            }
            paths.push(b'/');
            paths.extend_from_slice(if item.own.is_empty() { b"." } else { &item.own });
            paths.push(b'\n');
        }
        Record {
            control: &package.control,
            paths,
            md5sums: &package.listing.md5sums,
        }
    }

    /// Which paths in `packages` the installed ones are interested in: for
    /// each trigger, the packages that await its processing (none, if nobody
    /// does).
    pub(crate) fn activated(
        installed: &Packages,
        packages: &Packages,
    ) -> BTreeMap<String, BTreeSet<String>> {
        let mut interests: HashMap<Vec<u8>, Interest> = HashMap::new();
        for interest in installed.values().flat_map(|p| p.control.interests()) {
            if let Some(path) = interest.trigger.strip_prefix('/') {
                interests.insert(path.as_bytes().to_vec(), interest);
            }
        }
        let mut activated: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for package in packages.values() {
            for item in &package.listing.items {
                let itself = std::iter::once(item.own.as_slice());
                for interest in itself
                    .chain(ancestors(&item.own))
                    .filter_map(|path| interests.get(path))
                {
                    let awaiting = activated.entry(interest.trigger.clone()).or_default();
                    if !interest.noawait {
                        awaiting.insert(package.control.info_name());
                    }
                }
            }
        }
        activated
    }
}

fn staged(index: usize, package: &Unpacked) -> Staged<'_> {
    Staged {
        index,
        control: &package.control,
        listing: &package.listing,
    }
}

/// Makes what is there before the first package, and returns its directories.
fn make_skeleton(root: &Path, aliases: &[Alias]) -> Result<BTreeSet<String>, UnpackError> {
    let system = |doing, path: &Path| {
        let path = path.to_owned();
        move |source| UnpackError::System {
            doing,
            path,
            source,
        }
    };
    let mut made = BTreeSet::new();
    for alias in aliases {
        let parents = [alias.directory, alias.link]
            .into_iter()
            .flat_map(|path| ancestors(path.as_bytes()))
            .filter_map(|path| std::str::from_utf8(path).ok());
        made.extend(parents.map(str::to_owned));
        made.insert(alias.directory.to_owned());
    }
    for directory in &made {
        let path = root.join(directory);
        std::fs::create_dir(&path).map_err(system("make", &path))?;
        let mode = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(&path, mode).map_err(system("set the mode of", &path))?;
    }
    // As base-files does, whose script finds a file system of its own there.
    let lock = root.join("run/lock");
    std::fs::set_permissions(&lock, std::fs::Permissions::from_mode(0o1777))
        .map_err(system("set the mode of", &lock))?;
    for alias in aliases {
        let link = root.join(alias.link);
        std::os::unix::fs::symlink(alias.target, &link).map_err(system("make", &link))?;
    }
    Ok(made)
}
