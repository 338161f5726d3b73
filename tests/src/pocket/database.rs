//! A repository's database: a compressed tar with a folder a package, which
//! holds `desc`; as repo-add writes it.

use super::compression::Compression;
use super::member::{self, Kind, Member};
use super::mtree::hex;
use super::package::Pkg;
use super::repository::Listed;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use hatchery_image::Sha256;
use md5::{Digest as _, Md5};
use std::fs;
use std::io::Read as _;
use std::path::Path;

/// Fields of a `desc` and their values, in repo-add's order.
pub type Fields = Vec<(String, Vec<String>)>;

/// What repo-add would say of a package whose file has these bytes.
pub(super) fn fields(package: &Pkg, bytes: &[u8], signature: &[u8]) -> Fields {
    let one = |value: &str| match value {
        "" => Vec::new(),
        value => vec![value.to_owned()],
    };
    let list = |name| package.list(name).to_vec();
    let fields = [
        ("FILENAME", one(&package.file_name())),
        ("NAME", one(&package.name)),
        ("BASE", one(&package.base)),
        ("VERSION", one(&package.version)),
        ("DESC", one(&package.description)),
        ("GROUPS", list("group")),
        ("CSIZE", one(&bytes.len().to_string())),
        ("ISIZE", one(&package.installed_size().to_string())),
        ("MD5SUM", one(&hex(&Md5::digest(bytes)))),
        ("SHA256SUM", one(&Sha256::of(bytes).to_string())),
        ("PGPSIG", one(&BASE64.encode(signature))),
        ("URL", one(&package.url)),
        ("LICENSE", list("license")),
        ("ARCH", one(&package.architecture)),
        ("BUILDDATE", one(&super::BUILT.to_string())),
        ("PACKAGER", one(&package.packager)),
        ("REPLACES", list("replaces")),
        ("CONFLICTS", list("conflict")),
        ("PROVIDES", list("provides")),
        ("DEPENDS", list("depend")),
        ("OPTDEPENDS", list("optdepend")),
        ("MAKEDEPENDS", list("makedepend")),
    ];
    let fields = fields.into_iter().filter(|(_, values)| !values.is_empty());
    fields
        .map(|(name, values)| (name.to_owned(), values))
        .collect()
}

/// The text of a `desc`.
pub(super) fn desc(fields: &Fields) -> String {
    let text = fields
        .iter()
        .map(|(name, values)| format!("%{name}%\n{}\n\n", values.join("\n")));
    text.collect()
}

/// The uncompressed database.
pub(super) fn tar<'a>(listed: impl Iterator<Item = &'a Listed>) -> Vec<u8> {
    let mut members = Vec::new();
    for package in listed {
        let folder = &package.folder;
        members.push(Member::new(folder, Kind::Folder));
        let text = desc(&package.fields).into_bytes();
        members.push(Member::new(&format!("{folder}/desc"), Kind::File(text)));
    }
    member::tar(&members)
}

/// The `desc` of each package in a database's file, by folder, in the order
/// of the file.
///
/// # Panics
/// When it is no database.
#[must_use]
pub fn read(file: &Path) -> Vec<(String, String)> {
    let (_, tar) = Compression::unpack(&fs::read(file).expect("a database"));
    let mut found = Vec::new();
    for entry in tar::Archive::new(tar.as_slice())
        .entries()
        .expect("its tar")
    {
        let mut entry = entry.expect("an entry of it");
        let path = entry.path().expect("its path").into_owned();
        if path.ends_with("desc") {
            let folder = path.parent().expect("its folder").to_string_lossy();
            let mut text = String::new();
            entry.read_to_string(&mut text).expect("its text");
            found.push((folder.into_owned(), text));
        }
    }
    found
}

/// Writes a database's file anew with a `desc` in it changed, without a
/// thought for signatures.
///
/// # Panics
/// When it is no database, or has no such package.
pub fn edit(file: &Path, package: &str, change: impl FnOnce(&mut String)) {
    let (compression, _) = Compression::unpack(&fs::read(file).expect("a database"));
    let mut descs = read(file);
    let start = format!("%NAME%\n{package}\n");
    let found = descs.iter_mut().find(|(_, text)| text.contains(&start));
    change(&mut found.expect("a package of the database").1);
    let mut members = Vec::new();
    for (folder, text) in descs {
        members.push(Member::new(&folder, Kind::Folder));
        let desc = Kind::File(text.into_bytes());
        members.push(Member::new(&format!("{folder}/desc"), desc));
    }
    // Not in place: another name of the file may be somebody else's.
    fs::remove_file(file).expect("the old database");
    fs::write(file, compression.pack(&member::tar(&members))).expect("the new database");
}
