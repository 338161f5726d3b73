//! Runs preinst scripts in the tree, as dpkg does before it unpacks a package
//! for the first time: `preinst install`.
//!
//! All of them in one confinement. base-passwd comes first, because it makes
//! `/etc/passwd`, then the plan's order. Like dpkg's, a script finds its
//! package's control files around it in `/var/lib/dpkg/tmp.ci`: debconf learns
//! from them whose script it is.

use super::InstallError;
use crate::confine::{ConfineError, Confinement, Program};
use crate::debian::control::Control;
use crate::debian::database::Database;
use crate::debian::unpack;
use hatchery_image::Progress;

/// Moves the control files of the script of number `$1` to where dpkg has
/// them, runs it, and removes them.
const RUN: &str = "cd / && mv /var/lib/dpkg/tmp.ci.$1 /var/lib/dpkg/tmp.ci && \
     /var/lib/dpkg/tmp.ci/preinst install; \
     status=$?; rm -rf /var/lib/dpkg/tmp.ci; exit $status";

/// Runs the preinst scripts of these packages, in order. `dpkg` is the version
/// of the package dpkg in the tree.
pub(super) fn run(
    packages: &[&Control],
    dpkg: Option<&str>,
    database: &mut Database<'_>,
    confinement: &Confinement,
    progress: &Progress,
) -> Result<(), InstallError> {
    let mut packages: Vec<&Control> = packages
        .iter()
        .copied()
        .filter(|c| unpack::preinst(c).is_some())
        .collect();
    packages.sort_by_key(|c| c.package() != "base-passwd");
    let numbers: Vec<String> = (0..packages.len()).map(|n| n.to_string()).collect();
    let mut programs = Vec::new();
    for (control, number) in packages.iter().zip(&numbers) {
        database.stage_control_files(control, &format!("tmp.ci.{number}"))?;
        let mut env = vec![
            ("DPKG_ADMINDIR", "/var/lib/dpkg"),
            ("DPKG_MAINTSCRIPT_NAME", "preinst"),
            ("DPKG_MAINTSCRIPT_PACKAGE", control.package()),
            ("DPKG_MAINTSCRIPT_ARCH", control.architecture()),
            ("DPKG_MAINTSCRIPT_PACKAGE_REFCOUNT", "1"),
            ("DPKG_ROOT", ""),
        ];
        env.extend(dpkg.map(|version| ("DPKG_RUNNING_VERSION", version)));
        programs.push(Program {
            argv: vec!["/bin/sh", "-c", RUN, "sh", number],
            env,
            ..Program::default()
        });
    }
    if programs.is_empty() {
        return Ok(());
    }
    let done = confinement.run_all(&programs, &mut |_| (), progress);
    done.map(drop).map_err(|error| match error {
        ConfineError::Failed { index, tail, .. } => InstallError::Script {
            package: packages[index].package().to_owned(),
            script: "preinst".to_owned(),
            tail,
        },
        error => error.into(),
    })
}
