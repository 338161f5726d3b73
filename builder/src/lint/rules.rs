//! What no image may hold, as rules on names and on the first bytes of files.
//!
//! Collected from systemd's "Building Images Safely", from what mkosi and
//! mmdebstrap remove, and from where Debian's and Arch's packages make keys.

use crate::recipe::Recipe;
use memchr::memmem;

const MACHINE_ID: &str = "a machine-id";
const HOST_KEY: &str = "an SSH host key";
const SEED: &str = "a random seed";
const CREDENTIAL: &str = "a credential";
const CACHE: &str = "a cache";
const LOG: &str = "a log";
const HISTORY: &str = "a history";
const TEMPORARY: &str = "a temporary file";
const RESOLVER: &str = "the build host's name servers";
const HOST_NAME: &str = "the build host's name";
const LEFTOVER: &str = "a remnant of the build";

/// Names that no file may have: a pattern of the whole path and what it is.
/// `*` stands for one part or a piece of one, a leading `**/` for any folders
/// or none, a final `/**` for everything beneath. Empty files are let be,
/// except for keys.
const NAMES: [(&str, &str); 47] = [
    ("var/lib/dbus/machine-id", MACHINE_ID),
    ("etc/ssh/ssh_host_*", HOST_KEY),
    ("etc/dropbear/dropbear_*_host_key", HOST_KEY),
    ("var/lib/systemd/random-seed", SEED),
    ("var/lib/systemd/credential.secret", SEED),
    ("var/lib/urandom/random-seed", SEED),
    ("var/lib/random-seed", SEED),
    ("boot/loader/random-seed", SEED),
    ("efi/loader/random-seed", SEED),
    ("etc/pacman.d/gnupg/private-keys-v1.d/**", CREDENTIAL),
    ("etc/pacman.d/gnupg.new/private-keys-v1.d/**", CREDENTIAL),
    ("etc/apt/auth.conf", CREDENTIAL),
    ("etc/apt/auth.conf.d/**", CREDENTIAL),
    ("etc/krb5.keytab", CREDENTIAL),
    ("etc/wireguard/*.conf", CREDENTIAL),
    ("etc/NetworkManager/system-connections/**", CREDENTIAL),
    ("etc/credstore/**", CREDENTIAL),
    ("etc/credstore.encrypted/**", CREDENTIAL),
    ("**/.ssh/id_*", CREDENTIAL),
    ("**/.gnupg/private-keys-v1.d/**", CREDENTIAL),
    ("**/.netrc", CREDENTIAL),
    ("**/.pgpass", CREDENTIAL),
    ("**/.my.cnf", CREDENTIAL),
    ("**/.git-credentials", CREDENTIAL),
    ("**/.aws/credentials", CREDENTIAL),
    ("**/.docker/config.json", CREDENTIAL),
    ("**/.kube/config", CREDENTIAL),
    ("**/.npmrc", CREDENTIAL),
    ("**/.pypirc", CREDENTIAL),
    ("var/cache/apt/archives/**", CACHE),
    ("var/cache/apt/*.bin", CACHE),
    ("var/lib/apt/lists/**", CACHE),
    ("var/cache/pacman/pkg/**", CACHE),
    ("var/cache/dnf/**", CACHE),
    ("var/cache/ldconfig/aux-cache", CACHE),
    ("root/.cache/**", CACHE),
    ("home/*/.cache/**", CACHE),
    ("var/log/**", LOG),
    ("**/.bash_history", HISTORY),
    ("**/.python_history", HISTORY),
    ("**/.lesshst", HISTORY),
    ("tmp/**", TEMPORARY),
    ("var/tmp/**", TEMPORARY),
    ("run/**", TEMPORARY),
    ("usr/sbin/policy-rc.d", LEFTOVER),
    ("**/*.dpkg-new", LEFTOVER),
    (".post-install", LEFTOVER),
];

/// Where private keys are looked for by content. What packages ship beneath
/// `usr` is the same in every installation: examples and test data.
const OWN_FOLDERS: [&str; 7] = ["etc", "home", "opt", "root", "srv", "usr/local", "var"];

/// How OpenPGP, OpenSSH and PEM private keys say what they are.
const PRIVATE_KEY: [&[u8]; 2] = [b"PRIVATE KEY-----", b"PRIVATE KEY BLOCK-----"];

/// The text before that on the same line.
const BEGIN: &[u8] = b"-----BEGIN ";

/// Files in which a system says its own name.
const OWN_NAMES: [&str; 3] = ["etc/hostname", "etc/mailname", "etc/hosts"];

/// The rules for one image.
pub(super) struct Rules<'a> {
    recipe: &'a Recipe,
    hostname: Option<&'a str>,
}

impl<'a> Rules<'a> {
    pub(super) fn new(recipe: &'a Recipe, hostname: Option<&'a str>) -> Self {
        // An image may well be called like the host that builds it, and every
        // system is called localhost.
        let hostname = hostname.filter(|name| {
            let own = recipe.hostname.as_ref().map(|h| h.as_str());
            !name.is_empty() && *name != "localhost" && own != Some(*name)
        });
        Self { recipe, hostname }
    }

    /// Whether a file that is called so has to be looked at.
    pub(super) fn concern(&self, path: &str) -> bool {
        is_own(path) || NAMES.iter().any(|(pattern, _)| matches(pattern, path))
    }

