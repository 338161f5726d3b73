//! What is decided once all packages of a round are there: who owns a path
//! that several have, links, and directories' attributes. Everything here
//! follows the plan's order, so the result does not depend on timing.

use super::alias::resolve;
use super::error::{UnpackError, shown};
use super::ledger::{Attributes, Class};
use super::walk::{Contended, Link};
use super::{Unpacked, Unpacking};
use crate::debian::diversions::Diversions;
use crate::debian::relation;
use hatchery_image::place::{Entry, Node, Placer};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

/// What one package has at a path that several have.
type Contenders = BTreeMap<usize, (Vec<u8>, Class)>;

impl Unpacking {
    /// The package of an index; a missing one is the caller's mistake.
    pub(super) fn unpacked(&mut self, index: usize) -> Result<&mut Unpacked, UnpackError> {
        let package = self.packages[index].get_mut();
        let package = package.unwrap_or_else(PoisonError::into_inner);
        package
            .as_mut()
            .ok_or_else(|| UnpackError::Missing(self.expected[index].name.clone()))
    }

    /// Places the contents of packages that were held back, side by side.
    pub(super) fn place_held(
        &mut self,
        held: &[usize],
        diversions: &Diversions,
    ) -> Result<(), UnpackError> {
        let threads = self.slots.total().min(held.len());
        let next = AtomicUsize::new(0);
        let failure = Mutex::new(None);
        let this = &*self;
        std::thread::scope(|scope| {
            for _ in 0..threads {
                scope.spawn(|| {
                    while let Some(index) = held.get(next.fetch_add(1, Ordering::Relaxed)) {
                        if let Err(error) = this.place_one_held(*index, diversions) {
                            let mut failure =
                                failure.lock().unwrap_or_else(PoisonError::into_inner);
                            failure.get_or_insert(error);
                            next.store(held.len(), Ordering::Relaxed);
                        }
                    }
                });
            }
        });
        let failure = failure.into_inner().unwrap_or_else(PoisonError::into_inner);
        failure.map_or(Ok(()), Err)
    }

    fn place_one_held(&self, index: usize, diversions: &Diversions) -> Result<(), UnpackError> {
        let mut package = self.packages[index]
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let Some(package) = package.as_mut() else {
            return Err(UnpackError::Missing(self.expected[index].name.clone()));
        };
        package.listing = Some(self.walk(index, &package.deb, diversions, None)?);
        Ok(())
    }

    /// Settles everything that was placed since the last time. Without
    /// `diversions`, which preinst scripts may still make, conflicts that
    /// they could explain are left for the next time.
    pub(super) fn settle(
        &mut self,
        placed: &[usize],
        diversions: Option<&Diversions>,
    ) -> Result<(), UnpackError> {
        let mut again: BTreeMap<usize, BTreeSet<Vec<u8>>> = BTreeMap::new();
        for (path, contenders) in self.contended()? {
            self.decide(&path, &contenders, diversions, &mut again)?;
        }
        for (index, only) in again {
            self.place_again(index, &only, diversions)?;
        }
        self.check_kinds()?;
        for index in placed {
            self.make_links(*index)?;
        }
        let directories = self.ledger.directories();
        let entries: Vec<Entry<'_>> = directories
            .iter()
            .map(|(path, attributes)| entry(path, Node::Directory, *attributes))
            .collect();
        self.root
            .finish_directories(&entries)
            .map_err(UnpackError::Finish)
    }

    /// Every path that several packages have, and who.
    fn contended(&mut self) -> Result<BTreeMap<Vec<u8>, Contenders>, UnpackError> {
        let mut paths: BTreeMap<Vec<u8>, Contenders> = BTreeMap::new();
        for index in 0..self.expected.len() {
            let Some(listing) = &mut self.unpacked(index)?.listing else {
                continue;
            };
            for Contended {
                own, path, class, ..
            } in listing.contended.clone()
            {
                let claim = self.ledger.get(&path);
                let contenders = paths.entry(path.clone()).or_default();
                contenders.insert(index, (own, class));
                if let Some((owner, class)) = claim.other
                    && !contenders.contains_key(&owner)
                {
                    let own = self.own_path(owner, &path)?;
                    let contenders = paths.entry(path).or_default();
                    contenders.insert(owner, (own, class));
                }
            }
        }
        Ok(paths)
    }

