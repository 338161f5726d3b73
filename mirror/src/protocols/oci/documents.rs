//! The JSON documents of an image, as the OCI image specification (1.1) has
//! them: configuration, manifest and index. Their bytes depend on the image's
//! own manifest and on the layer alone, so that every mirror makes the same.
//!
//! What was decided: the time is the image's `SOURCE_DATE_EPOCH`, not the time
//! it was published. `/lib/systemd/systemd` is where every image with systemd
//! has it, also one whose `/lib` is a folder of its own, and podman knows by
//! this name that systemd is to be booted; other images start a shell.

use crate::inventory::HeldVersion;
use hatchery_image::{Architecture, Sha256};
use jiff::Timestamp;
use serde::Serialize;

/// Media types of the documents.
pub(super) const INDEX: &str = "application/vnd.oci.image.index.v1+json";
pub(super) const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
pub(super) const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
/// Media types of layers.
pub(super) const ZSTD_LAYER: &str = "application/vnd.oci.image.layer.v1.tar+zstd";
pub(super) const GZIP_LAYER: &str = "application/vnd.oci.image.layer.v1.tar+gzip";

/// On which systemd shuts down in order.
const STOP_SIGNAL: &str = "SIGRTMIN+3";

/// Bytes by their digest and length.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Descriptor {
    media_type: &'static str,
    #[serde(serialize_with = "digest")]
    digest: Sha256,
    size: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    annotations: Option<Compression>,
    #[serde(skip_serializing_if = "Option::is_none")]
    platform: Option<Platform>,
}

/// What tells clients that a manifest is for those alone that read zstd: they
/// prefer it, and others take the one without it.
#[derive(Clone, Copy, Debug, Serialize)]
struct Compression {
    #[serde(rename = "io.github.containers.compression.zstd")]
    zstd: &'static str,
}

/// What an image runs on, in Go's words.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Platform {
    architecture: &'static str,
    os: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    variant: Option<&'static str>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Index<'a> {
    schema_version: u8,
    media_type: &'static str,
    manifests: &'a [Descriptor],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Manifest<'a> {
    schema_version: u8,
    media_type: &'static str,
    config: &'a Descriptor,
    layers: [&'a Descriptor; 1],
    annotations: Annotations<'a>,
}

#[derive(Serialize)]
struct Annotations<'a> {
    #[serde(rename = "org.opencontainers.image.title")]
    title: &'a str,
    #[serde(rename = "org.opencontainers.image.version")]
    version: &'a str,
}

#[derive(Serialize)]
struct Config<'a> {
    created: Timestamp,
    #[serde(flatten)]
    platform: Platform,
    config: Execution,
    rootfs: Rootfs,
    history: [History<'a>; 1],
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Execution {
    cmd: [&'static str; 1],
    #[serde(skip_serializing_if = "Option::is_none")]
    stop_signal: Option<&'static str>,
}

#[derive(Serialize)]
struct Rootfs {
    #[serde(rename = "type")]
    kind: &'static str,
    diff_ids: [String; 1],
}

#[derive(Serialize)]
struct History<'a> {
    created: Timestamp,
    created_by: &'a str,
}

impl Descriptor {
    pub(super) fn new(media_type: &'static str, digest: Sha256, size: u64) -> Self {
        Self {
            media_type,
            digest,
            size,
            annotations: None,
            platform: None,
        }
    }

    /// The same, as the entry of an index.
    pub(super) fn entry(self, platform: Platform, zstd: bool) -> Self {
        Self {
            annotations: zstd.then_some(Compression { zstd: "true" }),
            platform: Some(platform),
            ..self
        }
    }
}

/// What a tag stands for: the manifests of its architectures.
pub(super) fn index(manifests: &[Descriptor]) -> Vec<u8> {
    bytes(&Index {
        schema_version: 2,
        media_type: INDEX,
        manifests,
    })
}

/// The manifest of a version with one layer.
pub(super) fn manifest(version: &HeldVersion, config: &Descriptor, layer: &Descriptor) -> Vec<u8> {
    bytes(&Manifest {
        schema_version: 2,
        media_type: MANIFEST,
        config,
        layers: [layer],
        annotations: Annotations {
            title: version.image.as_str(),
            version: version.version.as_str(),
        },
    })
}

/// The configuration of a version, the same for every compression.
pub(super) fn config(version: &HeldVersion) -> Vec<u8> {
    let created =
        Timestamp::from_second(version.source_date_epoch).unwrap_or(Timestamp::UNIX_EPOCH);
    let tool = format!("{} {}", version.tool.name, version.tool.version);
    let systemd = version.systemd.is_some();
    bytes(&Config {
        created,
        platform: platform(version.architecture),
        config: Execution {
            cmd: [if systemd {
                "/lib/systemd/systemd"
            } else {
                "/bin/sh"
            }],
            stop_signal: systemd.then_some(STOP_SIGNAL),
        },
        rootfs: Rootfs {
            kind: "layers",
            diff_ids: [format!("sha256:{}", version.tar.sha256)],
        },
        history: [History {
            created,
            created_by: &tool,
        }],
    })
}

/// What Go calls an architecture, with the variants that its clients expect.
pub(super) fn platform(architecture: Architecture) -> Platform {
    let (architecture, variant) = match architecture {
        Architecture::Amd64 => ("amd64", None),
        Architecture::Arm64 => ("arm64", Some("v8")),
        Architecture::Armhf => ("arm", Some("v7")),
        Architecture::I386 => ("386", None),
        Architecture::Ppc64el => ("ppc64le", None),
        Architecture::Riscv64 => ("riscv64", None),
        Architecture::S390x => ("s390x", None),
    };
    Platform {
        architecture,
        os: "linux",
        variant,
    }
}

fn bytes(document: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(document).expect("documents have only string keys")
}

fn digest<S: serde::Serializer>(digest: &Sha256, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&format_args!("sha256:{digest}"))
}