    /// What a file is that is called so and begins with these bytes, if no
    /// image may hold it and the recipe does not allow it.
    pub(super) fn judge(&self, path: &str, bytes: &[u8]) -> Option<&'static str> {
        let what = by_name(path, bytes.len()).or_else(|| self.by_content(path, bytes))?;
        let allows = |allowed: &str| {
            path.strip_prefix(allowed)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        let mut allowed = self.recipe.lint.allow.iter();
        (!allowed.any(|p| allows(p.relative()))).then_some(what)
    }

    fn by_content(&self, path: &str, bytes: &[u8]) -> Option<&'static str> {
        let trimmed = bytes.trim_ascii();
        match path {
            "etc/machine-id" if !matches!(trimmed, b"" | b"uninitialized") => Some(MACHINE_ID),
            "etc/resolv.conf" if !self.places(path) && has_name_server(bytes) => Some(RESOLVER),
            _ if OWN_NAMES.contains(&path) && !self.places(path) && self.names_host(bytes) => {
                Some(HOST_NAME)
            }
            _ if is_own(path) && has_private_key(bytes) => Some(CREDENTIAL),
            _ => None,
        }
    }

    /// Whether the recipe itself puts the file there.
    fn places(&self, path: &str) -> bool {
        self.recipe
            .files
            .iter()
            .any(|file| file.path.relative() == path)
    }

    fn names_host(&self, bytes: &[u8]) -> bool {
        let Some(hostname) = self.hostname else {
            return false;
        };
        String::from_utf8_lossy(bytes)
            .split_whitespace()
            .any(|word| word == hostname || word.split('.').next() == Some(hostname))
    }
}

/// What a file is that is called so, if that alone decides.
fn by_name(path: &str, length: usize) -> Option<&'static str> {
    let (_, what) = NAMES.iter().find(|(pattern, _)| matches(pattern, path))?;
    let matters_empty = [HOST_KEY, CREDENTIAL].contains(what);
    // Public keys are told apart from private ones by name alone.
    let is_public = *what == CREDENTIAL && path.ends_with(".pub");
    ((length > 0 || matters_empty) && !is_public).then_some(*what)
}

fn is_own(path: &str) -> bool {
    OWN_FOLDERS.iter().any(|folder| {
        path.strip_prefix(folder)
            .is_some_and(|r| r.starts_with('/'))
    })
}

fn has_name_server(bytes: &[u8]) -> bool {
    bytes
        .split(|b| *b == b'\n')
        .any(|line| line.trim_ascii_start().starts_with(b"nameserver"))
}

/// Whether a line says that a private key begins.
fn has_private_key(bytes: &[u8]) -> bool {
    memmem::find_iter(bytes, BEGIN).any(|at| {
        let line = bytes[at..].split(|b| *b == b'\n').next().unwrap_or(b"");
        PRIVATE_KEY
            .iter()
            .any(|end| line.trim_ascii_end().ends_with(end))
    })
}

/// Whether a path is of a pattern: see [`NAMES`].
fn matches(pattern: &str, path: &str) -> bool {
    if let Some(pattern) = pattern.strip_prefix("**/") {
        let starts = path.match_indices('/').map(|(at, _)| at + 1);
        return std::iter::once(0)
            .chain(starts)
            .any(|at| matches(pattern, &path[at..]));
    }
    let mut parts = path.split('/');
    for wanted in pattern.split('/') {
        let Some(part) = parts.next() else {
            return false;
        };
        if wanted == "**" {
            return true;
        }
        let fits = match wanted.split_once('*') {
            None => wanted == part,
            Some((begin, end)) => {
                part.len() >= begin.len() + end.len()
                    && part.starts_with(begin)
                    && part.ends_with(end)
            }
        };
        if !fits {
            return false;
        }
    }
    parts.next().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_are_of_whole_paths() {
        for (pattern, path, expected) in [
            ("etc/x", "etc/x", true),
            ("etc/x", "etc/x/y", false),
            ("etc/x", "usr/etc/x", false),
            ("etc/*.conf", "etc/a.conf", true),
            ("etc/*.conf", "etc/a/b.conf", false),
            ("tmp/**", "tmp/a/b", true),
            ("tmp/**", "tmp", false),
            ("**/.netrc", ".netrc", true),
            ("**/.netrc", "home/a/.netrc", true),
            ("**/.netrc", "home/a/x.netrc", false),
            ("**/.ssh/id_*", "root/.ssh/id_rsa", true),
        ] {
            assert_eq!(matches(pattern, path), expected, "{pattern} {path}");
        }
    }

    #[test]
    fn a_private_key_is_told_from_talk_about_one() {
        for text in [
            "x\n-----BEGIN PRIVATE KEY-----\nMII",
            "-----BEGIN OPENSSH PRIVATE KEY-----\r\nb3B",
            "-----BEGIN PGP PRIVATE KEY BLOCK-----\n",
        ] {
            assert!(has_private_key(text.as_bytes()), "{text}");
        }
        for text in [
            "-----BEGIN CERTIFICATE-----\n",
            "a PRIVATE KEY-----",
            "-----BEGIN PUBLIC KEY-----\nPRIVATE KEY-----",
        ] {
            assert!(!has_private_key(text.as_bytes()), "{text}");
        }
    }
}
