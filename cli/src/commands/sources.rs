//! Where a build takes packages from, and where it keeps them.

use crate::environment;
use crate::exit::{Code, Failure};
use crate::recipes;
use crate::terminal::Terminal;
use anyhow::Context as _;
use clap::Args;
use hatchery_builder::BuildRequest;
use hatchery_builder::host;
use hatchery_builder::plan::Lock;
use hatchery_builder::recipe::{Distribution, Recipe};
use hatchery_image::Architecture;
use hatchery_transfer::{Cache, Client, Location};
use jiff::civil::Date;
use std::fs;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

/// What `plan` and `build` share.
#[derive(Args, Debug)]
pub(crate) struct Sources {
    /// The recipe: a file, or the name of one in a folder of recipes
    #[arg(value_name = "RECIPE")]
    recipe: PathBuf,
    /// A mirror to try first: a URL or a folder; may be given several times
    #[arg(long, value_name = "URL", value_parser = Location::parse)]
    mirror: Vec<Location>,
    /// Do not use the mirrors in this host's own package sources
    #[arg(long)]
    no_host_mirrors: bool,
    /// Where downloads are kept
    #[arg(long, value_name = "DIR")]
    cache_dir: Option<PathBuf>,
    /// Accept package indexes past their expiry, as an old mirror has them
    #[arg(long)]
    accept_expired: bool,
    /// For Arch Linux: the packages of that day, from a mirror that keeps them
    #[arg(long, value_name = "YYYY/MM/DD", value_parser = day)]
    snapshot: Option<Date>,
    /// The lock [default: beside the recipe, with the suffix .lock]
    #[arg(long, value_name = "FILE")]
    lock: Option<PathBuf>,
}

/// `2026/11/01`, as the folders of such mirrors are called, or `2026-11-01`.
fn day(text: &str) -> Result<Date, jiff::Error> {
    text.replace('/', "-").parse()
}

impl Sources {
    /// The recipe's file.
    pub(crate) fn recipe_path(&self) -> anyhow::Result<PathBuf> {
        recipes::find(&self.recipe)
    }

    /// The lock's file, which need not be there.
    pub(crate) fn lock_path(&self) -> anyhow::Result<PathBuf> {
        Ok(match &self.lock {
            Some(path) => path.clone(),
            None => self.recipe_path()?.with_extension("lock"),
        })
    }

    /// The lock.
    pub(crate) fn read_lock(&self) -> anyhow::Result<Lock> {
        let path = self.lock_path()?;
        let text = fs::read_to_string(&path).with_context(|| {
            let path = path.display();
            format!("cannot read the lock {path}; `hatchery plan` writes one")
        })?;
        Lock::parse(&text).with_context(|| format!("cannot use the lock {}", path.display()))
    }

    /// A request that builds nothing but what the recipe says, unsigned, in
    /// the current folder.
    pub(crate) fn request(&self, terminal: &Terminal) -> anyhow::Result<BuildRequest> {
        let host = Architecture::host().context("this host's architecture has no images")?;
        let recipe = Recipe::load(&self.recipe_path()?, host)?;
        if self.snapshot.is_some() && recipe.distribution != Distribution::Arch {
            let name = recipe.distribution.id();
            let message = format!("--snapshot is for Arch Linux; the recipe is for {name}");
            return Err(Failure::error(Code::Usage, message));
        }
        let cache = match &self.cache_dir {
            Some(cache) => std::path::absolute(cache)?,
            None => environment::cache()?,
        };
        let host_sources = if self.no_host_mirrors {
            Vec::new()
        } else {
            host::sources(Path::new("/etc"), recipe.distribution.id())
        };
        terminal.progress().check()?;
        Ok(BuildRequest {
            mirrors: self.mirror.clone(),
            host_sources,
            lock: None,
            snapshot: self.snapshot,
            version: None,
            source_date_epoch: environment::source_date_epoch()?.or(recipe.source_date_epoch),
            output: PathBuf::from("."),
            hostname: environment::hostname(),
            cache: Cache::open(&cache)?,
            client: Client::new()?,
            signer: None,
            helper: super::helper_argv(super::CONFINE)?,
            user_namespace: !environment::is_root(),
            threads: std::thread::available_parallelism().map_or(1, NonZeroUsize::get),
            accept_expired: self.accept_expired,
            now: environment::now(),
            recipe,
        })
    }
}
