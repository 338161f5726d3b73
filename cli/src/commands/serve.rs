//! `hatchery serve`.

use crate::environment;
use crate::terminal::Terminal;
use clap::Args;
use hatchery_mirror::{Options, Server, Store};
use serde::Serialize;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// How often the wish to stop is looked for.
const LOOK: Duration = Duration::from_millis(50);

const EXAMPLES: &str = "\
What is served is public and signed, so there is neither a password nor a key
here; put a proxy before it for TLS. Stock clients work too:
  systemd-pull --verify=signature tar http://HOST:8080/images/debian/amd64/latest/debian.tar.xz

Ctrl-C lets answers under way finish; a second one does not.

Examples:
  hatchery serve --store /srv/images                          this host only
  hatchery serve --store /srv/images --listen 0.0.0.0:8080    everybody
  hatchery serve --store /srv/images --listen 127.0.0.1:0     a free port, which is printed";

/// What it takes.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// The store
    #[arg(long, value_name = "DIR")]
    store: PathBuf,
    /// Where to listen; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
    /// Most connections at once
    #[arg(long, value_name = "N", default_value_t = hatchery_mirror::CONNECTIONS)]
    connections: usize,
}

#[derive(Serialize)]
struct Shown {
    store: PathBuf,
    address: String,
}

/// Does it.
pub(crate) fn run(arguments: &Arguments, terminal: &Terminal) -> anyhow::Result<()> {
    let store = Store::open(&arguments.store)?;
    let mut options = Options::new(arguments.listen, environment::now);
    options.connections = arguments.connections;
    options.access = Arc::new(|access| tracing::info!("{access}"));
    let server = Server::bind(store, options)?;
    let shown = Shown {
        store: arguments.store.clone(),
        address: format!("http://{}/", server.local_addr()),
    };
    terminal.result(&shown, |shown| {
        format!("serving {} at {}\n", shown.store.display(), shown.address)
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
