//! Trusted keys on a host: a folder with a file each, `FINGERPRINT.pgp`.
//! The thin layer between [`Keyring`] and the disk.

use super::{KEYRING_MAX, Keyring, KeyringError, Member};
use crate::durable;
use sequoia_openpgp::serialize::SerializeInto as _;
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

/// What names of key files end with; others in the folder are not read.
pub const KEY_EXTENSIONS: [&str; 3] = ["pgp", "gpg", "asc"];

/// Mode of a key file: public keys are public.
const FILE_MODE: u32 = 0o644;

/// The key files of a folder, sorted by name; none if it does not exist.
///
/// # Errors
/// It cannot be listed.
pub fn key_files(directory: &Path) -> Result<Vec<PathBuf>, KeyringError> {
    let failed = |source| KeyringError::Read {
        path: directory.to_owned(),
        source,
    };
    let entries = match fs::read_dir(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(failed)?,
    };
    let mut files = Vec::new();
    for entry in entries {
        let path = entry.map_err(failed)?.path();
        let extension = path.extension().and_then(|e| e.to_str());
        if extension.is_some_and(|e| KEY_EXTENSIONS.contains(&e)) {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

impl Keyring {
    /// Reads a key file, binary or armored.
    ///
    /// # Errors
    /// It cannot be read, or [`Keyring::parse`] refuses it.
    pub fn load(path: &Path) -> Result<Self, KeyringError> {
        let bytes = read(path).map_err(|source| KeyringError::Read {
            path: path.to_owned(),
            source,
        })?;
        Self::parse(&bytes).map_err(|source| KeyringError::File {
            path: path.to_owned(),
            source: Box::new(source),
        })
    }

    /// Reads every key file of a folder. A folder that does not exist holds
    /// none.
    ///
    /// # Errors
    /// One of them cannot be read: a host that was told to trust a key must
    /// not forget it silently.
    pub fn load_directory(directory: &Path) -> Result<Self, KeyringError> {
        let mut keyring = Self::default();
        for path in key_files(directory)? {
            keyring.extend(Self::load(&path)?);
        }
        Ok(keyring)
    }

    /// Writes each certificate into the folder as `FINGERPRINT.pgp`, made if
    /// it is missing; the paths. What the folder knew of a certificate stays:
    /// an older copy takes back no revocation. As in [`Keyring::to_bytes`],
    /// only those that count by themselves.
    ///
    /// # Errors
    /// What is there cannot be read, or a file cannot be written.
    pub fn save_to_directory(&self, directory: &Path) -> Result<Vec<PathBuf>, KeyringError> {
        let mut written = Vec::new();
        fs::create_dir_all(directory).map_err(|source| KeyringError::Make {
            path: directory.to_owned(),
            source,
        })?;
        for member in self.named() {
            let fingerprint = member.fingerprint();
            let path = directory.join(format!("{fingerprint}.pgp"));
            let mut keyring = self.only(std::slice::from_ref(&fingerprint));
            if path.exists() {
                keyring.extend(Self::load(&path)?.only(&[fingerprint]));
            }
            durable::write(&path, &keyring.to_bytes(), FILE_MODE).map_err(KeyringError::Write)?;
            written.push(path);
        }
        Ok(written)
    }

    /// The certificates in binary form, one after the other, as systemd and
    /// gpgv read them. Those of a web of trust are left out: whoever reads the
    /// bytes would trust every one of them.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        self.named()
            .map(|m| m.certificate.to_vec())
            .flat_map(|bytes| bytes.expect("what was parsed can be written"))
            .collect()
    }

    /// The certificates that count by themselves.
    fn named(&self) -> impl Iterator<Item = &Member> {
        self.members.iter().filter(|m| m.standing.is_none())
    }
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    // Opening a FIFO would wait for ever.
    if !fs::metadata(path)?.is_file() {
        return Err(io::Error::other("it is not a regular file"));
    }
    let mut bytes = Vec::new();
    let most = KEYRING_MAX as u64 + 1;
    File::open(path)?.take(most).read_to_end(&mut bytes)?;
    Ok(bytes)
}
