//! The machines of a host: what is in the machines directory, and what is
//! known of how it got there.

use crate::exchange::{self, ExchangeError};
use crate::limit;
use crate::lock;
use crate::machines::{Machines, MachinesError};
use crate::places::Places;
use crate::record::{Record, RecordError};
use serde::Serialize;
use std::path::PathBuf;

/// A machine of this host.
#[derive(Clone, Debug, Serialize)]
pub struct Listed {
    /// Its name; that of a machine that others made may be one we refuse.
    pub name: String,
    /// Its tree.
    pub path: PathBuf,
    /// Whether the tree is there. A record without one is a leftover.
    pub is_there: bool,
    /// Whether it runs, or another program works on it.
    pub in_use: bool,
    /// What was imported, if we did, with the limit that the kernel has now.
    pub record: Option<Record>,
}

/// Why machines cannot be listed.
#[derive(Debug, thiserror::Error)]
pub enum ListError {
    /// The machines directory cannot be listed.
    #[error(transparent)]
    Machines(#[from] MachinesError),
    /// A record cannot be read.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// What was begun cannot be read.
    #[error(transparent)]
    Exchange(#[from] ExchangeError),
}

/// All machines, sorted by name.
///
/// # Errors
/// The machines directory or a record cannot be read.
pub fn list(places: &Places) -> Result<Vec<Listed>, ListError> {
    let machines = Machines::open(&places.machines)?;
    let records = places.records();
    let mut listed = Vec::new();
    for name in machines.names()? {
        let path = machines.root().join(&name);
        let mut record = match name.parse().ok() {
            Some(name) => exchange::record_of(&name, places)?.filter(|record| record.path == path),
            None => None,
        };
        // Others may have changed the limit since; the kernel knows.
        if let Some(record) = &mut record
            && let Ok(now) = limit::read(&machines, &path)
        {
            record.limit = now.limit;
        }
        let in_use = lock::is_held(&path);
        listed.push(Listed {
            name,
            path,
            is_there: true,
            in_use,
            record,
        });
    }
    for name in records.names()? {
        let known = listed.iter().any(|machine| machine.name == name.as_str());
        if let Some(record) = exchange::record_of(&name, places)?.filter(|_| !known) {
            listed.push(Listed {
                name: name.to_string(),
                is_there: record.path.exists(),
                path: record.path.clone(),
                in_use: false,
                record: Some(record),
            });
        }
    }
    listed.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(listed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn machines_of_others_are_listed_too() {
        let dir = tempfile::tempdir().unwrap();
        let places = Places {
            machines: dir.path().join("machines"),
            state: dir.path().join("state"),
            ..Places::default()
        };
        for name in ["web", "Other_1", ".#hidden"] {
            fs::create_dir_all(places.machines.join(name)).unwrap();
        }
        let machines = Machines::open(&places.machines).unwrap();
        let _lock = machines.lock(&"web".parse().unwrap()).unwrap();
        let listed = list(&places).unwrap();
        let names: Vec<_> = listed.iter().map(|m| (m.name.as_str(), m.in_use)).collect();
        assert_eq!(names, [("Other_1", false), ("web", true)]);
    }
}
