//! Which package has which path: noticed while packages are unpacked side by
//! side, decided afterwards, so that the result does not depend on timing.
//!
//! Paths are those that lie on disk: aliases such as `/lib` for `/usr/lib` are
//! resolved before they come here.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard};

/// Threads rarely wait for one another with this many.
const SHARDS: usize = 16;

/// What a package has at a path, as far as others must know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Class {
    /// A symbolic link.
    Link,
    /// Anything else but a directory.
    File,
}

/// Owner, mode and time of a directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Attributes {
    pub(super) mode: u32,
    pub(super) uid: u32,
    pub(super) gid: u32,
    pub(super) mtime: i64,
}

/// What is known of a path.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Claim {
    /// The first package, in the plan's order, that has it as a directory.
    pub(super) directory: Option<(usize, Attributes)>,
    /// The package that has something else there.
    pub(super) other: Option<(usize, Class)>,
}

/// The answer to a claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Claimed {
    /// It is the package's, maybe once more.
    Yes,
    /// That package was quicker.
    By(usize),
}

/// The ledger.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    shards: [Mutex<HashMap<Box<[u8]>, Claim>>; SHARDS],
}

impl Ledger {
    fn shard(&self, path: &[u8]) -> MutexGuard<'_, HashMap<Box<[u8]>, Claim>> {
        // Neighbours in a folder, which one thread asks for one after another,
        // may well share a shard.
        let sum = path.iter().fold(0_usize, |sum, byte| {
            sum.wrapping_mul(31).wrapping_add(usize::from(*byte))
        });
        let shard = self.shards[sum % SHARDS].lock();
        shard.unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn with<T>(&self, path: &[u8], change: impl FnOnce(&mut Claim) -> T) -> T {
        let mut shard = self.shard(path);
        if let Some(claim) = shard.get_mut(path) {
            return change(claim);
        }
        change(shard.entry(path.into()).or_default())
    }

    /// A package has a directory there: the first in the plan's order decides
    /// its attributes.
    pub(super) fn claim_directory(&self, path: &[u8], package: usize, attributes: Attributes) {
        self.with(path, |claim| {
            if claim.directory.is_none_or(|(first, _)| package <= first) {
                claim.directory = Some((package, attributes));
            }
        });
    }

    /// A package has something else there.
    pub(super) fn claim(&self, path: &[u8], package: usize, class: Class) -> Claimed {
        self.with(path, |claim| match claim.other {
            Some((other, _)) if other != package => Claimed::By(other),
            _ => {
                claim.other = Some((package, class));
                Claimed::Yes
            }
        })
    }

    /// It was decided that the path is this package's.
    pub(super) fn assign(&self, path: &[u8], package: usize, class: Class) {
        self.with(path, |claim| claim.other = Some((package, class)));
    }

    /// What was there was moved away.
    pub(super) fn unassign(&self, path: &[u8]) {
        self.with(path, |claim| claim.other = None);
    }

    /// What is known of a path.
    pub(super) fn get(&self, path: &[u8]) -> Claim {
        self.shard(path).get(path).copied().unwrap_or_default()
    }

    /// Every directory, sorted by path.
    pub(super) fn directories(&self) -> Vec<(Box<[u8]>, Attributes)> {
        let mut all: Vec<_> = self.collect(|path, claim| {
            let (_, attributes) = claim.directory?;
            Some((path.into(), attributes))
        });
        all.sort_by(|a: &(Box<[u8]>, Attributes), b| a.0.cmp(&b.0));
        all
    }

    /// Every path that is a directory in one package and something else in
    /// another, sorted.
    pub(super) fn clashes(&self) -> Vec<(Box<[u8]>, Claim)> {
        let mut all: Vec<_> = self.collect(|path, claim| {
            (claim.directory.is_some() && claim.other.is_some()).then(|| (path.into(), *claim))
        });
        all.sort_by(|a: &(Box<[u8]>, Claim), b| a.0.cmp(&b.0));
        all
    }

    fn collect<T>(&self, pick: impl Fn(&[u8], &Claim) -> Option<T>) -> Vec<T> {
        let mut all = Vec::new();
        for shard in &self.shards {
            let shard = shard.lock();
            let shard = shard.unwrap_or_else(std::sync::PoisonError::into_inner);
            all.extend(shard.iter().filter_map(|(path, claim)| pick(path, claim)));
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(mode: u32) -> Attributes {
        Attributes {
            mode,
            uid: 0,
            gid: 0,
            mtime: 0,
        }
    }

    #[test]
    fn the_first_package_decides_a_directory_whoever_comes_first() {
        for order in [[2, 0, 1], [0, 1, 2], [1, 2, 0]] {
            let ledger = Ledger::default();
            for package in order {
                let attributes = mode(u32::try_from(package).unwrap());
                ledger.claim_directory(b"tmp", package, attributes);
            }
            assert_eq!(ledger.directories(), [(b"tmp"[..].into(), mode(0))]);
        }
    }

    #[test]
    fn the_second_package_is_told_of_the_first() {
        let ledger = Ledger::default();
        assert_eq!(ledger.claim(b"a", 1, Class::File), Claimed::Yes);
        assert_eq!(ledger.claim(b"a", 1, Class::File), Claimed::Yes);
        assert_eq!(ledger.claim(b"a", 0, Class::File), Claimed::By(1));
        ledger.assign(b"a", 0, Class::File);
        assert_eq!(ledger.claim(b"a", 1, Class::File), Claimed::By(0));
        ledger.claim_directory(b"a", 3, mode(7));
        assert_eq!(ledger.clashes().len(), 1);
    }
}
