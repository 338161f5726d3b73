//! `hatchery pool`: the pool that holds the machines of a host. Its unit is
//! the only record of it: it names the file and where it is mounted.
//!
//! The order is such that what a killed process leaves can be seen and tried
//! again: file, then unit, then mount. The file gets its name last.

use super::about::{PoolPlaces, PoolStatus, find, status};
use super::unit::{OPTIONS, Unit};
use super::{COMMAND, PoolError, SIZE_MIN, failed, gone, is_mounted, make, mount, unmount};
use crate::limit;
use crate::machines::Machines;
use crate::run;
use hatchery_image::durable;
use hatchery_image::progress::{Progress, Stage};
use std::fs;
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _, symlink};
use std::path::Path;

/// The name that a pool's file has until it is whole.
const UNFINISHED: &str = "unfinished";

/// What is there where systemd is process 1.
const SYSTEMD: &str = "/run/systemd/system";

/// Names of machines that a refusal shows.
const NAMES_SHOWN: usize = 5;

/// Makes a pool of `size` bytes (taken from the disk only as they are written)
/// in the new file `file`, and mounts it: now, and whenever the host boots.
///
/// # Errors
/// There are machines already, there is a pool, or which step failed.
pub fn create(
    places: &PoolPlaces,
    file: &Path,
    size: u64,
    progress: &Progress,
) -> Result<PoolStatus, PoolError> {
    if size < SIZE_MIN {
        return Err(PoolError::TooSmall(size));
    }
    let machines = Machines::open(&places.machines)?;
    let unit = Unit::new(file, machines.root())?;
    refuse(places, &unit, machines.is_btrfs()?)?;
    warn_if_larger_than_free(file, size, progress);

    let text = format!(
        "making a btrfs of {size} bytes in {}, mounted on {} by {}",
        file.display(),
        unit.target.display(),
        Unit::name(&unit.target)
    );
    progress.message(Stage::Limit, text);
    make_file(file, size)?;
    let done = write_unit(places, &unit).and_then(|()| {
        mount(file, &unit.target, OPTIONS)?;
        // Its own file system, and made to limit: no other writer is slowed.
        enable_quota(&unit.target)
    });
    if let Err(error) = done {
        // What cannot be undone either is found by the next try.
        let _ = unmount(&unit.target);
        let _ = remove_unit(places, &unit);
        let _ = gone(file, |path| fs::remove_file(path));
        return Err(error);
    }
    reload();
    status(places)
}

/// Refuses to hide or replace anything.
fn refuse(places: &PoolPlaces, unit: &Unit, is_btrfs: bool) -> Result<(), PoolError> {
    let target = &unit.target;
    let path = Unit::path(&places.units, target);
    for path in [&unit.file, &path] {
        if path.symlink_metadata().is_ok() {
            let path = path.clone();
            return Err(PoolError::Exists { path });
        }
    }
    // Before the next: a subvolume has a device number of its own, as a mount.
    if is_btrfs {
        let path = target.clone();
        return Err(PoolError::Needless { path });
    }
    if is_mounted(target) {
        let path = target.clone();
        return Err(PoolError::Mounted { path });
    }
    let mut entries = fs::read_dir(target).map_err(failed("list", target))?;
    let is_lock = |name: &str| name.starts_with(".#") && name.ends_with(".lck");
    let found = entries.find_map(|entry| {
        let name = entry.ok()?.file_name().to_string_lossy().into_owned();
        Some(name).filter(|name| !is_lock(name))
    });
    match found {
        Some(found) => Err(PoolError::NotEmpty {
            path: target.clone(),
            found,
        }),
        None => Ok(()),
    }
}

fn warn_if_larger_than_free(file: &Path, size: u64, progress: &Progress) {
    let folder = file.parent().unwrap_or(Path::new("/"));
    let free = rustix::fs::statvfs(folder).map(|s| s.f_bavail.saturating_mul(s.f_frsize));
    if let Ok(free) = free
        && free < size
    {
        progress.warn(format!(
            "only {free} of the pool's {size} bytes are free in {} now; \
             machines fail to write when the disk is full before the pool is",
            folder.display()
        ));
    }
}

/// The file, whole before it has its name.
fn make_file(file: &Path, size: u64) -> Result<(), PoolError> {
    let unfinished = file.with_added_extension(UNFINISHED);
    gone(&unfinished, |path| fs::remove_file(path))?;
    let made = make(&unfinished, size).and_then(|()| {
        let private = fs::Permissions::from_mode(0o600);
        fs::set_permissions(&unfinished, private)
            .and_then(|()| fs::File::open(&unfinished)?.sync_all())
            .and_then(|()| fs::rename(&unfinished, file))
            .map_err(failed("make the file", file))
    });
    if made.is_err() {
        let _ = gone(&unfinished, |path| fs::remove_file(path));
    }
    made?;
    let folder = file.parent().unwrap_or(Path::new("/"));
    durable::sync_directory(folder).map_err(PoolError::Unit)
}

/// Writes the unit and enables it, as `systemctl enable` would. That works
/// where no systemd runs, too.
fn write_unit(places: &PoolPlaces, unit: &Unit) -> Result<(), PoolError> {
    let path = Unit::path(&places.units, &unit.target);
    let (link, to) = Unit::link(&places.units, &unit.target);
    let folder = link.parent().expect("it is in a folder of units");
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o755)
        .create(folder)
        .map_err(failed("make the folder", folder))?;
    durable::write(&path, unit.render().as_bytes(), 0o644).map_err(PoolError::Unit)?;
    match symlink(to, &link) {
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        result => result.map_err(failed("make the link", &link)),
    }?;
    durable::sync_directory(folder).map_err(PoolError::Unit)
}

