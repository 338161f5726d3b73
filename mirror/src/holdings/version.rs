//! Versions: the digests of their files, read once for each identity of their
//! `SHA256SUMS`, and the files themselves.

use super::error::{HoldingsError, Result};
use super::found::{Content, Data};
use super::opened::{Identity, Opened};
use super::shared::SharedFiles;
use super::{Holdings, SIGNATURE, SUMS, lock};
use crate::conditional::Validators;
use crate::content::media_type;
use bytes::Bytes;
use hatchery_image::Sha256;
use hatchery_image::sums::{SUMS_MAX, Sums};
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

/// Files up to this many bytes are read at once, and answered from memory.
const SMALL: u64 = 64 << 10;
/// Largest signature that is served, in bytes. An OpenPGP one has a few hundred.
const SIGNATURE_MAX: u64 = 64 << 10;
/// Most versions whose digests are remembered. Each takes about 1 KiB.
const VERSIONS_MAX: usize = 4096;

/// The digests of a version.
#[derive(Debug)]
pub(super) struct KnownVersion {
    identity: Identity,
    sums: Sums,
    bytes: Bytes,
    digest: Sha256,
    modified: SystemTime,
    /// Large ones that are being sent, by name.
    open: SharedFiles<String>,
}

impl Holdings {
    pub(super) fn content(&self, directory: &Path, name: &str) -> Result<Option<Content>> {
        let Some(known) = self.known_version(directory)? else {
            return Ok(None);
        };
        let content = |length, digest: Sha256, modified, data| Content {
            media_type: media_type(name).into(),
            length,
            validators: Validators::new(digest.to_string(), modified),
            immutable: true,
            headers: Vec::new(),
            data,
        };
        if name == SUMS {
            let data = Data::Memory(known.bytes.clone());
            let length = known.bytes.len() as u64;
            return Ok(Some(content(length, known.digest, known.modified, data)));
        }
        let listed = known.sums.get(name);
        if listed.is_none() && name != SIGNATURE {
            return Ok(None);
        }
        let Some((name, opened)) = self.open_listed(directory, &known, name)? else {
            return Ok(None);
        };
        let path = directory.join(name);
        let (length, modified) = (opened.identity.size, opened.modified);
        let (digest, data) = match listed {
            Some(digest) if length > SMALL => (digest, Data::File(known.open.share(name, opened))),
            Some(digest) => (digest, Data::Memory(self.read(&path, &opened, SMALL)?)),
            None => {
                let bytes = self.read(&path, &opened, SIGNATURE_MAX)?;
                (Sha256::of(&bytes), Data::Memory(bytes))
            }
        };
        let length = match &data {
            Data::Memory(bytes) => bytes.len() as u64,
            Data::File(_) => length,
        };
        Ok(Some(content(length, digest, modified, data)))
    }

    /// A listed file, or the one of the same digest for which its name is only
    /// another (such as `image.tar.xz`); and the name under which it lies there.
    fn open_listed<'k>(
        &self,
        directory: &Path,
        known: &'k KnownVersion,
        name: &'k str,
    ) -> Result<Option<(&'k str, Opened)>> {
        let digest = known.sums.get(name);
        let same = known
            .sums
            .iter()
            .filter(|(n, d)| Some(*d) == digest && *n != name);
        for name in std::iter::once(name).chain(same.map(|(n, _)| n)) {
            if let Some(opened) = self.open(&directory.join(name))? {
                return Ok(Some((name, opened)));
            }
        }
        Ok(None)
    }

    /// The digests of a version, read again only when the file is another one.
    fn known_version(&self, directory: &Path) -> Result<Option<Arc<KnownVersion>>> {
        let path = directory.join(SUMS);
        let Some(opened) = self.open(&path)? else {
            return Ok(None);
        };
        let known = lock(&self.versions).get(directory).cloned();
        if let Some(known) = known.filter(|k| k.identity == opened.identity) {
            return Ok(Some(known));
        }
        let bytes = self.read(&path, &opened, SUMS_MAX)?;
        let text = std::str::from_utf8(&bytes).map_err(|_| HoldingsError::Text {
            path: self.store.root().join(&path),
        })?;
        let sums = Sums::parse(text).map_err(|source| HoldingsError::Sums {
            path: self.store.root().join(&path),
            source,
        })?;
        let known = Arc::new(KnownVersion {
            identity: opened.identity,
            sums,
            digest: Sha256::of(&bytes),
            bytes,
            modified: opened.modified,
            open: SharedFiles::default(),
        });
        let mut versions = lock(&self.versions);
        if versions.len() >= VERSIONS_MAX {
            versions.clear();
        }
        versions.insert(directory.to_owned(), Arc::clone(&known));
        Ok(Some(known))
    }
}