    /// What a package calls a path on disk.
    fn own_path(&mut self, index: usize, path: &[u8]) -> Result<Vec<u8>, UnpackError> {
        let aliases = self.aliases.clone();
        let plain = path.strip_suffix(b".dpkg-new").unwrap_or(path);
        let listing = self.unpacked(index)?.listing.as_ref();
        let own = listing.and_then(|listing| {
            listing
                .paths
                .split(|b| *b == b'\n')
                .filter_map(|line| line.strip_prefix(b"/"))
                .find(|own| {
                    let on_disk = resolve(&aliases, own);
                    *on_disk == *path || *on_disk == *plain
                })
        });
        Ok(own.unwrap_or(path).to_vec())
    }

    /// Who gets a path: the package that says it replaces the other's file,
    /// the later one if both say so. Links that are the same are shared.
    fn decide(
        &mut self,
        path: &[u8],
        contenders: &Contenders,
        diversions: Option<&Diversions>,
        again: &mut BTreeMap<usize, BTreeSet<Vec<u8>>>,
    ) -> Result<(), UnpackError> {
        let placed = self.ledger.get(path).other.map(|(index, _)| index);
        let mut contenders_in_order = contenders.iter();
        let Some((&(mut owner), _)) = contenders_in_order.next() else {
            return Ok(());
        };
        let mut losers = Vec::new();
        for (&index, _) in contenders_in_order {
            match (self.replaces(index, owner)?, self.replaces(owner, index)?) {
                (true, _) => {
                    losers.push(owner);
                    owner = index;
                }
                (false, true) => losers.push(index),
                (false, false) if self.same_link(index, owner, path)? => {}
                (false, false) => {
                    let Some(diversions) = diversions else {
                        // Asked again when preinst scripts have run.
                        return Ok(());
                    };
                    return self.divert_one(path, contenders, diversions, again);
                }
            }
        }
        for loser in losers {
            self.disown(loser, &contenders[&loser].0)?;
        }
        for index in contenders.keys() {
            self.forget_contended(*index, path)?;
        }
        let (own, class) = &contenders[&owner];
        if placed != Some(owner) {
            again.entry(owner).or_default().insert(own.clone());
        }
        self.ledger.assign(path, owner, *class);
        Ok(())
    }

    fn replaces(&mut self, new: usize, old: usize) -> Result<bool, UnpackError> {
        let old = self.unpacked(old)?.control();
        let (name, version) = (old.package().to_owned(), old.version().to_owned());
        let replaces = self.unpacked(new)?.control().field("Replaces");
        Ok(replaces.is_some_and(|field| relation::names(field, &name, &version)))
    }

    fn same_link(&mut self, a: usize, b: usize, path: &[u8]) -> Result<bool, UnpackError> {
        let mut target = |index| -> Result<Option<Vec<u8>>, UnpackError> {
            let listing = self.unpacked(index)?.listing.as_ref();
            let link = listing.and_then(|l| l.links.iter().find(|l| l.path == path));
            Ok(link.map(|l| l.target.clone()))
        };
        let a = target(a)?;
        Ok(a.is_some() && a == target(b)?)
    }

    /// Two packages have a path, and one of them may have diverted it: the
    /// other one's file goes where it was diverted to.
    fn divert_one(
        &mut self,
        path: &[u8],
        contenders: &Contenders,
        diversions: &Diversions,
        again: &mut BTreeMap<usize, BTreeSet<Vec<u8>>>,
    ) -> Result<(), UnpackError> {
        let mut diverted = Vec::new();
        let mut staying = Vec::new();
        for (&index, (own, class)) in contenders {
            let name = self.unpacked(index)?.control().package().to_owned();
            match diversions.target(own, &name) {
                Some(to) => diverted.push((index, own, resolve(&self.aliases, to).into_owned())),
                None => staying.push((index, own, *class)),
            }
        }
        let [(stays, own, class)] = staying[..] else {
            let mut names = contenders.keys();
            let mut name = || {
                let index = names.next().copied().unwrap_or_default();
                self.expected[index].name.clone()
            };
            return Err(UnpackError::Conflict {
                first: name(),
                second: name(),
                path: shown(path),
            });
        };
        for (index, own, to) in diverted {
            again.entry(index).or_default().insert(own.clone());
            self.ledger.assign(&to, index, Class::File);
            self.forget_contended(index, path)?;
        }
        again.entry(stays).or_default().insert(own.clone());
        self.forget_contended(stays, path)?;
        self.ledger.assign(path, stays, class);
        Ok(())
    }

