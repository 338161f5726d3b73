//! The package sources that the build host itself uses: near, and known to
//! work. A build tries them after the mirrors of the command line and before
//! those of the recipe, if the host runs the recipe's distribution.
//!
//! Reads apt's two forms as sources.list(5) describes them, and pacman's list
//! of mirrors (pacman.conf(5)). Only addresses are
//! taken from here: what to trust stays the recipe's business, so a wrong
//! address can make a build slow but never wrong.

use std::fs;
use std::path::{Path, PathBuf};

/// pacman's list of mirrors, beneath `/etc`.
const MIRRORLIST: &str = "pacman.d/mirrorlist";

/// Largest file of sources that is read, in bytes.
const SOURCES_MAX: u64 = 1 << 20;

/// One archive that the host uses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// Address: of apt's, with a final `/`; of pacman's, a template.
    pub uri: String,
    /// Suites taken from it, such as `bookworm`, `bookworm-security`.
    pub suites: Vec<String>,
    /// Components, such as `main`.
    pub components: Vec<String>,
}

impl Source {
    /// Whether it is the archive of security updates.
    #[must_use]
    pub fn is_security(&self) -> bool {
        self.suites
            .iter()
            .any(|s| s.ends_with("-security") || s.ends_with("/updates"))
    }
}

/// The distribution that the host runs: `ID` of `ETC/os-release`.
#[must_use]
pub fn distribution(etc: &Path) -> Option<String> {
    os_release(etc, "ID")
}

/// The sources of packages of `distribution` (such as `debian`) that the host
/// whose `/etc` is `etc` uses: none if it runs another one, or none are
/// readable. Third parties' archives, which have no suite of the host's
/// release, are left out.
#[must_use]
pub fn sources(etc: &Path, distribution: &str) -> Vec<Source> {
    if self::distribution(etc).as_deref() != Some(distribution) {
        return Vec::new();
    }
    if distribution == "arch" {
        return read(&etc.join(MIRRORLIST)).map_or_else(Vec::new, |text| servers(&text));
    }
    let release = os_release(etc, "VERSION_CODENAME");
    let mut found: Vec<Source> = files(etc)
        .iter()
        .filter_map(|path| Some((path, read(path)?)))
        .flat_map(|(path, text)| match path.extension() {
            Some(e) if e == "sources" => parse_stanzas(&text),
            _ => parse_lines(&text),
        })
        .filter(|source| {
            release.as_deref().is_none_or(|release| {
                let own = |s: &String| s == "stable" || s == "sid" || s.starts_with(release);
                source.suites.iter().any(own)
            })
        })
        .collect();
    let mut kept: Vec<Source> = Vec::new();
    for source in found.drain(..) {
        match kept.iter_mut().find(|k| k.uri == source.uri) {
            Some(same) => same.suites.extend(source.suites),
            None => kept.push(source),
        }
    }
    kept
}

/// The addresses of a list of pacman's mirrors, with `$repo` and `$arch`.
fn servers(text: &str) -> Vec<Source> {
    let value = |line: &str| {
        let (key, value) = line.split_once('=')?;
        let value = value.split('#').next().unwrap_or_default().trim();
        (key.trim() == "Server").then(|| value.to_owned())
    };
    let source = |uri| Source {
        uri,
        suites: Vec::new(),
        components: Vec::new(),
    };
    text.lines().filter_map(value).map(source).collect()
}

fn files(etc: &Path) -> Vec<PathBuf> {
    let mut files = vec![etc.join("apt/sources.list")];
    let parts = fs::read_dir(etc.join("apt/sources.list.d")).map(|d| d.flatten().collect());
    let mut parts: Vec<PathBuf> = parts
        .unwrap_or_else(|_| Vec::new())
        .iter()
        .map(fs::DirEntry::path)
        .filter(|p| p.extension().is_some_and(|e| e == "list" || e == "sources"))
        .collect();
    parts.sort();
    files.extend(parts);
    files
}

fn read(path: &Path) -> Option<String> {
    let length = fs::metadata(path).ok()?.len();
    (length <= SOURCES_MAX).then(|| fs::read_to_string(path).ok())?
}

fn os_release(etc: &Path, key: &str) -> Option<String> {
    let text = read(&etc.join("os-release"))?;
    text.lines()
        .find_map(|l| l.strip_prefix(key)?.strip_prefix('='))
        .map(|value| value.trim_matches(['"', '\'']).to_owned())
}

/// `deb [option=value …] URI suite component…`, one a line.
fn parse_lines(text: &str) -> Vec<Source> {
    let mut sources = Vec::new();
    for line in text.lines() {
        let line = line.split('#').next().unwrap_or("").trim();
        let Some(rest) = line.strip_prefix("deb ") else {
            continue;
        };
        let rest = match rest.trim_start().strip_prefix('[') {
            Some(options) => options.split_once(']').map_or("", |(_, rest)| rest),
            None => rest,
        };
        let mut words = rest.split_whitespace().map(str::to_owned);
        if let (Some(uri), Some(suite)) = (words.next(), words.next()) {
            sources.extend(source(&uri, vec![suite], words.collect()));
        }
    }
    sources
}

