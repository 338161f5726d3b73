//! A control group of its own for a check, below the one that it was started
//! in: systemd-nspawn makes groups beside itself and leaves them behind, which
//! would meet those of another check and outlive the machine.
//!
//! Only the hierarchy that systemd manages is used (and the unified one beside
//! it on hybrid hosts), as systemd-nspawn does.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

/// What the names of such groups start with.
const PREFIX: &str = "hatchery-check-";

/// Where control groups are mounted.
const MOUNT: &str = "/sys/fs/cgroup";

/// How often removing is tried while the kernel still buries processes.
const TRIES: u32 = 100;

/// How long is waited between those.
const WAIT: Duration = Duration::from_millis(20);

/// The groups of one check, one a hierarchy.
#[derive(Debug)]
pub(super) struct Groups(Vec<PathBuf>);

impl Groups {
    /// Makes the groups and moves this process into them. Groups that killed
    /// checks left are removed first.
    pub(super) fn enter() -> io::Result<Self> {
        let membership = fs::read_to_string("/proc/self/cgroup")?;
        let mut groups = Self(Vec::new());
        for parent in parents(&membership, Path::new(MOUNT)) {
            sweep(&parent);
            let group = parent.join(format!("{PREFIX}{}", std::process::id()));
            match fs::create_dir(&group) {
                Err(e) if e.kind() == io::ErrorKind::AlreadyExists => (),
                result => result?,
            }
            groups.0.push(group.clone());
            fs::write(group.join("cgroup.procs"), "0")?;
        }
        Ok(groups)
    }

    /// Moves this process out again and removes the groups. Everything else
    /// in them must be dead.
    pub(super) fn leave(self) {
        for group in self.0 {
            if let Some(parent) = group.parent() {
                let _ = fs::write(parent.join("cgroup.procs"), "0");
            }
            for _ in 0..TRIES {
                if remove(&group).is_ok() {
                    break;
                }
                thread::sleep(WAIT);
            }
        }
    }
}

/// The groups that a process is in, as directories, from the text of its
/// `/proc/PID/cgroup`.
fn parents(membership: &str, mount: &Path) -> Vec<PathBuf> {
    let mut parents = Vec::new();
    for line in membership.lines() {
        let mut fields = line.splitn(3, ':');
        let (Some(id), Some(controllers), Some(path)) =
            (fields.next(), fields.next(), fields.next())
        else {
            continue;
        };
        let root = match (id, controllers) {
            (_, "name=systemd") => mount.join("systemd"),
            // Hybrid hosts have the unified hierarchy in a folder of its own.
            ("0", "") if mount.join("unified").is_dir() => mount.join("unified"),
            ("0", "") if mount.join("cgroup.procs").exists() => mount.to_owned(),
            _ => continue,
        };
        let parent = root.join(path.trim_start_matches('/'));
        if parent.is_dir() {
            parents.push(parent);
        }
    }
    parents
}

/// Removes a group and those below it; fails while a process is in one.
fn remove(group: &Path) -> io::Result<()> {
    for entry in fs::read_dir(group)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            remove(&entry.path())?;
        }
    }
    fs::remove_dir(group)
}

/// Removes empty groups of killed checks. One in which processes live cannot
/// be removed, and a check that has only just made its own makes it again.
fn sweep(parent: &Path) {
    for entry in fs::read_dir(parent).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let pid = name.to_str().and_then(|n| n.strip_prefix(PREFIX));
        let alive = |pid: &str| Path::new("/proc").join(pid).exists();
        if pid.is_some_and(|pid| !alive(pid)) {
            let _ = remove(&entry.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hierarchies_of_each_kind_of_host_are_found() {
        let legacy = tempfile::tempdir().unwrap();
        let mount = legacy.path();
        fs::create_dir_all(mount.join("systemd/a")).unwrap();
        fs::create_dir_all(mount.join("unified/a")).unwrap();
        let text = "9:name=systemd:/a\n4:memory:/b\n0::/a\n";
        let found = parents(text, mount);
        assert_eq!(found, [mount.join("systemd/a"), mount.join("unified/a")]);

        let unified = tempfile::tempdir().unwrap();
        let mount = unified.path();
        fs::create_dir(mount.join("user.slice")).unwrap();
        fs::write(mount.join("cgroup.procs"), "").unwrap();
        let found = parents("0::/user.slice\n", mount);
        assert_eq!(found, [mount.join("user.slice")]);
        assert!(parents("0::/gone\nnonsense\n", mount).is_empty());
    }
}
