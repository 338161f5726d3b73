//! The fingerprints of images: SHA-256 of the metadata tarball followed by the
//! root archive, for which the whole archive has to be read once.
//!
//! `publish` makes it and keeps it in the store, in a file of its own, named
//! by the digests of both, whose content is the digest in hexadecimal and a
//! line feed:
//!
//! ```text
//! ROOT/derived/streams/<metadata>-<archive>
//! ```
//!
//! Nothing depends on these files: what is missing, damaged or of other
//! metadata the server makes good in memory, since it does not write to the
//! store. It computes in the background, one after the other and each once,
//! while requests go on; until then the version is not listed.

use super::metadata::{Metadata, Subject};
use crate::inventory::HeldVersion;
use crate::store::Store;
use hatchery_image::Sha256;
use hatchery_image::digest::Hashing;
use jiff::Timestamp;
use std::collections::{HashMap, HashSet, VecDeque};
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

/// Folder of what is derived, and the one in it for what is here.
pub(crate) const FOLDER: [&str; 2] = ["derived", "streams"];
/// Largest file of it that is read, in bytes: 64 digits and a line feed.
const FILE_MAX: u64 = 65;
/// Bytes that are read between two looks at whether to go on.
const CHUNK: u64 = 4 << 20;

/// What a fingerprint is made of: the digests of both files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Parts {
    pub(crate) metadata: Sha256,
    pub(crate) archive: Sha256,
}

impl Parts {
    /// The file in [`FOLDER`] that keeps the fingerprint.
    pub(crate) fn file_name(&self) -> String {
        format!("{}-{}", self.metadata, self.archive)
    }

    /// The fingerprint that the store keeps.
    pub(crate) fn kept(&self, store: &Store) -> Option<Sha256> {
        let path: PathBuf = FOLDER.iter().collect();
        let bytes = store.read(&path.join(self.file_name()), FILE_MAX);
        let bytes = bytes.ok().flatten()?;
        let text = std::str::from_utf8(&bytes).ok()?;
        text.strip_suffix('\n')?.parse().ok()
    }
}

/// What a file of [`FOLDER`] holds.
pub(crate) fn file_content(fingerprint: Sha256) -> Vec<u8> {
    format!("{fingerprint}\n").into_bytes()
}

/// Digests metadata and archive; none when `go_on` said no.
///
/// # Errors
/// The archive cannot be read, or has not so many bytes.
pub(crate) fn compute(
    metadata: &[u8],
    archive: &File,
    length: u64,
    mut go_on: impl FnMut() -> bool,
) -> io::Result<Option<Sha256>> {
    let total = length.saturating_add(metadata.len() as u64);
    // One byte more would show that it has grown.
    let both = metadata.chain(archive).take(total.saturating_add(1));
    let mut hashing = Hashing::new(both);
    while go_on() {
        if io::copy(&mut (&mut hashing).take(CHUNK), &mut io::sink())? == 0 {
            if hashing.length() == total {
                return Ok(Some(hashing.finish().1));
            }
            let text = format!("it has not the {length} bytes that its manifest says");
            return Err(io::Error::new(io::ErrorKind::InvalidData, text));
        }
    }
    Ok(None)
}

/// A metadata tarball, without its bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Described {
    pub(crate) sha256: Sha256,
    pub(crate) size: u64,
}

/// What the server knows of fingerprints. Dropping it ends the computing.
#[derive(Debug, Default)]
pub(crate) struct Fingerprints(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    /// By the digest of the manifest, and the time that the catalog says.
    metadata: HashMap<(Sha256, Timestamp), Described>,
    known: HashMap<Parts, Sha256>,
    /// The first is being computed.
    waiting: VecDeque<Arc<Job>>,
    /// What waits, to be found at once.
    pending: HashSet<Parts>,
    computing: bool,
}

#[derive(Debug)]
struct Job {
    parts: Parts,
    metadata: Vec<u8>,
    store: Store,
    /// The archive, beneath the store's root.
    path: PathBuf,
    length: u64,
}

