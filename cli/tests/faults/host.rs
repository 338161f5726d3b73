//! A host's folders in one place, what is visible in them, and what should
//! not be there.

use super::portrait;
use super::repository::Repository;
use super::run::{Ran, plain, program, traced, traced_alone};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// What hidden names in the machines directory contain that may stay after a
/// run: the tree that was replaced is kept for a rollback.
const MAY_STAY: &[&str] = &[".previous-"];

/// How an import is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Wish {
    pub(super) limit: bool,
    pub(super) settings: bool,
}

/// A host.
pub(super) struct Host<'r> {
    pub(super) repository: &'r Repository,
    root: PathBuf,
    wish: Wish,
}

/// What a user sees of the machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) tree: Option<String>,
    /// Version and settings of the record.
    pub(super) record: Option<(String, String)>,
    pub(super) settings: Option<String>,
}

impl Seen {
    pub(super) const NOTHING: Self = Self {
        tree: None,
        record: None,
        settings: None,
    };
}

impl<'r> Host<'r> {
    /// One whose folders are in `root`.
    pub(super) fn new(repository: &'r Repository, root: &Path, wish: Wish) -> Self {
        fs::create_dir_all(root).unwrap();
        let root = root.canonicalize().unwrap();
        Self {
            repository,
            root,
            wish,
        }
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    fn places(&self) -> Vec<String> {
        let mut arguments = Vec::new();
        for (flag, name) in [
            ("--machines", "machines"),
            ("--state", "state"),
            ("--nspawn", "nspawn"),
            ("--config", "no-config"),
        ] {
            arguments.push(flag.to_owned());
            arguments.push(self.path(name).display().to_string());
        }
        arguments
    }

    /// Arguments of an import of this version as `machine`.
    pub(super) fn import_as(&self, machine: &str, version: &str, force: bool) -> Vec<String> {
        let repository = self.repository;
        let mut arguments = ["-q", "import", "--as", machine]
            .map(str::to_owned)
            .to_vec();
        arguments.push(format!("lab@{version}"));
        for (flag, path) in [
            ("--mirror", repository.store()),
            ("--key", repository.key()),
            ("--cache-dir", self.path("cache")),
        ] {
            arguments.push(flag.to_owned());
            arguments.push(path.display().to_string());
        }
        arguments.extend(self.places());
        if self.wish.limit {
            arguments.extend(["--limit", "1G"].map(str::to_owned));
        }
        if self.wish.settings {
            // A port of the host is one machine's.
            let port = format!("tcp:8{}8{version}:80", machine.len());
            let settings = [
                "--accept-settings",
                "--bind",
                "/srv:/srv:ro",
                "--port",
                &port,
            ];
            arguments.extend(settings.map(str::to_owned));
        }
        if force {
            arguments.push("--force".to_owned());
        }
        arguments
    }

    /// Arguments of an import of this version as `m`.
    pub(super) fn import(&self, version: &str, force: bool) -> Vec<String> {
        self.import_as("m", version, force)
    }

    /// Arguments of a removal of `m`.
    pub(super) fn remove(&self) -> Vec<String> {
        let mut arguments = ["-q", "remove", "m"].map(str::to_owned).to_vec();
        arguments.extend(self.places());
        arguments
    }

    /// Arguments of this command, with those that say where things are.
    pub(super) fn arguments(&self, words: &[&str]) -> Vec<String> {
        let words = words.iter().map(|word| (*word).to_owned());
        words.chain(self.places()).collect()
    }

    /// Arguments of a collection of garbage, downloads left aside.
    pub(super) fn gc(&self, more: &[&str]) -> Vec<String> {
        let cache = self.path("cache").display().to_string();
        self.arguments(&[&["-q", "gc", "--cache-dir", &cache], more].concat())
    }

    /// Arguments of a list.
    pub(super) fn list(&self) -> Vec<String> {
        let mut arguments = vec!["list".to_owned()];
        arguments.extend(self.places());
        arguments
    }

    pub(super) fn run(&self, arguments: &[String]) -> Ran {
        plain(self.repository.home(), arguments)
    }

    pub(super) fn traced(&self, options: &[String], arguments: &[String]) -> Ran {
        traced(self.repository.home(), options, arguments)
    }

    pub(super) fn traced_alone(&self, options: &[String], arguments: &[String]) -> Ran {
        traced_alone(self.repository.home(), options, arguments)
    }

    /// Runs it; it must succeed.
    pub(super) fn succeed(&self, arguments: &[String]) {
        let ran = self.run(arguments);
        assert_eq!(ran.code, Some(0), "{arguments:?}: {ran:?}");
    }

    pub(super) fn see(&self) -> Seen {
        let tree = self.path("machines/m");
        let record = fs::read(self.path("state/machines/m.json"))
            .ok()
            .map(|bytes| {
                let json: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
                let version = json["version"].as_str().unwrap().to_owned();
                (version, json["settings"].to_string())
            });
        Seen {
            tree: tree.symlink_metadata().is_ok().then(|| portrait::of(&tree)),
            record,
            settings: fs::read_to_string(self.path("nspawn/m.nspawn")).ok(),
        }
    }

    /// What should not be there after a run that was not disturbed.
    pub(super) fn leftovers(&self) -> Vec<String> {
        let mut left = Vec::new();
        for name in list(&self.path("machines")) {
            let is_hidden = name.starts_with('.');
            let may_stay = MAY_STAY.iter().any(|part| name.contains(part));
            if is_hidden && !may_stay {
                left.push(format!("machines/{name}"));
            }
        }
        for folder in ["nspawn", "state"] {
            for name in portrait::names(&self.path(folder)) {
                if name.contains(".#") || name.starts_with("exchange/m") {
                    left.push(format!("{folder}/{name}"));
                }
            }
        }
        for name in portrait::names(&self.path("cache/part")) {
            left.push(format!("cache/part/{name}"));
        }
        left
    }
}

fn list(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .map(|e| e.file_name().to_string_lossy().into_owned())
        .collect()
}

/// Quota groups above the leaves whose subvolume is gone. Quota must be on.
pub(super) fn stale_groups(pool: &Path) -> Vec<String> {
    let pool = pool.to_str().unwrap();
    program(&["btrfs", "subvolume", "sync", pool]);
    let subvolumes = program(&["btrfs", "subvolume", "list", pool]);
    let mut alive: BTreeSet<String> = subvolumes
        .lines()
        .filter_map(|line| Some(line.split_whitespace().nth(1)?.to_owned()))
        .collect();
    alive.insert("5".to_owned());
    let groups = program(&["btrfs", "qgroup", "show", "--raw", pool]);
    let mut stale = Vec::new();
    for line in groups.lines() {
        let group = line.split_whitespace().next().unwrap_or_default();
        match group.split_once('/') {
            Some(("0", _)) => {}
            Some((level, id)) if level.parse::<u64>().is_ok() && !alive.contains(id) => {
                stale.push(group.to_owned());
            }
            _ => {}
        }
    }
    stale
}

/// What a host would keep of runs whose folders are beneath `folder`: mounts,
/// loop devices, and processes. Those of others on this machine do not count.
pub(super) fn residue(folder: &Path) -> BTreeSet<String> {
    let folder = folder.to_str().unwrap();
    let read = |path: PathBuf| {
        let bytes = fs::read(path).unwrap_or_default();
        String::from_utf8_lossy(&bytes).replace('\0', " ")
    };
    let mounts = read("/proc/self/mountinfo".into());
    let mut found: BTreeSet<String> = mounts.lines().map(str::to_owned).collect();
    for name in list(Path::new("/sys/block")) {
        found.insert(read(
            Path::new("/sys/block").join(name).join("loop/backing_file"),
        ));
    }
    for name in list(Path::new("/proc")) {
        if name.parse::<u32>().is_ok() {
            found.insert(read(Path::new("/proc").join(name).join("cmdline")));
        }
    }
    found.retain(|line| line.contains(folder));
    found
}
