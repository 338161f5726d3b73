//! Where apt in the image finds packages: deb822 files as sources.list(5)
//! describes them. Never the mirror that the build itself used, only what the
//! recipe names.

use super::{Context, PUBLIC, Result};
use crate::recipe::{Content, MirrorUrl, Repository};
use crate::rootfs::Rootfs;
use std::fmt::Write as _;

/// The distribution's own repositories.
const OWN: &str = "etc/apt/sources.list.d/debian.sources";

/// Repositories with keys of their own.
const OTHERS: &str = "etc/apt/sources.list.d/image.sources";

/// The distribution's own keys, newer name first.
const KEYRINGS: [&str; 2] = [
    "usr/share/keyrings/debian-archive-keyring.pgp",
    "usr/share/keyrings/debian-archive-keyring.gpg",
];

/// Where keys of other repositories go, as apt's manual has it.
const KEYS: &str = "etc/apt/keyrings";

pub(super) fn apply(context: &Context<'_>) -> Result<()> {
    let rootfs = &context.rootfs;
    if !rootfs.exists("etc/apt")? {
        return Ok(());
    }
    let mut own = Vec::new();
    let mut others = Vec::new();
    for repository in &context.recipe.repositories {
        let Some(mirror) = public_mirror(repository) else {
            continue;
        };
        match &repository.key {
            None => add(&mut own, mirror, repository, distribution_keyring(rootfs)?),
            Some(key) => {
                let place = write_key(rootfs, &key.name, &key.content)?;
                add(&mut others, mirror, repository, Some(place));
            }
        }
    }
    for (path, stanzas) in [(OWN, own), (OTHERS, others)] {
        if !stanzas.is_empty() {
            rootfs.write(path, render(&stanzas).as_bytes(), PUBLIC)?;
        }
    }
    Ok(())
}

/// The first mirror that a machine elsewhere can reach.
fn public_mirror(repository: &Repository) -> Option<&MirrorUrl> {
    let is_public = |m: &&MirrorUrl| !m.as_str().starts_with("file:");
    repository.mirrors.iter().find(is_public)
}

fn distribution_keyring(rootfs: &Rootfs) -> Result<Option<String>> {
    for path in KEYRINGS {
        if rootfs.exists(path)? {
            return Ok(Some(format!("/{path}")));
        }
    }
    Ok(None)
}

/// Suites of one mirror with the same components and keys.
#[derive(Debug, PartialEq, Eq)]
struct Stanza {
    uri: String,
    suites: Vec<String>,
    components: Vec<String>,
    signed_by: Option<String>,
}

fn add(
    stanzas: &mut Vec<Stanza>,
    mirror: &MirrorUrl,
    repository: &Repository,
    signed_by: Option<String>,
) {
    let suite = repository.suite.to_string();
    let stanza = Stanza {
        uri: mirror.to_string(),
        suites: Vec::new(),
        components: repository
            .components
            .iter()
            .map(|c| c.to_string())
            .collect(),
        signed_by,
    };
    let same = |s: &&mut Stanza| {
        (&s.uri, &s.components, &s.signed_by)
            == (&stanza.uri, &stanza.components, &stanza.signed_by)
    };
    match stanzas.iter_mut().find(same) {
        Some(earlier) => earlier.suites.push(suite),
        None => stanzas.push(Stanza {
            suites: vec![suite],
            ..stanza
        }),
    }
}

fn render(stanzas: &[Stanza]) -> String {
    let mut text = String::new();
    for (n, stanza) in stanzas.iter().enumerate() {
        let gap = if n > 0 { "\n" } else { "" };
        // Writing to a String cannot fail.
        let _ = write!(
            text,
            "{gap}Types: deb\nURIs: {}\nSuites: {}\nComponents: {}\n",
            stanza.uri,
            stanza.suites.join(" "),
            stanza.components.join(" "),
        );
        if let Some(keys) = &stanza.signed_by {
            let _ = writeln!(text, "Signed-By: {keys}");
        }
    }
    text
}

/// Writes a key where apt reads it, under a name of its own. apt tells the
/// two forms apart by the ending.
fn write_key(rootfs: &Rootfs, name: &str, content: &Content) -> Result<String> {
    let armored = content.bytes().starts_with(b"-----BEGIN");
    let ending = if armored { "asc" } else { "gpg" };
    let stem = name.rsplit_once('.').map_or(name, |(stem, _)| stem);
    let safe: String = stem
        .chars()
        .map(|c| {
            if c.is_ascii_alphanumeric() || "_-".contains(c) {
                c
            } else {
                '-'
            }
        })
        .collect();
    let mut path = format!("{KEYS}/{safe}.{ending}");
    let mut number = 2;
    while rootfs
        .read(&path)?
        .is_some_and(|old| old != content.bytes())
    {
        path = format!("{KEYS}/{safe}-{number}.{ending}");
        number += 1;
    }
    rootfs.write(&path, content.bytes(), PUBLIC)?;
    Ok(format!("/{path}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suites_of_one_mirror_share_a_stanza() {
        let repository = |suite: &str, mirror: &str| Repository {
            mirrors: vec!["file:///srv/x".parse().unwrap(), mirror.parse().unwrap()],
            shares_mirrors: true,
            suite: suite.parse().unwrap(),
            components: vec!["main".parse().unwrap()],
            key: None,
            sig_level: Default::default(),
        };
        let mut stanzas = Vec::new();
        for (suite, mirror) in [
            ("trixie", "http://a.example/debian"),
            ("trixie-updates", "http://a.example/debian"),
            ("trixie-security", "http://b.example/debian-security"),
        ] {
            let repository = repository(suite, mirror);
            let mirror = public_mirror(&repository).unwrap();
            add(&mut stanzas, mirror, &repository, Some("/k.pgp".into()));
        }
        assert_eq!(
            render(&stanzas),
            "Types: deb\nURIs: http://a.example/debian\nSuites: trixie trixie-updates\nComponents: main\n\
             Signed-By: /k.pgp\n\nTypes: deb\nURIs: http://b.example/debian-security\n\
             Suites: trixie-security\nComponents: main\nSigned-By: /k.pgp\n"
        );
    }
}
