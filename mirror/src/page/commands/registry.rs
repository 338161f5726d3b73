//! Clients of OCI registries. They are shown where they would find the image:
//! at the root of its host, by a name of theirs, and as a `.tar.zst`.

use super::{Block, Client, Subject, quoted};
use crate::page::PublicUrl;
use crate::protocols::oci;
use hatchery_image::Architecture;
use hatchery_image::manifest::ArchiveFormat;

pub(super) fn registry(subject: &Subject<'_>) -> Option<Client> {
    let mut archives = subject.version.archives.iter();
    let is_offered = oci::is_name(&subject.version.image)
        && archives.any(|archive| archive.format == ArchiveFormat::TarZst);
    // A registry is at the root of its host (the distribution specification).
    if !is_offered || !subject.url.is_root() {
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
        Some(_) if subject.url.is_secure() => format!(
            "\n# systemd 260 and later\nsudo importctl pull-oci {} {image}",
            quoted(format!("{authority}/{image}:{at}"))
        ),
        _ => String::new(),
    };
    let reference = quoted(format!("{host}/{image}:{at}"));
    let source = quoted(format!("docker://{host}/{image}:{at}"));
    Some(Client {
        id: "oci",
        name: "podman, skopeo",
        note: "Verify digests but no signature: they trust the server.".to_owned(),
        file: None,
        blocks: vec![Block::new(format!(
            "podman pull{chosen}{podman} {reference}\n\
             skopeo{overridden} copy{skopeo} {source} oci:{image}:{at}{systemd}"
        ))],
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

/// What OCI calls an architecture, and its variant.
fn platform(architecture: Architecture) -> (&'static str, Option<&'static str>) {
    match architecture {
        Architecture::Armhf => ("arm", Some("v7")),
        Architecture::I386 => ("386", None),
        Architecture::Ppc64el => ("ppc64le", None),
        other => (other.debian(), None),
    }
}
