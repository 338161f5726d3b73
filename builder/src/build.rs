//! The whole line of a build: recipe, plan, bootstrap, settings, lint,
//! archive, signed image. Each step is a function in a module of its name.

mod error;

pub use error::BuildError;

use crate::base::{self, Base, Bases};
use crate::confine::Confinement;
use crate::family::{BootstrapOptions, Wish};
use crate::foreign::{self, Way};
use crate::host::Source;
use crate::layer::Layer;
use crate::lint::lint;
use crate::pack::Parts;
use crate::plan::{Lock, Plan};
use crate::recipe::Recipe;
use crate::{identity, pack, settings};
use hatchery_image::archive::{self, FrameCache};
use hatchery_image::durable::{Existing, STAGING_PREFIX, Staging, sweep};
use hatchery_image::progress::{Stage, Unit};
use hatchery_image::signer::Signer;
use hatchery_image::{Manifest, Progress, Sha256, Version};
use hatchery_transfer::{Cache, Client, Location};
use jiff::Timestamp;
use jiff::civil::Date;
use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::thread;

/// The folder of the cache in which trees are changed.
const WORK: &str = "work";

/// What to build, and with what.
#[derive(Debug)]
pub struct BuildRequest {
    /// The recipe, with everything that it includes.
    pub recipe: Recipe,
    /// Mirrors that the user named; tried first.
    pub mirrors: Vec<Location>,
    /// The build host's own sources of the same distribution; tried next, and
    /// then the recipe's mirrors.
    pub host_sources: Vec<Source>,
    /// The exact packages; none: resolve the newest.
    pub lock: Option<Lock>,
    /// For Arch Linux: the day whose packages are wanted; none: those of the
    /// lock, or the newest.
    pub snapshot: Option<Date>,
    /// The image's version; none: derived from what goes in
    /// ([`pack::version_of`]).
    pub version: Option<Version>,
    /// Newest time inside the image, in seconds since 1970; none: the date of
    /// the newest package index.
    pub source_date_epoch: Option<i64>,
    /// Folder in which the image's folder, called like the image, is made.
    pub output: PathBuf,
    /// Downloads, unpacked packages and finished bootstraps.
    pub cache: Cache,
    /// Fetches.
    pub client: Client,
    /// Signs; none: `SHA256SUMS.gpg` is not made.
    pub signer: Option<Signer>,
    /// See [`Confinement::helper`].
    pub helper: Vec<OsString>,
    /// What [`crate::userns::enter`] said.
    pub user_namespace: bool,
    /// Threads for unpacking and packing. No byte depends on it.
    pub threads: usize,
    /// The build host's name, which no image may hold; none: not looked for.
    pub hostname: Option<String>,
    /// Take package indexes that have expired.
    pub accept_expired: bool,
    /// The time.
    pub now: Timestamp,
}

/// What a build made.
#[derive(Debug)]
pub struct Built {
    /// The image's folder.
    pub directory: PathBuf,
    /// Its manifest.
    pub manifest: Manifest,
}

/// Builds an image and leaves it, signed, in a folder of its name.
///
/// # Errors
/// See [`BuildError`]. Nothing of the image is visible then, and an image
/// built before is still there.
pub fn build(request: &BuildRequest, progress: &Progress) -> Result<Built, BuildError> {
    runnable(request, progress)?;
    let wish = Wish::of(request)?;
    let plan = planned_by(&wish, request, progress)?;
    let epoch = request.source_date_epoch.unwrap_or(plan.source_date_epoch);
    passed(epoch, request)?;
    let frames = frames(request, progress);
    let base = bootstrapped(request, &wish, &plan, epoch, frames.as_ref(), progress)?;
    let work = Staging::new(&private_folder(&request.cache.root().join(WORK))?)?;
    let rootfs = Layer::mount(base.tree(), work.path(), request.user_namespace)?;
    configured(request, rootfs.root(), epoch, progress)?;
    linted(request, rootfs.root(), progress)?;
    let staging = Staging::new(&folder(&request.output)?)?;
    let parts = Parts {
        recipe: &request.recipe,
        plan: &plan,
        version: request.version.as_ref(),
        source_date_epoch: epoch,
        threads: request.threads,
        traces: &traces(&request.cache),
        frames: frames.as_ref(),
    };
    let manifest = packed(request, rootfs.root(), staging.path(), &parts, progress)?;
    let directory = request.output.join(request.recipe.name.as_str());
    staging.publish_files(&directory, Existing::Replace)?;
    Ok(Built {
        directory,
        manifest,
    })
}

