//! `/images/NAME/ARCHITECTURE/VERSION/changes/`: what a version has otherwise
//! than the one that was published before it.

use super::figures::{Moment, counted, growth, size};
use super::packages::{Difference, Listed};
use super::place::Shown;
use super::sheet::{Sheet, Step};
use super::signers::Signers;
use super::{View, render};
use crate::holdings::{Holdings, HoldingsError};
use crate::inventory::HeldVersion;
use askama::Template;

/// Most packages of each kind of change that are shown.
const PACKAGES_MAX: usize = 10_000;

#[derive(Template)]
#[template(path = "changes.html")]
struct Changes {
    sheet: Sheet,
    image: String,
    architecture: String,
    version: String,
    published: Moment,
    /// None for the first version.
    difference: Option<Between>,
}

/// What lies between two versions.
struct Between {
    before: String,
    published: Moment,
    figures: Vec<Figure>,
    /// None if one of the manifests is not there any more.
    packages: Option<Packages>,
}

/// A number, before and after.
struct Figure {
    name: &'static str,
    before: String,
    after: String,
    growth: String,
}

struct Packages {
    changed: Vec<Change>,
    added: Vec<Package>,
    removed: Vec<Package>,
    /// How many there are of each, in words.
    counts: [String; 3],
    /// Whether some are not shown.
    is_cut: bool,
}

struct Package {
    name: String,
    version: String,
    size: String,
}

struct Change {
    name: String,
    before: String,
    after: String,
}

pub(super) fn make(
    holdings: &Holdings,
    view: &View,
    shown: &Shown<'_>,
) -> Result<String, HoldingsError> {
    let version = shown.version;
    let between = shown
        .before
        .map(|before| between(holdings, before, version));
    let page = Changes {
        sheet: Sheet::new(
            view,
            "../../../../../",
            steps(version),
            Signers::read(holdings, view)?,
        ),
        image: version.image.to_string(),
        architecture: version.architecture.to_string(),
        version: version.version.to_string(),
        published: version.published.into(),
        difference: between.transpose()?,
    };
    render(&page)
}

fn steps(version: &HeldVersion) -> Vec<Step> {
    vec![
        Step {
            text: "Images".to_owned(),
            href: "../../../../../",
        },
        Step {
            text: version.image.to_string(),
            href: "../../../",
        },
        Step {
            text: version.version.to_string(),
            href: "../",
        },
    ]
}

fn between(
    holdings: &Holdings,
    before: &HeldVersion,
    after: &HeldVersion,
) -> Result<Between, HoldingsError> {
    let memory = holdings.pages();
    let old = memory.packages(holdings, before)?;
    let new = memory.packages(holdings, after)?;
    let packages = match (&old, &new) {
        (Some(old), Some(new)) => Some(packages(&new.since(old))),
        _ => None,
    };
    Ok(Between {
        before: before.version.to_string(),
        published: before.published.into(),
        figures: figures(before, after),
        packages,
    })
}

fn figures(before: &HeldVersion, after: &HeldVersion) -> Vec<Figure> {
    let of_size = |name, before: u64, after: u64| Figure {
        name,
        before: size(before),
        after: size(after),
        growth: growth(before, after),
    };
    let download = |version: &HeldVersion| version.archives.first().map_or(0, |a| a.size);
    vec![
        of_size("Download", download(before), download(after)),
        of_size("Unpacked", before.unpacked.bytes, after.unpacked.bytes),
    ]
}

fn packages(difference: &Difference<'_>) -> Packages {
    let Difference {
        added,
        removed,
        changed,
    } = difference;
    let list = |packages: &[&Listed]| {
        let shown = packages.iter().take(PACKAGES_MAX);
        let shown = shown.map(|package| Package {
            name: package.name.clone(),
            version: package.version.clone(),
            size: size(package.installed_size),
        });
        shown.collect()
    };
    Packages {
        counts: [changed.len(), added.len(), removed.len()].map(|n| counted(n, "package")),
        is_cut: [changed.len(), added.len(), removed.len()]
            .iter()
            .any(|n| *n > PACKAGES_MAX),
        added: list(added),
        removed: list(removed),
        changed: changed.iter().take(PACKAGES_MAX).map(change).collect(),
    }
}

/// A package before and after; with its architecture where that is what changed.
fn change((before, after): &(&Listed, &Listed)) -> Change {
    let is_same = before.architecture == after.architecture;
    let text = |package: &Listed| match is_same {
        true => package.version.clone(),
        false => format!("{} ({})", package.version, package.architecture),
    };
    Change {
        name: after.name.clone(),
        before: text(before),
        after: text(after),
    }
}
