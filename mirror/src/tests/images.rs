//! A store with as many small images as a test wants, made by hand: each with
//! a manifest, so that the inventory knows it, in an unsigned catalog.

use super::fixture::Fixture;
use crate::{Options, Running, Server, Store};
use base64::Engine as _;
use hatchery_image::catalog::{Listing, ManifestReference, PAYLOAD_TYPE};
use hatchery_image::manifest::{
    Archive, ArchiveFormat, Distribution, FORMAT, Manifest, Requires, Tar, Tool, Unpacked,
};
use hatchery_image::{Architecture, ImageName, Sha256, Version};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// A version that is to be there.
#[derive(Clone, Debug)]
pub(super) struct Image<'a> {
    pub(super) name: &'a str,
    pub(super) architecture: Architecture,
    pub(super) version: &'a str,
    /// `distribution/release`.
    pub(super) release: &'a str,
    pub(super) published: &'a str,
    /// Whether its SHA256SUMS lists the archive as `image.tar.xz` too.
    pub(super) aliased: bool,
    /// Whether it has a `.tar.zst` too.
    pub(super) zstd: bool,
    pub(super) systemd: Option<u32>,
    pub(super) channels: &'a [&'a str],
    /// What its manifest says otherwise.
    pub(super) edit: fn(&mut Manifest),
}

impl Default for Image<'_> {
    fn default() -> Self {
        Self {
            name: "debian",
            architecture: Architecture::Amd64,
            version: "1",
            release: "debian/trixie",
            published: "2026-11-22T16:15:00Z",
            aliased: true,
            zstd: false,
            systemd: None,
            channels: &["latest"],
            edit: |_| (),
        }
    }
}

impl Image<'_> {
    /// The bytes of its archive, which are those of no other.
    pub(super) fn archive(&self) -> Vec<u8> {
        let Self { name, version, .. } = self;
        format!("{name} {} {version}", self.architecture).into_bytes()
    }

    /// Those of its `.tar.zst`.
    pub(super) fn zstd(&self) -> Vec<u8> {
        [&self.archive(), &b" zstd"[..]].concat()
    }

    /// The digest of the tar in both.
    pub(super) fn tar(&self) -> Sha256 {
        Sha256::of(&[&self.archive(), &b" tar"[..]].concat())
    }
}

/// A store in a temporary folder.
pub(super) struct Images {
    folder: TempDir,
    images: BTreeMap<ImageName, BTreeMap<Architecture, Listing>>,
    version: u64,
    /// The fingerprints of the keys that may sign, of which the first is said
    /// to have done so.
    pub(super) keys: Vec<String>,
    pub(super) expires: &'static str,
}