/// Times are clamped to the epoch. One that is still to come clamps nothing,
/// and the image would hold the time of its build.
fn passed(epoch: i64, request: &BuildRequest) -> Result<(), BuildError> {
    if epoch <= request.now.as_second() {
        return Ok(());
    }
    Err(BuildError::Epoch {
        name: request.recipe.name.to_string(),
        epoch: Timestamp::from_second(epoch).unwrap_or(Timestamp::MAX),
        now: request.now,
    })
}

/// Refuses what could only fail after everything was downloaded.
fn runnable(request: &BuildRequest, progress: &Progress) -> Result<(), BuildError> {
    let wanted = request.recipe.architecture;
    let way = foreign::way(wanted).map_err(|source| BuildError::Foreign {
        name: request.recipe.name.to_string(),
        source,
    })?;
    if let Way::Interpreter(interpreter) = way {
        let interpreter = interpreter.display();
        let text = format!("programs for {wanted} run by {interpreter}: scripts take longer");
        progress.message(Stage::Configure, text);
    }
    Ok(())
}

/// Resolves the recipe's packages, or takes those of the lock, without
/// building anything.
///
/// # Errors
/// [`BuildError::Plan`], [`BuildError::Lock`].
pub fn planned(request: &BuildRequest, progress: &Progress) -> Result<Plan, BuildError> {
    planned_by(&Wish::of(request)?, request, progress)
}

fn planned_by(
    wish: &Wish,
    request: &BuildRequest,
    progress: &Progress,
) -> Result<Plan, BuildError> {
    let name = || request.recipe.name.to_string();
    if let Some(lock) = &request.lock {
        let locked = |source| BuildError::Lock {
            name: name(),
            source,
        };
        lock.check(&wish.wanted()).map_err(locked)?;
        let locations = |repository: &str, date| wish.locations(repository, date);
        return lock.clone().into_plan(locations).map_err(locked);
    }
    wish.plan(&request.client, &request.cache, request.now, progress)
        .map_err(|source| BuildError::Plan {
            name: name(),
            source,
        })
}

/// The tree of the plan's packages: kept from an earlier build, or made now.
fn bootstrapped(
    request: &BuildRequest,
    wish: &Wish,
    plan: &Plan,
    epoch: i64,
    frames: Option<&FrameCache>,
    progress: &Progress,
) -> Result<Base, BuildError> {
    let bases = Bases::open(request.cache.root())?;
    let key = base_key(request, wish, plan, epoch);
    if let Some(base) = bases.find(key) {
        progress.message(
            Stage::Unpack,
            "the packages are as they were: starting from them",
        );
        return Ok(base);
    }
    let staging = bases.staging()?;
    let tree = staging.path().join(base::TREE);
    let ahead = Progress::silent();
    let level = request.recipe.archive.zstd_level;
    let done = thread::scope(|scope| {
        // Scripts keep one processor busy; the others can begin to pack.
        let compress = || {
            if let Some(frames) = frames.filter(|_| request.threads > 1) {
                let (tree, ahead) = (&tree, &ahead);
                scope.spawn(move || archive::compress_ahead(tree, frames, level, epoch, ahead));
            }
        };
        let options = BootstrapOptions {
            work: &staging.path().join("unpacked"),
            client: &request.client,
            cache: &request.cache,
            confinement: &confinement(request, &tree, epoch),
            threads: request.threads,
            unpacked: &compress,
            now: request.now,
        };
        let done = wish.bootstrap(plan, &options, progress);
        ahead.stop_flag().store(true, Ordering::Relaxed);
        done
    });
    done.map_err(|source| BuildError::Bootstrap {
        name: request.recipe.name.to_string(),
        source: Box::new(source),
    })?;
    Ok(bases.keep(staging, key)?)
}

