//! A store made by hand, with a catalog that nobody signed: the server does
//! not ask who did.

use base64::Engine as _;
use hatchery_image::Sha256;
use hatchery_image::catalog::PAYLOAD_TYPE;
use hatchery_mirror::Store;
use std::fs;
use std::path::{Path, PathBuf};

/// Where the one archive is.
pub(super) const ARCHIVE: &str = "/images/lab/amd64/1/lab.tar.xz";
/// Where its digest is.
pub(super) const SUMS: &str = "/images/lab/amd64/1/SHA256SUMS";
/// Length of the archive.
pub(super) const LENGTH: usize = 4 << 20;

/// Makes a store in `home`.
pub(super) fn make(home: &Path) -> PathBuf {
    let root = home.join("store");
    Store::create(&root).unwrap();
    let version = root.join("images/lab/amd64/1");
    fs::create_dir_all(&version).unwrap();
    let archive = vec![7; LENGTH];
    fs::write(version.join("lab.tar.xz"), &archive).unwrap();
    let sums = format!("{} *lab.tar.xz\n", Sha256::of(&archive));
    fs::write(version.join("SHA256SUMS"), sums).unwrap();
    write_catalog(&root, 7);
    root
}

/// Writes a catalog of this version, which expires in 2027.
pub(super) fn write_catalog(root: &Path, version: u64) {
    let reference = serde_json::json!({
        "published": "2026-11-22T00:00:00Z", "size": 8, "sha256": Sha256::of(b"manifest").to_string(),
    });
    let payload = serde_json::json!({
        "repository": "r", "version": version, "keys": [],
        "created": "2026-11-22T00:00:00Z", "expires": "2027-01-01T00:00:00Z",
        "images": { "lab": { "amd64": {
            "channels": { "latest": "1" }, "versions": { "1": reference }
        } } }
    });
    let envelope = serde_json::json!({
        "payloadType": PAYLOAD_TYPE,
        "payload": base64::engine::general_purpose::STANDARD.encode(payload.to_string()),
        "signatures": []
    });
    let path = Store::open(root).unwrap().catalog();
    hatchery_image::durable::write(&path, envelope.to_string().as_bytes(), 0o644).unwrap();
}
