//! `hatchery serve`.

use crate::environment;
use crate::terminal::Terminal;
use clap::Args;
use hatchery_mirror::{Address, Listener, Options, Server, Store, TlsFiles};
use serde::Serialize;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// How often the wish to stop is looked for.
const LOOK: Duration = Duration::from_millis(50);

/// Where to listen when nothing says so.
const DEFAULT: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8080);

const EXAMPLES: &str = "\
What is served is public and signed, so there is neither a password nor a key
here. Stock clients work too:
  systemd-pull --verify=signature tar http://HOST:8080/images/debian/amd64/latest/debian.tar.xz

Ctrl-C lets answers under way finish; a second one does not.

Examples:
  hatchery serve --store /srv/images                          this host only
  hatchery serve --store /srv/images --listen 0.0.0.0:8080    everybody
  hatchery serve --store /srv/images --listen 127.0.0.1:0     a free port, which is printed
  hatchery serve --store /srv/images --listen [::]:80 --listen-tls [::]:443 \\
      --certificate fullchain.pem --key privkey.pem           and over TLS

Certificates are read again when their files change.";

/// What it takes.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// The store
    #[arg(long, value_name = "DIR")]
    store: PathBuf,
    /// Where to listen: an address and a port, of which 0 takes a free one, or
    /// unix:/PATH; can be given again [default: 127.0.0.1:8080]
    #[arg(long, value_name = "ADDRESS")]
    listen: Vec<Address>,
    /// The same, over TLS
    #[arg(long, value_name = "ADDRESS", requires = "certificate")]
    listen_tls: Vec<Address>,
    /// The certificate and those that lead to its authority, PEM
    #[arg(long, value_name = "FILE", requires_all = ["key", "listen_tls"])]
    certificate: Option<PathBuf>,
    /// The certificate's private key, PEM
    #[arg(long, value_name = "FILE", requires = "certificate")]
    key: Option<PathBuf>,
    /// Most connections at once
    #[arg(long, value_name = "N", default_value_t = hatchery_mirror::CONNECTIONS)]
    connections: usize,
}

#[derive(Serialize)]
struct Shown {
    store: PathBuf,
    /// The first one.
    address: String,
    addresses: Vec<String>,
}

/// Does it.
pub(crate) fn run(arguments: &Arguments, terminal: &Terminal) -> anyhow::Result<()> {
    let store = Store::open(&arguments.store)?;
    let mut options = Options::new(DEFAULT, environment::now);
    let listeners = listeners(arguments);
    if !listeners.is_empty() {
        options.listeners = listeners;
    }
    options.connections = arguments.connections;
    options.access = Arc::new(|access| tracing::info!("{access}"));
    let is_tls: Vec<bool> = options.listeners.iter().map(|l| l.tls.is_some()).collect();
    let server = Server::bind(store, options)?;
    let addresses = server.addresses().iter().zip(is_tls);
    let addresses: Vec<String> = addresses.map(|(a, is_tls)| url(a, is_tls)).collect();
    let shown = Shown {
        store: arguments.store.clone(),
        address: addresses.first().cloned().unwrap_or_default(),
        addresses,
    };
    terminal.result(&shown, |shown| {
        let line = |address| format!("serving {} at {address}\n", shown.store.display());
        shown.addresses.iter().map(line).collect()
    })?;
    let (stop, progress) = (server.stop_handle(), terminal.progress().clone());
    std::thread::spawn(move || {
        while progress.check().is_ok() {
            std::thread::sleep(LOOK);
        }
        stop.stop();
    });
    Ok(server.run_blocking()?)
}

/// What the arguments say about where to listen.
fn listeners(arguments: &Arguments) -> Vec<Listener> {
    let plain = arguments.listen.iter().cloned().map(Listener::plain);
    let files = arguments.certificate.as_ref().zip(arguments.key.as_ref());
    let tls = files.into_iter().flat_map(|(certificate, key)| {
        let files = TlsFiles {
            certificate: certificate.clone(),
            key: key.clone(),
        };
        let listen = arguments.listen_tls.iter().cloned();
        listen.map(move |address| Listener::tls(address, files.clone()))
    });
    plain.chain(tls).collect()
}

/// How a client calls a listener.
fn url(address: &Address, is_tls: bool) -> String {
    match (address, is_tls) {
        (Address::Tcp(address), false) => format!("http://{address}/"),
        (Address::Tcp(address), true) => format!("https://{address}/"),
        (Address::Unix(_), _) => address.to_string(),
    }
}
