//! `/var/lib/hatchery/previous/NAME.json`: the generation of a machine that
//! was replaced last, and where its tree is kept.

use super::ExchangeError;
use super::folder::Folder;
use crate::hidden::random_id;
use crate::record::Record;
use hatchery_image::MachineName;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

/// What stands between a machine's name and an id in the name of a kept tree.
const PREVIOUS: &str = ".previous-";

/// The generation before the present one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Previous {
    pub(super) format: u32,
    /// Where its tree is kept.
    pub tree: PathBuf,
    /// Its record, if we imported it.
    pub record: Option<Record>,
    /// The text of its settings file, if it had one.
    pub settings: Option<String>,
    /// When it was replaced.
    pub since: Timestamp,
}

impl Previous {
    /// Whether it is one of this machine: its tree is called as a kept one, and
    /// its record is of the tree that it was.
    pub(super) fn check(&self, name: &MachineName) -> Result<(), ExchangeError> {
        let elsewhere = |path: &Path| ExchangeError::Elsewhere {
            name: name.clone(),
            path: path.to_owned(),
        };
        if !is_kept_name(&self.tree, name) {
            return Err(elsewhere(&self.tree));
        }
        let target = self.tree.with_file_name(name.as_str());
        match &self.record {
            Some(record) if !record.is_of(name, &target) => Err(elsewhere(&record.path)),
            _ => Ok(()),
        }
    }
}

/// The folder of previous generations.
pub(crate) struct PreviousOnes(Folder);

impl PreviousOnes {
    pub(crate) fn beneath(state: &Path) -> Self {
        Self(Folder(state.join("previous")))
    }

    /// # Errors
    /// It cannot be read, or is not of this machine.
    pub(crate) fn find(&self, name: &MachineName) -> Result<Option<Previous>, ExchangeError> {
        let found: Option<Previous> = self.0.find(name)?;
        if let Some(previous) = &found {
            previous.check(name)?;
        }
        Ok(found)
    }

    pub(crate) fn write(
        &self,
        name: &MachineName,
        previous: &Previous,
    ) -> Result<(), ExchangeError> {
        self.0.write(name, previous)
    }

    pub(crate) fn remove(&self, name: &MachineName) -> Result<(), ExchangeError> {
        self.0.remove(name)
    }

    pub(crate) fn names(&self) -> Result<Vec<MachineName>, ExchangeError> {
        self.0.names()
    }
}

/// A hidden name beside a machine's tree that nothing sweeps.
pub(crate) fn kept_name(target: &Path, name: &MachineName) -> PathBuf {
    target.with_file_name(format!(".#{name}{PREVIOUS}{}", random_id()))
}

/// Whether a tree is called as a kept one of this machine is.
pub(super) fn is_kept_name(tree: &Path, name: &MachineName) -> bool {
    tree.file_name().and_then(machine_of).as_ref() == Some(name)
}

/// The machine whose kept tree is called so.
pub(crate) fn machine_of(file_name: &OsStr) -> Option<MachineName> {
    let name = file_name.to_str()?.strip_prefix(".#")?;
    let (machine, id) = name.rsplit_once(PREVIOUS)?;
    let is_id = id.len() == 16 && id.bytes().all(|b| b.is_ascii_hexdigit());
    machine.parse().ok().filter(|_| is_id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_a_kept_tree_tells_its_machine() {
        let name: MachineName = "web.previous-x".parse().unwrap();
        let kept = kept_name(Path::new("/m/web.previous-x"), &name);
        assert_eq!(kept.parent(), Some(Path::new("/m")));
        assert_eq!(machine_of(kept.file_name().unwrap()), Some(name));
        for other in [
            ".#hatchery-0011223344556677",
            ".#web.lck",
            "web",
            ".#web.previous-1",
        ] {
            assert_eq!(machine_of(OsStr::new(other)), None, "{other}");
        }
    }
}