impl Images {
    pub(super) fn new(images: &[Image<'_>]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        Store::create(&folder.path().join("store")).unwrap();
        let mut new = Self {
            folder,
            images: BTreeMap::new(),
            version: 0,
            keys: Vec::new(),
            expires: "2026-12-22T00:00:00Z",
        };
        new.publish(images);
        new
    }

    pub(super) fn store(&self) -> Store {
        Store::open(&self.folder.path().join("store")).unwrap()
    }

    pub(super) fn serve(&self) -> Running {
        self.serve_with(Fixture::options())
    }

    pub(super) fn serve_with(&self, options: Options) -> Running {
        Server::bind(self.store(), options).unwrap().spawn()
    }

    /// The folder that the store lies in.
    pub(super) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Where the files of a version lie.
    pub(super) fn directory(&self, image: &Image<'_>) -> PathBuf {
        let (name, version) = (image.name.parse().unwrap(), image.version.parse().unwrap());
        self.store().version(&name, image.architecture, &version)
    }

    /// Adds versions, and points their channels at them.
    pub(super) fn publish(&mut self, images: &[Image<'_>]) {
        for image in images {
            self.add(image);
        }
        self.version += 1;
        let payload = serde_json::json!({
            "repository": "r", "version": self.version, "keys": self.keys,
            "created": "2026-11-22T00:00:00Z", "expires": self.expires,
            "images": self.images,
        });
        let signers = self.keys.iter().take(1);
        let signatures: Vec<_> = signers
            .map(|key| serde_json::json!({ "keyid": key, "sig": "" }))
            .collect();
        let envelope = serde_json::json!({
            "payloadType": PAYLOAD_TYPE,
            "payload": base64::engine::general_purpose::STANDARD.encode(payload.to_string()),
            "signatures": signatures,
        });
        let bytes = envelope.to_string();
        hatchery_image::durable::write(&self.store().catalog(), bytes.as_bytes(), 0o644).unwrap();
    }

    fn add(&mut self, image: &Image<'_>) {
        let directory = self.directory(image);
        fs::create_dir_all(&directory).unwrap();
        let (archive, name) = (image.archive(), format!("{}.tar.xz", image.name));
        let mut manifest = manifest(image);
        (image.edit)(&mut manifest);
        let manifest = manifest.to_bytes();
        let mut files = vec![
            (name, &archive),
            (format!("{}.manifest.json", image.name), &manifest),
        ];
        let zstd = image.zstd();
        if image.zstd {
            files.push((format!("{}.tar.zst", image.name), &zstd));
        }
        let mut sums = String::new();
        for (name, bytes) in &files {
            fs::write(directory.join(name), bytes).unwrap();
            sums += &format!("{} *{name}\n", Sha256::of(bytes));
        }
        if image.aliased {
            sums += &format!("{} *image.tar.xz\n", Sha256::of(&archive));
        }
        fs::write(directory.join("SHA256SUMS"), sums).unwrap();
        let signature = format!("signature of {} {}", image.name, image.version);
        fs::write(directory.join("SHA256SUMS.gpg"), signature).unwrap();
        let images = self.images.entry(image.name.parse().unwrap()).or_default();
        let listing = images.entry(image.architecture).or_default();
        let version: Version = image.version.parse().unwrap();
        for channel in image.channels {
            let channel = channel.parse().unwrap();
            listing.channels.insert(channel, version.clone());
        }
        let reference = ManifestReference {
            sha256: Sha256::of(&manifest),
            size: manifest.len() as u64,
            published: image.published.parse().unwrap(),
        };
        listing.versions.insert(version, reference);
    }
}

fn manifest(image: &Image<'_>) -> Manifest {
    let (id, release) = image.release.split_once('/').unwrap();
    Manifest {
        format: FORMAT,
        name: image.name.parse().unwrap(),
        version: image.version.parse().unwrap(),
        architecture: image.architecture,
        distribution: Distribution {
            id: id.into(),
            release: release.into(),
        },
        source_date_epoch: 0,
        tool: Tool {
            name: "hatchery".into(),
            version: "0".into(),
        },
        recipe: Sha256::of(b"recipe"),
        lock: Sha256::of(b"lock"),
        tar: Tar {
            size: 0,
            sha256: image.tar(),
        },
        archives: archives(image),
        files: Vec::new(),
        unpacked: Unpacked {
            bytes: 0,
            entries: 0,
        },
        disk_limit: None,
        requires: Requires {
            systemd: image.systemd,
            ..Requires::default()
        },
        packages: Vec::new(),
    }
}

fn archives(image: &Image<'_>) -> Vec<Archive> {
    let archive = |format: ArchiveFormat, bytes: &[u8]| Archive {
        file: format!("{}.{}", image.name, format.suffix())
            .parse()
            .unwrap(),
        format,
        size: bytes.len() as u64,
        sha256: Sha256::of(bytes),
        toc: None,
        skeleton: None,
    };
    let zstd = image
        .zstd
        .then(|| archive(ArchiveFormat::TarZst, &image.zstd()));
    zstd.into_iter()
        .chain([archive(ArchiveFormat::TarXz, &image.archive())])
        .collect()
}
