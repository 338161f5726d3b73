//! Makes pacman's packages of Debian's: those that Arch has as one are put
//! together, what each needs and provides is said in pacman's words, and
//! scripts are left behind (those that are missed are in
//! [`super::system`]).

use super::compression::Compression;
use super::debian::Closure;
use super::member::{Kind, Member};
use super::package::Pkg;
use super::repository::ARCHITECTURE;
use super::{names, parallel};
use hatchery_builder::debian::deb::Deb;
use std::collections::{BTreeMap, BTreeSet};
use std::io::Read as _;
use tar::EntryType;

/// Debian's group shadow, which Arch does not have.
const SHADOW: u32 = 42;

/// Packages that are needed by the names of their libraries, too.
const BY_LIBRARY: [&str; 5] = ["acl", "curl", "gpgme", "readline", "util-linux-libs"];

/// The packages, by name.
pub(super) fn packages(closure: &Closure) -> BTreeMap<String, Pkg> {
    let mut parts: BTreeMap<&str, Vec<&Deb>> = BTreeMap::new();
    for deb in closure.debs.values() {
        parts.entry(name(deb)).or_default().push(deb);
    }
    let parts: Vec<_> = parts.into_iter().collect();
    let made = parallel(&parts, |(name, debs)| merge(name, debs));
    let mut packages: BTreeMap<String, Pkg> = made
        .into_iter()
        .map(|package| (package.name().to_owned(), package))
        .collect();
    for package in packages.values_mut() {
        provide_libraries(package);
    }
    depend(&mut packages, closure);
    compress_otherwise(&mut packages);
    packages
}

/// Name and version of its source.
fn source(deb: &Deb) -> (&str, &str) {
    let control = deb.control();
    let field = control.field("Source").unwrap_or(control.package());
    match field.split_once(" (") {
        Some((name, version)) => (name, version.trim_end_matches(')')),
        None => (field, control.version()),
    }
}

fn name(deb: &Deb) -> &str {
    names::package(deb.control().package(), source(deb).0)
}

/// Puts packages together that are one here.
fn merge(name: &str, debs: &[&Deb]) -> Pkg {
    let (from, version) = source(debs[0]);
    let description = debs[0].control().field("Description").unwrap_or_default();
    let mut members = BTreeMap::new();
    for deb in debs {
        read(deb, &mut members);
    }
    let mut package = Pkg::new(name, &names::version(version))
        .architecture(ARCHITECTURE)
        .base(names::source(from))
        .description(description.lines().next().unwrap_or_default())
        .license("custom");
    package.url = debs[0]
        .control()
        .field("Homepage")
        .unwrap_or("https://localhost/")
        .to_owned();
    for member in members.values() {
        if member.path.starts_with("etc/") && matches!(member.kind, Kind::File(_)) {
            package.push("backup", &member.path);
        }
    }
    for member in members.into_values() {
        package.contents.push(member);
    }
    package.sorted()
}

/// Reads what lies in one of Debian's packages.
fn read(deb: &Deb, members: &mut BTreeMap<String, Member>) {
    let data = deb.data().expect("a decompressor");
    let mut archive = tar::Archive::new(data);
    for entry in archive.entries().expect("a tar") {
        let mut entry = entry.expect("an entry of it");
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("paths are UTF-8");
        let from = text(&entry.path_bytes());
        let target = entry.link_name_bytes().map(|t| text(&t));
        let Some(path) = names::path(&from) else {
            continue;
        };
        let kind = match (entry.header().entry_type(), target) {
            (EntryType::Directory, _) => Kind::Folder,
            (EntryType::Symlink, Some(target)) if !is_itself(&path, &target) => Kind::Link(target),
            (EntryType::Link, Some(target)) => {
                Kind::HardLink(names::path(&target).expect("a file of the same package"))
            }
            (EntryType::Regular, _) => {
                let mut bytes = Vec::new();
                entry.read_to_end(&mut bytes).expect("the bytes of a file");
                Kind::File(bytes)
            }
            _ => continue,
        };
        let header = entry.header();
        let mut member = Member::new(&path, kind);
        member.mode = header.mode().expect("a mode") & 0o7777;
        member.user = number(header.uid());
        member.group = number(header.gid());
        member.time = header.mtime().expect("a time").cast_signed();
        if member.group == SHADOW {
            (member.group, member.mode) = (0, 0o4755);
        }
        members.entry(path).or_insert(member);
    }
    parents(members);
}