impl Fingerprints {
    /// The metadata tarball of a version, made once.
    ///
    /// # Errors
    /// Those of [`Subject::metadata`].
    pub(crate) fn describe(&self, version: &HeldVersion) -> io::Result<Described> {
        let key = (version.manifest, version.published);
        if let Some(known) = lock(&self.0).metadata.get(&key) {
            return Ok(*known);
        }
        let Metadata { bytes, sha256 } = Subject::of(version).metadata()?;
        let size = bytes.len() as u64;
        let described = Described { sha256, size };
        lock(&self.0).metadata.insert(key, described);
        Ok(described)
    }

    /// A fingerprint; none if it has to be computed, which begins unless it
    /// has begun. The archive lies at `path` beneath the store's root.
    ///
    /// # Errors
    /// Those of [`Subject::metadata`].
    pub(crate) fn get(
        &self,
        store: &Store,
        version: &HeldVersion,
        parts: Parts,
        path: &Path,
        length: u64,
    ) -> io::Result<Option<Sha256>> {
        {
            let state = lock(&self.0);
            if let Some(known) = state.known.get(&parts) {
                return Ok(Some(*known));
            }
            if state.pending.contains(&parts) {
                return Ok(None);
            }
        }
        if let Some(kept) = parts.kept(store) {
            lock(&self.0).known.insert(parts, kept);
            return Ok(Some(kept));
        }
        let job = Job {
            parts,
            metadata: Subject::of(version).metadata()?.bytes,
            store: store.clone(),
            path: path.to_owned(),
            length,
        };
        self.enqueue(job);
        Ok(None)
    }

    /// Forgets what no version of the catalog needs any more.
    pub(crate) fn retain(&self, versions: &HashSet<(Sha256, Timestamp)>, parts: &HashSet<Parts>) {
        let mut state = lock(&self.0);
        state.metadata.retain(|key, _| versions.contains(key));
        state.known.retain(|key, _| parts.contains(key));
    }

    fn enqueue(&self, job: Job) {
        let mut state = lock(&self.0);
        if !state.pending.insert(job.parts) {
            return;
        }
        state.waiting.push_back(Arc::new(job));
        if state.computing {
            return;
        }
        let shared = Arc::downgrade(&self.0);
        let thread = std::thread::Builder::new().name("fingerprints".into());
        match thread.spawn(move || work(&shared)) {
            Ok(_) => state.computing = true,
            Err(error) => {
                tracing::error!(%error, "cannot start a thread; images are not listed for incus");
                state.waiting.clear();
                state.pending.clear();
            }
        }
    }
}

/// Computes what waits, until nothing does or nobody needs it.
fn work(shared: &Weak<Mutex<State>>) {
    while let Some(job) = next(shared) {
        let path = job.store.root().join(&job.path);
        let result = open(&job).and_then(|archive| {
            let needed = || shared.strong_count() > 0;
            compute(&job.metadata, &archive, job.length, needed)
        });
        let Some(state) = shared.upgrade() else {
            return;
        };
        let mut state = lock(&state);
        state.waiting.pop_front();
        state.pending.remove(&job.parts);
        match result {
            Ok(Some(fingerprint)) => {
                tracing::info!(path = %path.display(), "computed the fingerprint for incus, which the store did not keep");
                state.known.insert(job.parts, fingerprint);
            }
            Ok(None) => {}
            Err(error) => {
                tracing::error!(path = %path.display(), %error, "cannot read an archive; the version is not listed for incus");
            }
        }
    }
}

fn next(shared: &Weak<Mutex<State>>) -> Option<Arc<Job>> {
    let state = shared.upgrade()?;
    let mut state = lock(&state);
    let job = state.waiting.front().cloned();
    state.computing = job.is_some();
    job
}

fn open(job: &Job) -> io::Result<File> {
    let file = job.store.open_file(&job.path)?;
    file.ok_or_else(|| io::ErrorKind::NotFound.into())
}

/// Each change behind the lock is one step, so a panic leaves nothing half done.
fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}
