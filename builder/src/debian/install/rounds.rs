//! In which order packages that are not part of the base are unpacked.
//!
//! Nearly all at once, after all their preinst scripts. A preinst that may
//! only run when certain packages are configured (`Pre-Depends`) waits for
//! that, and the tree's own dpkg unpacks its package.

use crate::debian::control::Control;
use crate::debian::unpack::{Packages, Unpacked, needed_by, preinst};
use std::collections::BTreeSet;
use std::sync::Arc;

/// The order, by index.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Rounds {
    /// Unpacked together.
    pub(super) now: Vec<usize>,
    /// For the real dpkg, in this order.
    pub(super) last: Vec<Late>,
}

/// A package that the real dpkg unpacks.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Late {
    pub(super) package: usize,
    /// What must be configured before it, and is not configured for an
    /// earlier one.
    pub(super) needs: Vec<usize>,
}

impl Rounds {
    /// The order of all packages that are not installed.
    pub(super) fn new(all: &[Arc<Unpacked>], installed: &Packages) -> Self {
        let controls: Vec<&Control> = all.iter().map(|p| &p.control).collect();
        let installed = installed.keys().copied().collect();
        sort(&controls, &installed)
    }
}

fn sort(controls: &[&Control], installed: &BTreeSet<usize>) -> Rounds {
    let mut rounds = Rounds::default();
    let mut last = BTreeSet::new();
    for index in (0..controls.len()).filter(|index| !installed.contains(index)) {
        if is_ready(controls, index, installed) {
            rounds.now.push(index);
        } else {
            last.insert(index);
        }
    }
    let mut configured = installed.clone();
    while let Some(&package) = last.iter().next() {
        add_late(
            controls,
            package,
            &mut last,
            &mut configured,
            &mut rounds.last,
        );
    }
    rounds
}

/// Whether a package can be unpacked when only the base is configured. What a
/// preinst needs must be; but a package without scripts, conffiles and
/// triggers is as good configured as not.
fn is_ready(controls: &[&Control], index: usize, installed: &BTreeSet<usize>) -> bool {
    if preinst(controls[index]).is_none() {
        return true;
    }
    let needs = needed_by(controls, vec![index], &["Pre-Depends"]);
    needs.into_iter().filter(|need| *need != index).all(|need| {
        let has = |file| controls[need].file(file).is_some();
        installed.contains(&need) || !(has("preinst") || has("postinst") || has("conffiles"))
    })
}

/// Adds a package after those that it needs.
fn add_late(
    controls: &[&Control],
    package: usize,
    last: &mut BTreeSet<usize>,
    configured: &mut BTreeSet<usize>,
    rounds: &mut Vec<Late>,
) {
    last.remove(&package);
    let both = ["Pre-Depends", "Depends"];
    let mut needs = needed_by(controls, vec![package], &both[..1]);
    needs.remove(&package);
    let mut needs = needed_by(controls, needs.into_iter().collect(), &both);
    needs.remove(&package);
    for need in &needs {
        if last.contains(need) {
            add_late(controls, *need, last, configured, rounds);
        }
    }
    let needs: Vec<usize> = needs.difference(configured).copied().collect();
    configured.extend(&needs);
    rounds.push(Late { package, needs });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::debian::control::ControlFile;

    fn control(text: &str, scripts: &[&str]) -> Control {
        let file = |name: &str, text: String| ControlFile {
            name: name.to_owned(),
            mode: 0o755,
            mtime: 1_000_000_000,
            bytes: text.into_bytes(),
        };
        let text = format!("{text}\nVersion: 1\nArchitecture: all\n");
        let mut files = vec![file("control", text)];
        for script in scripts {
            files.push(file(script, "#!/bin/sh\ntouch /x\n".to_owned()));
        }
        Control::new(files).unwrap()
    }

    #[test]
    fn a_preinst_waits_for_what_it_needs() {
        let controls = [
            control(
                "Package: bash\nEssential: yes\nDepends: libc6",
                &["postinst"],
            ),
            control("Package: libc6", &["preinst", "postinst"]),
            control(
                "Package: systemd\nPre-Depends: libc6, libshared",
                &["preinst"],
            ),
            control("Package: libshared", &[]),
            control("Package: server\nPre-Depends: middle", &["preinst"]),
            control("Package: middle\nPre-Depends: adduser", &["preinst"]),
            control("Package: adduser\nDepends: passwd", &["postinst"]),
            control("Package: passwd", &["postinst"]),
            control("Package: plain\nPre-Depends: middle", &["postinst"]),
        ];
        let controls: Vec<&Control> = controls.iter().collect();
        let late = |package, needs: &[usize]| Late {
            package,
            needs: needs.to_vec(),
        };
        let expected = Rounds {
            now: vec![2, 3, 6, 7, 8],
            last: vec![late(5, &[6, 7]), late(4, &[5])],
        };
        assert_eq!(sort(&controls, &[0, 1].into()), expected);
    }
}
