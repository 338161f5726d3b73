//! `NAME.spdx.json`: a bill of materials in SPDX 2.3 JSON
//! (<https://spdx.github.io/spdx-spec/v2.3/>), and the licences in it.
//!
//! Everything in it comes from the manifest, so the same image has the same
//! bytes. Arch's databases say licences, today as SPDX expressions; Debian's
//! indexes do not, but its machine-readable copyright files (DEP-5) do, in the
//! tree itself. A licence goes into the SBOM as an
//! expression only where each of its names certainly is one of SPDX's.

use hatchery_image::manifest::Package;
use hatchery_image::{Manifest, Sha256};
use jiff::Timestamp;
use rustix::fs::{Mode, OFlags, ResolveFlags};
use serde::Serialize;
use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

/// Longest copyright file that is read, in bytes; Debian's longest are about
/// 2 MiB.
const COPYRIGHT_MAX: u64 = 4 << 20;

/// Most licence names that are taken from one file.
const LICENSES_MAX: usize = 200;

/// What SPDX writes where something is not known.
const UNKNOWN: &str = "NOASSERTION";

/// Debian's names that are certainly one of SPDX's.
const NAMES: [(&str, &str); 34] = [
    ("AGPL-3", "AGPL-3.0-only"),
    ("AGPL-3+", "AGPL-3.0-or-later"),
    ("Apache-2.0", "Apache-2.0"),
    ("Artistic-2", "Artistic-2.0"),
    ("Artistic-2.0", "Artistic-2.0"),
    ("BSD-2-clause", "BSD-2-Clause"),
    ("BSD-2-Clause", "BSD-2-Clause"),
    ("BSD-3-clause", "BSD-3-Clause"),
    ("BSD-3-Clause", "BSD-3-Clause"),
    ("BSL-1.0", "BSL-1.0"),
    ("CC0-1.0", "CC0-1.0"),
    ("Expat", "MIT"),
    ("FSFAP", "FSFAP"),
    ("FSFUL", "FSFUL"),
    ("FSFULLR", "FSFULLR"),
    ("GFDL-1.3+", "GFDL-1.3-or-later"),
    ("GPL-1", "GPL-1.0-only"),
    ("GPL-1+", "GPL-1.0-or-later"),
    ("GPL-2", "GPL-2.0-only"),
    ("GPL-2+", "GPL-2.0-or-later"),
    ("GPL-2.0+", "GPL-2.0-or-later"),
    ("GPL-3", "GPL-3.0-only"),
    ("GPL-3+", "GPL-3.0-or-later"),
    ("GPL-3.0+", "GPL-3.0-or-later"),
    ("ISC", "ISC"),
    ("LGPL-2", "LGPL-2.0-only"),
    ("LGPL-2+", "LGPL-2.0-or-later"),
    ("LGPL-2.1", "LGPL-2.1-only"),
    ("LGPL-2.1+", "LGPL-2.1-or-later"),
    ("LGPL-3", "LGPL-3.0-only"),
    ("LGPL-3+", "LGPL-3.0-or-later"),
    ("MPL-2.0", "MPL-2.0"),
    ("Unlicense", "Unlicense"),
    ("Zlib", "Zlib"),
];