/// Adds the folders above that Debian leaves to others.
fn parents(members: &mut BTreeMap<String, Member>) {
    let mut missing = BTreeSet::new();
    for path in members.keys() {
        let folders = path.match_indices('/').map(|(end, _)| &path[..end]);
        missing.extend(
            folders
                .filter(|f| !members.contains_key(*f))
                .map(str::to_owned),
        );
    }
    for folder in missing {
        let member = Member::new(&folder, Kind::Folder);
        members.insert(folder, member);
    }
}

/// Whether a link leads to itself once programs are merged.
fn is_itself(path: &str, target: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or_default();
    let merged = [
        "../bin/",
        "../sbin/",
        "/bin/",
        "/sbin/",
        "/usr/bin/",
        "/usr/sbin/",
    ];
    path.starts_with("usr/bin/") && merged.iter().any(|m| target.strip_prefix(m) == Some(name))
}

fn number(id: std::io::Result<u64>) -> u32 {
    u32::try_from(id.expect("a number")).expect("a small number")
}

/// `libname.so=1-64` for every library's own name: a link to the file, or
/// the file.
fn provide_libraries(package: &mut Pkg) {
    let library = |path: &str| {
        let name = path.rsplit('/').next()?;
        let (stem, version) = name.split_once(".so.")?;
        let is_library = path.starts_with("usr/lib/") && stem.starts_with("lib");
        let is_version = version.starts_with(|c: char| c.is_ascii_digit());
        (is_library && is_version).then(|| format!("{stem}.so={version}-64"))
    };
    let targets: BTreeSet<&str> = package
        .contents
        .iter()
        .filter_map(|m| match &m.kind {
            Kind::Link(target) => Some(target.as_str()),
            _ => None,
        })
        .collect();
    let own = package.contents.iter().filter(|m| {
        let name = m.path.rsplit('/').next().unwrap_or_default();
        !targets.contains(name)
    });
    let provided: Vec<String> = own.filter_map(|m| library(&m.path)).collect();
    for library in provided {
        package.push("provides", &library);
    }
}

/// Says what each package needs.
fn depend(packages: &mut BTreeMap<String, Pkg>, closure: &Closure) {
    let mut wanted: Vec<(String, String)> = Vec::new();
    for (binary, needs) in &closure.needs {
        let by = name(&closure.debs[binary]);
        for needed in needs {
            let on = name(&closure.debs[needed]);
            if by == on {
                continue;
            }
            let (from, to) = (&packages[by], &packages[on]);
            if from.base == to.base {
                wanted.push((by.to_owned(), format!("{on}={}", to.version)));
                continue;
            }
            wanted.push((by.to_owned(), on.to_owned()));
            if BY_LIBRARY.contains(&on) {
                let libraries = to.list("provides").iter();
                wanted.extend(libraries.map(|l| (by.to_owned(), l.clone())));
            }
        }
    }
    for (package, needed) in wanted {
        let package = packages.get_mut(&package).expect("one of them");
        package.push("depend", &needed);
    }
}

/// Old packages are compressed as it was done when they were made.
fn compress_otherwise(packages: &mut BTreeMap<String, Pkg>) {
    let otherwise = [("iana-etc", Compression::Xz), ("tzdata", Compression::Gzip)];
    for (name, compression) in otherwise {
        let package = packages.remove(name).expect("one of them");
        packages.insert(name.to_owned(), package.compressed(compression));
    }
}
