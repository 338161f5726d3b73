//! Looking up names, in this process: literal addresses, `localhost`,
//! `/etc/hosts`, then the name servers of `/etc/resolv.conf` with its search
//! domains and `ndots`, `timeout` and `attempts` (resolv.conf(5)), IPv6 and
//! IPv4.
//!
//! The C library's own lookup loads modules from the host at run time (NSS).
//! A static binary in an empty folder has none, so it is never asked: the
//! same lookups are done in every build rather than two kinds that differ.
//! What only those modules know is not found: mDNS names (`printer.local`),
//! LDAP and NIS hosts, and the names that nss-myhostname and nss-mymachines
//! make up. systemd-resolved's stub (127.0.0.53) is a name server like any
//! other, and knows these names where it runs.
//!
//! As in glibc, what `/etc/hosts` has of a name is the whole answer, servers
//! are asked in the order in which they stand, and without any line
//! `nameserver` the one on this host is. No foreign server is ever assumed.

use hickory_resolver::config::{LookupIpStrategy, ServerOrderingStrategy};
use hickory_resolver::net::NetError;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::op::Query;
use hickory_resolver::proto::rr::{Name, RecordType};
use hickory_resolver::system_conf::parse_resolv_conf;
use hickory_resolver::{Hosts, Resolver, TokioResolver};
use reqwest::dns::{Addrs, Resolve, Resolving};
use std::fs::File;
use std::io::{self, Read as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::sync::OnceCell;

/// Most that is read of either file: block lists of some 100,000 names that
/// people keep in `/etc/hosts` fit.
const FILE_MAX: u64 = 32 << 20;

/// Why a name has no address.
#[derive(Debug, thiserror::Error)]
enum NameError {
    #[error("cannot read {path}")]
    Read {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("{path} cannot be understood")]
    Settings {
        path: PathBuf,
        #[source]
        source: Box<NetError>,
    },
    #[error("{host:?} is no host name")]
    NotAName { host: String },
    #[error("cannot look up {host}")]
    Unknown {
        host: String,
        #[source]
        source: Box<NetError>,
    },
    #[error(
        "cannot look up {host}: {path} names no server and 127.0.0.1 knows no answer; write a line nameserver ADDRESS to it, or the host to /etc/hosts"
    )]
    NoServer {
        host: String,
        path: PathBuf,
        #[source]
        source: Box<NetError>,
    },
}

/// Looks up names. Clones share what was read and what servers answered.
#[derive(Clone)]
pub(crate) struct Names {
    hosts: PathBuf,
    settings: PathBuf,
    read: Arc<OnceCell<Sources>>,
}

/// Where answers come from.
struct Sources {
    hosts: Hosts,
    servers: TokioResolver,
    /// None is named, so that the one on this host is asked.
    unnamed: bool,
}

impl Names {
    /// As this host's two files say, which are read at the first lookup.
    pub(crate) fn of_host() -> Self {
        Self::of(Path::new("/etc/hosts"), Path::new("/etc/resolv.conf"))
    }

    fn of(hosts: &Path, settings: &Path) -> Self {
        Self {
            hosts: hosts.to_owned(),
            settings: settings.to_owned(),
            read: Arc::default(),
        }
    }

    async fn lookup(&self, host: &str) -> Result<Vec<IpAddr>, NameError> {
        if let Ok(address) = host.parse() {
            return Ok(vec![address]);
        }
        let name = Name::from_str_relaxed(host).map_err(|_| NameError::NotAName {
            host: host.chars().take(300).collect(),
        })?;
        let sources = self.read.get_or_try_init(|| self.sources()).await?;
        let known = in_hosts(&sources.hosts, &name);
        if !known.is_empty() {
            return Ok(known);
        }
        // RFC 6761, 6.3: such names are not to leave this host.
        let plain = host.trim_end_matches('.').to_ascii_lowercase();
        if plain == "localhost" || plain.ends_with(".localhost") {
            return Ok(vec![Ipv6Addr::LOCALHOST.into(), Ipv4Addr::LOCALHOST.into()]);
        }
        match sources.servers.lookup_ip(name).await {
            Ok(found) => Ok(found.iter().collect()),
            Err(source) if sources.unnamed => Err(NameError::NoServer {
                host: host.to_owned(),
                path: self.settings.clone(),
                source: Box::new(source),
            }),
            Err(source) => Err(NameError::Unknown {
                host: host.to_owned(),
                source: Box::new(source),
            }),
        }
    }

