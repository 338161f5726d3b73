//! The packages that bootstrapping starts with: those that are essential, and
//! everything that they need.

use crate::debian::control::Control;
use crate::debian::relation;
use std::collections::{BTreeSet, HashMap};

/// Indices of the essential packages and of what they (pre-)depend on.
pub(crate) fn closure(packages: &[&Control]) -> BTreeSet<usize> {
    let start = packages
        .iter()
        .enumerate()
        .filter(|(_, control)| control.is_essential())
        .map(|(index, _)| index);
    needed_by(packages, start.collect(), &["Pre-Depends", "Depends"])
}

/// Indices of these packages and of all that they need by these fields.
pub(crate) fn needed_by(
    packages: &[&Control],
    start: Vec<usize>,
    fields: &[&str],
) -> BTreeSet<usize> {
    let providers = providers(packages);
    let mut found: BTreeSet<usize> = start.iter().copied().collect();
    let mut queue = start;
    while let Some(index) = queue.pop() {
        let relations = fields.iter().filter_map(|f| packages[index].field(f));
        for alternative in relations.flat_map(relation::alternatives).flatten() {
            for &provider in providers.get(alternative).into_iter().flatten() {
                if found.insert(provider) {
                    queue.push(provider);
                }
            }
        }
    }
    found
}

/// Who is, or provides, a name.
fn providers<'c>(packages: &[&'c Control]) -> HashMap<&'c str, Vec<usize>> {
    let mut providers: HashMap<&str, Vec<usize>> = HashMap::new();
    for (index, control) in packages.iter().enumerate() {
        let provided = control.field("Provides").into_iter();
        let provided = provided.flat_map(relation::alternatives).flatten();
        for name in provided.chain([control.package()]) {
            providers.entry(name).or_default().push(index);
        }
    }
    providers
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::debian::control::ControlFile;

    fn control(text: &str) -> Control {
        Control::new(vec![ControlFile {
            name: "control".to_owned(),
            mode: 0o644,
            mtime: 1_000_000_000,
            bytes: format!("{text}\nVersion: 1\nArchitecture: all\n").into_bytes(),
        }])
        .unwrap()
    }

    #[test]
    fn the_base_is_what_essential_packages_need() {
        let packages = [
            control("Package: base-files\nEssential: yes\nPre-Depends: awk"),
            control("Package: mawk\nProvides: awk (= 1), x\nDepends: libc6 (>= 2)"),
            control("Package: libc6"),
            control("Package: systemd\nDepends: libc6"),
        ];
        let packages: Vec<&Control> = packages.iter().collect();
        assert_eq!(closure(&packages), [0, 1, 2].into());
        assert_eq!(needed_by(&packages, vec![3], &["Depends"]), [2, 3].into());
    }
}
