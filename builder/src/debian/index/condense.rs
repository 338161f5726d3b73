//! From a `Packages` file to its condensed text.
//!
//! Stanzas that cannot be installed from here are left out: those of another
//! architecture, and those without a digest, a length or a safe path. How
//! many and why the first is told, so that a third party's careless index can
//! be used for its good packages.

use super::{COLUMNS, Column, PACKAGES_MAX};
use crate::debian::dependency;
use crate::plan::PackageName;
use deb822_fast::borrowed::{BorrowedParagraph, iter_paragraphs_borrowed};
use hatchery_image::{RelativePath, Sha256};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{self, Read};
use std::sync::Arc;

/// An index is condensed in parts of so many bytes.
const PART: u64 = 2 << 20;

/// A condensed index.
pub(crate) struct Condensed {
    pub(crate) text: String,
    /// Bytes of the whole `Packages` file.
    pub(crate) length: u64,
    /// How many stanzas were left out as unusable.
    pub(crate) left_out: usize,
    /// Why the first of them was.
    pub(crate) why: Option<String>,
}

/// Why a `Packages` file cannot be read.
#[derive(Clone, Debug, thiserror::Error)]
pub enum IndexError {
    /// It cannot be decompressed.
    #[error("the index of packages cannot be decompressed")]
    Read(#[source] Arc<io::Error>),
    /// It is not deb822.
    #[error("the index of packages cannot be read: {0}")]
    Syntax(String),
    /// It holds too many packages.
    #[error("the index holds more than {PACKAGES_MAX} packages")]
    TooMany,
    /// It is not UTF-8.
    #[error("the index of packages is not UTF-8")]
    Encoding,
}

/// Some of the lines.
#[derive(Default)]
struct Lines {
    text: String,
    count: usize,
    left_out: usize,
    why: Option<String>,
}

/// Condenses a `Packages` file to what of it can be installed on
/// `architecture`. What has been read is condensed by other threads while the
/// rest is still being decompressed; the result does not depend on it.
pub(crate) fn condense(packages: impl Read, architecture: &str) -> Result<Condensed, IndexError> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let (to_threads, parts) = crossbeam_channel::bounded::<(usize, String)>(threads);
    let (all, length) = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..threads)
            .map(|_| {
                let parts = parts.clone();
                scope.spawn(move || {
                    let lines =
                        |(n, part): (usize, String)| (n, condense_part(&part, architecture));
                    parts.iter().map(lines).collect::<Vec<_>>()
                })
            })
            .collect();
        drop(parts);
        let length = split(packages, |n, part| {
            // The threads take parts for as long as there are some.
            let _ = to_threads.send((n, part));
        });
        drop(to_threads);
        let mut all = BTreeMap::new();
        for thread in threads {
            let lines = thread.join();
            all.extend(lines.unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        }
        (all, length)
    });
    let length = length?;
    let mut sum = Lines::default();
    for part in all.into_values() {
        let part = part?;
        sum.text.push_str(&part.text);
        sum.count += part.count;
        sum.left_out += part.left_out;
        sum.why = sum.why.or(part.why);
    }
    if sum.count > PACKAGES_MAX {
        return Err(IndexError::TooMany);
    }
    Ok(Condensed {
        text: assemble(&sum),
        length,
        left_out: sum.left_out,
        why: sum.why,
    })
}

/// Reads all, and hands on numbered parts of about [`PART`] bytes that end
/// between stanzas. Returns how many bytes there were.
fn split(mut packages: impl Read, mut part: impl FnMut(usize, String)) -> Result<u64, IndexError> {
    let mut bytes = Vec::new();
    let mut length = 0;
    for number in 0.. {
        let read = packages.by_ref().take(PART).read_to_end(&mut bytes);
        let read = read.map_err(|e| IndexError::Read(Arc::new(e)))?;
        length += read as u64;
        let end = match memchr::memmem::rfind(&bytes, b"\n\n") {
            _ if read == 0 => bytes.len(),
            Some(at) => at + 1,
            None => continue,
        };
        let rest = bytes.split_off(end);
        let text = String::from_utf8(std::mem::replace(&mut bytes, rest));
        part(number, text.map_err(|_| IndexError::Encoding)?);
        if read == 0 {
            break;
        }
    }
    Ok(length)
}

