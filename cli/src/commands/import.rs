//! `hatchery import`.

use super::network::Network;
use super::places::HostPlaces;
use super::source::{self, Source};
use crate::environment;
use crate::size;
use crate::terminal::Terminal;
use anyhow::Context as _;
use clap::Args;
use hatchery_image::settings::Host0;
use hatchery_image::{Architecture, MachineName};
use hatchery_importer::Reference;
use hatchery_importer::import::{DiskLimit, ImportRequest, Imported, import_asking};
use hatchery_importer::pool::UNITS;
use std::num::NonZeroUsize;
use std::path::PathBuf;

const EXAMPLES: &str = "\
Nothing becomes visible before the catalog's signature, its expiry, and the
digests of manifest and archive are verified. What is published beside the
image as settings (ports, binds, bridges) is shown, and installed to
/etc/systemd/nspawn only with --accept-settings, or when somebody at the
terminal says yes.

What the flags of the network ask for is checked before the download: that the
bridge and what is to be shared are there, that no other machine has the address
or the port, that this host's systemd knows the settings. Ports, binds and the
bridge are written to /etc/systemd/nspawn/NAME.nspawn, which systemd-nspawn@NAME
obeys; the address to /etc/systemd/network/05-hatchery-host0.network in the
machine. `hatchery remove NAME` takes all of it back. An existing machine is
only changed with --force.

A lab in two commands, as root:
  hatchery host bridge br0 172.23.0.1/24               once on a host
  hatchery import debian --as web --limit 16G --bridge br0 \\
      --address 172.23.0.2/24 --dns 9.9.9.9 --port tcp:8080:80 \\
      --bind /srv/www:/srv/http:ro --enable --start
Others then reach the machine's port 80 at this host's port 8080 (this host
itself at its own address, not at 127.0.0.1).

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
    /// Install the settings that are published beside the image, without asking
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
    network: Network,
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
        let consent = |text: &str| agrees(text, &request.machine, terminal);
        Ok(import_asking(&request, &consent, terminal.progress())?)
    })?;
    terminal.result(&imported, human)
}

/// Whether a person agrees to the settings of an image; nobody is asked where
/// there is no terminal, with `--json` and with `-q`, and then nobody does.
fn agrees(text: &str, machine: &MachineName, terminal: &Terminal) -> bool {
    let mut shown = "The image comes with these settings for systemd-nspawn:\n\n".to_owned();
    for line in text.lines() {
        shown.push_str(&format!("  {line}\n"));
    }
    let question = format!("Install them for {machine}? [y/N] ");
    terminal.asks(&shown, &question).unwrap_or(false)
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
            own_settings: self.network.settings(),
            network: self.network.request(),
            force: self.force,
            accept_unsuitable: self.accept_unsuitable,
            threads: std::thread::available_parallelism().map_or(1, NonZeroUsize::get),
            helper: super::helper_argv(super::UNPACK),
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
    if let Some(network) = &imported.network {
        text.push_str(&of_network(network));
    }
    if imported.enabled {
        text.push_str("it starts whenever this host boots\n");
    }
    text.push_str(&match (imported.started, &imported.machine) {
        (true, name) => format!("it runs: machinectl shell {name}\n"),
        (false, name) => format!("start it: machinectl start {name}\n"),
    });
    text
}

fn of_network(network: &Host0) -> String {
    let words = |values: Vec<String>| values.join(" ");
    let mut text = String::new();
    for (what, values) in [
        (
            "address",
            words(network.address.iter().map(ToString::to_string).collect()),
        ),
        (
            "gateway",
            words(network.gateway.iter().map(ToString::to_string).collect()),
        ),
        (
            "DNS",
            words(network.dns.iter().map(ToString::to_string).collect()),
        ),
    ] {
        if !values.is_empty() {
            text.push_str(&format!("{what}: {values}\n"));
        }
    }
    text
}
