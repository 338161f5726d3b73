//! `hatchery serve`.

mod arguments;
mod operation;
mod settings;

pub(crate) use arguments::Arguments;

use crate::environment;
use crate::systemd;
use crate::terminal::Terminal;
use hatchery_mirror::config::Place;
use hatchery_mirror::{Address, Server, Store};
use operation::{Log, Operation};
use serde::Serialize;
use settings::Settings;
use std::path::PathBuf;

#[derive(Serialize)]
struct Shown {
    store: PathBuf,
    /// The first one.
    address: String,
    addresses: Vec<String>,
}

/// What `--check` found to be right.
#[derive(Serialize)]
struct Checked {
    config: Option<PathBuf>,
    store: PathBuf,
    listen: Vec<String>,
}

/// Does it.
pub(crate) fn run(arguments: &Arguments, terminal: &Terminal) -> anyhow::Result<()> {
    let settings = Settings::read(arguments)?;
    if arguments.check {
        return check(settings, terminal);
    }
    let handed = systemd::sockets()?;
    let store = Store::open(&settings.store)?;
    let mut options = settings.config.options(&handed, environment::now)?;
    let log = Log::start(&settings, terminal)?;
    log.join(&mut options, &settings);
    let is_tls: Vec<bool> = options.listeners.iter().map(|l| l.tls.is_some()).collect();
    let server = Server::bind(store, options)?;
    let addresses = server.addresses().iter().zip(is_tls);
    let addresses: Vec<String> = addresses.map(|(a, is_tls)| url(a, is_tls)).collect();
    let shown = Shown {
        store: settings.store.clone(),
        address: addresses.first().cloned().unwrap_or_default(),
        addresses,
    };
    terminal.result(&shown, |shown| {
        let line = |address| format!("serving {} at {address}\n", shown.store.display());
        shown.addresses.iter().map(line).collect()
    })?;
    let operation = Operation {
        arguments: arguments.clone(),
        settings,
        handed,
        log,
        control: server.control(),
        stop: server.stop_handle(),
        progress: terminal.progress().clone(),
        hangups: terminal.hangups(),
        manager: systemd::Manager::new(),
    };
    let operation = operation.start()?;
    let served = server.run_blocking();
    operation.end();
    Ok(served?)
}

/// Says whether it could be served so, and serves nothing.
fn check(settings: Settings, terminal: &Terminal) -> anyhow::Result<()> {
    Store::open(&settings.store)?;
    settings.config.check_files()?;
    let listen = settings.config.listen.iter();
    let checked = Checked {
        listen: listen
            .map(|l| match &l.address {
                Place::Address(address) => url(address, l.tls.is_some()),
                handed @ Place::Handed(_) => handed.to_string(),
            })
            .collect(),
        config: settings.file,
        store: settings.store,
    };
    terminal.result(&checked, |checked| {
        let store = checked.store.display();
        match &checked.config {
            Some(file) => format!("{} is right: serves {store}\n", file.display()),
            None => format!("this is right: serves {store}\n"),
        }
    })
}

/// How a client calls a listener.
fn url(address: &Address, is_tls: bool) -> String {
    match (address, is_tls) {
        (Address::Tcp(address), false) => format!("http://{address}/"),
        (Address::Tcp(address), true) => format!("https://{address}/"),
        (Address::Unix(_), _) => address.to_string(),
    }
}
