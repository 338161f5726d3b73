//! Runs preinst scripts in the tree, as dpkg does before it unpacks a package
//! for the first time: `preinst install`.
//!
//! All of them in one confinement. base-passwd comes first, because it makes
//! `/etc/passwd`, then the plan's order.

use super::control::Control;
use super::unpack::has_preinst;
use crate::confine::{ConfineError, Confinement, Program};
use hatchery_image::Progress;

/// A script to run.
#[derive(Debug)]
struct Script {
    package: String,
    path: String,
    architecture: String,
}

/// What failed in running scripts.
#[derive(Debug)]
pub(crate) struct Failure {
    /// Whose script, if it was one's.
    pub(crate) package: Option<String>,
    pub(crate) error: ConfineError,
}

/// Runs the preinst scripts of these packages, in order. `dpkg` is the version
/// of the package dpkg in the tree, if it has one.
pub(crate) fn run<'c>(
    packages: impl Iterator<Item = &'c Control>,
    dpkg: Option<&str>,
    confinement: &Confinement,
    progress: &Progress,
) -> Result<(), Failure> {
    let mut scripts: Vec<Script> = packages.filter(|c| has_preinst(c)).map(script).collect();
    if scripts.is_empty() {
        return Ok(());
    }
    scripts.sort_by_key(|s| s.package != "base-passwd");
    let mut common = vec![
        ("DPKG_ADMINDIR", "/var/lib/dpkg"),
        ("DPKG_MAINTSCRIPT_NAME", "preinst"),
        ("DPKG_MAINTSCRIPT_PACKAGE_REFCOUNT", "1"),
        ("DPKG_ROOT", ""),
    ];
    common.extend(dpkg.map(|version| ("DPKG_RUNNING_VERSION", version)));
    let programs: Vec<Program<'_>> = scripts
        .iter()
        .map(|script| {
            let mut env = common.clone();
            env.push(("DPKG_MAINTSCRIPT_PACKAGE", &script.package));
            env.push(("DPKG_MAINTSCRIPT_ARCH", &script.architecture));
            Program {
                argv: vec![&script.path, "install"],
                env,
                ..Program::default()
            }
        })
        .collect();
    let done = confinement.run_all(&programs, &mut |_| (), progress);
    done.map(drop).map_err(|error| Failure {
        package: match &error {
            ConfineError::Failed { index, .. } => scripts.get(*index).map(|s| s.package.clone()),
            _ => None,
        },
        error,
    })
}

fn script(control: &Control) -> Script {
    Script {
        package: control.package().to_owned(),
        path: format!("/var/lib/dpkg/info/{}.preinst", control.info_name()),
        architecture: control.architecture().to_owned(),
    }
}
