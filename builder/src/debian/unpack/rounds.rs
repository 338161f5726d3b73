//! The order of things once every package was handed over.
//!
//! First what needs no script: all packages without a preinst that does
//! anything, and the base, whose scripts could not run before its files are
//! there. Then preinst scripts run, and after them the files of the packages
//! that were held back. Last those whose preinst may only run when other
//! packages are configured: the real dpkg in the tree unpacks them.

use super::error::UnpackError;
use super::essential;
use super::script;
use super::{CONTENT_MAX, Unpacking};
use crate::debian::control::Control;
use crate::debian::diversions::Diversions;
use hatchery_image::place::Root;
use std::collections::BTreeSet;
use std::fs::File;
use std::sync::PoisonError;

/// A package as the database shows it.
pub(crate) struct Record<'u> {
    pub(crate) control: &'u Control,
    /// The text of its `.list`.
    pub(crate) paths: &'u [u8],
    /// The text of a `md5sums` that it does not bring.
    pub(crate) md5sums: &'u str,
}

/// Which packages come when, by index.
#[derive(Debug, Default)]
pub(crate) struct Rounds {
    /// Unpacked; their preinst scripts may still have to run.
    pub(crate) first: Vec<usize>,
    /// Placed when their preinst ran.
    pub(crate) second: Vec<usize>,
    /// For the real dpkg, in this order.
    pub(crate) last: Vec<Late>,
}

/// A package that the real dpkg unpacks.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Late {
    pub(crate) package: usize,
    /// What must be configured before it, and is not configured for an
    /// earlier one.
    pub(crate) needs: Vec<usize>,
}

impl Unpacking {
    /// The tree.
    pub(crate) const fn root(&self) -> &Root {
        &self.root
    }

    /// How many packages there are.
    pub(crate) const fn count(&self) -> usize {
        self.expected.len()
    }

    /// Finishes the first round.
    pub(crate) fn first_round(&mut self) -> Result<Rounds, UnpackError> {
        for index in 0..self.expected.len() {
            self.unpacked(index)?;
        }
        let rounds = self.rounds()?;
        let waiting = self.held(&rounds.first)?;
        self.place_held(&waiting, &Diversions::default())?;
        self.settle(&rounds.first, None)?;
        Ok(rounds)
    }

    /// Places what was held back, now that preinst scripts have run.
    pub(crate) fn second_round(&mut self, rounds: &Rounds) -> Result<(), UnpackError> {
        let diversions = Diversions::parse(&self.read_table("var/lib/dpkg/diversions"));
        self.move_diverted(&diversions)?;
        self.place_held(&rounds.second, &diversions)?;
        self.settle(&rounds.second, Some(&diversions))?;
        self.amend_owners()?;
        self.apply_overrides()?;
        if let Some(cache) = &self.cache {
            cache.prune(CONTENT_MAX);
        }
        Ok(())
    }

    /// The control files of a package.
    pub(crate) fn control(&mut self, index: usize) -> Result<&Control, UnpackError> {
        Ok(self.unpacked(index)?.control())
    }

    /// The file of a package.
    pub(crate) fn file(&mut self, index: usize) -> Result<&File, UnpackError> {
        Ok(self.unpacked(index)?.deb.file())
    }

    /// What the database says of a package that was unpacked.
    pub(crate) fn record(&mut self, index: usize) -> Result<Record<'_>, UnpackError> {
        let name = self.expected[index].name.clone();
        let package = &*self.unpacked(index)?;
        let listing = package.listing.as_ref().ok_or(UnpackError::Missing(name))?;
        Ok(Record {
            control: package.deb.control(),
            paths: &listing.paths,
            md5sums: &listing.md5sums,
        })
    }

    fn held(&mut self, of: &[usize]) -> Result<Vec<usize>, UnpackError> {
        let mut held = Vec::new();
        for &index in of {
            if self.unpacked(index)?.listing.is_none() {
                held.push(index);
            }
        }
        Ok(held)
    }

    fn rounds(&mut self) -> Result<Rounds, UnpackError> {
        let mut held = BTreeSet::new();
        let mut controls = Vec::new();
        for (index, package) in self.packages.iter_mut().enumerate() {
            let package = package.get_mut().unwrap_or_else(PoisonError::into_inner);
            if let Some(package) = package {
                controls.push(package.deb.control());
                if package.listing.is_none() {
                    held.insert(index);
                }
            }
        }
        Ok(sort(&controls, &held))
    }
}

fn sort(controls: &[&Control], held: &BTreeSet<usize>) -> Rounds {
    let base = essential::closure(controls);
    let mut rounds = Rounds::default();
    let mut last = BTreeSet::new();
    for index in 0..controls.len() {
        if !held.contains(&index) || base.contains(&index) {
            rounds.first.push(index);
        } else if is_ready(controls, index, &base, held) {
            rounds.second.push(index);
        } else {
            last.insert(index);
        }
    }
    let mut configured = BTreeSet::new();
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
    let mut needs = essential::needed_by(controls, vec![package], &both[..1]);
    needs.remove(&package);
    let mut needs = essential::needed_by(controls, needs.into_iter().collect(), &both);
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

/// Whether a preinst can run when packages are unpacked but not configured:
/// the base works so, and of other packages those that are never configured.
fn is_ready(
    controls: &[&Control],
    index: usize,
    base: &BTreeSet<usize>,
    held: &BTreeSet<usize>,
) -> bool {
    let needs = essential::needed_by(controls, vec![index], &["Pre-Depends"]);
    needs.into_iter().filter(|need| *need != index).all(|need| {
        let control = controls[need];
        let plain = control.file("postinst").is_none() && control.file("conffiles").is_none();
        base.contains(&need) || (plain && !held.contains(&need))
    })
}

/// Which of these packages have a preinst that does anything.
pub(crate) fn has_preinst(control: &Control) -> bool {
    script::preinst(control).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::debian::control::ControlFile;

    fn control(text: &str, postinst: bool) -> Control {
        let file = |name: &str, text: String| ControlFile {
            name: name.to_owned(),
            mode: 0o755,
            bytes: text.into_bytes(),
        };
        let text = format!("{text}\nVersion: 1\nArchitecture: all\n");
        let mut files = vec![file("control", text)];
        if postinst {
            files.push(file("postinst", "#!/bin/sh\n".to_owned()));
        }
        Control::new(files).unwrap()
    }

    #[test]
    fn a_preinst_waits_for_what_it_needs() {
        let controls = [
            control("Package: bash\nEssential: yes\nDepends: libc6", true),
            control("Package: libc6", true),
            control("Package: systemd\nPre-Depends: libc6, libshared", true),
            control("Package: libshared", false),
            control("Package: server\nPre-Depends: middle", true),
            control("Package: middle\nPre-Depends: adduser", true),
            control("Package: adduser\nDepends: passwd", true),
            control("Package: passwd", true),
        ];
        let controls: Vec<&Control> = controls.iter().collect();
        let rounds = sort(&controls, &[1, 2, 4, 5].into());
        assert_eq!(rounds.first, [0, 1, 3, 6, 7]);
        assert_eq!(rounds.second, [2]);
        let late = |package, needs: &[usize]| Late {
            package,
            needs: needs.to_vec(),
        };
        assert_eq!(rounds.last, [late(5, &[6, 7]), late(4, &[5])]);
    }
}
