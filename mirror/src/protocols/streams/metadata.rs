//! The metadata tarball of an image, made of what catalog and manifest say: a
//! `.tar.xz` with one file, `metadata.yaml`, and no templates (incus' "image
//! format" documentation).
//!
//! incus names an image by a digest over this tarball and the root archive. So
//! its bytes must never change for a version that is published: hosts that
//! follow an alias would fetch every image again. They depend on the subject
//! alone, and the tests hold them to their digest.

use crate::inventory::HeldVersion;
use crate::protocols::releases::Release;
use hatchery_image::{Architecture, ImageName, Sha256, Version};
use jiff::Timestamp;
use liblzma::stream::{Check, Filters, LzmaOptions, Stream};
use liblzma::write::XzEncoder;
use std::io::{self, Write as _};

/// xz's preset, the quickest.
const PRESET: u32 = 0;
/// xz's dictionary, in bytes: the least there is holds the whole tar, and that
/// of any preset would be megabytes to clear for each.
const DICTIONARY: u32 = 4096;

/// Stands for what a manifest does not say in plain names.
const UNKNOWN: &str = "unknown";

/// What a version is called and described by.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Subject<'v> {
    pub(crate) image: &'v ImageName,
    pub(crate) architecture: Architecture,
    pub(crate) version: &'v Version,
    pub(crate) published: Timestamp,
    /// None where the manifest does not say it in plain names.
    pub(crate) release: Option<Release<'v>>,
}

/// A metadata tarball.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Metadata {
    pub(crate) bytes: Vec<u8>,
    pub(crate) sha256: Sha256,
}

impl<'v> Subject<'v> {
    pub(crate) fn of(version: &'v HeldVersion) -> Self {
        Self {
            image: &version.image,
            architecture: version.architecture,
            version: &version.version,
            published: version.published,
            release: Release::of(version),
        }
    }

    /// The version's name in simplestreams: it starts with the day, names the
    /// moment it was published and then our version, so it is unique within an
    /// image and sorts as they were published. None for a time that incus
    /// could not read.
    pub(super) fn serial(&self) -> Option<String> {
        // Years of five digits are beyond what a Timestamp holds.
        let readable = self.published >= Timestamp::UNIX_EPOCH;
        let time = self.published.strftime("%Y%m%d_%H%M%S");
        readable.then(|| format!("{time}_{}", self.version))
    }

    /// The distribution, as plain text.
    pub(super) fn distribution(&self) -> &'v str {
        self.release.map_or(UNKNOWN, |release| release.distribution)
    }

    /// Its release, as plain text.
    pub(super) fn release_name(&self) -> &'v str {
        self.release.map_or(UNKNOWN, |release| release.name)
    }

    /// The tarball.
    ///
    /// # Errors
    /// liblzma has no memory.
    pub(crate) fn metadata(&self) -> io::Result<Metadata> {
        let bytes = compress(&tar(self.yaml().as_bytes(), self.published)?)?;
        Ok(Metadata {
            sha256: Sha256::of(&bytes),
            bytes,
        })
    }

    fn yaml(&self) -> String {
        let (os, release) = (self.distribution(), self.release_name());
        let Self {
            image,
            architecture,
            version,
            ..
        } = self;
        // 0 would be refused as missing.
        let created = self.published.as_second().max(1);
        // Quoted, so that 13 stays a text; none of them holds a quote.
        format!(
            "architecture: \"{architecture}\"\n\
             creation_date: {created}\n\
             properties:\n  \
             architecture: \"{architecture}\"\n  \
             description: \"{os} {release} {architecture} ({image} {version})\"\n  \
             os: \"{os}\"\n  \
             release: \"{release}\"\n  \
             variant: \"{image}\"\n  \
             version: \"{version}\"\n"
        )
    }
}

