//! `/etc/hatchery/config.toml` and the keys in `/etc/hatchery/keys/`: where
//! images come from and whom to trust, unless a flag says otherwise.
//!
//! Unknown keys are errors, because a misspelt one that is silently ignored
//! would be noticed only when the wrong mirror was asked. Nothing here knows
//! where those files are: `cli/` hands in the paths.

use hatchery_image::Keyring;
use hatchery_image::keyring::KeyringError;
use hatchery_transfer::Location;
use serde::Deserialize;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Where the configuration is by default.
pub const CONFIG: &str = "/etc/hatchery/config.toml";

/// Where trusted keys are by default: every `*.pgp`, binary or armored.
pub const KEYS: &str = "/etc/hatchery/keys";

/// Largest configuration or key file that is read, in bytes.
const FILE_MAX: u64 = 4 << 20;

/// Most key files that are read.
const KEYS_MAX: usize = 256;

/// The configuration. Everything is optional.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Where machines are kept; `/var/lib/machines` unless it says otherwise.
    pub machines: Option<PathBuf>,
    /// The repository that images come from.
    pub repository: Repository,
}

/// A repository.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Repository {
    /// Its mirrors, tried in turn: `https://…`, `http://…`, `file:///…` or an
    /// absolute path.
    pub mirrors: Vec<String>,
}

/// Why the configuration or a key cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A file cannot be read.
    #[error("cannot read {path}")]
    Read {
        /// Which.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A file is too large to be what it should be.
    #[error("{path} is larger than {FILE_MAX} bytes")]
    TooLarge {
        /// Which.
        path: PathBuf,
    },
    /// Too many keys.
    #[error("{path} holds more than {KEYS_MAX} keys")]
    TooMany {
        /// The directory.
        path: PathBuf,
    },
    /// It is not TOML of the expected shape.
    #[error("{path}: {message}")]
    Syntax {
        /// Which.
        path: PathBuf,
        /// What the parser said, with the line.
        message: String,
    },
    /// An address that is not one.
    #[error("{path}: mirrors: {message}")]
    Mirror {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        message: String,
    },
    /// A key file that holds no certificate.
    #[error("{path} is not an OpenPGP key")]
    Key {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: KeyringError,
    },
}

impl Config {
    /// Reads the text of a configuration; `path` is for messages only.
    ///
    /// # Errors
    /// A line that is not TOML, an unknown key, a relative directory, an
    /// address of an unknown form.
    pub fn parse(text: &str, path: &Path) -> Result<Self, ConfigError> {
        let syntax = |message: String| ConfigError::Syntax {
            path: path.to_owned(),
            message,
        };
        let config: Self = toml::from_str(text).map_err(|e| syntax(e.to_string()))?;
        if let Some(machines) = config.machines.as_ref().filter(|p| !p.is_absolute()) {
            let message = format!("machines: {} is not an absolute path", machines.display());
            return Err(syntax(message));
        }
        config.locations(path)?;
        Ok(config)
    }

    /// Reads the file at `path`; one that is absent is an empty configuration.
    ///
    /// # Errors
    /// As [`Config::parse`], and a file that cannot be read.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        match read(path) {
            Ok(bytes) => Self::parse(&String::from_utf8_lossy(&bytes), path),
            Err(ConfigError::Read { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                Ok(Self::default())
            }
            Err(error) => Err(error),
        }
    }

    /// The repository's mirrors; `path` is for messages only.
    ///
    /// # Errors
    /// An address of an unknown form.
    pub fn locations(&self, path: &Path) -> Result<Vec<Location>, ConfigError> {
        let parse = |text: &String| {
            Location::parse(text).map_err(|error| ConfigError::Mirror {
                path: path.to_owned(),
                message: error.to_string(),
            })
        };
        self.repository.mirrors.iter().map(parse).collect()
    }
}

/// Every key in `*.pgp` of a directory; none if there is no such directory.
///
/// # Errors
/// A file that cannot be read or is no key.
pub fn load_keys(directory: &Path) -> Result<Keyring, ConfigError> {
    let read_error = |source| ConfigError::Read {
        path: directory.to_owned(),
        source,
    };
    let mut keyring = Keyring::default();
    let entries = match fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(keyring),
        Err(e) => return Err(read_error(e)),
    };
    let mut paths = Vec::new();
    for entry in entries {
        let path = entry.map_err(read_error)?.path();
        if path.extension().is_some_and(|e| e == "pgp") {
            paths.push(path);
        }
        if paths.len() > KEYS_MAX {
            let path = directory.to_owned();
            return Err(ConfigError::TooMany { path });
        }
    }
    paths.sort();
    for path in paths {
        keyring.extend(load_key(&path)?);
    }
    Ok(keyring)
}

/// The keys in one file, binary or armored.
///
/// # Errors
/// It cannot be read or is no key.
pub fn load_key(path: &Path) -> Result<Keyring, ConfigError> {
    Keyring::parse(&read(path)?).map_err(|source| ConfigError::Key {
        path: path.to_owned(),
        source,
    })
}

fn read(path: &Path) -> Result<Vec<u8>, ConfigError> {
    use std::io::Read as _;
    let failed = |source| ConfigError::Read {
        path: path.to_owned(),
        source,
    };
    let file = fs::File::open(path).map_err(failed)?;
    let mut bytes = Vec::new();
    file.take(FILE_MAX + 1)
        .read_to_end(&mut bytes)
        .map_err(failed)?;
    if bytes.len() as u64 > FILE_MAX {
        let path = path.to_owned();
        return Err(ConfigError::TooLarge { path });
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Config, ConfigError> {
        Config::parse(text, Path::new("config.toml"))
    }

    #[test]
    fn a_full_configuration_is_read() {
        let config = parse(
            "machines = '/srv/machines'\n\
             [repository]\n\
             mirrors = ['https://images.example.org/', '/srv/images']\n",
        )
        .unwrap();
        assert_eq!(config.machines.as_deref(), Some(Path::new("/srv/machines")));
        let locations = config.locations(Path::new("config.toml")).unwrap();
        assert_eq!(locations.len(), 2);
        assert_eq!(locations[1], Location::Folder("/srv/images".into()));
    }

    #[test]
    fn an_empty_or_absent_one_says_nothing() {
        assert_eq!(parse("").unwrap(), Config::default());
        let absent = Path::new("/nonexistent/config.toml");
        assert_eq!(Config::load(absent).unwrap(), Config::default());
    }

    #[test]
    fn mistakes_name_the_line() {
        let error = parse("machines = '/m'\nmachine = '/n'\n")
            .unwrap_err()
            .to_string();
        assert!(error.contains("line 2"), "{error}");
        assert!(error.contains("unknown field `machine`"), "{error}");
        for bad in [
            "machines = 'relative'",
            "[repository]\nmirrors = ['ftp://x/']",
            "[repository]\nmirror = []",
        ] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn only_key_files_are_read_as_keys() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("README"), "not a key").unwrap();
        assert!(load_keys(dir.path()).unwrap().fingerprints().is_empty());
        fs::write(dir.path().join("x.pgp"), "not a key").unwrap();
        let error = load_keys(dir.path()).unwrap_err().to_string();
        assert!(error.contains("x.pgp"), "{error}");
    }
}
