//! Hooks of the new tree: which are set off, in which order, and running them.
//!
//! Those of an administrator (`/etc/pacman.d/hooks`) hide those of packages
//! (`/usr/share/libalpm/hooks`) of the same name; a link to `/dev/null` or an
//! empty file so switches one off. One that cannot be used hides nothing. What
//! NoExtract keeps out sets nothing off.

use super::InstallError;
use super::hook::{Hook, Kind, When};
use crate::arch::dependency::{Dependency, Provision};
use crate::arch::package::Staged;
use crate::arch::pattern::Patterns;
use crate::beneath;
use crate::confine::{ConfineError, Confinement, Program, Said};
use crate::recipe::{Body, File, FolderNode};
use hatchery_image::Progress;
use hatchery_image::place::{Entry, Node, PlaceError, Root};
use rustix::fs::{Dir, OFlags};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Where hooks are, the folder that hides the other one first.
const FOLDERS: [&str; 2] = ["etc/pacman.d/hooks", "usr/share/libalpm/hooks"];

/// What a hook's name ends with.
const SUFFIX: &str = ".hook";

/// Longest hook that is read, in bytes; Arch's longest have 2 KB.
const HOOK_MAX: u64 = 1 << 20;

/// What pacman runs before the hooks, if both are there.
const LDCONFIG: [&str; 2] = ["sbin/ldconfig", "etc/ld.so.conf"];

/// The hooks of a tree.
pub(super) struct Hooks<'h> {
    root: &'h Root,
    confinement: &'h Confinement,
    /// What is not extracted.
    no_extract: &'h Patterns,
    progress: &'h Progress,
}

/// A hook that was set off.
struct Due {
    name: String,
    hook: Hook,
    /// Its targets, one a line, if it wants them.
    targets: Option<Vec<u8>>,
}

/// Puts a recipe's hooks into a tree before its packages.
pub(super) fn place(root: &Root, hooks: &[File]) -> Result<(), InstallError> {
    let mut placer = root.placer();
    let mut put = |path: &str, node: Node<'_>, bytes: &[u8], mode: u32| {
        let entry = Entry::of_root(path.as_bytes(), node, mode, 0);
        placer.place_slice(&entry, bytes).map(drop)
    };
    let file = |bytes: &[u8]| Node::file(bytes.len() as u64);
    let mut put_all = || -> Result<(), PlaceError> {
        for one in hooks {
            let base = one.path.relative();
            match &one.body {
                Body::File { content, .. } => {
                    let bytes = content.bytes();
                    put(base, file(bytes), bytes, 0o644)?;
                }
                Body::Folder(entries) => {
                    for entry in entries {
                        let path = format!("{base}/{}", entry.path);
                        match &entry.node {
                            FolderNode::Folder => put(&path, Node::Directory, b"", 0o755)?,
                            FolderNode::Link(target) => {
                                put(&path, Node::Symlink(target.as_bytes()), b"", 0o777)?;
                            }
                            FolderNode::File { content, .. } => {
                                let bytes = content.bytes();
                                put(&path, file(bytes), bytes, 0o644)?;
                            }
                        }
                    }
                }
            }
        }
        Ok(())
    };
    put_all().map_err(|source| InstallError::Place {
        what: "the hooks of the recipe",
        source,
    })
}

impl<'h> Hooks<'h> {
    pub(super) const fn new(
        root: &'h Root,
        confinement: &'h Confinement,
        no_extract: &'h Patterns,
        progress: &'h Progress,
    ) -> Self {
        Self {
            root,
            confinement,
            no_extract,
            progress,
        }
    }

    /// Whether any hook waits for the begin of the installation. As with
    /// pacman, nothing begins with a hook that cannot be used.
    pub(super) fn has_any_before(&self) -> Result<bool, InstallError> {
        let is_before = |hook: &Hook| hook.when == Some(When::PreTransaction);
        let (hooks, unusable) = self.read();
        match unusable.into_iter().next() {
            Some((hook, why)) => Err(InstallError::HookText { hook, why }),
            None => Ok(hooks.values().any(is_before)),
        }
    }

    /// Runs the hooks that come before the installation.
    pub(super) fn before(&self, packages: &[Arc<Staged>]) -> Result<(), InstallError> {
        let (hooks, _) = self.read();
        for due in self.due(When::PreTransaction, hooks, packages) {
            let tail = match self.run(&[program(&due)])? {
                Ran::Well => continue,
                Ran::Failed { tail, .. } => tail,
            };
            if due.hook.abort_on_fail {
                let hook = due.name;
                return Err(InstallError::Hook { hook, tail });
            }
            self.warn(&due, &tail);
        }
        Ok(())
    }

    /// Runs ldconfig, and the hooks that come after the installation.
    pub(super) fn after(&self, packages: &[Arc<Staged>]) -> Result<(), InstallError> {
        let (hooks, unusable) = self.read();
        for (hook, why) in unusable {
            self.progress
                .warn(format!("the hook {hook} cannot be used: {why}"));
        }
        let due = self.due(When::PostTransaction, hooks, packages);
        let mut programs: Vec<Program<'_>> = due.iter().map(program).collect();
        let mut names: Vec<Option<&Due>> = due.iter().map(Some).collect();
        if LDCONFIG
            .iter()
            .all(|p| beneath::exists(self.root, p.as_bytes()))
        {
            let argv = vec!["/sbin/ldconfig"];
            let ldconfig = Program {
                argv,
                ..Program::default()
            };
            programs.insert(0, ldconfig);
            names.insert(0, None);
        }
        let mut at = 0;
        // One confinement for all of them; after a failure another one for
        // the rest.
        while at < programs.len() {
            match self.run(&programs[at..])? {
                Ran::Well => break,
                Ran::Failed { index, tail } => {
                    at += index;
                    match names[at] {
                        Some(due) => self.warn(due, &tail),
                        None => self.progress.warn(format!("ldconfig failed: {tail}")),
                    }
                    at += 1;
                }
            }
        }
        Ok(())
    }

