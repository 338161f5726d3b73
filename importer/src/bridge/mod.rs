//! `hatchery host bridge`: a bridge of this host that machines join, with an
//! address, masquerading, forwarding and a DHCP server; and taking all of it
//! away again.
//!
//! systemd-networkd makes the bridge from two files, a third for sysctl.d(5)
//! has the host forward from the next boot on, and it does so at once, too.
//! What is written is recorded before ([`record`]), so that a run that was
//! killed can be repeated, which mends it, or undone. Files that others wrote
//! or changed are never replaced or removed. The firewall is only looked at
//! ([`firewall`]). NetworkManager leaves links alone that it did not make.

mod address;
mod error;
mod firewall;
mod networkd;
mod record;

pub use error::BridgeError;
pub use firewall::Finding;
pub use record::{BridgeRecord, WrittenFile, bridges};

use hatchery_image::progress::{Progress, Stage};
use hatchery_image::settings::{Bridge, Nspawn};
use hatchery_image::{Sha256, durable};
use serde::Serialize;
use std::fs;
use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

/// How long networkd may take to make the link, and how often one looks.
const LINK_WAIT: Duration = Duration::from_secs(10);
const LINK_LOOK: Duration = Duration::from_millis(100);

/// Most settings files that are looked at.
const SETTINGS_MAX: usize = 100_000;

/// The folders of a host that a bridge is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Folders {
    /// `/etc`.
    pub etc: PathBuf,
    /// `/proc`.
    pub proc: PathBuf,
    /// `/sys`.
    pub sys: PathBuf,
    /// `/var/lib/hatchery`.
    pub state: PathBuf,
    /// `/etc/systemd/nspawn`.
    pub settings: PathBuf,
}

/// What was made.
#[derive(Clone, Debug, Serialize)]
pub struct Made {
    /// The bridge.
    pub name: String,
    /// The host's address, the machines' gateway.
    pub address: String,
    /// The files that say so.
    pub files: Vec<PathBuf>,
    /// Whether the link is there; not before networkd runs.
    pub is_up: bool,
    /// What the firewall would drop.
    pub firewall: Vec<Finding>,
}

/// What was taken away.
#[derive(Clone, Debug, Serialize)]
pub struct Unmade {
    /// The bridge.
    pub name: String,
    /// Files that were removed.
    pub removed: Vec<PathBuf>,
    /// Files that were changed since, and therefore left.
    pub kept: Vec<PathBuf>,
    /// Whether the host stopped forwarding.
    pub stopped_forwarding: bool,
}

/// A bridge as it is now.
#[derive(Clone, Debug, Serialize)]
pub struct BridgeStatus {
    /// What was made.
    #[serde(flatten)]
    pub record: BridgeRecord,
    /// Whether the link is there.
    pub is_up: bool,
    /// Whether the host forwards.
    pub forwards: bool,
    /// Machines whose settings name it.
    pub machines: Vec<String>,
    /// What the firewall would drop.
    pub firewall: Vec<Finding>,
}

/// Makes a bridge, or mends one that was made with the same words. `enable`
/// starts networkd, now and at each boot, if it does not run.
///
/// # Errors
/// The address or the name is taken, or which step failed. What was begun is
/// recorded, so that it can be repeated or undone.
pub fn make(
    bridge: &Bridge,
    enable: bool,
    folders: &Folders,
    progress: &Progress,
) -> Result<Made, BridgeError> {
    let name = bridge.name.to_string();
    let version = networkd::version().ok_or(BridgeError::NoSystemd)?;
    let files = files(bridge, version, folders);
    let known = possible(bridge, &files, folders)?;
    let forwarded = match &known {
        Some(record) => record.forwarded_before,
        None => forwards(bridge.address.address(), folders)?,
    };
    let say = |text: String| progress.message(Stage::Network, text);
    for (path, _) in &files {
        say(format!("writes {}", path.display()));
    }
    record::write(
        &folders.state,
        &BridgeRecord::new(bridge, forwarded, &files),
    )?;
    for (path, text) in &files {
        put(path, text)?;
    }
    if !forwards(bridge.address.address(), folders)? {
        say("has this host forward".to_owned());
        forward(bridge.address.address(), true, folders)?;
    }
    let is_up = bring_up(&name, enable, version, folders, progress)?;
    Ok(Made {
        address: bridge.address.to_string(),
        files: files.into_iter().map(|(path, _)| path).collect(),
        is_up,
        firewall: firewall::check(&name, &folders.etc, &folders.proc),
        name,
    })
}

