//! Which repository a store is: `repository.json`, made with the store and read
//! whenever it is opened.

use super::error::{Result, StoreError, failed};
use super::{FILE_MODE, Store, set_directory_mode};
use hatchery_image::durable;
use serde::{Deserialize, Serialize};
use std::fs;
use std::io;
use std::path::Path;

/// File name of the repository's identity.
pub const REPOSITORY: &str = "repository.json";

/// Newest `format` of `repository.json` that is read.
pub(super) const FORMAT: u32 = 1;
/// Largest `repository.json` that is read, in bytes.
const REPOSITORY_MAX: u64 = 64 << 10;

#[derive(Serialize, Deserialize)]
struct Identity {
    format: u32,
    repository: String,
}

/// The id of a store that is there.
pub(super) fn read(store: &Store) -> Result<String> {
    let path = store.root.join(REPOSITORY);
    let Some(bytes) = store.read(Path::new(REPOSITORY), REPOSITORY_MAX)? else {
        return Err(StoreError::NotAStore {
            path: store.root.clone(),
        });
    };
    let identity: Identity = match serde_json::from_slice(&bytes) {
        Ok(identity) => identity,
        Err(source) => return Err(StoreError::Identity { path, source }),
    };
    if identity.format > FORMAT {
        return Err(StoreError::TooNew {
            path,
            format: identity.format,
        });
    }
    Ok(identity.repository)
}

/// Begins a store in a folder that holds nothing else, durably. Its id is new
/// and random.
pub(super) fn begin(root: &Path) -> Result<()> {
    refuse_foreign_folder(root)?;
    let path = root.join(REPOSITORY);
    let identity = Identity {
        format: FORMAT,
        repository: random_uuid().map_err(failed("find random bytes for", root))?,
    };
    let mut bytes =
        serde_json::to_vec_pretty(&identity).map_err(|source| StoreError::Identity {
            path: path.clone(),
            source,
        })?;
    bytes.push(b'\n');
    set_directory_mode(root)?;
    durable::write(&path, &bytes, FILE_MODE).map_err(StoreError::Write)?;
    match root.parent().filter(|p| !p.as_os_str().is_empty()) {
        Some(parent) => durable::sync_directory(parent).map_err(StoreError::Write),
        None => Ok(()),
    }
}

/// A store is not begun among somebody's files: its root is served.
fn refuse_foreign_folder(root: &Path) -> Result<()> {
    let entries = fs::read_dir(root).map_err(failed("list", root))?;
    for entry in entries {
        let name = entry.map_err(failed("list", root))?.file_name();
        // The lock, and what a killed writer of the identity left.
        if !name.as_encoded_bytes().starts_with(b".") {
            return Err(StoreError::NotEmpty {
                path: root.to_owned(),
            });
        }
    }
    Ok(())
}

/// A random UUID (version 4 of RFC 9562).
fn random_uuid() -> io::Result<String> {
    let mut bytes = [0u8; 16];
    rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::empty())?;
    bytes[6] = (bytes[6] & 0x0f) | 0x40;
    bytes[8] = (bytes[8] & 0x3f) | 0x80;
    let digits = format!("{:032x}", u128::from_be_bytes(bytes));
    let groups = [
        &digits[..8],
        &digits[8..12],
        &digits[12..16],
        &digits[16..20],
        &digits[20..],
    ];
    Ok(groups.join("-"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_keeps_its_id() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("new/store");
        let id = Store::create(&root).unwrap().repository().to_owned();
        assert_eq!(id.len(), 36);
        assert_eq!(&id[14..15], "4");
        assert_eq!(Store::create(&root).unwrap().repository(), id);
        assert_eq!(Store::open(&root).unwrap().repository(), id);
        let other = Store::create(&dir.path().join("other")).unwrap();
        assert_ne!(other.repository(), id);
    }

    #[test]
    fn no_store_begins_among_other_files() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("letters.txt"), "dear").unwrap();
        assert!(matches!(
            Store::create(dir.path()),
            Err(StoreError::NotEmpty { .. })
        ));
        assert!(matches!(
            Store::open(dir.path()),
            Err(StoreError::NotAStore { .. })
        ));
    }

    #[test]
    fn a_newer_store_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let text = r#"{"format": 2, "repository": "x"}"#;
        fs::write(dir.path().join(REPOSITORY), text).unwrap();
        assert!(matches!(
            Store::open(dir.path()),
            Err(StoreError::TooNew { format: 2, .. })
        ));
    }
}