    fn warn(&self, due: &Due, tail: &str) {
        let tail = super::said(tail);
        self.progress
            .warn(format!("the hook {} failed{tail}", due.name));
    }

    fn run(&self, programs: &[Program<'_>]) -> Result<Ran, InstallError> {
        let mut said = |_: Said<'_>| ();
        let ran = self.confinement.run_all(programs, &mut said, self.progress);
        match ran {
            Ok(_) => Ok(Ran::Well),
            Err(ConfineError::Failed { index, tail, .. }) => Ok(Ran::Failed { index, tail }),
            Err(ConfineError::Unstarted { index, argv, text }) => {
                let tail = format!("cannot start {argv}: {text}");
                Ok(Ran::Failed { index, tail })
            }
            Err(ConfineError::Interrupted(stop)) => Err(stop.into()),
            Err(error) => Err(InstallError::Confine(error)),
        }
    }

    /// The hooks that are set off, in their order.
    fn due(&self, when: When, hooks: BTreeMap<String, Hook>, packages: &[Arc<Staged>]) -> Vec<Due> {
        let mut due = Vec::new();
        for (name, hook) in hooks {
            if hook.when != Some(when) {
                continue;
            }
            let mut targets = BTreeSet::new();
            for trigger in hook.triggers.iter().filter(|t| t.on_install) {
                for package in packages {
                    match trigger.kind {
                        Some(Kind::Package) => {
                            let name = package.info.name.as_bytes();
                            targets.extend(trigger.targets.matches(name).then_some(name));
                        }
                        _ => {
                            let paths = package.paths.iter().map(Vec::as_slice);
                            targets.extend(paths.filter(|path| {
                                trigger.targets.matches(path) && !self.no_extract.matches(path)
                            }));
                        }
                    }
                }
            }
            if targets.is_empty() {
                continue;
            }
            // Before the installation, nothing is there that could be needed.
            let installed = match when {
                When::PreTransaction => &[],
                When::PostTransaction => packages,
            };
            if let Some(missing) = unmet(&hook, installed) {
                self.progress
                    .warn(format!("the hook {name} did not run: it needs {missing}"));
                continue;
            }
            let lines = || targets.iter().flat_map(|t| [t, b"\n".as_slice()]).collect();
            let lines: Option<Vec<&[u8]>> = hook.needs_targets.then(lines);
            due.push(Due {
                name,
                targets: lines.map(|lines| lines.concat()),
                hook,
            });
        }
        due
    }

    /// The hooks that are there and not hidden, by name without the suffix,
    /// which is their order; and the paths of those that cannot be used, with
    /// why.
    fn read(&self) -> (BTreeMap<String, Hook>, Vec<(String, String)>) {
        let mut found = BTreeMap::new();
        let mut unusable = Vec::new();
        for folder in FOLDERS {
            for name in self.names(folder) {
                let Some(stem) = name.strip_suffix(SUFFIX) else {
                    continue;
                };
                if found.contains_key(stem) {
                    continue;
                }
                match self.load(&format!("{folder}/{name}")) {
                    Ok(hook) => {
                        found.insert(stem.to_owned(), hook);
                    }
                    Err(why) => unusable.push((format!("/{folder}/{name}"), why)),
                }
            }
        }
        (found, unusable)
    }

    fn names(&self, folder: &str) -> Vec<String> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY;
        let Ok(fd) = beneath::open(self.root, folder.as_bytes(), flags) else {
            return Vec::new();
        };
        let entries = Dir::read_from(&fd).into_iter().flatten().flatten();
        entries
            .map(|e| e.file_name().to_string_lossy().into_owned())
            .collect()
    }

    fn load(&self, path: &str) -> Result<Hook, String> {
        // `/dev` is empty in a tree.
        if beneath::link_target(self.root, path.as_bytes()).as_deref() == Some(b"/dev/null") {
            return Ok(Hook::default());
        }
        let bytes = beneath::read(self.root, path, HOOK_MAX).map_err(|e| e.to_string())?;
        Hook::parse(&String::from_utf8_lossy(&bytes))
    }
}

enum Ran {
    Well,
    Failed { index: usize, tail: String },
}

fn program(due: &Due) -> Program<'_> {
    Program {
        argv: due.hook.exec.iter().map(String::as_str).collect(),
        stdin: due.targets.as_deref(),
        ..Program::default()
    }
}

/// A package that a hook needs and that is not among the installed ones.
fn unmet<'h>(hook: &'h Hook, packages: &[Arc<Staged>]) -> Option<&'h str> {
    let is_met = |needed: &Dependency| {
        packages.iter().any(|package| {
            let info = &package.info;
            let provides: Vec<Provision> =
                info.provides.iter().map(|p| Provision::parse(p)).collect();
            needed.is_met_literally(&info.name, &info.version) || needed.is_provided(&provides)
        })
    };
    let mut depends = hook.depends.iter().map(String::as_str);
    depends.find(|text| !is_met(&Dependency::parse(text)))
}
