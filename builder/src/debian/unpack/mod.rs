//! Unpacks packages into a fresh tree, many at a time, without dpkg on the
//! host, so that the tree and its database are what dpkg would have left.
//!
//! [`Unpacking::package`] takes packages in any order from any thread and
//! unpacks each into a folder of its own; [`crate::debian::install`] moves
//! them into the tree when it is their turn. So downloading, decompressing
//! and writing go on while scripts of the first packages already run, and
//! nothing depends on who was quicker.
//!
//! Looked at: debootstrap and mmdebstrap extract the essential packages with
//! tar and then unpack and install everything with dpkg in the tree, one after
//! another, each file through rename and fsync; that is most of their time.

mod alias;
mod amend;
mod content;
mod error;
mod essential;
mod merge;
mod script;
mod stage;
mod tree;

pub use content::CONTENT_MAX;
pub use error::UnpackError;
pub(crate) use essential::{closure, needed_by};
pub(crate) use script::preinst;
pub(crate) use tree::{Packages, Record, Tree};

use crate::debian::control::Control;
use crate::debian::deb::Deb;
use crate::handover::Handover;
use crate::plan::PlannedPackage;
use content::{ContentCache, Keeping, Tee};
use hatchery_image::place::{Resolve, Root};
use hatchery_image::{Progress, Sha256};
use stage::{Listing, Stage, StageError};
use std::fs::{self, File};
use std::path::PathBuf;
use std::sync::Arc;

/// A package that is going to be handed over.
#[derive(Clone, Debug)]
pub struct Expected {
    /// Name.
    pub name: String,
    /// Version.
    pub version: String,
    /// Architecture, or `all`.
    pub architecture: String,
    /// Digest of the file, which the caller has verified.
    pub sha256: Sha256,
    /// Its length in bytes.
    pub size: u64,
    /// Whether it is essential, or needed by a package that is: those are
    /// installed first. If none is said to be, that is found out when all
    /// packages are there.
    pub base: bool,
}

impl From<&PlannedPackage> for Expected {
    fn from(package: &PlannedPackage) -> Self {
        Self {
            name: package.name.to_string(),
            version: package.version.clone(),
            architecture: package.architecture.clone(),
            sha256: package.sha256,
            size: package.size,
            base: false,
        }
    }
}

/// How to unpack.
#[derive(Clone, Debug)]
pub struct UnpackOptions {
    /// Debian's name of the tree's architecture.
    pub architecture: String,
    /// A folder on the file system of the tree, made here, in which packages
    /// are unpacked before they are moved into the tree.
    pub work: PathBuf,
    /// A cache in whose folder `content` decompressed contents are kept.
    pub cache: Option<PathBuf>,
    /// How many packages are worked on at once: each takes up to 80 MiB of
    /// memory, if somebody compressed it as hard as possible.
    pub parallel: usize,
}

/// A package that was handed over and unpacked.
#[derive(Debug)]
pub(crate) struct Unpacked {
    pub(crate) control: Control,
    listing: Listing,
    /// The file itself, if the tree's own dpkg may have to unpack it.
    pub(crate) file: Option<File>,
}

/// An unpacking under way; threads share it.
#[derive(Debug)]
pub struct Unpacking {
    options: UnpackOptions,
    expected: Vec<Expected>,
    packages: Handover<Unpacked>,
    cache: Option<ContentCache>,
    progress: Progress,
}

impl Unpacking {
    /// Prepares for these packages, which are in the order of installation.
    ///
    /// # Errors
    /// The folder for work cannot be made.
    pub fn new(
        expected: Vec<Expected>,
        options: UnpackOptions,
        progress: &Progress,
    ) -> Result<Self, UnpackError> {
        fs::create_dir(&options.work).map_err(|source| UnpackError::System {
            doing: "make",
            path: options.work.clone(),
            source,
        })?;
        let cache = options.cache.as_deref().and_then(|path| {
            let cache = ContentCache::open(path);
            // Only slower without.
            cache
                .map_err(|e| progress.warn(format!("no cache of package contents: {e}")))
                .ok()
        });
        let sizes = expected.iter().map(|e| e.size);
        let packages = Handover::new(sizes, options.parallel, progress);
        Ok(Self {
            options,
            expected,
            packages,
            cache,
            progress: progress.clone(),
        })
    }

