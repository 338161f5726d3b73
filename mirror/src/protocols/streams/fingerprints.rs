//! What the server knows of fingerprints, and computing those that the store
//! does not keep: in the background, one after the other and each once, while
//! requests go on. Until then the version is not listed; one that fails is
//! tried again when it is asked for again.

use super::metadata::{Metadata, Subject};
use super::sums::{Parts, compute};
use crate::inventory::HeldVersion;
use crate::store::Store;
use hatchery_image::Sha256;
use jiff::Timestamp;
use std::collections::{HashMap, HashSet, VecDeque};
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

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

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, Instant};

    /// An archive whose digest takes a minute.
    const LENGTH: u64 = 64 << 30;

    #[test]
    fn the_computing_goes_on_beside_and_ends_when_nobody_needs_it() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::create(&folder.path().join("store")).unwrap();
        let archive = File::create(store.root().join("archive")).unwrap();
        archive.set_len(LENGTH).unwrap();
        let fingerprints = Fingerprints::default();
        let job = |archive: &[u8]| Job {
            parts: Parts {
                metadata: Sha256::of(b"metadata"),
                archive: Sha256::of(archive),
            },
            metadata: b"metadata".to_vec(),
            store: store.clone(),
            path: "archive".into(),
            length: LENGTH,
        };
        for archive in [b"a", b"a", b"b", b"a"] {
            fingerprints.enqueue(job(archive));
        }
        let running = {
            let state = lock(&fingerprints.0);
            assert_eq!(state.waiting.len(), 2);
            assert!(state.computing && state.known.is_empty());
            Arc::downgrade(&state.waiting[0])
        };
        drop(fingerprints);
        let end = Instant::now() + Duration::from_secs(30);
        while running.strong_count() > 0 {
            assert!(Instant::now() < end, "it goes on");
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}