fn bring_up(
    name: &str,
    enable: bool,
    version: u32,
    folders: &Folders,
    progress: &Progress,
) -> Result<bool, BridgeError> {
    let failed = |doing| move |source| BridgeError::Run { doing, source };
    if networkd::runs() {
        progress.message(Stage::Network, "has systemd-networkd read its files again");
        networkd::reload(version).map_err(failed("have systemd-networkd read its files"))?;
    } else if enable && networkd::has_systemd() {
        progress.message(
            Stage::Network,
            "starts systemd-networkd, now and at each boot",
        );
        networkd::enable().map_err(failed("start systemd-networkd"))?;
    } else {
        progress.warn(format!(
            "systemd-networkd does not run, so {name} is not there yet; \
             start it: systemctl enable --now systemd-networkd"
        ));
        return Ok(is_up(name, folders));
    }
    let looks = LINK_WAIT.as_millis() / LINK_LOOK.as_millis();
    for _ in 0..looks {
        if is_up(name, folders) {
            return Ok(true);
        }
        thread::sleep(LINK_LOOK);
    }
    progress.warn(format!(
        "systemd-networkd has not made {name}; see: networkctl status {name}"
    ));
    Ok(false)
}

/// Takes a bridge away with everything that was made for it.
///
/// # Errors
/// We made none of this name, machines use it, or which step failed: then it
/// can be tried again.
pub fn unmake(name: &str, folders: &Folders, progress: &Progress) -> Result<Unmade, BridgeError> {
    let record = record::find(&folders.state, name)?;
    let record = record.ok_or_else(|| BridgeError::NotFound(name.to_owned()))?;
    let machines = machines(name, folders)?;
    if !machines.is_empty() {
        let name = name.to_owned();
        return Err(BridgeError::Used { name, machines });
    }
    let mut unmade = Unmade {
        name: name.to_owned(),
        removed: Vec::new(),
        kept: Vec::new(),
        stopped_forwarding: false,
    };
    for file in &record.files {
        progress.message(Stage::Network, format!("removes {}", file.path.display()));
        match take(file)? {
            true => unmade.removed.push(file.path.clone()),
            false => unmade.kept.push(file.path.clone()),
        }
    }
    let failed = |doing| move |source| BridgeError::Run { doing, source };
    if is_up(name, folders) {
        networkd::delete(name).map_err(failed("take the link away"))?;
    }
    if networkd::runs() {
        let version = networkd::version().ok_or(BridgeError::NoSystemd)?;
        networkd::reload(version).map_err(failed("have systemd-networkd read its files"))?;
    }
    let address = record.address.address();
    let is_same_family = |other: &BridgeRecord| {
        other.name != name && other.address.address().is_ipv4() == address.is_ipv4()
    };
    let is_last = !bridges(&folders.state)?.iter().any(is_same_family);
    if is_last && !record.forwarded_before && forwards(address, folders)? {
        forward(address, false, folders)?;
        unmade.stopped_forwarding = true;
    }
    record::remove(&folders.state, name)?;
    Ok(unmade)
}

/// The bridges that were made, as they are now.
///
/// # Errors
/// A record, a settings file or the kernel's state cannot be read.
pub fn status(folders: &Folders) -> Result<Vec<BridgeStatus>, BridgeError> {
    let of = |record: BridgeRecord| {
        Ok(BridgeStatus {
            is_up: is_up(&record.name, folders),
            forwards: forwards(record.address.address(), folders)?,
            machines: machines(&record.name, folders)?,
            firewall: firewall::check(&record.name, &folders.etc, &folders.proc),
            record,
        })
    };
    bridges(&folders.state)?.into_iter().map(of).collect()
}

/// Whether the bridge can be made; its record, if it is there already.
fn possible(
    bridge: &Bridge,
    files: &[(PathBuf, String)],
    folders: &Folders,
) -> Result<Option<BridgeRecord>, BridgeError> {
    let (name, address) = (bridge.name.to_string(), bridge.address);
    if !address.is_host() {
        return Err(BridgeError::Address(address.to_string()));
    }
    let most = if address.address().is_ipv4() { 30 } else { 126 };
    if address.length() > most {
        return Err(BridgeError::Small(address.to_string()));
    }
    let known = record::find(&folders.state, &name)?;
    match &known {
        Some(record) if !record.is_of(bridge) => {
            let address = record.address.to_string();
            return Err(BridgeError::Other { name, address });
        }
        None if folders.sys.join("class/net").join(&name).exists() => {
            return Err(BridgeError::Foreign(name));
        }
        _ => {}
    }
    for (path, text) in files {
        let written = known.iter().flat_map(|record| &record.files);
        let mut before = written.filter(|file| file.path == *path);
        match read(path)? {
            Some(found) if found != text.as_bytes() => {
                let found = Sha256::of(&found);
                if !before.any(|file| file.sha256 == found) {
                    return Err(BridgeError::Exists { path: path.clone() });
                }
            }
            _ => {}
        }
    }
    let proc = &folders.proc;
    let overlap = address::overlap(proc, address, &name).map_err(failed("read", proc))?;
    match overlap {
        Some(route) => Err(BridgeError::Overlap {
            address: address.to_string(),
            route: route.network.to_string(),
            link: route.link,
        }),
        None => Ok(known),
    }
}

