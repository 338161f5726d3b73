//! Control groups of its own for a booted host, so that it meets no other
//! machine's and leaves none behind. As systemd-nspawn does, only the
//! hierarchy that systemd manages is used, and the unified one beside it.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How often removing is tried while the kernel still buries processes, and
/// how long is waited between.
const TRIES: u32 = 250;
const WAIT: Duration = Duration::from_millis(20);

/// What their names start with.
const PREFIX: &str = "hatchery-host-";

/// The groups, one a hierarchy. Removed when dropped; by then everything in
/// them must be dead.
#[derive(Debug)]
pub(super) struct Groups(Vec<PathBuf>);

impl Groups {
    pub(super) fn make() -> Self {
        let mount = Path::new("/sys/fs/cgroup");
        let membership = fs::read_to_string("/proc/self/cgroup").unwrap();
        let mut groups = Self(Vec::new());
        for line in membership.lines() {
            let (hierarchy, own) = line.rsplit_once(':').unwrap();
            let root = match hierarchy {
                "0:" if mount.join("unified").is_dir() => mount.join("unified"),
                "0:" if mount.join("cgroup.procs").exists() => mount.to_owned(),
                other if other.ends_with(":name=systemd") => mount.join("systemd"),
                _ => continue,
            };
            let parent = root.join(own.trim_start_matches('/'));
            sweep(&parent);
            let group = parent.join(format!("{PREFIX}{}", std::process::id()));
            fs::create_dir(&group).unwrap();
            groups.0.push(group);
        }
        groups
    }

    pub(super) fn paths(&self) -> impl Iterator<Item = &Path> {
        self.0.iter().map(PathBuf::as_path)
    }
}

impl Drop for Groups {
    fn drop(&mut self) {
        for group in &self.0 {
            for _ in 0..TRIES {
                if remove(group).is_ok() {
                    break;
                }
                std::thread::sleep(WAIT);
            }
        }
    }
}

fn remove(group: &Path) -> std::io::Result<()> {
    for entry in fs::read_dir(group)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            remove(&entry.path())?;
        }
    }
    fs::remove_dir(group)
}

/// Removes groups of tests that were killed.
fn sweep(parent: &Path) {
    for entry in fs::read_dir(parent).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let pid = name.to_str().and_then(|n| n.strip_prefix(PREFIX));
        if pid.is_some_and(|pid| !Path::new("/proc").join(pid).exists()) {
            let _ = remove(&entry.path());
        }
    }
}
