//! What to type into a terminal to get an image, for each client that the
//! mirror speaks to.
//!
//! Names of images, versions and releases are plain by their types, and a URL
//! by its own; the name of an archive comes from a manifest and is looked at
//! here. A client is left out where its command could not work: incus without
//! TLS, nspawn.org's script where it would get another image, what a registry
//! does not have.

mod registry;

use super::PublicUrl;
use crate::inventory::HeldVersion;
use hatchery_image::manifest::{Archive, ArchiveFormat};
use hatchery_image::{Channel, Fingerprint};
use registry::registry;

/// Longest file name, in bytes: the kernel's limit.
const FILE_NAME_MAX: usize = 255;

/// What is said before a key is trusted, which nobody should do in one go with
/// what shows it.
const COMPARE: &str = "What follows trusts the key. Compare its fingerprint first, \
                       with one that you got from the publisher in another way.";

/// A client, and how it gets an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Client {
    /// For links; unique on a page.
    pub(super) id: &'static str,
    pub(super) name: &'static str,
    /// What it verifies, and what it needs.
    pub(super) note: String,
    /// What the configuration holds, and where, if it needs any.
    pub(super) file: Option<(&'static str, String)>,
    pub(super) blocks: Vec<Block>,
}

/// Lines of a shell to type in one go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Block {
    /// What is to be done before, if anything.
    pub(super) before: Option<&'static str>,
    pub(super) lines: String,
}

impl Block {
    fn new(lines: String) -> Self {
        Self {
            before: None,
            lines,
        }
    }

    /// Lines that trust a key.
    fn trusting(lines: String) -> Self {
        Self {
            before: Some(COMPARE),
            lines,
        }
    }
}

/// Which image, and by which name.
#[derive(Clone, Copy, Debug)]
pub(super) struct Subject<'s> {
    pub(super) url: &'s PublicUrl,
    /// A key to trust, once a person has compared it.
    pub(super) key: Option<&'s Fingerprint>,
    pub(super) version: &'s HeldVersion,
    /// What it is asked for by; none for the version itself.
    pub(super) channel: Option<&'s Channel>,
    /// What nspawn.org's script takes for it.
    pub(super) hub: Option<&'s str>,
}

impl Subject<'_> {
    /// What the version's files are beneath.
    fn folder(&self) -> String {
        let HeldVersion {
            image,
            architecture,
            ..
        } = self.version;
        format!("{}images/{image}/{architecture}/{}/", self.url, self.at())
    }

    fn at(&self) -> &str {
        let channel = self.channel.map(Channel::as_str);
        channel.unwrap_or(self.version.version.as_str())
    }
}

/// Every client that gets it, the one that verifies most first.
pub(super) fn clients(subject: &Subject<'_>) -> Vec<Client> {
    let all = [
        hatchery(subject),
        systemd(subject),
        script(subject),
        incus(subject),
        registry(subject),
        curl(subject),
    ];
    all.into_iter().flatten().collect()
}

fn hatchery(subject: &Subject<'_>) -> Option<Client> {
    let version = subject.version;
    let latest = Channel::latest();
    let reference = match subject.channel {
        Some(channel) if *channel == latest => version.image.to_string(),
        Some(channel) => format!("{}:{channel}", version.image),
        None => format!("{}@{}", version.image, version.version),
    };
    // The version of one architecture is no other's.
    let architecture = match subject.channel {
        Some(_) => String::new(),
        None => format!(" --architecture {}", version.architecture),
    };
    let key = subject.key?;
    Some(Client {
        id: "hatchery",
        name: "hatchery",
        note: "Verifies the signature, the expiry and every digest before anything is visible."
            .to_owned(),
        file: None,
        blocks: vec![
            Block::trusting(format!(
                "sudo hatchery import {reference}{architecture} --mirror {} \\\n    --trust {key}",
                quoted(subject.url)
            )),
            Block::new(format!("sudo machinectl start {}", version.image)),
        ],
    })
}