fn files(bridge: &Bridge, version: u32, folders: &Folders) -> Vec<(PathBuf, String)> {
    let network = folders.etc.join("systemd/network");
    let at = |end: &str| network.join(format!("50-hatchery-{}.{end}", bridge.name));
    let sysctl = folders.etc.join("sysctl.d");
    let key = match bridge.address.address() {
        IpAddr::V4(_) => "net.ipv4.ip_forward",
        IpAddr::V6(_) => "net.ipv6.conf.all.forwarding",
    };
    vec![
        (at("netdev"), bridge.netdev()),
        (at("network"), bridge.network(version)),
        (
            sysctl.join(format!("50-hatchery-{}.conf", bridge.name)),
            format!("{key} = 1\n"),
        ),
    ]
}

/// Machines whose settings name the bridge.
fn machines(bridge: &str, folders: &Folders) -> Result<Vec<String>, BridgeError> {
    let folder = &folders.settings;
    let entries = match fs::read_dir(folder) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        result => result.map_err(failed("list", folder))?,
    };
    let mut machines = Vec::new();
    for entry in entries.take(SETTINGS_MAX) {
        let path = entry.map_err(failed("list", folder))?.path();
        let name = path.file_stem().unwrap_or_default().to_string_lossy();
        if path.extension().is_none_or(|end| end != "nspawn") {
            continue;
        }
        let bytes = read(&path)?.unwrap_or_default();
        // What we cannot understand may still name it.
        let text = String::from_utf8_lossy(&bytes);
        let joins = match Nspawn::parse(&text) {
            Ok(settings) => settings.bridge.is_some_and(|b| b.to_string() == bridge),
            Err(_) => text.lines().any(|l| l.trim() == format!("Bridge={bridge}")),
        };
        if joins {
            machines.push(name.into_owned());
        }
    }
    machines.sort();
    Ok(machines)
}

fn is_up(name: &str, folders: &Folders) -> bool {
    folders.sys.join("class/net").join(name).exists()
}

fn switch(address: IpAddr, folders: &Folders) -> PathBuf {
    folders.proc.join(match address {
        IpAddr::V4(_) => "sys/net/ipv4/ip_forward",
        IpAddr::V6(_) => "sys/net/ipv6/conf/all/forwarding",
    })
}

fn forwards(address: IpAddr, folders: &Folders) -> Result<bool, BridgeError> {
    let path = switch(address, folders);
    let text = fs::read_to_string(&path).map_err(failed("read", &path))?;
    Ok(text.trim() != "0")
}

fn forward(address: IpAddr, on: bool, folders: &Folders) -> Result<(), BridgeError> {
    let path = switch(address, folders);
    let text = if on { "1\n" } else { "0\n" };
    fs::write(&path, text).map_err(failed("write", &path))
}

fn put(path: &Path, text: &str) -> Result<(), BridgeError> {
    if let Some(folder) = path.parent() {
        durable::make_folders(folder).map_err(failed("make the folder", folder))?;
    }
    durable::write(path, text.as_bytes(), 0o644).map_err(BridgeError::Write)
}

/// Removes a file that we wrote, unless it was changed since. True if it is
/// gone.
fn take(file: &WrittenFile) -> Result<bool, BridgeError> {
    let path = &file.path;
    match read(path)? {
        None => return Ok(true),
        Some(found) if Sha256::of(&found) != file.sha256 => return Ok(false),
        Some(_) => fs::remove_file(path).map_err(failed("remove", path))?,
    }
    let folder = path.parent().unwrap_or_else(|| Path::new("/"));
    durable::sync_directory(folder).map_err(BridgeError::Write)?;
    Ok(true)
}

fn read(path: &Path) -> Result<Option<Vec<u8>>, BridgeError> {
    match fs::read(path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        result => result.map(Some).map_err(failed("read", path)),
    }
}

fn failed(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> BridgeError {
    let path = path.to_owned();
    move |source| BridgeError::Failed {
        doing,
        path,
        source,
    }
}