fn condense_part(packages: &str, architecture: &str) -> Result<Lines, IndexError> {
    let mut lines = Lines::default();
    for paragraph in iter_paragraphs_borrowed(packages) {
        let paragraph = paragraph.map_err(|e| IndexError::Syntax(e.to_string()))?;
        match line(&paragraph, architecture, &mut lines.text) {
            Ok(true) => lines.count += 1,
            Ok(false) => {}
            Err(why) => {
                lines.left_out += 1;
                lines.why.get_or_insert(why);
            }
        }
    }
    Ok(lines)
}

/// Appends a stanza's line, if it is for this architecture.
fn line(
    stanza: &BorrowedParagraph<'_>,
    architecture: &str,
    text: &mut String,
) -> Result<bool, String> {
    let mut columns: [Option<&[&str]>; COLUMNS] = [None; COLUMNS];
    let (mut essential, mut important, mut multi_arch) = (false, false, "");
    for field in stanza.iter() {
        let value = field.as_single_line().unwrap_or("").trim();
        match field.name() {
            "Essential" => essential = value == "yes",
            "Important" | "Protected" => important |= value == "yes",
            "Multi-Arch" => multi_arch = value,
            name => {
                if let Some(column) = column(name) {
                    columns[column as usize].get_or_insert(field.lines());
                }
            }
        }
    }
    let get = |column: Column| {
        let lines = columns[column as usize].unwrap_or(&[]);
        lines.first().map_or("", |l| l.trim())
    };
    if !["all", architecture].contains(&get(Column::Architecture)) {
        return Ok(false);
    }
    check(get)?;
    for (index, lines) in columns.iter().enumerate() {
        if index > 0 {
            text.push('\t');
        }
        if index == Column::Flags as usize {
            text.extend(essential.then_some('e'));
            text.extend(important.then_some('i'));
            text.extend(match multi_arch {
                "same" => Some('s'),
                "foreign" => Some('f'),
                "allowed" => Some('a'),
                _ => None,
            });
        }
        for (i, line) in lines.unwrap_or(&[]).iter().enumerate() {
            if i > 0 {
                text.push(' ');
            }
            let line = line.trim();
            // A tab would end the column.
            if line.contains(['\t', '\r']) {
                text.push_str(&line.replace(['\t', '\r'], " "));
            } else {
                text.push_str(line);
            }
        }
    }
    text.push('\n');
    Ok(true)
}

fn column(field: &str) -> Option<Column> {
    Some(match field {
        "Package" => Column::Name,
        "Version" => Column::Version,
        "Architecture" => Column::Architecture,
        "Priority" => Column::Priority,
        "Size" => Column::Size,
        "Installed-Size" => Column::InstalledSize,
        "SHA256" => Column::Sha256,
        "Filename" => Column::Path,
        "Source" => Column::Source,
        "Pre-Depends" => Column::PreDepends,
        "Depends" => Column::Depends,
        "Conflicts" => Column::Conflicts,
        "Breaks" => Column::Breaks,
        "Recommends" => Column::Recommends,
        "Suggests" => Column::Suggests,
        "Replaces" => Column::Replaces,
        "Enhances" => Column::Enhances,
        "Provides" => Column::Provides,
        _ => return None,
    })
}

/// Whether a package can be installed from what its stanza says.
fn check<'a>(get: impl Fn(Column) -> &'a str) -> Result<(), String> {
    let name = get(Column::Name);
    if name.parse::<PackageName>().is_err() {
        return Err(format!("{name:?} is not the name of a package"));
    }
    let version = get(Column::Version);
    if !is_version(version) {
        return Err(format!("{version:?} is not a version of {name}"));
    }
    if get(Column::Sha256).parse::<Sha256>().is_err() {
        return Err(format!("{name} has no SHA-256 digest"));
    }
    if get(Column::Size).parse::<u64>().is_err() {
        return Err(format!("{name} has no size"));
    }
    if path(get(Column::Path)).is_none() {
        return Err(format!("{name} has no path beneath the repository"));
    }
    Ok(())
}

/// Whether a version can be compared and be part of a file's name. Nearly all
/// are plain, and the parser of versions is slow.
fn is_version(text: &str) -> bool {
    let is_plain = |b: u8| b.is_ascii_alphanumeric() || b"+-.~".contains(&b);
    let is_parsed = || debversion::Version::parse_lenient(text).is_ok() && !text.contains('/');
    text.starts_with(|c: char| c.is_ascii_digit()) && text.bytes().all(is_plain) || is_parsed()
}

