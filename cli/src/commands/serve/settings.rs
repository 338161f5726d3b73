//! What is served and how: the configuration's file, and the flags over it.

use super::arguments::Arguments;
use crate::exit::{Code, Failure};
use anyhow::Context as _;
use hatchery_mirror::TlsFiles;
use hatchery_mirror::config::{CONFIG, CONFIG_MAX, Config, Listen};
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

/// What is served and how.
#[derive(Debug)]
pub(super) struct Settings {
    pub(super) store: PathBuf,
    /// The file that was read, if any.
    pub(super) file: Option<PathBuf>,
    pub(super) config: Config,
}

impl Settings {
    /// Reads the file, and lets flags win over it.
    pub(super) fn read(arguments: &Arguments) -> anyhow::Result<Self> {
        let (mut config, file) = match (&arguments.config, &arguments.store) {
            (Some(path), _) => (load(path)?, Some(path.clone())),
            (None, Some(_)) => (Config::default(), None),
            (None, None) => load_default()?,
        };
        overlay(&mut config, arguments);
        let store = config.store.clone().ok_or_else(|| {
            let file = file.as_deref().unwrap_or(Path::new(CONFIG)).display();
            let message = format!("{file} names no store; add store = \"/srv/images\"");
            Failure::error(Code::Recipe, message)
        })?;
        Ok(Self {
            store,
            file,
            config,
        })
    }
}

fn load_default() -> anyhow::Result<(Config, Option<PathBuf>)> {
    let path = Path::new(CONFIG);
    if path.try_exists().unwrap_or(true) {
        return Ok((load(path)?, Some(path.to_owned())));
    }
    let message = format!("there is no store to serve; say --store DIR, or write {CONFIG}");
    Err(Failure::error(Code::Usage, message))
}

fn load(path: &Path) -> anyhow::Result<Config> {
    let text = read(path).with_context(|| format!("cannot read {}", path.display()))?;
    Ok(Config::parse(&text, path)?)
}

fn read(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    File::open(path)?
        .take(CONFIG_MAX + 1)
        .read_to_string(&mut text)?;
    if text.len() as u64 > CONFIG_MAX {
        let message = format!("it is larger than {CONFIG_MAX} bytes");
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, message));
    }
    Ok(text)
}

/// Lets flags win.
fn overlay(config: &mut Config, arguments: &Arguments) {
    fn set<T: Clone>(to: &mut Option<T>, from: &Option<T>) {
        if from.is_some() {
            to.clone_from(from);
        }
    }
    set(&mut config.store, &arguments.store);
    set(&mut config.public_url, &arguments.public_url);
    set(&mut config.drain_seconds, &arguments.drain);
    set(&mut config.log.access, &arguments.access_log);
    set(&mut config.log.file, &arguments.log_file);
    let flags = &arguments.limits;
    let limits = &mut config.limits;
    set(&mut limits.connections, &flags.connections);
    set(&mut limits.head_bytes, &flags.head_bytes);
    set(&mut limits.head_seconds, &flags.head_seconds);
    set(&mut limits.stalled_seconds, &flags.stalled_seconds);
    set(&mut limits.ranges, &flags.ranges);
    let client = &mut config.per_client;
    set(&mut client.connections, &flags.connections_per_client);
    set(&mut client.requests_per_second, &flags.requests_per_second);
    set(&mut client.burst, &flags.burst);
    let listen = listen(arguments);
    if !listen.is_empty() {
        config.listen = listen;
    }
}

/// Where the flags say to listen.
fn listen(arguments: &Arguments) -> Vec<Listen> {
    let plain = arguments.listen.iter().map(|address| Listen {
        address: address.clone(),
        tls: None,
        metrics: None,
    });
    let files = arguments.certificate.as_ref().zip(arguments.key.as_ref());
    let tls = arguments.listen_tls.iter().map(|address| Listen {
        address: address.clone(),
        tls: files.map(|(certificate, key)| TlsFiles {
            certificate: certificate.clone(),
            key: key.clone(),
        }),
        metrics: None,
    });
    plain.chain(tls).collect()
}
