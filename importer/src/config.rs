//! `/etc/hatchery/config.toml`: where images come from and where machines go,
//! unless a flag says otherwise. (Whom to trust is a folder of keys, which
//! `Keyring::load_directory` reads.)
//!
//! Unknown keys are errors, because a misspelt one that is silently ignored
//! would be noticed only when the wrong mirror was asked. Nothing here knows
//! where the file is: `cli/` hands in the path.

use hatchery_transfer::Location;
use serde::Deserialize;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Where the configuration is by default.
pub const CONFIG: &str = "/etc/hatchery/config.toml";

/// Where trusted keys are by default.
pub const KEYS: &str = "/etc/hatchery/keys";

/// Largest configuration that is read, in bytes.
const FILE_MAX: u64 = 1 << 20;

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
    /// Its id. A catalog of another repository is then refused, also when it
    /// is signed by a trusted key.
    pub id: Option<String>,
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
}
