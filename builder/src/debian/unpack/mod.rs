//! Unpacks packages into a fresh tree, many at a time, without dpkg on the
//! host, so that the tree and its database are what dpkg would have left.
//!
//! [`Unpacking::package`] takes packages in any order from any thread. A
//! package whose preinst script does something is held back: as with dpkg its
//! files come after the script ran ([`crate::debian::configure`]). Packages
//! that every system needs are not: bootstrappers extract those first, because
//! there is nothing yet to run a script with.
//!
//! Looked at: debootstrap and mmdebstrap extract the essential packages with
//! tar and then unpack and install everything with dpkg in the tree, one after
//! another, each file through rename and fsync; that is most of their time.

mod alias;
mod amend;
mod content;
mod error;
mod essential;
mod ledger;
mod rounds;
mod script;
mod settle;
mod walk;

pub use content::CONTENT_MAX;
pub use error::UnpackError;
pub(crate) use rounds::{Late, Record, Rounds, has_preinst};

use crate::debian::control::Control;
use crate::debian::deb::Deb;
use crate::debian::diversions::Diversions;
use alias::Alias;
use content::{ContentCache, Tee};
use hatchery_image::place::{Resolve, Root};
use hatchery_image::progress::{Running, Stage, Unit};
use hatchery_image::{Progress, Sha256};
use ledger::Ledger;
use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::{Condvar, Mutex, PoisonError};
use walk::{Listing, Walk, WalkError};

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
}

/// How to unpack.
#[derive(Clone, Debug)]
pub struct UnpackOptions {
    /// Debian's name of the tree's architecture.
    pub architecture: String,
    /// A cache in whose folder `content` decompressed contents are kept.
    pub cache: Option<PathBuf>,
    /// How many packages are worked on at once: each takes up to 80 MiB of
    /// memory, if somebody compressed it as hard as possible.
    pub parallel: usize,
}

/// What is known of a package that was handed over.
#[derive(Debug)]
pub(super) struct Unpacked {
    pub(super) deb: Deb,
    /// None while it is held back.
    listing: Option<Listing>,
}

impl Unpacked {
    pub(super) fn control(&self) -> &Control {
        self.deb.control()
    }

    /// Whether the package brought this path, in its own spelling.
    fn lists(&self, own: &[u8]) -> bool {
        let paths = self.listing.as_ref().map_or(&b""[..], |l| &l.paths);
        paths
            .split(|b| *b == b'\n')
            .any(|line| line.strip_prefix(b"/") == Some(own))
    }
}

/// An unpacking under way.
#[derive(Debug)]
pub struct Unpacking {
    path: PathBuf,
    root: Root,
    expected: Vec<Expected>,
    packages: Vec<Mutex<Option<Unpacked>>>,
    aliases: Vec<Alias>,
    ledger: Ledger,
    cache: Option<ContentCache>,
    slots: Slots,
    progress: Progress,
    running: Running,
}

impl Unpacking {
    /// Prepares the empty directory `root` for these packages, which are in
    /// the order of installation.
    ///
    /// # Errors
    /// The directory cannot be used.
    pub fn new(
        root: &Path,
        expected: Vec<Expected>,
        options: &UnpackOptions,
        progress: &Progress,
    ) -> Result<Self, UnpackError> {
        let aliases = alias::aliases(&options.architecture);
        make_skeleton(root, &aliases)?;
        let total = expected.iter().map(|e| e.size).sum();
        let cache = options.cache.as_deref().and_then(|path| {
            let cache = ContentCache::open(path);
            // Only slower without.
            cache
                .map_err(|e| progress.warn(format!("no cache of package contents: {e}")))
                .ok()
        });
        Ok(Self {
            root: Root::open(root, Resolve::InRoot).map_err(UnpackError::Finish)?,
            path: root.to_owned(),
            packages: expected.iter().map(|_| Mutex::default()).collect(),
            expected,
            aliases,
            ledger: Ledger::default(),
            cache,
            slots: Slots::new(options.parallel.max(1)),
            progress: progress.clone(),
            running: progress.begin(Stage::Unpack, Some(total), Unit::Bytes),
        })
    }

