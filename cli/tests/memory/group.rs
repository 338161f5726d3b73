//! A memory cgroup of a program that may take no more than so much.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// A memory cgroup below the one of this process.
pub(super) struct Group {
    pub(super) path: PathBuf,
    peak: &'static str,
}

impl Group {
    /// None where this host lets nobody make one.
    pub(super) fn new(max: u64) -> Option<Self> {
        let membership = fs::read_to_string("/proc/self/cgroup").unwrap();
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("hatchery-memory-{}-{count}", std::process::id());
        let own = |line: &str| {
            line.rsplit(':')
                .next()
                .unwrap()
                .trim_start_matches('/')
                .to_owned()
        };
        for line in membership.lines() {
            let is_old = line.contains(":memory:");
            let (root, limit, peak) = match line {
                _ if is_old => (
                    "/sys/fs/cgroup/memory",
                    "memory.limit_in_bytes",
                    "memory.max_usage_in_bytes",
                ),
                _ if line.starts_with("0::") => ("/sys/fs/cgroup", "memory.max", "memory.peak"),
                _ => continue,
            };
            let path = Path::new(root).join(own(line)).join(&name);
            // On hybrid hosts the mount itself is a plain folder.
            let is_group = path.with_file_name("cgroup.procs").exists();
            if !is_group || fs::create_dir(&path).is_err() {
                continue;
            }
            let group = Self { path, peak };
            // Without swap, so that what does not fit is seen.
            let _ = fs::write(group.path.join("memory.swap.max"), "0");
            if fs::write(group.path.join(limit), max.to_string()).is_ok() {
                return Some(group);
            }
        }
        None
    }

    pub(super) fn peak(&self) -> u64 {
        let text = fs::read_to_string(self.path.join(self.peak)).unwrap_or_default();
        text.trim().parse().unwrap_or(0)
    }

    /// Whether the kernel killed what was in it.
    pub(super) fn killed(&self) -> bool {
        let events = ["memory.events", "memory.oom_control"]
            .map(|name| fs::read_to_string(self.path.join(name)).unwrap_or_default());
        let count = |line: &str| line.strip_prefix("oom_kill ").is_some_and(|n| n != "0");
        events.iter().flat_map(|text| text.lines()).any(count)
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        for _ in 0..100 {
            if fs::remove_dir(&self.path).is_ok() {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}