    fn forget_contended(&mut self, index: usize, path: &[u8]) -> Result<(), UnpackError> {
        if let Some(listing) = &mut self.unpacked(index)?.listing {
            listing.contended.retain(|c| c.path != path);
        }
        Ok(())
    }

    /// Takes a path from a package's list.
    fn disown(&mut self, index: usize, own: &[u8]) -> Result<(), UnpackError> {
        let Some(listing) = &mut self.unpacked(index)?.listing else {
            return Ok(());
        };
        let kept = listing
            .paths
            .split_inclusive(|b| *b == b'\n')
            .filter(|line| {
                line.strip_prefix(b"/").and_then(|l| l.strip_suffix(b"\n")) != Some(own)
            });
        listing.paths = kept.flatten().copied().collect();
        Ok(())
    }

    fn place_again(
        &mut self,
        index: usize,
        only: &BTreeSet<Vec<u8>>,
        diversions: Option<&Diversions>,
    ) -> Result<(), UnpackError> {
        let none = Diversions::default();
        let package = self.packages[index]
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        let Some(mut package) = package else {
            return Err(UnpackError::Missing(self.expected[index].name.clone()));
        };
        let placed = self.walk(index, &package.deb, diversions.unwrap_or(&none), Some(only))?;
        if let Some(listing) = &mut package.listing {
            listing.links.extend(placed.links);
        }
        let slot = self.packages[index].get_mut();
        *slot.unwrap_or_else(PoisonError::into_inner) = Some(package);
        Ok(())
    }

    /// A directory in one package must not be a file in another. A link and a
    /// directory get along: as with dpkg, whichever came first stays.
    fn check_kinds(&mut self) -> Result<(), UnpackError> {
        for (path, claim) in self.ledger.clashes() {
            let (Some((directory, _)), Some((other, class))) = (claim.directory, claim.other)
            else {
                continue;
            };
            let alias = self.aliases.iter().any(|a| a.link.as_bytes() == &*path);
            if alias || (class == Class::Link && directory <= other) {
                continue;
            }
            return Err(UnpackError::Kind {
                directory: self.expected[directory].name.clone(),
                other: self.expected[other].name.clone(),
                path: shown(&path),
            });
        }
        Ok(())
    }

    fn make_links(&mut self, index: usize) -> Result<(), UnpackError> {
        let links = match &mut self.unpacked(index)?.listing {
            Some(listing) => std::mem::take(&mut listing.links),
            None => return Ok(()),
        };
        let mut placer = self.root.placer();
        for link in &links {
            self.progress.check()?;
            let owner = self.ledger.get(&link.path).other;
            if owner.is_some_and(|(owner, _)| owner == index) {
                make_link(&mut placer, link).map_err(|source| UnpackError::Place {
                    package: self.expected[index].name.clone(),
                    source,
                })?;
            }
        }
        Ok(())
    }
}

fn make_link(
    placer: &mut Placer<'_>,
    link: &Link,
) -> Result<(), hatchery_image::place::PlaceError> {
    let node = if link.hard {
        Node::HardLink(&link.target)
    } else {
        Node::Symlink(&link.target)
    };
    placer
        .place_slice(&entry(&link.path, node, link.attributes), b"")
        .map(drop)
}

fn entry<'e>(path: &'e [u8], node: Node<'e>, attributes: Attributes) -> Entry<'e> {
    Entry {
        path,
        node,
        mode: attributes.mode,
        uid: attributes.uid,
        gid: attributes.gid,
        mtime: (attributes.mtime, 0),
        xattrs: &[],
    }
}