/// deb822 stanzas.
fn parse_stanzas(text: &str) -> Vec<Source> {
    let uncommented: String = text
        .lines()
        .filter(|l| !l.starts_with('#'))
        .flat_map(|l| [l, "\n"])
        .collect();
    let mut sources = Vec::new();
    for stanza in uncommented.split("\n\n") {
        let words = |key| field(stanza, key);
        let off = words("Enabled").iter().any(|w| w == "no" || w == "false");
        if off || !words("Types").iter().any(|w| w == "deb") {
            continue;
        }
        for uri in words("URIs") {
            sources.extend(source(&uri, words("Suites"), words("Components")));
        }
    }
    sources
}

/// The words of a field and of its continuation lines.
fn field(stanza: &str, key: &str) -> Vec<String> {
    let mut within = false;
    let mut words = Vec::new();
    for line in stanza.lines() {
        let value = if line.starts_with([' ', '\t']) {
            line
        } else {
            let (name, value) = line.split_once(':').unwrap_or((line, ""));
            within = name.eq_ignore_ascii_case(key);
            value
        };
        if within {
            words.extend(value.split_whitespace().map(str::to_owned));
        }
    }
    words
}

/// Addresses that this program can fetch from; apt has others (`cdrom:`,
/// `mirror+file:`).
fn source(uri: &str, suites: Vec<String>, components: Vec<String>) -> Option<Source> {
    let known = ["http://", "https://", "file:///"];
    known.iter().any(|k| uri.starts_with(k)).then(|| Source {
        uri: format!("{}/", uri.trim_end_matches('/')),
        suites,
        components,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn etc(id: &str, list: &str, stanzas: &str) -> tempfile::TempDir {
        let etc = tempfile::tempdir().unwrap();
        let apt = etc.path().join("apt");
        fs::create_dir_all(apt.join("sources.list.d")).unwrap();
        fs::write(
            etc.path().join("os-release"),
            format!("NAME=\"X\"\nID={id}\nVERSION_CODENAME=bookworm\n"),
        )
        .unwrap();
        fs::write(apt.join("sources.list"), list).unwrap();
        fs::write(apt.join("sources.list.d/x.sources"), stanzas).unwrap();
        etc
    }

    #[test]
    fn both_forms_are_read_and_third_parties_left_out() {
        let etc = etc(
            "debian",
            "# deb http://old.example/debian bookworm main\n\
             deb [arch=amd64 signed-by=/x] http://a.example/debian bookworm main contrib\n\
             deb-src http://a.example/debian bookworm main\n\
             deb cdrom:[x]/ bookworm main\n\
             deb https://code.example/apt any main\n",
            "Types: deb\n# a comment\nURIs: http://b.example/debian/\nSuites: bookworm bookworm-updates\n\
             Components: main\n\nTypes: deb deb-src\nURIs:\n http://b.example/debian-security\n\
             Suites: bookworm-security\nComponents: main\n\n\
             Types: deb\nEnabled: no\nURIs: http://off.example/\nSuites: bookworm\nComponents: main\n",
        );
        let sources = sources(etc.path(), "debian");
        let uris: Vec<&str> = sources.iter().map(|s| s.uri.as_str()).collect();
        assert_eq!(
            uris,
            [
                "http://a.example/debian/",
                "http://b.example/debian/",
                "http://b.example/debian-security/"
            ]
        );
        assert_eq!(sources[0].components, ["main", "contrib"]);
        assert_eq!(sources[1].suites, ["bookworm", "bookworm-updates"]);
        assert!(sources[2].is_security() && !sources[1].is_security());
    }

    #[test]
    fn a_host_of_another_distribution_has_none() {
        let etc = etc("ubuntu", "deb http://a.example/ubuntu bookworm main\n", "");
        assert_eq!(sources(etc.path(), "debian"), []);
    }

    #[test]
    fn a_host_of_arch_has_the_mirrors_of_its_pacman() {
        let etc = etc("arch", "", "");
        fs::create_dir(etc.path().join("pacman.d")).unwrap();
        let list = "#Server = https://off.example/$repo\n## Somewhere\n\
                    Server = https://a.example/$repo/os/$arch # near\nServer=file:///srv/$repo\n";
        fs::write(etc.path().join(MIRRORLIST), list).unwrap();
        let found = sources(etc.path(), "arch");
        let uris: Vec<&str> = found.iter().map(|s| s.uri.as_str()).collect();
        assert_eq!(
            uris,
            ["https://a.example/$repo/os/$arch", "file:///srv/$repo"]
        );
        assert_eq!(sources(etc.path(), "debian"), []);
    }
}