    /// Unpacks the package of this index. Any thread may call it, for any
    /// package, once.
    ///
    /// # Errors
    /// The file is not the package that was expected, breaks a rule, or does
    /// not fit.
    ///
    /// # Panics
    /// If there is no package of this index.
    pub fn package(&self, index: usize, deb: File) -> Result<(), UnpackError> {
        let _slot = self.slots.take();
        let expected = &self.expected[index];
        let deb = Deb::open(deb).map_err(|source| UnpackError::Deb {
            package: expected.name.clone(),
            source,
        })?;
        check(expected, deb.control())?;
        let listing = if script::must_precede_files(deb.control()) {
            self.decompress_ahead(index, &deb);
            None
        } else {
            Some(self.walk(index, &deb, &Diversions::default(), None)?)
        };
        self.running.advance(expected.size);
        let mut package = self.packages[index].lock();
        let package = package
            .as_deref_mut()
            .unwrap_or_else(|e| &mut **e.get_mut());
        *package = Some(Unpacked { deb, listing });
        Ok(())
    }

    /// Places a package's contents, or only some of them.
    fn walk(
        &self,
        index: usize,
        deb: &Deb,
        diversions: &Diversions,
        only: Option<&BTreeSet<Vec<u8>>>,
    ) -> Result<Listing, UnpackError> {
        let expected = &self.expected[index];
        let walk = Walk {
            package: index,
            name: &expected.name,
            control: deb.control(),
            aliases: &self.aliases,
            diversions,
            ledger: &self.ledger,
            only,
            progress: &self.progress,
        };
        let mut placer = self.root.placer();
        let kept = self.cache.as_ref().and_then(|c| c.find(expected.sha256));
        if let Some(mut kept) = kept {
            match walk.run(&mut kept, &mut placer) {
                Ok(listing) => return Ok(listing),
                Err(WalkError::Other(error)) => return Err(error),
                // Damaged: what was placed is placed again from the package.
                Err(WalkError::Read(_)) => self.forget(expected.sha256),
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
        let listing = walk
            .run(&mut tee, &mut placer)
            .map_err(|error| match error {
                WalkError::Read(source) => read(source),
                WalkError::Other(error) => error,
            })?;
        finish_keeping(tee);
        Ok(listing)
    }

    /// Of a package that is held back, what can be done already.
    fn decompress_ahead(&self, index: usize, deb: &Deb) {
        let digest = self.expected[index].sha256;
        let there = self
            .cache
            .as_ref()
            .is_some_and(|c| c.find(digest).is_some());
        let (false, Some(keeping), Ok(inner)) = (there, self.keep(digest), deb.data()) else {
            return;
        };
        let mut tee = Tee {
            inner,
            keeping: Some(keeping),
        };
        // What is wrong with it is said when it is unpacked.
        if io::copy(&mut (&mut tee).take(u64::MAX), &mut io::sink()).is_ok() {
            finish_keeping(tee);
        }
    }

    fn keep(&self, digest: Sha256) -> Option<content::Keeping> {
        self.cache.as_ref().and_then(|c| c.keep(digest).ok())
    }

    fn forget(&self, digest: Sha256) {
        if let Some(cache) = &self.cache {
            cache.forget(digest);
        }
    }
}

fn finish_keeping<R>(tee: Tee<R>) {
    if let Some(keeping) = tee.keeping {
        // The next build only takes longer.
        let _ = keeping.finish();
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

/// What is there before the first package: see [`alias`].
fn make_skeleton(root: &Path, aliases: &[Alias]) -> Result<(), UnpackError> {
    let system = |doing, path: &Path| {
        let path = path.to_owned();
        move |source| UnpackError::System {
            doing,
            path,
            source,
        }
    };
    for alias in aliases {
        let link = root.join(alias.link);
        for directory in [
            Some(root.join(alias.directory)),
            link.parent().map(Path::to_owned),
        ]
        .into_iter()
        .flatten()
        {
            std::fs::create_dir_all(&directory).map_err(system("make", &directory))?;
        }
        std::os::unix::fs::symlink(alias.target, &link).map_err(system("make", &link))?;
    }
    Ok(())
}

/// How many may work at once.
#[derive(Debug)]
struct Slots {
    total: usize,
    free: Mutex<usize>,
    freed: Condvar,
}

impl Slots {
    fn new(total: usize) -> Self {
        Self {
            total,
            free: Mutex::new(total),
            freed: Condvar::new(),
        }
    }

    const fn total(&self) -> usize {
        self.total
    }

    fn take(&self) -> Slot<'_> {
        let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        while *free == 0 {
            free = self
                .freed
                .wait(free)
                .unwrap_or_else(PoisonError::into_inner);
        }
        *free -= 1;
        Slot { slots: self }
    }
}

struct Slot<'s> {
    slots: &'s Slots,
}

impl Drop for Slot<'_> {
    fn drop(&mut self) {
        let free = self.slots.free.lock();
        *free.unwrap_or_else(PoisonError::into_inner) += 1;
        self.slots.freed.notify_one();
    }
}
