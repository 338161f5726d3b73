//! The settings of a machine, `/etc/systemd/nspawn/NAME.nspawn`: installed
//! with consent, and put back as they were if the import fails after all
//! (see [`crate::exchange`]).

use crate::record::InstalledSettings;
use hatchery_image::Sha256;
use hatchery_image::durable::{self, DurableError};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Largest settings file that is read, in bytes.
const SETTINGS_MAX: u64 = 1 << 20;

/// Why settings cannot be installed or removed.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// Somebody else's are there.
    #[error(
        "{path} exists already and differs from the image's settings; \
         move it away, or import without installing settings"
    )]
    Exist {
        /// The file.
        path: PathBuf,
    },
    /// A step failed.
    #[error("cannot {doing} {path}")]
    Failed {
        /// What was being done.
        doing: &'static str,
        /// To which path.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// They cannot be written.
    #[error("cannot write the machine's settings")]
    Write(#[source] DurableError),
}

/// The bytes of a settings file, if there is one.
fn read(path: &Path) -> Result<Option<Vec<u8>>, SettingsError> {
    let failed = |source| SettingsError::Failed {
        doing: "read",
        path: path.to_owned(),
        source,
    };
    match fs::metadata(path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(failed(e)),
        Ok(stat) if stat.len() > SETTINGS_MAX => {
            return Err(failed(io::ErrorKind::FileTooLarge.into()));
        }
        Ok(_) => (),
    }
    match fs::read(path) {
        // Removed meanwhile.
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        result => result.map(Some).map_err(failed),
    }
}

/// Whether the settings may be installed at `path`: nothing is there, or the
/// same, or what an earlier import of this machine (`before`) installed.
pub(crate) fn possible(
    path: &Path,
    text: &str,
    before: Option<&InstalledSettings>,
) -> Result<(), SettingsError> {
    let Some(found) = read(path)? else {
        return Ok(());
    };
    let ours = before.is_some_and(|b| b.path == path && b.sha256 == Sha256::of(&found));
    if ours || found == text.as_bytes() {
        return Ok(());
    }
    let path = path.to_owned();
    Err(SettingsError::Exist { path })
}

/// The text of a settings file, if there is one.
pub(crate) fn text(path: &Path) -> Result<Option<String>, SettingsError> {
    let Some(bytes) = read(path)? else {
        return Ok(None);
    };
    let text = String::from_utf8(bytes).map_err(|source| SettingsError::Failed {
        doing: "understand",
        path: path.to_owned(),
        source: io::Error::new(io::ErrorKind::InvalidData, source),
    })?;
    Ok(Some(text))
}

/// Makes the settings file one of this text, durably, or absent.
pub(crate) fn put(path: &Path, text: Option<&str>) -> Result<(), SettingsError> {
    let failed = |doing, path: &Path| {
        let path = path.to_owned();
        move |source| SettingsError::Failed {
            doing,
            path,
            source,
        }
    };
    let folder = path.parent().unwrap_or_else(|| Path::new("."));
    match text {
        Some(text) => {
            durable::make_folders(folder).map_err(failed("make the folder", folder))?;
            durable::write(path, text.as_bytes(), 0o644).map_err(SettingsError::Write)
        }
        None => match fs::remove_file(path) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(e) => Err(failed("remove", path)(e)),
            Ok(()) => durable::sync_directory(folder).map_err(SettingsError::Write),
        },
    }
}

/// What is remembered of settings of this text.
pub(crate) fn installed(path: &Path, text: &str) -> InstalledSettings {
    InstalledSettings {
        path: path.to_owned(),
        sha256: Sha256::of(text.as_bytes()),
    }
}

/// Removes settings that an import installed, unless they were changed since.
/// Returns whether they are gone.
pub(crate) fn remove(installed: &InstalledSettings) -> Result<bool, SettingsError> {
    let path = &installed.path;
    let Some(found) = read(path)? else {
        return Ok(true);
    };
    if Sha256::of(&found) != installed.sha256 {
        return Ok(false);
    }
    put(path, None)?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "[Network]\nPort=tcp:80:80\n";

    #[test]
    fn settings_are_put_and_taken_away() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("nspawn/web.nspawn");
        put(&path, None).unwrap();
        assert_eq!(text(&path).unwrap(), None);
        put(&path, Some(TEXT)).unwrap();
        assert_eq!(text(&path).unwrap().as_deref(), Some(TEXT));
        put(&path, None).unwrap();
        assert!(!path.exists());
    }

    #[test]
    fn what_somebody_else_wrote_is_neither_replaced_nor_removed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("web.nspawn");
        possible(&path, TEXT, None).unwrap();
        put(&path, Some(TEXT)).unwrap();
        let installed = installed(&path, TEXT);
        possible(&path, TEXT, None).unwrap();
        possible(&path, "newer", Some(&installed)).unwrap();
        let error = possible(&path, "newer", None).unwrap_err();
        assert!(matches!(error, SettingsError::Exist { .. }));

        fs::write(&path, "mine").unwrap();
        assert!(possible(&path, TEXT, Some(&installed)).is_err());
        assert!(!remove(&installed).unwrap());
        fs::write(&path, TEXT).unwrap();
        assert!(remove(&installed).unwrap());
        assert!(remove(&installed).unwrap());
        assert!(!path.exists());
    }
}