    async fn sources(&self) -> Result<Sources, NameError> {
        let mut hosts = Hosts::default();
        hosts
            .read_hosts_conf(content(&self.hosts)?.as_slice())
            .map_err(|source| NameError::Read {
                path: self.hosts.clone(),
                source,
            })?;
        let mut text = content(&self.settings)?;
        let unnamed = !text
            .split(|b| *b == b'\n')
            .any(|l| l.starts_with(b"nameserver"));
        if unnamed {
            text.extend_from_slice(b"\nnameserver 127.0.0.1\n");
        }
        let failed = |source| NameError::Settings {
            path: self.settings.clone(),
            source: Box::new(source),
        };
        let (config, mut options) = parse_resolv_conf(text).map_err(failed)?;
        options.ip_strategy = LookupIpStrategy::Ipv6AndIpv4;
        options.server_ordering_strategy = ServerOrderingStrategy::UserProvidedOrder;
        options.num_concurrent_reqs = 1;
        let servers = Resolver::builder_with_config(config, TokioRuntimeProvider::default())
            .with_options(options)
            .build()
            .map_err(failed)?;
        Ok(Sources {
            hosts,
            servers,
            unnamed,
        })
    }
}

/// A file's bytes; none where there is no such file.
fn content(path: &Path) -> Result<Vec<u8>, NameError> {
    let mut bytes = Vec::new();
    match File::open(path).and_then(|file| file.take(FILE_MAX).read_to_end(&mut bytes)) {
        Ok(_) => Ok(bytes),
        Err(source) if source.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(source) => Err(NameError::Read {
            path: path.to_owned(),
            source,
        }),
    }
}

fn in_hosts(hosts: &Hosts, name: &Name) -> Vec<IpAddr> {
    [RecordType::AAAA, RecordType::A]
        .into_iter()
        .filter_map(|kind| hosts.lookup_static_host(&Query::query(name.clone(), kind)))
        .flat_map(|found| {
            let addresses = found.answers().iter().filter_map(|r| r.data.ip_addr());
            addresses.collect::<Vec<_>>()
        })
        .collect()
}

impl Resolve for Names {
    fn resolve(&self, name: reqwest::dns::Name) -> Resolving {
        let names = self.clone();
        Box::pin(async move {
            let found = names.lookup(name.as_str()).await?;
            // The port is the URL's.
            let found = found.into_iter().map(|a| SocketAddr::new(a, 0));
            Ok(Box::new(found) as Addrs)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn lookup(hosts: Option<&str>, host: &str) -> Result<Vec<IpAddr>, NameError> {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        if let Some(hosts) = hosts {
            fs::write(at("hosts"), hosts).unwrap();
        }
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let names = Names::of(&at("hosts"), &at("resolv.conf"));
        runtime.block_on(names.lookup(host))
    }

    #[test]
    fn what_hosts_says_of_a_name_is_the_whole_answer() {
        let hosts = "192.0.2.7 mirror.example mirror # ours\n2001:db8::7 mirror\n";
        let found = lookup(Some(hosts), "mirror").unwrap();
        let expected: [IpAddr; 2] = ["2001:db8::7".parse().unwrap(), "192.0.2.7".parse().unwrap()];
        assert_eq!(found, expected);
        assert_eq!(
            lookup(Some(hosts), "MIRROR.example").unwrap(),
            expected[1..]
        );
    }

    #[test]
    fn localhost_and_addresses_need_no_file() {
        for name in ["localhost", "localhost.", "a.LocalHost"] {
            let found = lookup(None, name).unwrap();
            assert!(found.iter().all(IpAddr::is_loopback), "{name}");
            assert_eq!(found.len(), 2);
        }
        let address: IpAddr = "192.0.2.1".parse().unwrap();
        assert_eq!(lookup(None, "192.0.2.1").unwrap(), [address]);
    }

    #[test]
    fn without_any_server_the_error_says_where_to_name_one() {
        // Nothing answers for this top-level domain (RFC 6761, 6.4), whatever
        // listens on this host.
        let error = lookup(None, "mirror.invalid").unwrap_err().to_string();
        assert!(error.contains("resolv.conf names no server"), "{error}");
    }
}