/// Everything that influences a tree before any setting is applied to it.
fn base_key(request: &BuildRequest, wish: &Wish, plan: &Plan, epoch: i64) -> Sha256 {
    let mut bytes = env!("CARGO_PKG_VERSION").as_bytes().to_vec();
    bytes.extend_from_slice(request.recipe.bootstrap_digest().as_bytes());
    bytes.extend_from_slice(Sha256::of(plan.to_lock_text().as_bytes()).as_bytes());
    bytes.extend_from_slice(wish.keys().as_bytes());
    bytes.extend_from_slice(&epoch.to_be_bytes());
    // Ids on disk differ inside a user namespace.
    bytes.push(u8::from(request.user_namespace));
    Sha256::of(&bytes)
}

/// Applies the settings, and strips what marks one machine.
fn configured(
    request: &BuildRequest,
    root: &Path,
    epoch: i64,
    progress: &Progress,
) -> Result<(), BuildError> {
    let confinement = confinement(request, root, epoch);
    settings::apply(root, &request.recipe, &confinement, progress).map_err(|source| {
        BuildError::Settings {
            name: request.recipe.name.to_string(),
            source,
        }
    })?;
    identity::strip(root)?;
    Ok(())
}

/// Refuses a tree that holds what no image may hold.
fn linted(request: &BuildRequest, root: &Path, progress: &Progress) -> Result<(), BuildError> {
    let hostname = request.hostname.as_deref();
    lint(root, &request.recipe, hostname, progress).map_err(|source| BuildError::Lint {
        name: request.recipe.name.to_string(),
        source,
    })
}

/// What paths of everything begin with that a build makes.
fn traces(cache: &Cache) -> Vec<Vec<u8>> {
    let folders = [WORK, base::FOLDER].map(|name| cache.root().join(name).join(STAGING_PREFIX));
    folders
        .into_iter()
        .map(|path| path.into_os_string().into_encoded_bytes())
        .collect()
}

/// The cache of compressed frames; a build without only takes longer.
fn frames(request: &BuildRequest, progress: &Progress) -> Option<FrameCache> {
    FrameCache::open(&request.cache.root().join("frames"))
        .map_err(|e| progress.warn(format!("no cache of compressed frames: {e}")))
        .ok()
}

/// Packs, lists, and signs.
fn packed(
    request: &BuildRequest,
    root: &Path,
    directory: &Path,
    parts: &Parts<'_>,
    progress: &Progress,
) -> Result<Manifest, BuildError> {
    let failed = |source| BuildError::Pack {
        name: request.recipe.name.to_string(),
        source,
    };
    let mut image = pack::image(root, directory, parts, progress).map_err(failed)?;
    if let Some(frames) = parts.frames {
        frames.prune();
    }
    if let Some(signer) = &request.signer {
        let _signing = progress.begin(Stage::Sign, None, Unit::Items);
        image.sign(signer).map_err(|e| failed(e.into()))?;
    }
    Ok(image.manifest().clone())
}

fn confinement(request: &BuildRequest, root: &Path, epoch: i64) -> Confinement {
    Confinement {
        helper: request.helper.clone(),
        root: root.to_owned(),
        network: false,
        source_date_epoch: epoch,
    }
}

/// The same, for its owner only: trees hold setuid programs.
fn private_folder(path: &Path) -> Result<PathBuf, BuildError> {
    let path = folder(path)?;
    fs::set_permissions(&path, fs::Permissions::from_mode(0o700)).map_err(|source| {
        BuildError::Folder {
            path: path.clone(),
            source,
        }
    })?;
    Ok(path)
}

/// Makes a folder for staging, and removes what dead builds left in it.
fn folder(path: &Path) -> Result<PathBuf, BuildError> {
    fs::create_dir_all(path).map_err(|source| BuildError::Folder {
        path: path.to_owned(),
        source,
    })?;
    sweep(path, |left| fs::remove_dir_all(left))?;
    Ok(path.to_owned())
}
