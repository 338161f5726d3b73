//! `/images/NAME/ARCHITECTURE/VERSION/`: what is in a version, and how to get
//! it.

use super::commands::{self, Client, Subject};
use super::figures::{Moment, count, counted, size};
use super::images::distribution;
use super::packages::Packages;
use super::place::Shown;
use super::sheet::{Sheet, Step};
use super::signers::Signers;
use super::{View, cut, image, render};
use crate::holdings::{ESCAPED, Holdings, HoldingsError, SIGNATURE, SUMS};
use crate::inventory::HeldVersion;
use askama::Template;
use hatchery_image::files::manifest_name;
use hatchery_image::manifest::{Cgroup, FileRole};
use hatchery_image::{RelativePath, Sha256};
use percent_encoding::utf8_percent_encode;

/// Most packages that are shown. A full desktop has 5,000.
const PACKAGES_MAX: usize = 20_000;
/// Most archives and most files that are shown.
const FILES_MAX: usize = 100;

#[derive(Template)]
#[template(path = "version.html")]
struct Version {
    sheet: Sheet,
    image: String,
    version: String,
    architecture: String,
    distribution: String,
    channels: String,
    published: Moment,
    unpacked: String,
    entries: String,
    disk_limit: Option<String>,
    needs: Vec<String>,
    /// The version before it.
    before: Option<String>,
    archives: Vec<Download>,
    files: Vec<Download>,
    clients: Vec<Client>,
    /// None if its manifest is not there any more.
    packages: Option<Contents>,
}

/// A file.
struct Download {
    name: String,
    /// None where no path leads to it.
    href: Option<String>,
    about: &'static str,
    size: Option<String>,
    sha256: Option<Sha256>,
}

/// The packages.
struct Contents {
    count: String,
    installed: String,
    rows: Vec<Package>,
    /// Packages that are not shown, in words.
    more: Option<String>,
}

struct Package {
    name: String,
    version: String,
    architecture: String,
    size: String,
}

pub(super) fn make(
    holdings: &Holdings,
    view: &View,
    shown: &Shown<'_>,
) -> Result<String, HoldingsError> {
    let version = shown.version;
    let signers = Signers::read(holdings, view)?;
    let clients = commands::clients(&Subject {
        url: &view.url,
        key: signers.first(),
        version,
        channel: None,
        hub: None,
    });
    let packages = holdings.pages().packages(holdings, version)?;
    let page = Version {
        sheet: Sheet::new(view, "../../../../", steps(version), signers),
        image: version.image.to_string(),
        version: version.version.to_string(),
        architecture: version.architecture.to_string(),
        distribution: distribution(version),
        channels: image::channels(shown.held, version).join(", "),
        published: version.published.into(),
        unpacked: size(version.unpacked.bytes),
        entries: count(version.unpacked.entries),
        disk_limit: version.disk_limit.map(size),
        needs: needs(version),
        before: shown.before.map(|before| before.version.to_string()),
        archives: archives(version),
        files: files(version),
        clients,
        packages: packages.map(|packages| contents(&packages)),
    };
    render(&page)
}

fn steps(version: &HeldVersion) -> Vec<Step> {
    vec![
        Step {
            text: "Images".to_owned(),
            href: "../../../../",
        },
        Step {
            text: version.image.to_string(),
            href: "../../",
        },
    ]
}

/// What it needs of its host.
fn needs(version: &HeldVersion) -> Vec<String> {
    let requires = &version.requires;
    let kernel = requires.kernel.as_ref();
    let kernel = kernel.map(|kernel| format!("Linux {} or later", cut(kernel)));
    let cgroup = match requires.cgroup {
        Cgroup::Any => None,
        Cgroup::Unified => Some("the unified control group hierarchy".to_owned()),
    };
    kernel.into_iter().chain(cgroup).collect()
}

fn archives(version: &HeldVersion) -> Vec<Download> {
    let archives = version.archives.iter().take(FILES_MAX);
    archives
        .map(|archive| download(&archive.file, "", archive.size, archive.sha256))
        .collect()
}

fn files(version: &HeldVersion) -> Vec<Download> {
    let files = version.files.iter().take(FILES_MAX).map(|file| {
        let about = match file.role {
            FileRole::Nspawn => "settings for systemd-nspawn",
            FileRole::Sbom => "bill of materials, SPDX",
            FileRole::Lock => "the exact packages, to build the same again",
        };
        download(&file.file, about, file.size, file.sha256)
    });
    let plain = |name: String, about, sha256| Download {
        href: Some(href(&name)),
        name,
        about,
        size: None,
        sha256,
    };
    let manifest = plain(
        manifest_name(&version.image),
        "manifest: all of this for programs, by its digest signed with the catalog",
        Some(version.manifest),
    );
    let sums = plain(SUMS.to_owned(), "digests of all files", None);
    let signature = plain(SIGNATURE.to_owned(), "their signature", None);
    files.chain([manifest, sums, signature]).collect()
}

fn download(file: &RelativePath, about: &'static str, bytes: u64, sha256: Sha256) -> Download {
    let name = file.as_str();
    Download {
        name: cut(name),
        href: (!name.contains('/')).then(|| href(name)),
        about,
        size: Some(size(bytes)),
        sha256: Some(sha256),
    }
}

/// A file beside the page. What could mean a scheme or a parent is escaped.
fn href(name: &str) -> String {
    utf8_percent_encode(name, ESCAPED).to_string()
}

fn contents(packages: &Packages) -> Contents {
    let all = packages.all();
    let hidden = all.len().saturating_sub(PACKAGES_MAX);
    let installed = all.iter().map(|p| p.installed_size);
    let installed = installed.fold(0, u64::saturating_add);
    let rows = all.iter().take(PACKAGES_MAX).map(|package| Package {
        name: package.name.clone(),
        version: package.version.clone(),
        architecture: package.architecture.clone(),
        size: size(package.installed_size),
    });
    Contents {
        count: counted(all.len(), "package"),
        installed: size(installed),
        rows: rows.collect(),
        more: (hidden > 0).then(|| counted(hidden, "package")),
    }
}