fn systemd(subject: &Subject<'_>) -> Option<Client> {
    let version = subject.version;
    let xz = archive(version, |archive| archive.format == ArchiveFormat::TarXz);
    let needs = match xz {
        Some(_) => "",
        None => " Needs systemd 258, the first that unpacks zstd.",
    };
    let archive = xz.or_else(|| archive(version, |_| true))?;
    let keys = quoted(format!("{}keys.pgp", subject.url));
    let url = quoted(format!("{}{}", subject.folder(), archive.file));
    let image = &version.image;
    Some(Client {
        id: "systemd",
        name: "systemd",
        note: format!(
            "Verifies the signature of SHA256SUMS with the keys in /etc/systemd. \
             The first line shows this mirror’s key, and the second puts it there.{needs}"
        ),
        file: None,
        blocks: vec![
            Block::new(format!(
                "curl -fsSo keys.pgp {keys} && gpg --show-keys --with-fingerprint keys.pgp"
            )),
            Block::trusting(
                "sudo gpg --no-default-keyring --keyring /etc/systemd/import-pubring.gpg --import keys.pgp"
                    .to_owned(),
            ),
            Block::new(format!(
                "# systemd 256 and later\n\
                 sudo importctl pull-tar --class=machine --verify=signature {url} {image}\n\
                 # before\n\
                 sudo machinectl pull-tar --verify=signature {url} {image}"
            )),
        ],
    })
}

fn script(subject: &Subject<'_>) -> Option<Client> {
    let (argument, url) = (subject.hub?, subject.url);
    Some(Client {
        id: "nspawn",
        name: "nspawn.org’s script",
        note: "Verifies the signature with the key that it finds at this mirror. \
               /etc/systemd/import-pubring.gpg must not hold another mirror’s."
            .to_owned(),
        file: Some((
            "/etc/nspawn.conf",
            format!(
                "BASEURL={url}storage\n\
                 LISTURL={url}storage/list.txt\n\
                 KEYLOCATION={url}storage/masterkey.pgp"
            ),
        )),
        blocks: vec![Block::trusting(format!("sudo nspawn --init {argument}"))],
    })
}

fn incus(subject: &Subject<'_>) -> Option<Client> {
    let is_latest = subject.channel.is_some_and(|c| *c == Channel::latest());
    if !subject.url.is_secure() || !is_latest {
        return None;
    }
    let (url, image) = (quoted(subject.url), &subject.version.image);
    Some(Client {
        id: "incus",
        name: "incus",
        note: "Verifies digests but no signature: it trusts the server, whose certificate the host must trust."
            .to_owned(),
        file: None,
        blocks: vec![Block::new(format!(
            "incus remote add hatchery {url} --protocol simplestreams\n\
             incus launch hatchery:{image}"
        ))],
    })
}

fn curl(subject: &Subject<'_>) -> Option<Client> {
    let archive = archive(subject.version, |_| true)?;
    let file = archive.file.as_str();
    // A channel may move between two files.
    let folder = Subject {
        channel: None,
        ..*subject
    }
    .folder();
    Some(Client {
        id: "curl",
        name: "curl, by hand",
        note: "The second line shows the fingerprint; \
               the third verifies the signature, and the fourth the archive."
            .to_owned(),
        file: None,
        blocks: vec![
            Block::new(format!(
                "curl -f --remote-name-all '{folder}{{{file},SHA256SUMS,SHA256SUMS.gpg}}' {}\n\
                 gpg --show-keys --with-fingerprint keys.pgp",
                quoted(format!("{}keys.pgp", subject.url))
            )),
            Block::trusting(
                "gpgv --keyring ./keys.pgp SHA256SUMS.gpg SHA256SUMS &&\n\
                 sha256sum --check --ignore-missing SHA256SUMS"
                    .to_owned(),
            ),
        ],
    })
}

/// A place as an argument of a shell, to which the brackets of an IPv6 address
/// are a pattern. Nothing else in a place means anything to it.
fn quoted(place: impl ToString) -> String {
    let place = place.to_string();
    match place.contains('[') {
        true => format!("'{place}'"),
        false => place,
    }
}

/// The best archive of a kind whose name means nothing else to a shell.
fn archive(version: &HeldVersion, is_it: impl Fn(&Archive) -> bool) -> Option<&Archive> {
    let mut archives = version.archives.iter();
    archives.find(|archive| is_it(archive) && is_plain(archive.file.as_str()))
}

fn is_plain(name: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"._+-".contains(&b);
    !name.starts_with('-') && name.len() <= FILE_NAME_MAX && name.bytes().all(plain)
}
