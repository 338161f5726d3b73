//! `hatchery host`.

use crate::terminal::Terminal;
use anyhow::Context as _;
use clap::{Args, Subcommand};
use hatchery_image::settings::nspawn::Interface;
use hatchery_image::settings::{Bridge, IpPrefix};
use hatchery_importer::bridge::{self, BridgeStatus, Finding, Folders, Made, Unmade};
use hatchery_importer::places::SETTINGS;
use hatchery_importer::record::STATE;
use std::path::PathBuf;

/// What to do with the host.
#[derive(Debug, Subcommand)]
#[command(after_help = "\
Examples:
  hatchery host bridge br0 172.23.0.1/24
  hatchery host status
  hatchery host bridge br0 --remove")]
pub(crate) enum Command {
    /// Makes a bridge that machines join, or takes it away
    Bridge(BridgeArguments),
    /// Shows the bridges that were made, who uses them, and what is in the way
    Status(PlaceArguments),
}

/// Where things are.
#[derive(Args, Debug)]
pub(crate) struct PlaceArguments {
    /// Where it is remembered what was changed
    #[arg(long, value_name = "DIR", default_value = STATE)]
    state: PathBuf,
    /// The folder of systemd's files; for tests
    #[arg(long, value_name = "DIR", default_value = "/etc", hide = true)]
    etc: PathBuf,
    /// Where systemd-nspawn finds settings; for tests
    #[arg(long, value_name = "DIR", default_value = SETTINGS, hide = true)]
    nspawn: PathBuf,
}

/// What it takes.
#[derive(Args, Debug)]
#[command(after_help = "\
systemd-networkd makes the bridge. The host has the address and is the
machines' gateway; what they send is masqueraded and forwarded, now and after
a reboot. Machines without an address of their own get one from the upper half
of the network by DHCP; addresses given by hand belong into the lower half.
The firewall is not changed: what it would drop is said, with the commands
that open it.

Examples:
  hatchery host bridge br0 172.23.0.1/24
  hatchery import debian --as web --bridge br0 --address 172.23.0.2/24
  hatchery host bridge br0 --remove")]
pub(crate) struct BridgeArguments {
    /// The bridge
    #[arg(value_name = "BRIDGE")]
    name: Interface,
    /// The host's address in its network
    #[arg(value_name = "ADDRESS", required_unless_present = "remove")]
    address: Option<IpPrefix>,
    /// Hand out no addresses
    #[arg(long)]
    no_dhcp: bool,
    /// Start systemd-networkd, now and at each boot, if it does not run
    #[arg(long)]
    enable: bool,
    /// Take the bridge away, with everything that was made for it
    #[arg(long, conflicts_with_all = ["address", "no_dhcp", "enable"])]
    remove: bool,
    #[command(flatten)]
    places: PlaceArguments,
}

impl Command {
    /// Does it.
    pub(crate) fn run(&self, terminal: &Terminal) -> anyhow::Result<()> {
        match self {
            Self::Bridge(arguments) if arguments.remove => {
                let folders = arguments.places.folders()?;
                let name = arguments.name.to_string();
                let unmade = bridge::unmake(&name, &folders, terminal.progress())?;
                terminal.result(&unmade, removed)
            }
            Self::Bridge(arguments) => {
                let folders = arguments.places.folders()?;
                let wanted = Bridge {
                    name: arguments.name.clone(),
                    address: arguments.address.context("an address is needed")?,
                    dhcp: !arguments.no_dhcp,
                };
                let progress = terminal.progress();
                let made = bridge::make(&wanted, arguments.enable, &folders, progress)?;
                terminal.result(&made, human)
            }
            Self::Status(places) => {
                let found = bridge::status(&places.folders()?)?;
                terminal.result(&found, |found| status(found))
            }
        }
    }
}

impl PlaceArguments {
    fn folders(&self) -> anyhow::Result<Folders> {
        Ok(Folders {
            etc: std::path::absolute(&self.etc)?,
            proc: "/proc".into(),
            sys: "/sys".into(),
            state: std::path::absolute(&self.state)?,
            settings: std::path::absolute(&self.nspawn)?,
        })
    }
}

fn human(made: &Made) -> String {
    let state = if made.is_up { "up" } else { "not up yet" };
    let mut text = format!("bridge {} with {}, {state}\n", made.name, made.address);
    for file in &made.files {
        text.push_str(&format!("  {}\n", file.display()));
    }
    text.push_str(&findings(&made.firewall));
    text
}

fn findings(found: &[Finding]) -> String {
    let mut text = String::new();
    for finding in found {
        let sure = if finding.is_sure { "" } else { "maybe: " };
        text.push_str(&format!("firewall: {sure}{}; open it:\n", finding.what));
        for command in &finding.open {
            text.push_str(&format!("  {command}\n"));
        }
    }
    text
}

fn removed(unmade: &Unmade) -> String {
    let mut text = format!("removed bridge {}\n", unmade.name);
    for path in &unmade.removed {
        text.push_str(&format!("  {}\n", path.display()));
    }
    for path in &unmade.kept {
        text.push_str(&format!(
            "left, because it was changed: {}\n",
            path.display()
        ));
    }
    if unmade.stopped_forwarding {
        text.push_str("this host does not forward any more, as before\n");
    }
    text
}

fn status(found: &[BridgeStatus]) -> String {
    if found.is_empty() {
        return "no bridges\n".to_owned();
    }
    let mut text = String::new();
    for bridge in found {
        let yes = |is: bool| if is { "yes" } else { "no" };
        text.push_str(&format!(
            "bridge     {}\naddress    {}\nup         {}\nforwards   {}\nmachines   {}\n",
            bridge.record.name,
            bridge.record.address,
            yes(bridge.is_up),
            yes(bridge.forwards),
            match bridge.machines.is_empty() {
                true => "none".to_owned(),
                false => bridge.machines.join(", "),
            }
        ));
        text.push_str(&findings(&bridge.firewall));
    }
    text
}
