//! What `hatchery serve` takes.

use clap::Args;
use hatchery_mirror::PublicUrl;
use hatchery_mirror::config::{AccessFormat, HeadBytes, Place, Seconds};
use std::num::NonZeroU32;
use std::path::PathBuf;

const EXAMPLES: &str = "\
What is served is public and signed, so there is neither a password nor a key
here. Stock clients work too:
  systemd-pull --verify=signature tar http://HOST:8080/images/debian/amd64/latest/debian.tar.xz

Without --store, /etc/hatchery/mirror.toml says what is served; a flag wins
over it. /healthz says whether the catalog can be read. A browser at / finds
the images, who signs them, and what to type to get one.

Ctrl-C and SIGTERM let answers under way finish; a second one does not. SIGHUP
reads the configuration again and opens the log file again. Certificates are
read again when their files change.

Examples:
  hatchery serve --store /srv/images                          this host only
  hatchery serve --store /srv/images --listen 0.0.0.0:8080    everybody
  hatchery serve --store /srv/images --listen 127.0.0.1:0     a free port, which is printed
  hatchery serve --store /srv/images --listen [::]:80 --listen-tls [::]:443 \\
      --certificate /etc/ssl/mirror.pem --key /etc/ssl/private/mirror.key
  hatchery serve --config mirror.toml --check                 whether it is right";

/// What it takes.
#[derive(Args, Clone, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// The configuration [default: /etc/hatchery/mirror.toml without --store]
    #[arg(long, value_name = "FILE")]
    pub(super) config: Option<PathBuf>,
    /// Says whether configuration, store and certificates are right, and ends
    #[arg(long)]
    pub(super) check: bool,
    /// The store
    #[arg(long, value_name = "DIR")]
    pub(super) store: Option<PathBuf>,
    /// Where to listen: an address and a port, of which 0 takes a free one,
    /// unix:/PATH or systemd:NAME; can be given again [default: 127.0.0.1:8080]
    #[arg(long, value_name = "ADDRESS")]
    pub(super) listen: Vec<Place>,
    /// The same, over TLS
    #[arg(long, value_name = "ADDRESS", requires = "certificate")]
    pub(super) listen_tls: Vec<Place>,
    /// The certificate and those that lead to its authority, PEM
    #[arg(long, value_name = "FILE", requires_all = ["key", "listen_tls"])]
    pub(super) certificate: Option<PathBuf>,
    /// The certificate's private key, PEM
    #[arg(long, value_name = "FILE", requires = "certificate")]
    pub(super) key: Option<PathBuf>,
    /// Where clients find the server, such as https://images.example.org/: what
    /// its pages tell people to type begins with it. Needed behind a proxy that
    /// speaks TLS or adds a path [default: as each request says]
    #[arg(long, value_name = "URL")]
    pub(super) public_url: Option<PublicUrl>,
    #[command(flatten)]
    pub(super) limits: Limits,
    /// How accesses are logged: off, plain or json [default: plain]
    #[arg(long, value_name = "FORM", help_heading = "Log")]
    pub(super) access_log: Option<AccessFormat>,
    /// Where to, instead of stderr
    #[arg(long, value_name = "FILE", help_heading = "Log")]
    pub(super) log_file: Option<PathBuf>,
    /// How long answers under way have when it stops [default: 30]
    #[arg(long, value_name = "SECONDS")]
    pub(super) drain: Option<Seconds>,
}

/// How much clients may take.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Limits")]
pub(crate) struct Limits {
    /// Most connections at once; further ones wait [default: 16384]
    #[arg(long, value_name = "N")]
    pub(super) connections: Option<NonZeroU32>,
    /// Most connections of one client (an IPv4 address or an IPv6 /64, not
    /// this host itself) [default: no limit]
    #[arg(long, value_name = "N")]
    pub(super) connections_per_client: Option<NonZeroU32>,
    /// Most requests a second of one client, which hears 429 beyond that
    /// [default: no limit]
    #[arg(long, value_name = "N")]
    pub(super) requests_per_second: Option<NonZeroU32>,
    /// Most requests of one client at once after a pause [default: ten
    /// seconds' worth]
    #[arg(long, value_name = "N", requires = "requests_per_second")]
    pub(super) burst: Option<NonZeroU32>,
    /// Longest head of a request [default: 8192]
    #[arg(long, value_name = "BYTES")]
    pub(super) head_bytes: Option<HeadBytes>,
    /// How long a request's head may take [default: 30]
    #[arg(long, value_name = "SECONDS")]
    pub(super) head_seconds: Option<Seconds>,
    /// How long a client may take nothing of an answer [default: 60]
    #[arg(long, value_name = "SECONDS")]
    pub(super) stalled_seconds: Option<Seconds>,
    /// Most ranges of one request that are answered one by one [default: 16]
    #[arg(long, value_name = "N")]
    pub(super) ranges: Option<NonZeroU32>,
}
