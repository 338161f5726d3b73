//! The settings of a machine, `/etc/systemd/nspawn/NAME.nspawn`: installed
//! with consent, and put back as they were if the import fails after all.

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

/// Settings that were installed; taken back when dropped, unless kept.
#[derive(Debug)]
pub(crate) struct Installed {
    path: PathBuf,
    before: Option<Vec<u8>>,
    kept: bool,
}

impl Installed {
    /// What is to be remembered of settings.
    pub(crate) fn note(path: &Path, text: &str) -> InstalledSettings {
        InstalledSettings {
            path: path.to_owned(),
            sha256: Sha256::of(text.as_bytes()),
        }
    }

    /// Writes the settings.
    pub(crate) fn new(path: &Path, text: &str) -> Result<Self, SettingsError> {
        let before = read(path)?;
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).map_err(|source| SettingsError::Failed {
                doing: "make the folder",
                path: folder.to_owned(),
                source,
            })?;
        }
        // They may be there although they could not be made lasting: dropping
        // takes them back then, too.
        let installed = Self {
            path: path.to_owned(),
            before,
            kept: false,
        };
        durable::write(path, text.as_bytes(), 0o644).map_err(SettingsError::Write)?;
        Ok(installed)
    }

    /// Leaves them where they are.
    pub(crate) fn keep(mut self) {
        self.kept = true;
    }
}

impl Drop for Installed {
    fn drop(&mut self) {
        if self.kept {
            return;
        }
        // The import has failed already and says why.
        let _ = restore(&self.path, self.before.as_deref());
    }
}

/// Puts `before` there, or nothing.
fn restore(path: &Path, before: Option<&[u8]>) -> Result<(), SettingsError> {
    match before {
        Some(before) => durable::write(path, before, 0o644).map_err(SettingsError::Write),
        None => delete(path),
    }
}

fn delete(path: &Path) -> Result<(), SettingsError> {
    fs::remove_file(path).map_err(|source| SettingsError::Failed {
        doing: "remove",
        path: path.to_owned(),
        source,
    })?;
    let folder = path.parent().unwrap_or(Path::new("."));
    durable::sync_directory(folder).map_err(SettingsError::Write)
}

/// What is at `path` now, to be put back by [`put_back`].
pub(crate) fn current(path: &Path) -> Result<Option<String>, SettingsError> {
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    Ok(read(path)?.map(text))
}

/// Puts back what was there before, unless what is there now is not what the
/// import that was killed has written.
pub(crate) fn put_back(
    installed: &InstalledSettings,
    before: Option<&str>,
) -> Result<(), SettingsError> {
    match read(&installed.path)? {
        Some(found) if Sha256::of(&found) == installed.sha256 => {
            restore(&installed.path, before.map(str::as_bytes))
        }
        _ => Ok(()),
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
    delete(path)?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "[Network]\nPort=tcp:80:80\n";

    #[test]
    fn a_failed_import_puts_settings_back() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("nspawn/web.nspawn");
        drop(Installed::new(&path, TEXT).unwrap());
        assert!(!path.exists());
        fs::write(&path, "old").unwrap();
        drop(Installed::new(&path, TEXT).unwrap());
        assert_eq!(fs::read_to_string(&path).unwrap(), "old");
        Installed::new(&path, TEXT).unwrap().keep();
        assert_eq!(fs::read_to_string(&path).unwrap(), TEXT);
    }

    #[test]
    fn what_somebody_else_wrote_is_neither_replaced_nor_removed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("web.nspawn");
        possible(&path, TEXT, None).unwrap();
        Installed::new(&path, TEXT).unwrap().keep();
        let installed = Installed::note(&path, TEXT);
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
