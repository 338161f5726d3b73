//! Where a pool is and what it holds. Its unit is the only record of it.

use super::unit::{UNITS, Unit};
use super::{PoolError, failed, is_mounted};
use crate::limit::{self, DiskUse};
use crate::machines::{MACHINES, Machines};
use serde::Serialize;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;

/// Where a pool is.
#[derive(Clone, Debug)]
pub struct PoolPlaces {
    /// Where it is mounted: the machines directory.
    pub machines: PathBuf,
    /// The folder of the administrator's units.
    pub units: PathBuf,
}

impl Default for PoolPlaces {
    fn default() -> Self {
        Self {
            machines: MACHINES.into(),
            units: UNITS.into(),
        }
    }
}

/// A pool.
#[derive(Clone, Debug, Serialize)]
pub struct PoolStatus {
    /// Its file.
    pub file: PathBuf,
    /// Where it is mounted, or should be.
    pub machines: PathBuf,
    /// The unit that mounts it when the host boots.
    pub unit: PathBuf,
    /// Whether it is mounted.
    pub is_mounted: bool,
    /// Its size in bytes.
    pub size: u64,
    /// Bytes that its file takes of the disk.
    pub allocated: u64,
    /// Bytes that are free in it, if it is mounted.
    pub free: Option<u64>,
    /// What machines in it take together, and their limit.
    pub machines_use: DiskUse,
    /// Names of the machines in it.
    pub names: Vec<String>,
}

/// The pool that is, or should be, mounted on the machines directory.
///
/// # Errors
/// There is none that we have made.
pub fn status(places: &PoolPlaces) -> Result<PoolStatus, PoolError> {
    let machines = Machines::open(&places.machines)?;
    let unit = find(places, &machines)?;
    let stat = fs::metadata(&unit.file).map_err(failed("examine", &unit.file))?;
    let is_mounted = is_mounted(machines.root());
    let free = rustix::fs::statvfs(machines.root()).ok();
    let free = free.filter(|_| is_mounted);
    Ok(PoolStatus {
        unit: Unit::path(&places.units, machines.root()),
        file: unit.file,
        machines: unit.target,
        is_mounted,
        size: stat.len(),
        // In units of 512, whatever the file system's block is: stat(2).
        allocated: stat.blocks().saturating_mul(512),
        free: free.map(|stat| stat.f_bavail.saturating_mul(stat.f_frsize)),
        machines_use: if is_mounted {
            limit::read(&machines, machines.root()).unwrap_or_default()
        } else {
            DiskUse::default()
        },
        names: if is_mounted {
            machines.names()?
        } else {
            Vec::new()
        },
    })
}

pub(super) fn find(places: &PoolPlaces, machines: &Machines) -> Result<Unit, PoolError> {
    let path = Unit::path(&places.units, machines.root());
    let none = || PoolError::None {
        path: machines.root().to_owned(),
        unit: path.clone(),
    };
    match fs::read_to_string(&path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => Err(none()),
        Err(e) => Err(failed("read", &path)(e)),
        Ok(text) => Unit::parse(&text)
            .filter(|unit| unit.target == machines.root())
            .ok_or_else(none),
    }
}
