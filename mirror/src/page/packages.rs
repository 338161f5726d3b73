//! The packages inside a version, as pages show them, and what differs between
//! those of two versions.
//!
//! Versions are compared for being equal alone: which is newer depends on the
//! distribution, and a version of an image may take a package back. A package
//! that one of the two holds for several architectures is told apart by them.

use super::cut;
use hatchery_image::manifest::Package;
use std::collections::{BTreeMap, HashMap};

/// A package.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Listed {
    pub(super) name: String,
    pub(super) version: String,
    pub(super) architecture: String,
    /// Bytes, as it declares them.
    pub(super) installed_size: u64,
}

/// The packages of a version, in the manifest's order: by name.
#[derive(Debug)]
pub(super) struct Packages(Vec<Listed>);

/// What differs.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Difference<'p> {
    pub(super) added: Vec<&'p Listed>,
    pub(super) removed: Vec<&'p Listed>,
    /// Before and after.
    pub(super) changed: Vec<(&'p Listed, &'p Listed)>,
}

impl Packages {
    pub(super) fn of(packages: Vec<Package>) -> Self {
        let listed = packages.into_iter().map(|package| Listed {
            name: cut(&package.name),
            version: cut(&package.version),
            architecture: cut(&package.architecture),
            installed_size: package.installed_size,
        });
        Self(listed.collect())
    }

    pub(super) fn all(&self) -> &[Listed] {
        &self.0
    }

    /// Bytes in memory, about.
    pub(super) fn weight(&self) -> usize {
        let weight = |p: &Listed| {
            size_of::<Listed>() + p.name.len() + p.version.len() + p.architecture.len()
        };
        self.0.iter().map(weight).sum()
    }

    /// What this one has otherwise than `before`, by name.
    pub(super) fn since<'p>(&'p self, before: &'p Self) -> Difference<'p> {
        let several = self.several().chain(before.several());
        let several: HashMap<&str, ()> = several.map(|name| (name, ())).collect();
        let key = |p: &'p Listed| {
            let several = several.contains_key(p.name.as_str());
            let architecture = if several { p.architecture.as_str() } else { "" };
            ((p.name.as_str(), architecture), p)
        };
        let old: BTreeMap<_, _> = before.0.iter().map(key).collect();
        let new: BTreeMap<_, _> = self.0.iter().map(key).collect();
        let mut difference = Difference::default();
        for (key, after) in &new {
            match old.get(key) {
                None => difference.added.push(after),
                Some(before) => {
                    let same = before.version == after.version
                        && before.architecture == after.architecture;
                    if !same {
                        difference.changed.push((before, after));
                    }
                }
            }
        }
        let removed = old.iter().filter(|(key, _)| !new.contains_key(*key));
        difference.removed = removed.map(|(_, package)| *package).collect();
        difference
    }

    /// Names that stand more than once.
    fn several(&self) -> impl Iterator<Item = &str> {
        let mut counts: HashMap<&str, usize> = HashMap::new();
        for package in &self.0 {
            *counts.entry(&package.name).or_default() += 1;
        }
        let several = counts.into_iter().filter(|(_, count)| *count > 1);
        several.map(|(name, _)| name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packages(all: &[(&str, &str, &str)]) -> Packages {
        let listed = all.iter().map(|(name, version, architecture)| Listed {
            name: (*name).to_owned(),
            version: (*version).to_owned(),
            architecture: (*architecture).to_owned(),
            installed_size: 0,
        });
        Packages(listed.collect())
    }

    fn words(difference: &Difference<'_>) -> Vec<String> {
        let one = |p: &Listed| format!("{} {} {}", p.name, p.version, p.architecture);
        let added = difference.added.iter().map(|p| format!("+ {}", one(p)));
        let removed = difference.removed.iter().map(|p| format!("- {}", one(p)));
        let changed = difference.changed.iter();
        let changed = changed.map(|(before, after)| format!("{} > {}", one(before), one(after)));
        added.chain(removed).chain(changed).collect()
    }

    #[test]
    fn added_removed_and_changed() {
        let before = packages(&[
            ("a", "1", "all"),
            ("b", "1", "amd64"),
            ("c", "1", "amd64"),
            ("d", "1", "amd64"),
        ]);
        let after = packages(&[
            ("a", "1", "all"),
            ("c", "2", "amd64"),
            ("d", "1", "all"),
            ("e", "1", "all"),
        ]);
        assert_eq!(
            words(&after.since(&before)),
            [
                "+ e 1 all",
                "- b 1 amd64",
                "c 1 amd64 > c 2 amd64",
                "d 1 amd64 > d 1 all"
            ]
        );
        assert_eq!(after.since(&after), Difference::default());
    }

    #[test]
    fn the_same_name_for_two_architectures_is_two_packages() {
        let before = packages(&[("libc6", "1", "amd64")]);
        let after = packages(&[("libc6", "2", "amd64"), ("libc6", "2", "i386")]);
        assert_eq!(
            words(&after.since(&before)),
            ["+ libc6 2 i386", "libc6 1 amd64 > libc6 2 amd64"]
        );
        assert_eq!(
            words(&before.since(&after)),
            ["- libc6 2 i386", "libc6 2 amd64 > libc6 1 amd64"]
        );
    }
}
