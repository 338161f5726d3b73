//! A finished tree becomes an image: archives, lock, settings, bill of
//! materials, manifest, `SHA256SUMS`.

use crate::plan::Plan;
use crate::recipe::Recipe;
use crate::requires::requires;
use crate::sbom::{self, SbomError};
use hatchery_image::archive::{ArchiveError, FrameCache, PackOptions, pack};
use hatchery_image::durable::{self, DurableError};
use hatchery_image::files::{ImageFiles, ImageFilesError, file_name};
use hatchery_image::manifest::{
    ArchiveFormat, Distribution, FORMAT, File, FileRole, Package, Tool,
};
use hatchery_image::progress::Progress;
use hatchery_image::{ImageName, Manifest, RelativePath, Sha256, Version};
use jiff::Timestamp;
use std::path::Path;

/// What writes manifests.
const TOOL: &str = "hatchery";

/// Its version.
const TOOL_VERSION: &str = env!("CARGO_PKG_VERSION");

/// Why an image was not packed.
#[derive(Debug, thiserror::Error)]
pub enum PackError {
    /// The tree could not be archived.
    #[error("cannot archive the tree")]
    Archive(#[source] ArchiveError),
    /// Its bill of materials could not be made.
    #[error("cannot make the bill of materials")]
    Sbom(#[source] SbomError),
    /// A file beside the archive could not be written.
    #[error(transparent)]
    Write(#[from] DurableError),
    /// The manifest or the digests could not be written.
    #[error(transparent)]
    Files(#[from] ImageFilesError),
}

/// What an image is made of, besides its tree.
#[derive(Clone, Copy, Debug)]
pub struct Parts<'a> {
    /// The recipe.
    pub recipe: &'a Recipe,
    /// The packages in the tree.
    pub plan: &'a Plan,
    /// The image's version; none: see [`version_of`].
    pub version: Option<&'a Version>,
    /// Newest time in the archive, in seconds since 1970.
    pub source_date_epoch: i64,
    /// Threads to pack with.
    pub threads: usize,
    /// See [`PackOptions::traces`].
    pub traces: &'a [Vec<u8>],
    /// See [`PackOptions::frames`].
    pub frames: Option<&'a FrameCache>,
}

/// Packs the tree at `root` into an empty folder, without signing.
///
/// # Errors
/// What could not be read or written.
pub fn image(
    root: &Path,
    directory: &Path,
    parts: &Parts<'_>,
    progress: &Progress,
) -> Result<ImageFiles, PackError> {
    let Parts {
        recipe,
        plan,
        source_date_epoch,
        ..
    } = *parts;
    let lock = plan.to_lock_text();
    let options = PackOptions {
        source_date_epoch,
        zstd_level: recipe.archive.zstd_level,
        xz_level: recipe
            .archive
            .formats
            .contains(&ArchiveFormat::TarXz)
            .then_some(recipe.archive.xz_level),
        threads: parts.threads,
        traces: parts.traces.to_vec(),
        frames: parts.frames.cloned(),
    };
    let packed = pack(root, directory, recipe.name.as_str(), &options, progress)
        .map_err(PackError::Archive)?;
    let lock_digest = Sha256::of(lock.as_bytes());
    let version = parts
        .version
        .cloned()
        .unwrap_or_else(|| version_of(source_date_epoch, &[recipe.digest(), lock_digest]));
    let mut manifest = Manifest {
        format: FORMAT,
        name: recipe.name.clone(),
        version,
        architecture: recipe.architecture,
        distribution: Distribution {
            id: plan.wanted.distribution.clone(),
            release: plan.wanted.release.clone(),
        },
        source_date_epoch,
        tool: Tool {
            name: TOOL.to_owned(),
            version: TOOL_VERSION.to_owned(),
        },
        recipe: recipe.digest(),
        lock: lock_digest,
        tar: packed.tar,
        archives: packed.archives,
        files: Vec::new(),
        unpacked: packed.unpacked,
        disk_limit: recipe.disk_limit.map(|limit| limit.bytes()),
        requires: requires(&[]),
        packages: packages(root, plan),
    };
    manifest.requires = requires(&manifest.packages);
    let sbom = sbom::document(&manifest).map_err(PackError::Sbom)?;
    let mut beside = vec![(FileRole::Lock, lock.into_bytes()), (FileRole::Sbom, sbom)];
    if !recipe.nspawn.is_empty() {
        beside.push((FileRole::Nspawn, recipe.nspawn.render().into_bytes()));
    }
    for (role, bytes) in beside {
        manifest
            .files
            .push(write_beside(directory, &recipe.name, role, &bytes)?);
    }
    Ok(ImageFiles::write(directory, manifest, None)?)
}

fn write_beside(
    directory: &Path,
    image: &ImageName,
    role: FileRole,
    bytes: &[u8],
) -> Result<File, DurableError> {
    let name = file_name(image, role);
    durable::write(&directory.join(&name), bytes, 0o644)?;
    Ok(File {
        file: name
            .parse::<RelativePath>()
            .expect("an image's name is a path of one part"),
        role,
        size: bytes.len() as u64,
        sha256: Sha256::of(bytes),
    })
}

/// The packages as the manifest lists them, sorted by name, with the licences
/// that the index says or, for Debian, the tree's copyright files.
fn packages(root: &Path, plan: &Plan) -> Vec<Package> {
    let mut packages: Vec<Package> = plan
        .packages
        .iter()
        .map(|p| Package {
            name: p.name.to_string(),
            version: p.version.clone(),
            architecture: p.architecture.clone(),
            size: p.size,
            installed_size: p.installed_size,
            sha256: p.sha256,
            licenses: p.licenses.clone(),
        })
        .collect();
    packages.sort();
    sbom::find_licenses(root, &mut packages);
    packages
}

/// The version of an image that nobody named: the day of its newest package
/// index (UTC), then six digits of what went in. The same input gives the
/// same version, and other settings another one.
#[must_use]
pub fn version_of(source_date_epoch: i64, inputs: &[Sha256]) -> Version {
    let day = Timestamp::from_second(source_date_epoch).unwrap_or(Timestamp::UNIX_EPOCH);
    let mut bytes = TOOL_VERSION.as_bytes().to_vec();
    for input in inputs {
        bytes.extend_from_slice(input.as_bytes());
    }
    let digest = Sha256::of(&bytes).to_string();
    format!("{}.{}", day.strftime("%Y%m%d"), &digest[..6])
        .parse()
        .expect("digits and a dot are a version")
}
