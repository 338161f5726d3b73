//! nspawn.org's layout, for its `nspawn` script (github.com/nspawn/nspawn,
//! version 0.6): `storage/<distribution>/<release>/tar/image.tar.xz` and what
//! systemd asks for beside it, `storage/list.txt` and `storage/masterkey.pgp`.
//!
//! The script names no architecture, and nspawn.org only ever had x86-64. So a
//! path leads to amd64, or where nothing of the release is held for amd64, to
//! the first architecture in the canonical order. Which image stands for a
//! release is decided in [`releases`]; only images are asked whose `latest`
//! has a `.tar.xz` that its `SHA256SUMS` lists as `image.tar.xz`, since the
//! script asks for that name and systemd verifies it. Images built before
//! `SHA256SUMS` listed it are not here.
//!
//! The script goes on only when HEAD of the archive is answered by 200
//! itself, and systemd looks for the side files beside the URL that it was
//! given. So files are answered in place, not by a redirect to the version,
//! and each says that it may change. systemd asks for the archive, the digests
//! and their signature at once (an old one, which is answered in steps, within
//! a quarter of a second), and each answer is from one version, whole. When
//! `latest` moves between two of them, what does not belong together does not
//! verify: that pull fails, nothing wrong is accepted, and the next one
//! succeeds. A redirect would not help, as each file would be redirected for
//! itself.

use super::releases::{self, Candidate, Release};
use crate::holdings::{Content, Found, Holdings, HoldingsError, SIGNATURE, SUMS};
use crate::inventory::{HeldVersion, Inventory};
use crate::target::Route;
use std::collections::BTreeSet;

/// The archive that the script asks for.
const ARCHIVE: &str = "image.tar.xz";
/// What there is of a release.
const FILES: [&str; 5] = [ARCHIVE, "image.tar.zst", "image.nspawn", SUMS, SIGNATURE];

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// What there is, a line each.
    List,
    /// The keys that sign.
    Certificates,
    /// A file of a release.
    File {
        distribution: String,
        release: String,
        /// Not empty; any name, so that answers about what is not there keep
        /// their distance too.
        file: String,
    },
}

/// Reads what follows `storage/`.
pub(crate) fn route(parts: &[&str]) -> Option<Wanted> {
    match *parts {
        ["list.txt"] => Some(Wanted::List),
        ["masterkey.pgp"] => Some(Wanted::Certificates),
        [distribution, release, "tar", file] if !file.is_empty() => Some(Wanted::File {
            distribution: distribution.to_owned(),
            release: release.to_owned(),
            file: file.to_owned(),
        }),
        _ => None,
    }
}

/// What it leads to.
pub(crate) fn find(holdings: &Holdings, wanted: &Wanted) -> Result<Found, HoldingsError> {
    match wanted {
        Wanted::List => {
            let list = list(holdings, &*holdings.inventory()?)?;
            let made = holdings.made("text/plain; charset=utf-8", list.into_bytes());
            made.map(Found::Content)
        }
        Wanted::Certificates => holdings.find(&Route::Certificates),
        Wanted::File {
            distribution,
            release,
            file,
        } if FILES.contains(&file.as_str()) => {
            let inventory = holdings.inventory()?;
            let Some(chosen) = choose(holdings, &inventory, distribution, release)? else {
                return Ok(Found::Nothing);
            };
            let content = holdings.file_of(chosen.latest, file)?;
            Ok(content.map_or(Found::Nothing, |content| {
                Found::Content(Content {
                    // Another version's tomorrow.
                    immutable: false,
                    ..content
                })
            }))
        }
        Wanted::File { .. } => Ok(Found::Nothing),
    }
}

/// The image that stands for a release.
fn choose<'i>(
    holdings: &Holdings,
    inventory: &'i Inventory,
    distribution: &str,
    release: &str,
) -> Result<Option<Candidate<'i>>, HoldingsError> {
    let mut candidates: Vec<_> = releases::candidates(inventory)
        .filter(|c| c.release.distribution == distribution && c.release.name == release)
        .collect();
    candidates.sort_by(|a, b| {
        let by_architecture = a.architecture().cmp(&b.architecture());
        by_architecture.then_with(|| a.precedence().cmp(&b.precedence()))
    });
    for candidate in candidates {
        if is_offered(holdings, &candidate)? {
            return Ok(Some(candidate));
        }
    }
    Ok(None)
}

/// What the script takes as its argument for the version that `latest` of an
/// image points at, if that is what it would get.
pub(crate) fn argument(
    holdings: &Holdings,
    inventory: &Inventory,
    latest: &HeldVersion,
) -> Result<Option<String>, HoldingsError> {
    let Some(Release { distribution, name }) = Release::of(latest) else {
        return Ok(None);
    };
    let chosen = choose(holdings, inventory, distribution, name)?;
    let is_it = chosen.is_some_and(|chosen| std::ptr::eq(&**chosen.latest, latest));
    Ok(is_it.then(|| format!("{distribution}/{name}/tar")))
}

fn is_offered(holdings: &Holdings, candidate: &Candidate<'_>) -> Result<bool, HoldingsError> {
    Ok(holdings.file_of(candidate.latest, ARCHIVE)?.is_some())
}

/// `<distribution>/<release>/tar` a line, sorted: what the script takes as its
/// argument, and shows to people as it is.
fn list(holdings: &Holdings, inventory: &Inventory) -> Result<String, HoldingsError> {
    let mut offered = BTreeSet::new();
    for candidate in releases::candidates(inventory) {
        if !offered.contains(&candidate.release) && is_offered(holdings, &candidate)? {
            offered.insert(candidate.release);
        }
    }
    Ok(offered
        .iter()
        .map(|r| format!("{}/{}/tar\n", r.distribution, r.name))
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_script_asks_for() {
        let file = |file: &str| Wanted::File {
            distribution: "debian".into(),
            release: "trixie".into(),
            file: file.into(),
        };
        for (parts, expected) in [
            (&["list.txt"][..], Some(Wanted::List)),
            (&["masterkey.pgp"], Some(Wanted::Certificates)),
            (
                &["debian", "trixie", "tar", "image.tar.xz"],
                Some(file("image.tar.xz")),
            ),
            (
                &["debian", "trixie", "tar", "image.tar.xz.sha256"],
                Some(file("image.tar.xz.sha256")),
            ),
            (&["debian", "trixie", "raw", "image.raw.xz"], None),
            (&["debian", "trixie", "tar", ""], None),
            (&["debian", "trixie", "tar"], None),
            (&["debian", "trixie", "tar", "a", "b"], None),
            (&[""], None),
            (&[], None),
        ] {
            assert_eq!(route(parts), expected, "{parts:?}");
        }
    }
}
