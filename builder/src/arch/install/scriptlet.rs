//! Scriptlets: the functions of a package's `.INSTALL`, run by the tree's own
//! shell.

use super::local::LOCAL;
use super::{InstallError, said};
use crate::arch::package::{Metadata, Staged};
use crate::beneath;
use crate::confine::{ConfineError, Confinement};
use hatchery_image::Progress;
use hatchery_image::place::{Entry, Node, PlaceError, Root};
use memchr::memmem;

/// What runs them: Arch's shell, or else the one that every pacman knows.
const SHELLS: [&str; 2] = ["usr/bin/bash", "bin/sh"];

/// Where one lies before its package is there: nothing else is called so.
const EARLY: &str = "var/lib/pacman/.INSTALL";

/// How scriptlets are run.
pub(super) struct Scriptlets<'s> {
    pub(super) root: &'s Root,
    pub(super) confinement: &'s Confinement,
    pub(super) progress: &'s Progress,
}

impl Scriptlets<'_> {
    /// Runs `pre_install`, if the package has one.
    pub(super) fn before(&self, package: &Staged) -> Result<(), InstallError> {
        let Some(script) = having(package, "pre_install") else {
            return Ok(());
        };
        let failed = |source: PlaceError| InstallError::Place {
            what: "a scriptlet",
            source,
        };
        let node = Node::file(script.bytes.len() as u64);
        let entry = Entry::of_root(EARLY.as_bytes(), node, 0o644, script.mtime);
        let placed = self.root.placer().place_slice(&entry, &script.bytes);
        placed.map_err(failed)?;
        let ran = self.run(package, "pre_install", EARLY);
        self.root
            .placer()
            .remove(EARLY.as_bytes())
            .map_err(failed)?;
        ran
    }

    /// Runs `post_install`, if the package has one, which is in the database
    /// as `name`.
    pub(super) fn after(&self, name: &str, package: &Staged) -> Result<(), InstallError> {
        match having(package, "post_install") {
            Some(_) => self.run(package, "post_install", &format!("{LOCAL}/{name}/install")),
            None => Ok(()),
        }
    }

    /// Runs a function of the file at `path`. If it fails, says so.
    fn run(&self, package: &Staged, function: &str, path: &str) -> Result<(), InstallError> {
        let info = &package.info;
        let warn = |how: String| {
            let name = &info.name;
            let text = format!("the {function} scriptlet of the package {name} {how}");
            self.progress.warn(text);
        };
        let shell = SHELLS
            .iter()
            .find(|shell| beneath::exists(self.root, shell.as_bytes()));
        let Some(shell) = shell else {
            warn("did not run: there is no shell yet".to_owned());
            return Ok(());
        };
        // Names and versions are single words: the plan was checked.
        let command = format!(". /{path}; {function} {}", info.version);
        let argv = [&format!("/{shell}"), "-c", &command];
        match self.confinement.run(&argv, None, &[], self.progress) {
            Ok(_) => Ok(()),
            Err(ConfineError::Failed { status, tail, .. }) => {
                warn(format!("failed with {status}{}", said(&tail)));
                Ok(())
            }
            Err(ConfineError::Unstarted { text, .. }) => {
                warn(format!("did not run: cannot start /{shell}: {text}"));
                Ok(())
            }
            Err(ConfineError::Interrupted(stop)) => Err(stop.into()),
            Err(error) => Err(InstallError::Confine(error)),
        }
    }
}

/// The scriptlet file of a package, if it names a function. As pacman, which
/// looks for the name anywhere in it but behind a `#`.
fn having<'p>(package: &'p Staged, function: &str) -> Option<&'p Metadata> {
    let script = package.install.as_ref()?;
    let mut lines = script.bytes.split(|b| *b == b'\n');
    let names = |line: &[u8]| {
        let code = line.split(|b| *b == b'#').next().unwrap_or_default();
        memmem::find(code, function.as_bytes()).is_some()
    };
    lines.any(names).then_some(script)
}
