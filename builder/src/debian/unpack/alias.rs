//! Directories that have two names on every merged-usr system.
//!
//! They are made before any package is unpacked, because packages still say
//! `./lib/x` or `./var/run/y` where the file lies elsewhere, and dpkg, which
//! unpacks base-files first, follows the links.

/// A link at the top of the tree, and where it leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Alias {
    /// The link, beneath the root.
    pub(super) link: &'static str,
    /// Its target as it is written.
    pub(super) target: &'static str,
    /// The directory that it stands for, beneath the root.
    pub(super) directory: &'static str,
}

const fn alias(link: &'static str, target: &'static str, directory: &'static str) -> Alias {
    Alias {
        link,
        target,
        directory,
    }
}

/// Those of every architecture; base-files ships the links as well.
const COMMON: [Alias; 5] = [
    alias("bin", "usr/bin", "usr/bin"),
    alias("sbin", "usr/sbin", "usr/sbin"),
    alias("lib", "usr/lib", "usr/lib"),
    alias("var/run", "/run", "run"),
    alias("var/lock", "/run/lock", "run/lock"),
];

const LIB64: Alias = alias("lib64", "usr/lib64", "usr/lib64");

/// The links of an architecture: those whose dynamic linker is in `/lib64`
/// have that one too.
pub(super) fn aliases(architecture: &str) -> Vec<Alias> {
    let mut all = COMMON.to_vec();
    if matches!(architecture, "amd64" | "ppc64el" | "loong64") {
        all.push(LIB64);
    }
    all
}

/// The path on disk of what a package calls `path`.
pub(super) fn resolve<'p>(aliases: &[Alias], path: &'p [u8]) -> std::borrow::Cow<'p, [u8]> {
    for alias in aliases {
        if let Some(rest) = path.strip_prefix(alias.link.as_bytes())
            && rest.starts_with(b"/")
        {
            return [alias.directory.as_bytes(), rest].concat().into();
        }
    }
    path.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_lies_beneath_an_alias_moves() {
        let all = aliases("amd64");
        for (path, expected) in [
            ("lib/x86_64-linux-gnu/a", "usr/lib/x86_64-linux-gnu/a"),
            ("lib64/ld.so", "usr/lib64/ld.so"),
            ("var/run/x/y", "run/x/y"),
            ("var/lock/x", "run/lock/x"),
            ("lib", "lib"),
            ("library/a", "library/a"),
            ("usr/lib/a", "usr/lib/a"),
        ] {
            assert_eq!(&*resolve(&all, path.as_bytes()), expected.as_bytes());
        }
    }
}
