//! `NAME.manifest.json`: everything about one version of an image that a
//! client needs and that the catalog, by listing its digest, signs.
//!
//! The format is ours; unknown keys are ignored, so that it can grow, and
//! `format` grows when an old reader would misunderstand a new one.

use crate::{Architecture, ImageName, RelativePath, Sha256, Version};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Newest `format` that this program writes and reads.
pub const FORMAT: u32 = 1;

/// Largest manifest that is read, in bytes. A full desktop of 5,000 packages
/// takes about 2 MiB.
pub const MANIFEST_MAX: u64 = 32 << 20;

/// One version of an image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Manifest {
    /// See [`FORMAT`].
    pub format: u32,
    /// The image.
    pub name: ImageName,
    /// Its version.
    pub version: Version,
    /// What it runs on.
    pub architecture: Architecture,
    /// The distribution inside.
    pub distribution: Distribution,
    /// `SOURCE_DATE_EPOCH`: seconds since 1970, to which newer times inside
    /// the archive are clamped.
    pub source_date_epoch: i64,
    /// What built it.
    pub tool: Tool,
    /// SHA-256 of the recipe after `include`, in canonical form.
    pub recipe: Sha256,
    /// SHA-256 of the lock that pinned the packages.
    pub lock: Sha256,
    /// The tar stream that every archive holds.
    pub tar: Tar,
    /// The archives, best first.
    pub archives: Vec<Archive>,
    /// Files published beside the archives: settings, SBOM.
    pub files: Vec<File>,
    /// Limits that an importer enforces while unpacking.
    pub unpacked: Unpacked,
    /// Disk limit that the recipe suggests, in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disk_limit: Option<u64>,
    /// What the guest needs of its host.
    pub requires: Requires,
    /// The packages inside, sorted by name.
    pub packages: Vec<Package>,
}

/// The distribution inside an image, from its `os-release`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Distribution {
    /// `ID`, such as `debian`.
    pub id: String,
    /// The release as the recipe names it, such as `trixie` or `rolling`.
    pub release: String,
}

/// The program that built an image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Tool {
    /// `hatchery`.
    pub name: String,
    /// Its version.
    pub version: String,
}

/// The uncompressed tar stream, the same in every archive of the image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Tar {
    /// Length in bytes.
    pub size: u64,
    /// Digest.
    pub sha256: Sha256,
}

/// One archive.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Archive {
    /// File name beside the manifest, such as `debian.tar.zst`.
    pub file: RelativePath,
    /// Compression.
    pub format: ArchiveFormat,
    /// Compressed length in bytes.
    pub size: u64,
    /// Digest of the compressed bytes.
    pub sha256: Sha256,
    /// Where the table of contents lies (`tar.zst` only).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub toc: Option<Span>,
    /// Where the skeleton lies (`tar.zst` only).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub skeleton: Option<Span>,
}

/// Compression of an archive.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
pub enum ArchiveFormat {
    /// zstd frames at file boundaries, with table of contents and skeleton.
    #[serde(rename = "tar.zst")]
    TarZst,
    /// Multi-block xz, for systemd before 258.
    #[serde(rename = "tar.xz")]
    TarXz,
}

impl ArchiveFormat {
    /// The file name's end, without a leading dot.
    #[must_use]
    pub const fn suffix(self) -> &'static str {
        match self {
            Self::TarZst => "tar.zst",
            Self::TarXz => "tar.xz",
        }
    }
}

/// A span of an archive's bytes: the content of a skippable frame, without
/// the frame's own 8-byte header.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Span {
    /// Offset from the archive's first byte.
    pub offset: u64,
    /// Length in bytes.
    pub length: u64,
    /// Digest of those bytes.
    pub sha256: Sha256,
}

/// A file published beside the archives.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct File {
    /// File name beside the manifest.
    pub file: RelativePath,
    /// What it is.
    pub role: FileRole,
    /// Length in bytes.
    pub size: u64,
    /// Digest.
    pub sha256: Sha256,
}

/// What a file beside the archives is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum FileRole {
    /// `NAME.nspawn`: settings for systemd-nspawn.
    Nspawn,
    /// `NAME.spdx.json`: SPDX 2.3 bill of materials.
    Sbom,
    /// `NAME.lock`: the exact packages, to build the same again.
    Lock,
}

/// What unpacking the archive makes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Unpacked {
    /// Sum of the sizes of regular files, in bytes, holes included.
    pub bytes: u64,
    /// Number of entries in the archive.
    pub entries: u64,
}

/// What the guest needs of its host.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Requires {
    /// The guest's systemd version, such as 257; none if it has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub systemd: Option<u32>,
    /// Oldest kernel that this systemd runs on, such as `5.4`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kernel: Option<String>,
    /// Control group hierarchy that it needs.
    #[serde(default)]
    pub cgroup: Cgroup,
}

/// Control group hierarchies that a guest can run on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Cgroup {
    /// Legacy, hybrid or unified.
    #[default]
    Any,
    /// Only the unified hierarchy (systemd 258 and later).
    Unified,
}

/// A package inside an image.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct Package {
    /// Its name.
    pub name: String,
    /// Its version, with epoch.
    pub version: String,
    /// Its architecture as the distribution writes it (`amd64`, `all`, `any`).
    pub architecture: String,
    /// Size of the package file in bytes.
    pub size: u64,
    /// Installed size in bytes, as the package declares it.
    pub installed_size: u64,
    /// Digest of the package file.
    pub sha256: Sha256,
    /// SPDX expressions or names of licences, where known.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub licenses: Vec<String>,
}

/// Why a manifest cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    /// It is not JSON of the expected shape.
    #[error("the manifest cannot be read as JSON")]
    Json(#[source] serde_json::Error),
    /// A newer program wrote it.
    #[error(
        "the manifest has format {0}, and this program reads up to {FORMAT}; a newer hatchery is needed"
    )]
    TooNew(u32),
}

impl Manifest {
    /// Reads a manifest.
    ///
    /// # Errors
    /// Bytes that are not a manifest, or one of a newer format.
    pub fn parse(bytes: &[u8]) -> Result<Self, ManifestError> {
        let manifest: Self = serde_json::from_slice(bytes).map_err(ManifestError::Json)?;
        if manifest.format > FORMAT {
            return Err(ManifestError::TooNew(manifest.format));
        }
        Ok(manifest)
    }

    /// The bytes that are published: indented JSON with a final newline.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = serde_json::to_vec_pretty(self).expect("a manifest has only string keys");
        bytes.push(b'\n');
        bytes
    }

    /// The archive of a given format.
    #[must_use]
    pub fn archive(&self, format: ArchiveFormat) -> Option<&Archive> {
        self.archives.iter().find(|a| a.format == format)
    }

    /// The file of a given role.
    #[must_use]
    pub fn file(&self, role: FileRole) -> Option<&File> {
        self.files.iter().find(|f| f.role == role)
    }
}
