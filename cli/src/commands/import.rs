//! `hatchery import`.

use super::places::HostPlaces;
use super::source::{self, Source};
use crate::environment;
use crate::size;
use crate::terminal::Terminal;
use anyhow::Context as _;
use clap::Args;
use hatchery_image::settings::Nspawn;
use hatchery_image::settings::nspawn::{Bind, Port};
use hatchery_image::{Architecture, MachineName};
use hatchery_importer::Reference;
use hatchery_importer::import::{DiskLimit, ImportRequest, Imported, import};
use hatchery_importer::pool::UNITS;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::str::FromStr as _;

const EXAMPLES: &str = "\
Nothing becomes visible before the catalog's signature, its expiry, and the
digests of manifest and archive are verified. What is published beside the
image as settings (ports, binds, bridges) is shown, and installed to
/etc/systemd/nspawn only with --accept-settings.

Examples:
  hatchery import debian                               as the configuration says
  hatchery import debian --as web --limit 16G
  hatchery import debian --limit 16G --pool 60G        on a host without disk limits
  hatchery import arch --limit 16G --port tcp:8080:80 --bind /srv/www:/srv/http:ro
  hatchery import debian@20261122.3fa9c1 --force       replaces in one step
  hatchery import debian:testing --mirror http://mirror:8080/ --key images.pgp
  hatchery import debian --mirror http://mirror:8080/ --trust '0123 4567 89AB …'
  machinectl start web

/etc/hatchery/config.toml:
  [repository]
  mirrors = [\"https://images.example.org/\"]";

/// What it takes.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// The image: NAME, NAME@VERSION or NAME:CHANNEL
    #[arg(value_name = "IMAGE")]
    reference: Reference,
    /// The machine's name [default: the image's]
    #[arg(long = "as", value_name = "NAME")]
    machine: Option<MachineName>,
    /// The most that its tree may take, such as 16G, or infinity [default: what the image
    /// suggests, where the file system counts already]
    #[arg(long, value_name = "SIZE", value_parser = size::parse_limit)]
    limit: Option<DiskLimit>,
    /// Make a pool of this size for machines first, unless there is one: a btrfs in a sparse
    /// file, as `hatchery pool create` makes it
    #[arg(long, value_name = "SIZE", value_parser = size::parse)]
    pool: Option<u64>,
    /// Where the pool's unit is written; for tests
    #[arg(long, value_name = "DIR", default_value = UNITS, hide = true)]
    units: PathBuf,
    /// A port of this host that leads into the machine, such as tcp:8080:80; may be given
    /// several times
    #[arg(long, value_name = "PORT", value_parser = Port::from_str)]
    port: Vec<Port>,
    /// A file or folder to share with the machine: SOURCE[:TARGET[:ro]]; may be given several
    /// times
    #[arg(long, value_name = "PATHS", value_parser = Bind::from_str)]
    bind: Vec<Bind>,
    /// Install the settings that are published beside the image
    #[arg(long)]
    accept_settings: bool,
    /// Replace a machine of this name, in one step; it is kept for `hatchery rollback`
    #[arg(long)]
    force: bool,
    /// Import an image that this host cannot boot
    #[arg(long)]
    accept_unsuitable: bool,
    /// Architecture of the image [default: this host's]
    #[arg(long, value_name = "NAME")]
    architecture: Option<Architecture>,
    /// Where downloads are kept
    #[arg(long, value_name = "DIR")]
    cache_dir: Option<PathBuf>,
    #[command(flatten)]
    source: Source,
    #[command(flatten)]
    places: HostPlaces,
}

/// Does it.
pub(crate) fn run(arguments: &Arguments, terminal: &Terminal) -> anyhow::Result<()> {
    let request = arguments.request()?;
    if let Some(bytes) = arguments.pool {
        super::pool::ensure(&request.places.machines, &arguments.units, bytes, terminal)?;
    }
    let imported = source::introduced(request.repository.clone(), terminal, |repository| {
        let request = ImportRequest {
            repository,
            ..request.clone()
        };
        Ok(import(&request, terminal.progress())?)
    })?;
    terminal.result(&imported, human)
}

impl Arguments {
    fn request(&self) -> anyhow::Result<ImportRequest> {
        let mut places = self.places.places()?;
        places.cache = match &self.cache_dir {
            Some(cache) => std::path::absolute(cache)?,
            None => environment::cache()?,
        };
        let host = Architecture::host().context("this host's architecture has no images");
        let machine = self.machine.clone();
        Ok(ImportRequest {
            machine: machine.unwrap_or_else(|| (&self.reference.image).into()),
            reference: self.reference.clone(),
            architecture: self.architecture.map_or(host, Ok)?,
            repository: self.source.repository(&self.places)?,
            places,
            limit: self.limit.unwrap_or_default(),
            accept_settings: self.accept_settings,
            own_settings: Nspawn {
                ports: self.port.clone(),
                binds: self.bind.clone(),
                ..Nspawn::default()
            },
            force: self.force,
            accept_unsuitable: self.accept_unsuitable,
            threads: std::thread::available_parallelism().map_or(1, NonZeroUsize::get),
            helper: super::helper_argv(super::UNPACK)?,
            now: environment::now(),
        })
    }
}

fn human(imported: &Imported) -> String {
    let verb = if imported.replaced {
        "replaced"
    } else {
        "imported"
    };
    let mut text = format!(
        "{verb} {} {} in {}, signed by {}\n",
        imported.machine,
        imported.version,
        imported.path.display(),
        imported.signer,
    );
    if let Some(limit) = imported.limit {
        text.push_str(&format!("disk limit: {}\n", size::human(limit)));
    }
    if let Some(settings) = &imported.settings {
        text.push_str(&match &settings.installed {
            Some(path) => format!("settings, installed in {}:\n", path.display()),
            None => "settings beside the image, not installed (--accept-settings does):\n".into(),
        });
        for line in settings.text.lines() {
            text.push_str(&format!("  {line}\n"));
        }
    }
    if imported.replaced {
        text.push_str(&format!(
            "what it was is kept: hatchery rollback {} brings it back\n",
            imported.machine
        ));
    }
    text.push_str(&format!(
        "start it: machinectl start {}\n",
        imported.machine
    ));
    text
}