/// Why there is no bill of materials.
#[derive(Debug, thiserror::Error)]
pub enum SbomError {
    /// A time that cannot be written.
    #[error("SOURCE_DATE_EPOCH {0} is not a time that can be written")]
    Time(i64),
    /// It cannot be written as JSON.
    #[error("cannot write the bill of materials as JSON")]
    Json(#[source] serde_json::Error),
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Document {
    spdx_version: &'static str,
    data_license: &'static str,
    #[serde(rename = "SPDXID")]
    id: &'static str,
    name: String,
    document_namespace: String,
    creation_info: CreationInfo,
    packages: Vec<Described>,
    relationships: Vec<Relationship>,
}

#[derive(Serialize)]
struct CreationInfo {
    created: String,
    creators: Vec<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Described {
    #[serde(rename = "SPDXID")]
    id: String,
    name: String,
    version_info: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    primary_package_purpose: Option<&'static str>,
    download_location: &'static str,
    files_analyzed: bool,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    checksums: Vec<Checksum>,
    license_concluded: &'static str,
    license_declared: String,
    copyright_text: &'static str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    external_refs: Vec<ExternalRef>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Checksum {
    algorithm: &'static str,
    checksum_value: Sha256,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ExternalRef {
    reference_category: &'static str,
    reference_type: &'static str,
    reference_locator: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Relationship {
    spdx_element_id: &'static str,
    relationship_type: &'static str,
    related_spdx_element: String,
}

/// The bill of materials of an image; JSON with a final newline.
///
/// # Errors
/// A `SOURCE_DATE_EPOCH` beyond the year 9999.
pub fn document(manifest: &Manifest) -> Result<Vec<u8>, SbomError> {
    const DOCUMENT: &str = "SPDXRef-DOCUMENT";
    const IMAGE: &str = "SPDXRef-Image";
    let epoch = manifest.source_date_epoch;
    let created = Timestamp::from_second(epoch).map_err(|_| SbomError::Time(epoch))?;
    let name = format!(
        "{}-{}-{}",
        manifest.name, manifest.version, manifest.architecture
    );
    let mut relationships = vec![relation(DOCUMENT, "DESCRIBES", IMAGE)];
    let mut packages = vec![image(manifest, IMAGE)];
    for package in &manifest.packages {
        let described = described(manifest, package);
        relationships.push(relation(IMAGE, "CONTAINS", &described.id));
        packages.push(described);
    }
    let document = Document {
        spdx_version: "SPDX-2.3",
        data_license: "CC0-1.0",
        id: DOCUMENT,
        // Unique for each tree, as the specification asks, and the same for the same one.
        document_namespace: format!("https://spdx.org/spdxdocs/{name}-{}", manifest.tar.sha256),
        name,
        creation_info: CreationInfo {
            created: created.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
            creators: vec![format!(
                "Tool: {}-{}",
                manifest.tool.name, manifest.tool.version
            )],
        },
        packages,
        relationships,
    };
    let mut bytes = serde_json::to_vec_pretty(&document).map_err(SbomError::Json)?;
    bytes.push(b'\n');
    Ok(bytes)
}

fn relation(from: &'static str, kind: &'static str, to: &str) -> Relationship {
    Relationship {
        spdx_element_id: from,
        relationship_type: kind,
        related_spdx_element: to.to_owned(),
    }
}

fn image(manifest: &Manifest, id: &str) -> Described {
    Described {
        id: id.to_owned(),
        name: manifest.name.to_string(),
        version_info: manifest.version.to_string(),
        primary_package_purpose: Some("OPERATING-SYSTEM"),
        download_location: UNKNOWN,
        files_analyzed: false,
        checksums: Vec::new(),
        license_concluded: UNKNOWN,
        license_declared: UNKNOWN.to_owned(),
        copyright_text: UNKNOWN,
        external_refs: Vec::new(),
    }
}

fn described(manifest: &Manifest, package: &Package) -> Described {
    Described {
        // The same package of two architectures can be in one image.
        id: format!(
            "SPDXRef-Package-{}-{}",
            element_id(&package.name),
            element_id(&package.architecture)
        ),
        name: package.name.clone(),
        version_info: package.version.clone(),
        primary_package_purpose: None,
        download_location: UNKNOWN,
        files_analyzed: false,
        checksums: vec![Checksum {
            algorithm: "SHA256",
            checksum_value: package.sha256,
        }],
        license_concluded: UNKNOWN,
        license_declared: expression(&package.licenses).unwrap_or_else(|| UNKNOWN.to_owned()),
        copyright_text: UNKNOWN,
        external_refs: vec![ExternalRef {
            reference_category: "PACKAGE-MANAGER",
            reference_type: "purl",
            reference_locator: package_url(manifest, package),
        }],
    }
}

/// Letters, digits, `.` and `-` are all that an id may hold; `+` becomes
/// `.2b.`, so that `g` and `g+` stay two.
fn element_id(name: &str) -> String {
    let mut id = String::new();
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-') {
            id.push(char::from(byte));
        } else {
            id.push_str(&format!(".{byte:02x}."));
        }
    }
    id
}

/// <https://github.com/package-url/purl-spec>.
fn package_url(manifest: &Manifest, package: &Package) -> String {
    let id = &manifest.distribution.id;
    let kind = if id == "arch" { "alpm" } else { "deb" };
    let escaped = |text: &str| {
        let mut out = String::new();
        for byte in text.bytes() {
            if byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_' | b'~') {
                out.push(char::from(byte));
            } else {
                out.push_str(&format!("%{byte:02X}"));
            }
        }
        out
    };
    format!(
        "pkg:{kind}/{id}/{}@{}?arch={}&distro={}",
        escaped(&package.name),
        escaped(&package.version),
        escaped(&package.architecture),
        escaped(&manifest.distribution.release),
    )
}

/// All licences joined, if each is certain: each part of a package has one of
/// them, so that all of them apply to the whole.
fn expression(licenses: &[String]) -> Option<String> {
    let mapped: Option<BTreeSet<String>> = licenses.iter().map(|l| spdx(l)).collect();
    let mapped = mapped.filter(|m| !m.is_empty())?;
    Some(mapped.into_iter().collect::<Vec<_>>().join(" AND "))
}

/// One of Debian's short names, a choice of them, or an expression of SPDX's
/// without parentheses, as SPDX writes it.
fn spdx(license: &str) -> Option<String> {
    if let [first, rest @ ..] = license.split(" AND ").collect::<Vec<_>>().as_slice()
        && !rest.is_empty()
    {
        let all: Option<Vec<String>> = std::iter::once(first)
            .chain(rest)
            .map(|l| spdx(l))
            .collect();
        return all.map(|all| all.join(" AND "));
    }
    let one = |name: &str| {
        NAMES
            .iter()
            .find(|(debian, spdx)| *debian == name || *spdx == name)
            .map(|(_, spdx)| *spdx)
    };
    let choices = license.split(" or ").flat_map(|l| l.split(" OR "));
    let choices: Option<Vec<&str>> = choices.map(|n| one(n.trim())).collect();
    match choices?.as_slice() {
        [] => None,
        [single] => Some((*single).to_owned()),
        several => Some(format!("({})", several.join(" OR "))),
    }
}

/// Fills in the licences of packages that say none, from the copyright files
/// in the tree. A file that is missing or not machine-readable leaves them
/// unknown.
pub fn find_licenses(root: &Path, packages: &mut [Package]) {
    let Ok(root) = File::open(root) else { return };
    for package in packages.iter_mut().filter(|p| p.licenses.is_empty()) {
        let path = format!("usr/share/doc/{}/copyright", package.name);
        if let Ok(text) = read_beneath(&root, &path) {
            package.licenses = declared(&text);
        }
    }
}

fn read_beneath(root: &File, path: &str) -> io::Result<String> {
    // Links such as those between the documentation of one source's packages
    // are followed, but only beneath the root.
    let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let file = File::from(rustix::fs::openat2(
        root,
        path,
        flags,
        Mode::empty(),
        resolve,
    )?);
    if !file.metadata()?.is_file() {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    let mut bytes = Vec::new();
    file.take(COPYRIGHT_MAX).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// The short names in a machine-readable copyright file, sorted.
/// <https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/>
fn declared(text: &str) -> Vec<String> {
    let header = text
        .lines()
        .find(|l| !l.trim().is_empty())
        .unwrap_or_default();
    if !header.starts_with("Format:") {
        return Vec::new();
    }
    let names = text
        .lines()
        .filter_map(|line| line.strip_prefix("License:"));
    let names: BTreeSet<&str> = names.map(str::trim).filter(|n| !n.is_empty()).collect();
    names
        .into_iter()
        .take(LICENSES_MAX)
        .map(str::to_owned)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_readable_copyright_file_says_its_licenses() {
        let text = "Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\n\n\
                    Files: *\nCopyright: x\nLicense: GPL-2+\n text\n\nFiles: a\nLicense: Expat or GPL-2\n";
        assert_eq!(declared(text), ["Expat or GPL-2", "GPL-2+"]);
        assert!(declared("This is free software.\nLicense: GPL\n").is_empty());
    }

    #[test]
    fn only_certain_licenses_become_an_expression() {
        let expression = |names: &[&str]| {
            super::expression(&names.iter().map(|n| (*n).to_owned()).collect::<Vec<_>>())
        };
        assert_eq!(
            expression(&["GPL-2+", "Expat or GPL-2"]).unwrap(),
            "(MIT OR GPL-2.0-only) AND GPL-2.0-or-later"
        );
        assert_eq!(
            expression(&["GPL-2.0-or-later AND MIT", "BSD-3-Clause OR MIT"]).unwrap(),
            "(BSD-3-Clause OR MIT) AND GPL-2.0-or-later AND MIT"
        );
        assert_eq!(expression(&["GPL-2+", "public-domain"]), None);
        assert_eq!(expression(&["GPL-2.0-only WITH x"]), None);
        assert_eq!(expression(&[]), None);
    }

    #[test]
    fn ids_hold_only_what_spdx_allows_and_stay_apart() {
        assert_eq!(element_id("libstdc++6"), "libstdc.2b..2b.6");
        assert_ne!(element_id("g"), element_id("g+"));
    }
}
