//! What to type into a terminal to get an image, for each client that the
//! mirror speaks to.
//!
//! Names of images, versions and releases are plain by their types, and a URL
//! by its own; the name of an archive comes from a manifest and is looked at
//! here. A client is left out where its command could not work: incus without
//! TLS, registries below a path, nspawn.org's script where it would get
//! another image.

use super::PublicUrl;
use crate::inventory::HeldVersion;
use hatchery_image::manifest::{Archive, ArchiveFormat};
use hatchery_image::{Architecture, Channel, Fingerprint};

/// Longest file name, in bytes: the kernel's limit.
const FILE_NAME_MAX: usize = 255;

/// A client, and how it gets an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Client {
    /// For links; unique on a page.
    pub(super) id: &'static str,
    pub(super) name: &'static str,
    /// What it verifies, and what it needs.
    pub(super) note: String,
    /// Lines of a shell.
    pub(super) commands: String,
    /// What the configuration holds, and where, if it needs any.
    pub(super) file: Option<(&'static str, String)>,
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
        note: "Verifies the signature, the expiry and every digest before anything is visible. \
               Compare the fingerprint first."
            .to_owned(),
        commands: format!(
            "sudo hatchery import {reference}{architecture} --mirror {} \\\n    --trust {key}\n\
             sudo machinectl start {}",
            subject.url, version.image
        ),
        file: None,
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
    let (url, folder, image) = (subject.url, subject.folder(), &version.image);
    let file = archive.file.as_str();
    Some(Client {
        id: "systemd",
        name: "systemd",
        note: format!(
            "Verifies the signature of SHA256SUMS with the keys in /etc/systemd. The first line shows this mirror’s key; \
             compare its fingerprint before the second puts it there.{needs}"
        ),
        commands: format!(
            "curl -fsSo keys.pgp {url}keys.pgp && gpg --show-keys --with-fingerprint keys.pgp\n\
             sudo gpg --no-default-keyring --keyring /etc/systemd/import-pubring.gpg --import keys.pgp\n\
             # systemd 256 and later\n\
             sudo importctl pull-tar --class=machine --verify=signature {folder}{file} {image}\n\
             # before\n\
             sudo machinectl pull-tar --verify=signature {folder}{file} {image}"
        ),
        file: None,
    })
}

fn script(subject: &Subject<'_>) -> Option<Client> {
    let (argument, url) = (subject.hub?, subject.url);
    Some(Client {
        id: "nspawn",
        name: "nspawn.org’s script",
        note: "Verifies the signature with the key that it finds at this mirror: compare the fingerprint. \
               /etc/systemd/import-pubring.gpg must not hold another mirror’s."
            .to_owned(),
        commands: format!("sudo nspawn --init {argument}"),
        file: Some((
            "/etc/nspawn.conf",
            format!(
                "BASEURL={url}storage\n\
                 LISTURL={url}storage/list.txt\n\
                 KEYLOCATION={url}storage/masterkey.pgp"
            ),
        )),
    })
}

fn incus(subject: &Subject<'_>) -> Option<Client> {
    let is_latest = subject.channel.is_some_and(|c| *c == Channel::latest());
    if !subject.url.is_secure() || !is_latest {
        return None;
    }
    let (url, image) = (subject.url, &subject.version.image);
    Some(Client {
        id: "incus",
        name: "incus",
        note: "Verifies digests but no signature: it trusts the server, whose certificate the host must trust."
            .to_owned(),
        commands: format!(
            "incus remote add hatchery {url} --protocol simplestreams\n\
             incus launch hatchery:{image}"
        ),
        file: None,
    })
}

fn registry(subject: &Subject<'_>) -> Option<Client> {
    // A registry is at the root of its host (the distribution specification).
    if !subject.url.is_root() {
        return None;
    }
    let (skopeo, podman) = match subject.url.is_secure() {
        true => ("", ""),
        false => (" --src-tls-verify=false", " --tls-verify=false"),
    };
    // The version of one architecture is no other's.
    let (chosen, overridden) = match (subject.channel, platform(subject.version.architecture)) {
        (Some(_), _) => (String::new(), String::new()),
        (None, (name, None)) => (
            format!(" --arch {name}"),
            format!(" --override-arch {name}"),
        ),
        (None, (name, Some(variant))) => (
            format!(" --arch {name} --variant {variant}"),
            format!(" --override-arch {name} --override-variant {variant}"),
        ),
    };
    let (image, at) = (&subject.version.image, subject.at());
    let (host, authority) = (registry_host(subject.url), subject.url.authority());
    // It speaks TLS alone, takes what is for its host, and needs no port.
    let systemd = match subject.channel {
        Some(_) if subject.url.is_secure() => {
            format!(
                "\n# systemd 260 and later\nsudo importctl pull-oci {authority}/{image}:{at} {image}"
            )
        }
        _ => String::new(),
    };
    Some(Client {
        id: "oci",
        name: "podman, skopeo",
        note: "Verify digests but no signature: they trust the server.".to_owned(),
        commands: format!(
            "podman pull{chosen}{podman} {host}/{image}:{at}\n\
             skopeo{overridden} copy{skopeo} docker://{host}/{image}:{at} oci:{image}:{at}{systemd}"
        ),
        file: None,
    })
}

/// What podman and skopeo take for a host: one without dot or port would be the
/// name of a user of Docker Hub.
fn registry_host(url: &PublicUrl) -> String {
    let host = url.authority();
    match url.is_secure() {
        _ if host.contains(['.', ':']) || host == "localhost" => host.to_owned(),
        true => format!("{host}:443"),
        false => format!("{host}:80"),
    }
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
        note:
            "The second line shows the fingerprint to compare; the third verifies the signature, \
               and the fourth the archive."
                .to_owned(),
        commands: format!(
            "curl -f --remote-name-all '{folder}{{{file},SHA256SUMS,SHA256SUMS.gpg}}' {}keys.pgp\n\
             gpg --show-keys --with-fingerprint keys.pgp\n\
             gpgv --keyring ./keys.pgp SHA256SUMS.gpg SHA256SUMS &&\n\
             sha256sum --check --ignore-missing SHA256SUMS",
            subject.url
        ),
        file: None,
    })
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

/// What OCI calls an architecture, and its variant.
fn platform(architecture: Architecture) -> (&'static str, Option<&'static str>) {
    match architecture {
        Architecture::Armhf => ("arm", Some("v7")),
        Architecture::I386 => ("386", None),
        Architecture::Ppc64el => ("ppc64le", None),
        other => (other.debian(), None),
    }
}