fn remove_unit(places: &PoolPlaces, unit: &Unit) -> Result<(), PoolError> {
    let (link, _) = Unit::link(&places.units, &unit.target);
    gone(&link, |path| fs::remove_file(path))?;
    let path = Unit::path(&places.units, &unit.target);
    gone(&path, |path| fs::remove_file(path))
}

fn enable_quota(target: &Path) -> Result<(), PoolError> {
    limit::count_all(target).map_err(failed("switch quota on for", target))
}

/// Has systemd, where it runs, read its units again. It sees the mount by
/// itself; without this it only would not know the unit's text before the next
/// boot.
fn reload() {
    if Path::new(SYSTEMD).exists() {
        let _ = run::run(&["systemctl", "daemon-reload"], COMMAND);
    }
}

/// Enlarges the pool to `size` bytes, while it is in use.
///
/// # Errors
/// There is none, it is not smaller, or which step failed.
pub fn grow(places: &PoolPlaces, size: u64, progress: &Progress) -> Result<PoolStatus, PoolError> {
    let machines = Machines::open(&places.machines)?;
    let Unit { file, target } = find(places, &machines)?;
    let now = fs::metadata(&file).map_err(failed("examine", &file))?.len();
    // The same size again: what an interrupted one left undone.
    if size < now {
        let wanted = size;
        return Err(PoolError::Smaller { now, wanted });
    }
    if !is_mounted(&target) {
        let path = target;
        return Err(PoolError::NotMounted { file, path });
    }
    warn_if_larger_than_free(&file, size - now, progress);
    let text = format!("enlarging the pool from {now} to {size} bytes");
    progress.message(Stage::Limit, text);
    fs::OpenOptions::new()
        .write(true)
        .open(&file)
        .and_then(|f| f.set_len(size).and_then(|()| f.sync_all()))
        .map_err(failed("enlarge", &file))?;
    let question = [
        "losetup",
        "--noheadings",
        "--output",
        "NAME",
        "--associated",
    ]
    .map(Path::new);
    let devices = run::run(&[&question[..], &[&file]].concat(), COMMAND);
    for device in devices.map_err(PoolError::Grow)?.split_whitespace() {
        let argv = ["losetup", "--set-capacity", device];
        run::run(&argv, COMMAND).map_err(PoolError::Grow)?;
    }
    let resize = ["btrfs", "filesystem", "resize", "max"].map(Path::new);
    run::run(&[&resize[..], &[&target]].concat(), COMMAND).map_err(PoolError::Grow)?;
    status(places)
}

/// Removes a pool without machines: unmounts it, then removes its unit and
/// its file.
///
/// # Errors
/// There is none, there are machines in it, it is in use, or which step failed.
pub fn remove(places: &PoolPlaces) -> Result<PoolStatus, PoolError> {
    let machines = Machines::open(&places.machines)?;
    let mut before = status(places)?;
    if !before.is_mounted {
        // Whatever is in it cannot be seen, so it is not lost unseen.
        let (file, path) = (before.file, before.machines);
        return Err(PoolError::NotMounted { file, path });
    }
    if !before.names.is_empty() {
        let shown: Vec<_> = before.names.iter().take(NAMES_SHOWN).cloned().collect();
        return Err(PoolError::InUse {
            path: before.machines,
            names: shown.join(", "),
        });
    }
    let unit = find(places, &machines)?;
    unmount(&unit.target)?;
    remove_unit(places, &unit)?;
    gone(&unit.file, |path| fs::remove_file(path))?;
    reload();
    before.is_mounted = false;
    Ok(before)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(root: &Path) -> PoolPlaces {
        PoolPlaces {
            machines: root.join("machines"),
            units: root.join("units"),
        }
    }

    #[test]
    fn nothing_is_hidden_or_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let places = places(dir.path());
        let file = dir.path().join("pool.raw");
        let create = |size| create(&places, &file, size, &Progress::silent());
        assert!(matches!(create(1), Err(PoolError::TooSmall(1))));

        fs::create_dir_all(places.machines.join("web")).unwrap();
        let error = create(SIZE_MIN).unwrap_err();
        assert!(matches!(error, PoolError::NotEmpty { .. }), "{error}");
        fs::remove_dir(places.machines.join("web")).unwrap();

        fs::write(&file, "mine").unwrap();
        let error = create(SIZE_MIN).unwrap_err();
        assert!(matches!(error, PoolError::Exists { .. }), "{error}");
        assert_eq!(fs::read_to_string(&file).unwrap(), "mine");
        assert!(!places.units.exists());
    }

    #[test]
    fn what_others_mount_is_no_pool_of_ours() {
        let dir = tempfile::tempdir().unwrap();
        let places = places(dir.path());
        assert!(matches!(status(&places), Err(PoolError::None { .. })));
        fs::create_dir_all(&places.units).unwrap();
        let root = places.machines.canonicalize().unwrap();
        let unit = Unit::path(&places.units, &root);
        fs::write(&unit, "[Mount]\nWhat=/x\nWhere=/y\n").unwrap();
        assert!(matches!(remove(&places), Err(PoolError::None { .. })));
        assert!(unit.exists());
    }
}
