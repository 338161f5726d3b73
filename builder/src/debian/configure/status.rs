//! What dpkg says on `--status-fd` while it works: progress, and which package
//! an error is about.

use super::ConfigureError;
use crate::confine::ConfineError;
use hatchery_image::progress::Running;

/// Follows the lines.
pub(super) struct Watch<'p> {
    stage: &'p Running,
    /// Package and message of the first error.
    error: Option<(String, String)>,
}

impl<'p> Watch<'p> {
    pub(super) const fn new(stage: &'p Running) -> Self {
        Self { stage, error: None }
    }

    /// One line: `status: PACKAGE: STATE`, `status: PACKAGE : error : TEXT`,
    /// `processing: ACTION: PACKAGE`, or one of no interest.
    pub(super) fn line(&mut self, line: &str) {
        if let Some(package) = line.strip_prefix("processing: configure: ") {
            self.stage.message(package);
        }
        let Some(rest) = line.strip_prefix("status: ") else {
            return;
        };
        if let Some((package, message)) = rest.split_once(" : error : ") {
            let error = (package.to_owned(), message.to_owned());
            self.error.get_or_insert(error);
        } else if rest.ends_with(": installed") {
            self.stage.advance(1);
        }
    }

    /// An error of dpkg with what is known of it.
    pub(super) fn explain(&mut self, error: ConfineError) -> ConfigureError {
        let (tail, (package, message)) = match (error, self.error.take()) {
            (ConfineError::Failed { tail, .. }, Some(about)) => (tail, about),
            (error, _) => return error.into(),
        };
        match script(&message) {
            Some(script) => ConfigureError::Script {
                package,
                script: script.to_owned(),
                tail,
            },
            None => ConfigureError::Dpkg {
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
        let mut watch = Watch::new(&stage);
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
        let error = Watch::new(&stage).explain(failure());
        assert!(matches!(error, ConfigureError::Confine(_)));
    }
}