    /// Unpacks the package of this index. Any thread may call it, for any
    /// package, once.
    ///
    /// # Errors
    /// The file is not the package that was expected, breaks a rule, or does
    /// not fit; or another thread stopped.
    ///
    /// # Panics
    /// If there is no package of this index.
    pub fn package(&self, index: usize, deb: File) -> Result<(), UnpackError> {
        let _slot = self.packages.slot()?;
        let expected = &self.expected[index];
        let deb = Deb::open(deb).map_err(|source| UnpackError::Deb {
            package: expected.name.clone(),
            source,
        })?;
        check(expected, deb.control())?;
        let listing = self.stage(index, &deb)?;
        let (file, control) = deb.into_parts();
        let may_be_late = preinst(&control).is_some() && control.field("Pre-Depends").is_some();
        let unpacked = Unpacked {
            listing,
            file: may_be_late.then_some(file),
            control,
        };
        self.packages.put(index, unpacked, expected.size);
        Ok(())
    }

    /// Makes everybody who waits or comes later give up.
    pub fn stop(&self) {
        self.packages.stop();
    }

    /// Waits for packages, given by index.
    pub(crate) fn wait(&self, packages: &[usize]) -> Result<Vec<Arc<Unpacked>>, UnpackError> {
        Ok(self.packages.wait(packages)?)
    }

    /// What was expected.
    pub(crate) fn expected(&self) -> &[Expected] {
        &self.expected
    }

    /// How to unpack.
    pub(crate) const fn options(&self) -> &UnpackOptions {
        &self.options
    }

    /// The folder that a package is staged in.
    pub(crate) fn folder(&self, index: usize) -> PathBuf {
        self.options.work.join(index.to_string())
    }

    /// Everything is done with the cache for now.
    pub(crate) fn prune_cache(&self) {
        if let Some(cache) = &self.cache {
            cache.prune(CONTENT_MAX);
        }
    }

    /// Unpacks a package into its folder.
    fn stage(&self, index: usize, deb: &Deb) -> Result<Listing, UnpackError> {
        let expected = &self.expected[index];
        let stage = Stage {
            name: &expected.name,
            control: deb.control(),
            progress: &self.progress,
        };
        let root = self.make_folder(index)?;
        let mut placer = root.placer();
        let kept = self.cache.as_ref().and_then(|c| c.find(expected.sha256));
        if let Some(mut kept) = kept {
            match stage.run(&mut kept, &mut placer) {
                Ok(listing) => return Ok(listing),
                Err(StageError::Other(error)) => return Err(error),
                // Damaged: what was placed is placed again from the package.
                Err(StageError::Read(_)) => self.forget(expected.sha256),
            }
        }
        let read = |source| UnpackError::Read {
            package: expected.name.clone(),
            source,
        };
        let mut tee = Tee {
            inner: deb.data().map_err(read)?,
            keeping: self.keep(expected.sha256),
        };
        let listing = stage.run(&mut tee, &mut placer);
        let listing = listing.map_err(|error| match error {
            StageError::Read(source) => read(source),
            StageError::Other(error) => error,
        })?;
        if let Some(keeping) = tee.keeping {
            // The next build only takes longer.
            let _ = keeping.finish();
        }
        Ok(listing)
    }

    fn make_folder(&self, index: usize) -> Result<Root, UnpackError> {
        let path = self.folder(index);
        fs::create_dir(&path).map_err(|source| UnpackError::System {
            doing: "make",
            path: path.clone(),
            source,
        })?;
        Root::open(&path, Resolve::InRoot).map_err(UnpackError::Database)
    }

    fn keep(&self, digest: Sha256) -> Option<Keeping> {
        self.cache.as_ref().and_then(|c| c.keep(digest).ok())
    }

    fn forget(&self, digest: Sha256) {
        if let Some(cache) = &self.cache {
            cache.forget(digest);
        }
    }
}

fn check(expected: &Expected, control: &Control) -> Result<(), UnpackError> {
    let say = |name: &str, version: &str, architecture: &str| {
        format!("{name} {version} ({architecture})")
    };
    let planned = say(&expected.name, &expected.version, &expected.architecture);
    let found = say(control.package(), control.version(), control.architecture());
    if planned == found {
        return Ok(());
    }
    Err(UnpackError::Other { planned, found })
}
