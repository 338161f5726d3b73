//! The tree's own dpkg, and what it says on `--status-fd` while it works:
//! progress, and which package an error is about.

use super::InstallError;
use crate::confine::{ConfineError, Confinement, Program, STATUS_FD, Said};
use hatchery_image::Progress;
use hatchery_image::progress::Running;
use std::collections::HashSet;

/// How to run it.
pub(super) struct Dpkg<'d> {
    confinement: &'d Confinement,
    stage: &'d Running,
    progress: &'d Progress,
    /// What was said to be installed, each of which counts once: dpkg says it
    /// again after triggers.
    installed: HashSet<String>,
}

impl<'d> Dpkg<'d> {
    pub(super) fn new(
        confinement: &'d Confinement,
        stage: &'d Running,
        progress: &'d Progress,
    ) -> Self {
        Self {
            confinement,
            stage,
            progress,
            installed: HashSet::new(),
        }
    }

    /// Configures these packages, or `--pending`: all that are unpacked.
    pub(super) fn configure(&mut self, packages: &[&str]) -> Result<(), InstallError> {
        self.run("--configure", packages)
    }

    /// Runs an action.
    pub(super) fn run(&mut self, action: &str, arguments: &[&str]) -> Result<(), InstallError> {
        let status_fd = STATUS_FD.to_string();
        let mut argv = vec![
            "dpkg",
            "--status-fd",
            &status_fd,
            "--log=/dev/null",
            // Nothing is worth flushing before the whole tree is there.
            "--force-unsafe-io",
            // Nobody answers questions; what scripts have written stays.
            "--force-confdef",
            "--force-confold",
            action,
        ];
        argv.extend(arguments);
        let program = Program {
            argv,
            status: true,
            ..Program::default()
        };
        let mut watch = Watch::new(self.stage, &mut self.installed);
        let mut listen = |said: Said<'_>| {
            if let Said::Status(line) = said {
                watch.line(line);
            }
        };
        let result = self
            .confinement
            .run_all(&[program], &mut listen, self.progress);
        result.map(drop).map_err(|error| watch.explain(error))
    }
}

/// Follows the lines.
struct Watch<'p> {
    stage: &'p Running,
    installed: &'p mut HashSet<String>,
    /// Package and message of the first error.
    error: Option<(String, String)>,
}

impl<'p> Watch<'p> {
    const fn new(stage: &'p Running, installed: &'p mut HashSet<String>) -> Self {
        Self {
            stage,
            installed,
            error: None,
        }
    }

    /// One line: `status: PACKAGE: STATE`, `status: PACKAGE : error : TEXT`,
    /// `processing: ACTION: PACKAGE`, or one of no interest.
    fn line(&mut self, line: &str) {
        if let Some(package) = line.strip_prefix("processing: configure: ") {
            self.stage.message(package);
        }
        let Some(rest) = line.strip_prefix("status: ") else {
            return;
        };
        if let Some((package, message)) = rest.split_once(" : error : ") {
            let error = (package.to_owned(), message.to_owned());
            self.error.get_or_insert(error);
        } else if let Some(package) = rest.strip_suffix(": installed")
            && self.installed.insert(package.to_owned())
        {
            self.stage.advance(1);
        }
    }

    /// An error of dpkg with what is known of it.
    fn explain(&mut self, error: ConfineError) -> InstallError {
        let (tail, (package, message)) = match (error, self.error.take()) {
            (ConfineError::Failed { tail, .. }, Some(about)) => (tail, about),
            (error, _) => return error.into(),
        };
        match script(&message) {
            Some(script) => InstallError::Script {
                package,
                script: script.to_owned(),
                tail,
            },
            None => InstallError::Dpkg {
                package,
                message,
                tail,
            },
        }
    }
}

/// Which script dpkg's words are about: `installed foo package
/// post-installation script subprocess returned error exit status 1`.
fn script(message: &str) -> Option<&'static str> {
    let scripts = [
        ("pre-installation script", "preinst"),
        ("post-installation script", "postinst"),
        ("pre-removal script", "prerm"),
        ("post-removal script", "postrm"),
    ];
    let found = scripts.iter().find(|(words, _)| message.contains(words));
    found.map(|(_, script)| *script)
}

#[cfg(test)]
mod tests {
    use super::*;
    use hatchery_image::Progress;
    use hatchery_image::progress::{Stage, Unit};

    fn failure() -> ConfineError {
        ConfineError::Failed {
            index: 0,
            argv: "dpkg".to_owned(),
            status: "exit status 1".to_owned(),
            tail: "oh no".to_owned(),
        }
    }

    #[test]
    fn an_error_names_package_and_script() {
        let stage = Progress::silent().begin(Stage::Configure, None, Unit::Items);
        let mut installed = HashSet::new();
        let mut watch = Watch::new(&stage, &mut installed);
        for line in [
            "processing: configure: foo:amd64",
            "status: foo:amd64: half-configured",
            "status: foo:amd64 : error : installed foo:amd64 package post-installation script \
             subprocess returned error exit status 3",
            "status: bar : error : dependency problems - leaving unconfigured",
        ] {
            watch.line(line);
        }
        let error = watch.explain(failure());
        assert_eq!(
            error.to_string(),
            "the postinst script of the package foo:amd64 failed; its last lines:\noh no"
        );
    }

    #[test]
    fn an_error_without_a_package_stays_as_it_is() {
        let stage = Progress::silent().begin(Stage::Configure, None, Unit::Items);
        let error = Watch::new(&stage, &mut HashSet::new()).explain(failure());
        assert!(matches!(error, InstallError::Confine(_)));
    }
}