/// The path of a package; flat repositories begin it with `./`.
pub(crate) fn path(text: &str) -> Option<RelativePath> {
    text.strip_prefix("./").unwrap_or(text).parse().ok()
}

/// Adds the sorted parts and the header.
fn assemble(lines: &Lines) -> String {
    let rows: Vec<&str> = lines.text.lines().collect();
    let name = |row: &usize| rows[*row].split('\t').next().unwrap_or("");
    let mut by_name: Vec<usize> = (0..rows.len()).collect();
    by_name.sort_by(|a, b| name(a).cmp(name(b)).then(a.cmp(b)));
    let mut provided = Vec::new();
    for (row, line) in rows.iter().enumerate() {
        let field = line.rsplit('\t').next().unwrap_or("");
        for group in dependency::parse(field).unwrap_or_default() {
            provided.extend(group.first().map(|r| (r.name, r.version, row)));
        }
    }
    provided.sort_by_key(|(name, _, row)| (*name, *row));
    let mut text = String::with_capacity(lines.text.len() + 16 * rows.len() + 40 * provided.len());
    let _ = writeln!(text, "{} {}", rows.len(), provided.len());
    text.push_str(&lines.text);
    for row in by_name {
        let _ = writeln!(text, "{row}");
    }
    for (name, version, row) in provided {
        let version = version.map_or("", |(_, version)| version);
        let _ = writeln!(text, "{name}\t{version}\t{row}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stanza(fields: &str) -> String {
        format!(
            "Package: a\nVersion: 1\nArchitecture: amd64\nSize: 1\nFilename: pool/a.deb\nSHA256: {}\n{fields}\n",
            Sha256::of(b"a")
        )
    }

    #[test]
    fn unusable_packages_are_left_out_and_counted() {
        for (from, to) in [
            ("Package: a", "Package: ../a"),
            ("Version: 1", "Version: 1 2"),
            ("pool/a.deb", "../a.deb"),
            ("pool/a.deb", "/etc/a.deb"),
            ("Size: 1", "Size: many"),
            ("SHA256", "MD5sum"),
        ] {
            let text = stanza("").replace(from, to);
            let condensed = condense(text.as_bytes(), "amd64").unwrap();
            assert_eq!(condensed.left_out, 1, "{to}");
            assert!(condensed.why.is_some());
            assert!(condensed.text.starts_with("0 0\n"), "{to}");
        }
        let other = stanza("").replace("amd64", "arm64");
        assert_eq!(condense(other.as_bytes(), "amd64").unwrap().left_out, 0);
    }

    #[test]
    fn the_parts_of_a_large_index_come_to_the_same() {
        let text: String = (0..20_000)
            .map(|i| {
                stanza("Description: änderung\n")
                    .replace("Package: a", &format!("Package: a{}", (i * 7919) % 20_000))
            })
            .collect();
        let mut parts = Vec::new();
        let length = split(text.as_bytes(), |_, part| parts.push(part)).unwrap();
        assert!(parts.len() > 1 && parts.concat() == text);
        assert_eq!(length, text.len() as u64);
        let condensed = condense(text.as_bytes(), "amd64").unwrap().text;
        assert!(condensed.starts_with("20000 0\na0\t"));
        let whole = assemble(&condense_part(&text, "amd64").unwrap());
        assert!(condensed == whole);
    }

    #[test]
    fn a_stanza_that_is_longer_than_a_part_stays_whole() {
        let long = stanza(&format!("Description: {}\n", "x".repeat(5 << 20)));
        let text = format!("{long}{}", stanza("").replace("Package: a", "Package: b"));
        let condensed = condense(text.as_bytes(), "amd64").unwrap().text;
        assert!(condensed.starts_with("2 0\na\t"), "{}", &condensed[..20]);
    }

    #[test]
    fn tabs_cannot_shift_columns() {
        let condensed = condense(stanza("Depends: b\tc,\n\td\te").as_bytes(), "amd64").unwrap();
        let line = condensed.text.lines().nth(1).unwrap();
        assert_eq!(line.split('\t').count(), COLUMNS);
    }
}
