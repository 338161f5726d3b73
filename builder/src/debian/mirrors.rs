//! Where Debian's archive and its security updates are looked for.
//!
//! Security updates lie beside the archive on most mirrors (`debian-security`
//! beside `debian`) and on their own on some.

use crate::host::Source;
use hatchery_transfer::Location;

/// Where the archive and its security updates may be found, the best first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mirrors {
    /// Of the archive itself.
    pub archive: Vec<Location>,
    /// Of security updates.
    pub security: Vec<Location>,
}

impl Mirrors {
    /// Mirrors in the order in which they are tried: those that the user named
    /// on the command line, then those of the host's own sources, then the
    /// recipe's. Where the user named some, the security updates are looked
    /// for beside them, too.
    #[must_use]
    pub fn gather(named: &[Location], host: &[Source], recipe: &Self) -> Self {
        let mut mirrors = Self::default();
        for location in named {
            mirrors.archive.push(location.clone());
            mirrors.security.extend(security_beside(location));
        }
        for source in host {
            // What cannot be fetched from, apt's other methods, is passed over.
            let Ok(location) = Location::parse(&source.uri) else {
                continue;
            };
            if source.is_security() {
                mirrors.security.push(location);
            } else {
                mirrors.archive.push(location);
            }
        }
        mirrors.archive.extend_from_slice(&recipe.archive);
        mirrors.security.extend_from_slice(&recipe.security);
        for list in [&mut mirrors.archive, &mut mirrors.security] {
            let mut kept = Vec::new();
            list.retain(|location| {
                let new = !kept.contains(location);
                kept.push(location.clone());
                new
            });
        }
        mirrors
    }
}

/// `…/debian-security/` beside `…/debian/`.
fn security_beside(archive: &Location) -> Option<Location> {
    match archive {
        Location::Http(url) => {
            let path = url.path().strip_suffix("debian/")?;
            let mut beside = url.clone();
            beside.set_path(&format!("{path}debian-security/"));
            Some(Location::Http(beside))
        }
        Location::Folder(folder) => {
            let beside = folder.with_file_name("debian-security");
            (folder.file_name()? == "debian").then_some(Location::Folder(beside))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Location {
        Location::parse(text).unwrap()
    }

    #[test]
    fn mirrors_come_in_order_and_once() {
        let host = [
            Source {
                uri: "http://near.example/debian/".into(),
                suites: vec!["bookworm".into()],
                components: vec!["main".into()],
            },
            Source {
                uri: "http://near.example/debian-security/".into(),
                suites: vec!["bookworm-security".into()],
                components: vec!["main".into()],
            },
        ];
        let recipe = Mirrors {
            archive: vec![
                at("https://far.example/debian"),
                at("http://near.example/debian"),
            ],
            security: vec![at("https://far.example/debian-security")],
        };
        let named = [at("/srv/mirror/debian"), at("http://named.example/debian")];
        let mirrors = Mirrors::gather(&named, &host, &recipe);
        let shown = |list: &[Location]| {
            let shown: Vec<_> = list.iter().map(ToString::to_string).collect();
            shown.join(" ")
        };
        assert_eq!(
            shown(&mirrors.archive),
            "/srv/mirror/debian http://named.example/debian/ http://near.example/debian/ \
             https://far.example/debian/"
        );
        assert_eq!(
            shown(&mirrors.security),
            "/srv/mirror/debian-security http://named.example/debian-security/ \
             http://near.example/debian-security/ https://far.example/debian-security/"
        );
    }
}
