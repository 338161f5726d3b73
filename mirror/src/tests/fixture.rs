//! A store with one image, made by hand, and a server for it.

use crate::answers::MOMENT;
use crate::{AccessLog, Options, Running, Server, Store};
use base64::Engine as _;
use hatchery_image::Sha256;
use hatchery_image::catalog::PAYLOAD_TYPE;
use std::fs;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Length of the archive: more than what one block and the sockets hold.
pub(super) const ARCHIVE: usize = 24 << 20;
/// Where the version lies, as paths of requests say it.
pub(super) const VERSION: &str = "/images/debian/amd64/20261122.1";

/// A store in a temporary folder.
pub(super) struct Fixture {
    pub(super) folder: TempDir,
    pub(super) archive: Vec<u8>,
}

/// Answers that were logged, as lines.
#[derive(Clone, Default)]
pub(super) struct Log(Arc<Mutex<Vec<String>>>);

impl Log {
    pub(super) fn sink(&self) -> AccessLog {
        let lines = Arc::clone(&self.0);
        Arc::new(move |access| lines.lock().unwrap().push(access.to_string()))
    }

    /// The lines, once there are `count` of them.
    pub(super) fn lines(&self, count: usize) -> Vec<String> {
        let end = Instant::now() + Duration::from_secs(10);
        loop {
            let lines = self.0.lock().unwrap().clone();
            if lines.len() >= count {
                return lines;
            }
            assert!(Instant::now() < end, "{lines:?}");
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Fixture {
    pub(super) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        Store::create(&folder.path().join("store")).unwrap();
        let fixture = Self {
            folder,
            archive: noise(ARCHIVE),
        };
        let version = fixture.version();
        fs::create_dir_all(&version).unwrap();
        let files: [(&str, &[u8]); 3] = [
            ("debian.tar.xz", &fixture.archive),
            ("debian.nspawn", b"[Exec]\nBoot=yes\n"),
            ("debian.manifest.json", b"{}\n"),
        ];
        let mut sums = String::new();
        for (name, bytes) in files {
            fs::write(version.join(name), bytes).unwrap();
            sums += &format!("{} *{name}\n", Sha256::of(bytes));
        }
        fs::write(version.join("SHA256SUMS"), sums).unwrap();
        fs::write(version.join("SHA256SUMS.gpg"), b"\x88signature").unwrap();
        fs::write(version.join("unlisted"), b"private").unwrap();
        fixture.write_catalog(1);
        fixture
    }

    /// Waits until what the server saw before counts no more.
    pub(super) fn pass_a_moment() {
        std::thread::sleep(2 * MOMENT);
    }

    /// Writes a catalog of this version with a channel `latest`, switching to
    /// it in one step.
    pub(super) fn write_catalog(&self, version: u64) {
        let payload = serde_json::json!({
            "repository": "r", "version": version, "keys": [],
            "created": "2026-11-22T00:00:00Z", "expires": "2026-12-22T00:00:00Z",
            "images": { "debian": { "amd64": {
                "channels": { "latest": "20261122.1" }, "versions": {}
            } } }
        });
        let envelope = serde_json::json!({
            "payloadType": PAYLOAD_TYPE,
            "payload": base64::engine::general_purpose::STANDARD.encode(payload.to_string()),
            "signatures": []
        });
        hatchery_image::durable::write(&self.catalog(), envelope.to_string().as_bytes(), 0o644)
            .unwrap();
        Self::pass_a_moment();
    }

    pub(super) fn catalog(&self) -> PathBuf {
        self.store().catalog()
    }

    pub(super) fn version(&self) -> PathBuf {
        self.folder.path().join("store").join(&VERSION[1..])
    }

    pub(super) fn store(&self) -> Store {
        Store::open(&self.folder.path().join("store")).unwrap()
    }

    pub(super) fn options() -> Options {
        Options::new("127.0.0.1:0".parse().unwrap(), || {
            "2026-11-23T00:00:00Z".parse().unwrap()
        })
    }

    pub(super) fn serve(&self) -> Running {
        self.serve_with(Self::options())
    }

    pub(super) fn serve_with(&self, options: Options) -> Running {
        Server::bind(self.store(), options).unwrap().spawn()
    }
}

/// Bytes that repeat nowhere, the same at each call.
pub(crate) fn noise(length: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}