fn tar(yaml: &[u8], modified: Timestamp) -> io::Result<Vec<u8>> {
    let mut header = tar::Header::new_ustar();
    header.set_path("metadata.yaml")?;
    header.set_size(yaml.len() as u64);
    header.set_mode(0o644);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(u64::try_from(modified.as_second()).unwrap_or(0));
    header.set_entry_type(tar::EntryType::Regular);
    header.set_cksum();
    let mut builder = tar::Builder::new(Vec::new());
    builder.append(&header, yaml)?;
    builder.into_inner()
}

fn compress(bytes: &[u8]) -> io::Result<Vec<u8>> {
    let mut options = LzmaOptions::new_preset(PRESET).map_err(io::Error::other)?;
    options.dict_size(DICTIONARY);
    let mut filters = Filters::new();
    filters.lzma2(&options);
    let stream = Stream::new_stream_encoder(&filters, Check::Crc64).map_err(io::Error::other)?;
    let mut encoder = XzEncoder::new_stream(Vec::new(), stream);
    encoder.write_all(bytes)?;
    encoder.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read as _;

    fn subject<'s>(image: &'s ImageName, version: &'s Version) -> Subject<'s> {
        Subject {
            image,
            architecture: Architecture::Amd64,
            version,
            published: "2026-11-22T16:15:09Z".parse().unwrap(),
            release: Some(Release {
                distribution: "debian",
                name: "trixie",
            }),
        }
    }

    fn yaml_of(metadata: &Metadata) -> String {
        let tar = liblzma::read::XzDecoder::new(&metadata.bytes[..]);
        let mut archive = tar::Archive::new(tar);
        let mut entries = archive.entries().unwrap();
        let mut entry = entries.next().unwrap().unwrap();
        assert_eq!(entry.path().unwrap().to_str(), Some("metadata.yaml"));
        assert_eq!(entry.header().mode().unwrap(), 0o644);
        let mut text = String::new();
        entry.read_to_string(&mut text).unwrap();
        assert!(entries.next().is_none());
        text
    }

    /// With other bytes every incus host would fetch every image again.
    #[test]
    fn the_bytes_of_a_published_version_never_change() {
        let (image, version) = (
            "debian".parse().unwrap(),
            "20261122.3fa9c1".parse().unwrap(),
        );
        let metadata = subject(&image, &version).metadata().unwrap();
        assert_eq!(
            yaml_of(&metadata),
            "architecture: \"amd64\"\n\
             creation_date: 1795364109\n\
             properties:\n  \
             architecture: \"amd64\"\n  \
             description: \"debian trixie amd64 (debian 20261122.3fa9c1)\"\n  \
             os: \"debian\"\n  \
             release: \"trixie\"\n  \
             variant: \"debian\"\n  \
             version: \"20261122.3fa9c1\"\n"
        );
        assert_eq!(
            metadata.sha256.to_string(),
            "1f9b20d0c01c968d0beebdf92208883493f24e6bf568cfbbc75bef36ba139b5c"
        );
    }

    #[test]
    fn what_is_no_plain_name_is_unknown() {
        let (image, version) = ("debian".parse().unwrap(), "1".parse().unwrap());
        let release = None;
        let subject = Subject {
            release,
            ..subject(&image, &version)
        };
        let yaml = yaml_of(&subject.metadata().unwrap());
        assert!(yaml.contains("  os: \"unknown\"\n  release: \"unknown\"\n"));
    }

    #[test]
    fn serials_sort_as_versions_were_published() {
        let serial = |published: &str, name: &str| {
            let (image, version) = ("debian".parse().unwrap(), name.parse().unwrap());
            Subject {
                published: published.parse().unwrap(),
                ..subject(&image, &version)
            }
            .serial()
        };
        let first = serial("2026-11-22T16:15:09Z", "9").unwrap();
        assert_eq!(first, "20261122_161509_9");
        let same_moment = serial("2026-11-22T16:15:09.5Z", "9.1").unwrap();
        let later = serial("2026-11-22T16:15:10Z", "1").unwrap();
        assert!(first < same_moment && same_moment < later);
        for odd in ["-000001-01-01T00:00:00Z", "1969-12-31T23:59:59Z"] {
            assert_eq!(serial(odd, "1"), None, "{odd}");
        }
    }
}
