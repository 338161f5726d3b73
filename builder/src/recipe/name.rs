//! The texts and numbers of a recipe that can only be made valid.

use hatchery_image::settings::text::{InvalidText, check_absolute_path, deserialize};
use hatchery_image::validated_text;
use schemars::JsonSchema;
use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::borrow::Cow;
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// Longest name of a user or group, in bytes (shadow's and utmp's limit).
const USER_MAX: usize = 31;

/// Longest unit name, in bytes (systemd's `UNIT_NAME_MAX`, less one).
const UNIT_MAX: usize = 255;

/// Longest name of a package, suite, component, zone or locale, in bytes.
const WORD_MAX: usize = 128;

/// Longest mirror address or key, in bytes.
const LINE_MAX: usize = 16 << 10;

/// The kinds of unit that can be enabled or masked.
const UNIT_KINDS: [&str; 10] = [
    "service",
    "socket",
    "target",
    "timer",
    "path",
    "mount",
    "automount",
    "swap",
    "slice",
    "scope",
];

/// The kinds of SSH key that OpenSSH 10 accepts in `authorized_keys`.
const SSH_KINDS: [&str; 7] = [
    "ssh-ed25519",
    "ssh-rsa",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "sk-ssh-ed25519@openssh.com",
    "sk-ecdsa-sha2-nistp256@openssh.com",
];

fn check_word(text: &str, also: &[u8]) -> Result<(), &'static str> {
    if text.is_empty() {
        return Err("it is empty");
    }
    if text.len() > WORD_MAX {
        return Err("it is longer than 128 characters");
    }
    if !text.as_bytes()[0].is_ascii_alphanumeric() {
        return Err("it does not begin with a letter or digit");
    }
    let allowed = |b: u8| b.is_ascii_alphanumeric() || also.contains(&b);
    if !text.bytes().all(allowed) {
        return Err("it holds a character that is not allowed there");
    }
    Ok(())
}

validated_text!(
    /// The name of a package. Each distribution narrows it further.
    PackageName,
    "the name of a package",
    |text| check_word(text, b"+-._@"),
    "^[A-Za-z0-9][A-Za-z0-9+._@-]*$"
);

validated_text!(
    /// A suite or release of a repository, such as `trixie` or `trixie-security`.
    Suite,
    "a release",
    |text| {
        check_word(text, b"+-._~/")?;
        let parts_ok = !text.split('/').any(|p| matches!(p, "" | "." | ".."));
        parts_ok.then_some(()).ok_or("it has an empty part, '.' or '..'")
    },
    "^[A-Za-z0-9][A-Za-z0-9+._~/-]*$"
);

validated_text!(
    /// A component of a repository, such as `main`.
    Component,
    "a component",
    |text| {
        check_word(text, b"+-._/")?;
        let parts_ok = !text.split('/').any(|p| matches!(p, "" | "." | ".."));
        parts_ok.then_some(()).ok_or("it has an empty part, '.' or '..'")
    },
    "^[A-Za-z0-9][A-Za-z0-9+._/-]*$"
);

validated_text!(
    /// The address of a mirror: `http://`, `https://` or `file:///`, without a
    /// final slash.
    MirrorUrl,
    "the address of a mirror",
    check_mirror,
    "^(https?://[^/ ]+|file:///[^ ]+)[^ ?#]*[^/ ?#]$"
);

fn check_mirror(text: &str) -> Result<(), &'static str> {
    if text.len() > LINE_MAX {
        return Err("it is too long");
    }
    if text.ends_with('/') {
        return Err("leave out the final '/'");
    }
    if text.chars().any(|c| c.is_control() || c.is_whitespace()) {
        return Err("it holds a space or control character");
    }
    let known = ["http://", "https://", "file:///"];
    if !known.iter().any(|k| text.starts_with(k)) {
        return Err("allowed are http://, https:// and file:///");
    }
    let url = url::Url::parse(text).map_err(|_| "it is not a URL")?;
    if url.query().is_some() || url.fragment().is_some() {
        return Err("'?' and '#' have no place in it");
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("a recipe must not hold credentials");
    }
    Ok(())
}

validated_text!(
    /// The name of a user or group.
    UserName,
    "the name of a user or group",
    |text| {
        let first = text.as_bytes().first().copied().unwrap_or(b'-');
        if !(first.is_ascii_lowercase() || first == b'_') {
            return Err("it does not begin with a-z or '_'");
        }
        if text.len() > USER_MAX {
            return Err("it is longer than 31 characters");
        }
        let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"_-".contains(&b);
        text.bytes()
            .all(allowed)
            .then_some(())
            .ok_or("only a-z, 0-9, '_' and '-' are allowed")
    },
    "^[a-z_][a-z0-9_-]{0,30}$"
);

validated_text!(
    /// The name of a systemd unit, such as `ssh.service` or `foo@bar.timer`.
    UnitName,
    "the name of a unit",
    |text| {
        if text.len() > UNIT_MAX {
            return Err("it is longer than 255 characters");
        }
        let (name, kind) = text.rsplit_once('.').unwrap_or((text, ""));
        if !UNIT_KINDS.contains(&kind) {
            return Err("it does not end in a kind of unit, such as .service, .socket or .timer");
        }
        let allowed = |b: u8| b.is_ascii_alphanumeric() || br":_.\-@".contains(&b);
        (!name.is_empty() && !name.starts_with(['.', '-']) && name.bytes().all(allowed))
            .then_some(())
            .ok_or("before its kind only letters, digits and : _ . \\ - @ are allowed")
    },
    "^[A-Za-z0-9:_@\\\\][A-Za-z0-9:_.\\\\@-]*\\.(service|socket|target|timer|path|mount|automount|swap|slice|scope)$"
);

validated_text!(
    /// A time zone of the IANA database, such as `Europe/Berlin` or `UTC`.
    TimeZone,
    "a time zone",
    |text| {
        check_word(text, b"+-_/")?;
        let parts_ok = text.split('/').all(|p| !p.is_empty());
        parts_ok.then_some(()).ok_or("it has an empty part")
    },
    "^[A-Za-z0-9][A-Za-z0-9+_-]*(/[A-Za-z0-9+_-]+)*$"
);

impl TimeZone {
    /// Whether it is what a system without any setting has.
    #[must_use]
    pub fn is_utc(&self) -> bool {
        matches!(self.as_str(), "UTC" | "Etc/UTC")
    }
}

validated_text!(
    /// A locale, such as `C.UTF-8` or `de_DE.UTF-8`.
    Locale,
    "a locale",
    |text| {
        if matches!(text, "C" | "POSIX" | "C.UTF-8") {
            return Ok(());
        }
        let (rest, modifier) = text.split_once('@').unwrap_or((text, "x"));
        let Some(place) = rest.strip_suffix(".UTF-8") else {
            return Err("allowed are C, C.UTF-8, POSIX and names that end in .UTF-8, such as de_DE.UTF-8");
        };
        let lower = |s: &str| !s.is_empty() && s.bytes().all(|b| b.is_ascii_lowercase());
        let (language, country) = place.split_once('_').unwrap_or((place, "XX"));
        let country_ok = country.len() == 2 && country.bytes().all(|b| b.is_ascii_uppercase());
        (lower(language) && language.len() <= 3 && country_ok && lower(modifier))
            .then_some(())
            .ok_or("it is not of the form language_COUNTRY.UTF-8")
    },
    "^(C|POSIX|C\\.UTF-8|[a-z]{2,3}(_[A-Z]{2})?\\.UTF-8(@[a-z]+)?)$"
);

impl Locale {
    /// Whether the C library has it built in.
    #[must_use]
    pub fn is_builtin(&self) -> bool {
        matches!(self.as_str(), "C" | "POSIX" | "C.UTF-8")
    }
}

validated_text!(
    /// A public key as in `authorized_keys`: kind, base64 and a comment.
    SshKey,
    "a public SSH key",
    |text| {
        if text.len() > LINE_MAX || text.chars().any(char::is_control) {
            return Err("it is longer than a line");
        }
        if text.contains("PRIVATE KEY") {
            return Err("this is a private key; use the file that ends in .pub");
        }
        let mut words = text.split(' ');
        if !words.next().is_some_and(|kind| SSH_KINDS.contains(&kind)) {
            return Err("it does not begin with a kind of key, such as ssh-ed25519");
        }
        // Every kind begins with the length of its own name, which takes four bytes.
        let data = words.next().unwrap_or("");
        let base64 = |b: u8| b.is_ascii_alphanumeric() || b"+/=".contains(&b);
        (data.starts_with("AAAA") && data.len() >= 64 && data.bytes().all(base64))
            .then_some(())
            .ok_or("what follows its kind is not the base64 of a key")
    },
    "^(ssh|ecdsa|sk)-[^ ]+ AAAA[A-Za-z0-9+/=]+( .*)?$"
);

/// A password's hash as in `/etc/shadow`: yescrypt (`$y$`) or SHA-512 (`$6$`).
/// Plain text is refused, and never repeated in an error.
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordHash(String);

/// A text that is not a password's hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "this is not a password hash of the form $y$… or $6$…; passwords are never written in plain text. Make a hash with: openssl passwd -6"
)]
pub struct NotAHash;

impl PasswordHash {
    /// The hash, for `/etc/shadow`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for PasswordHash {
    type Err = NotAHash;
    fn from_str(text: &str) -> Result<Self, NotAHash> {
        let fields: Vec<&str> = text.split('$').collect();
        let crypt = |s: &&str| {
            !s.is_empty()
                && s.bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b == b'.' || b == b'/')
        };
        // Lengths of the digests: 256 bits and 512 bits, six bits a character.
        let good = match fields.as_slice() {
            ["", "y", parameters, salt, digest] => {
                [parameters, salt].into_iter().all(crypt) && digest.len() == 43 && crypt(digest)
            }
            ["", "6", salt, digest] => crypt(salt) && digest.len() == 86 && crypt(digest),
            ["", "6", rounds, salt, digest] => {
                let rounds = rounds.strip_prefix("rounds=").unwrap_or("");
                rounds.parse::<u32>().is_ok() && crypt(salt) && digest.len() == 86 && crypt(digest)
            }
            _ => false,
        };
        good.then(|| Self(text.to_owned())).ok_or(NotAHash)
    }
}

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PasswordHash(…)")
    }
}

impl Serialize for PasswordHash {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for PasswordHash {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserialize(deserializer, "a password hash")
    }
}

impl JsonSchema for PasswordHash {
    fn schema_name() -> Cow<'static, str> {
        "PasswordHash".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "pattern": "^\\$[y6]\\$[A-Za-z0-9./$=]+$" })
    }
}

/// A path beside the recipe: relative to the file in which it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourcePath(PathBuf);

impl SourcePath {
    /// The path, relative.
    #[must_use]
    pub fn as_path(&self) -> &Path {
        &self.0
    }
}

impl FromStr for SourcePath {
    type Err = InvalidText;
    fn from_str(text: &str) -> Result<Self, InvalidText> {
        let fail = |why| Err(InvalidText::new("a path beside the recipe", text, why));
        if text.is_empty() || text.contains('\0') || text.len() > hatchery_image::path::PATH_MAX {
            return fail("it is empty, too long or holds a NUL");
        }
        if text.starts_with('/') {
            return fail("it must be relative to the file that it is written in");
        }
        Ok(Self(PathBuf::from(text)))
    }
}

impl<'de> Deserialize<'de> for SourcePath {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserialize(deserializer, "a path")
    }
}

impl JsonSchema for SourcePath {
    fn schema_name() -> Cow<'static, str> {
        "SourcePath".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "pattern": "^[^/]" })
    }
}

validated_text!(
    /// Where a file or folder of the recipe goes in the image: an absolute
    /// path; `/` only for a folder.
    Target,
    "an absolute path",
    |text| if text == "/" { Ok(()) } else { check_absolute_path(text) },
    "^/"
);

impl Target {
    /// The path beneath the root: empty for the root itself.
    #[must_use]
    pub fn relative(&self) -> &str {
        &self.as_str()[1..]
    }
}

/// A file's permission bits, written as octal text: `"0644"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileMode(u32);

impl FileMode {
    /// The bits, with setuid, setgid and sticky.
    #[must_use]
    pub const fn bits(self) -> u32 {
        self.0
    }
}

impl FromStr for FileMode {
    type Err = InvalidText;
    fn from_str(text: &str) -> Result<Self, InvalidText> {
        let octal = matches!(text.len(), 3 | 4) && text.bytes().all(|b| (b'0'..=b'7').contains(&b));
        let bits = u32::from_str_radix(text, 8).ok().filter(|_| octal);
        bits.map(Self).ok_or_else(|| {
            InvalidText::new(
                "a file mode",
                text,
                "allowed are three or four octal digits, such as \"0644\"",
            )
        })
    }
}

impl Serialize for FileMode {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{:04o}", self.0))
    }
}

impl<'de> Deserialize<'de> for FileMode {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // A number is refused: 644 and 0o644 look the same once they are read.
        deserialize(deserializer, "a file mode as text, such as \"0644\"")
    }
}

impl JsonSchema for FileMode {
    fn schema_name() -> Cow<'static, str> {
        "FileMode".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "pattern": "^[0-7]{3,4}$" })
    }
}

/// A user or group, by name or number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Principal {
    /// By name, looked up in the image.
    Name(UserName),
    /// By number.
    Id(u32),
}

impl fmt::Display for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => write!(f, "{name}"),
            Self::Id(id) => write!(f, "{id}"),
        }
    }
}

/// A file's owner: `user`, `user:group`, by name or number. A user alone
/// stands for the group of the same name or number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    /// The user.
    pub user: Principal,
    /// The group.
    pub group: Principal,
}

impl Owner {
    /// `root:root`.
    #[must_use]
    pub const fn root() -> Self {
        Self {
            user: Principal::Id(0),
            group: Principal::Id(0),
        }
    }
}

impl FromStr for Owner {
    type Err = InvalidText;
    fn from_str(text: &str) -> Result<Self, InvalidText> {
        let principal = |part: &str| -> Option<Principal> {
            if part.bytes().all(|b| b.is_ascii_digit()) {
                // The last number means "leave as it is" to the kernel.
                part.parse()
                    .ok()
                    .filter(|n| *n != u32::MAX)
                    .map(Principal::Id)
            } else {
                part.parse().ok().map(Principal::Name)
            }
        };
        let (user, group) = text.split_once(':').unwrap_or((text, text));
        match (principal(user), principal(group)) {
            (Some(user), Some(group)) => Ok(Self { user, group }),
            _ => Err(InvalidText::new(
                "an owner",
                text,
                "allowed are user and user:group, by name or number",
            )),
        }
    }
}

impl Serialize for Owner {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{}:{}", self.user, self.group))
    }
}

impl<'de> Deserialize<'de> for Owner {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserialize(deserializer, "an owner such as \"root:root\"")
    }
}

impl JsonSchema for Owner {
    fn schema_name() -> Cow<'static, str> {
        "Owner".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "pattern": "^[a-z0-9_-]+(:[a-z0-9_-]+)?$" })
    }
}

/// A size in bytes, written as a number or with a binary unit: `"16G"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Size(u64);

impl Size {
    /// In bytes.
    #[must_use]
    pub const fn bytes(self) -> u64 {
        self.0
    }
}

impl FromStr for Size {
    type Err = InvalidText;
    fn from_str(text: &str) -> Result<Self, InvalidText> {
        let fail = || {
            InvalidText::new(
                "a size",
                text,
                "allowed is a whole number of bytes, or one with K, M, G or T (of 1024), such as \"16G\"",
            )
        };
        let (digits, shift) = match text.as_bytes().last() {
            Some(b'K') => (&text[..text.len() - 1], 10),
            Some(b'M') => (&text[..text.len() - 1], 20),
            Some(b'G') => (&text[..text.len() - 1], 30),
            Some(b'T') => (&text[..text.len() - 1], 40),
            _ => (text, 0),
        };
        let plain = digits.bytes().all(|b| b.is_ascii_digit());
        let number: u64 = digits.parse().ok().filter(|_| plain).ok_or_else(fail)?;
        number.checked_mul(1 << shift).map(Self).ok_or_else(fail)
    }
}

impl Serialize for Size {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(self.0)
    }
}

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;
        impl Visitor<'_> for Any {
            type Value = Size;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a size such as \"16G\"")
            }
            fn visit_i64<E: Error>(self, bytes: i64) -> Result<Size, E> {
                u64::try_from(bytes)
                    .map(Size)
                    .map_err(|_| E::custom("a size is not negative"))
            }
            fn visit_u64<E: Error>(self, bytes: u64) -> Result<Size, E> {
                Ok(Size(bytes))
            }
            fn visit_str<E: Error>(self, text: &str) -> Result<Size, E> {
                text.parse().map_err(E::custom)
            }
        }
        deserializer.deserialize_any(Any)
    }
}

impl JsonSchema for Size {
    fn schema_name() -> Cow<'static, str> {
        "Size".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "anyOf": [
            { "type": "integer", "minimum": 0 },
            { "type": "string", "pattern": "^[0-9]+[KMGT]?$" }
        ]})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all_pass<T: FromStr>(texts: &[&str]) {
        for text in texts {
            assert!(text.parse::<T>().is_ok(), "{text:?} should pass");
        }
    }

    fn none_passes<T: FromStr>(texts: &[&str]) {
        for text in texts {
            assert!(text.parse::<T>().is_err(), "{text:?} should be refused");
        }
    }

    #[test]
    fn words() {
        all_pass::<PackageName>(&["libc6", "g++", "python3.13", "libstdc++6"]);
        none_passes::<PackageName>(&["", "-x", "a b", "a/b", "a:amd64", "a\n", "$(reboot)"]);
        all_pass::<Suite>(&["trixie", "trixie-security", "stable/updates"]);
        none_passes::<Suite>(&["", "../x", "a/../b", "a//b", "a b"]);
        all_pass::<TimeZone>(&[
            "UTC",
            "Europe/Berlin",
            "Etc/GMT+5",
            "America/Argentina/Ushuaia",
        ]);
        none_passes::<TimeZone>(&[
            "",
            "../etc/shadow",
            "Europe//Berlin",
            "/UTC",
            "a b",
            "Europe/..",
        ]);
        all_pass::<Locale>(&[
            "C",
            "C.UTF-8",
            "de_DE.UTF-8",
            "eo.UTF-8",
            "ca_ES.UTF-8@valencia",
        ]);
        none_passes::<Locale>(&["", "de_DE", "de_de.UTF-8", "de_DE.ISO-8859-1", "x\ny.UTF-8"]);
        all_pass::<UserName>(&["ada", "_apt", "a-b_c1"]);
        none_passes::<UserName>(&["", "Ada", "1a", "a b", "a:b", "a\n", &"a".repeat(32)]);
        all_pass::<UnitName>(&["ssh.service", "a@b.timer", r"dev-disk\x2d1.swap"]);
        none_passes::<UnitName>(&[
            "ssh",
            ".service",
            "a/b.service",
            "../x.service",
            "--now.service",
            "a b.service",
        ]);
    }

    #[test]
    fn mirrors() {
        all_pass::<MirrorUrl>(&[
            "http://ftp.de.debian.org/debian",
            "file:///srv/mirror",
            "https://a:8443/x",
        ]);
        none_passes::<MirrorUrl>(&[
            "ftp://a/b",
            "http://a/",
            "http://",
            "a/b",
            "http://u:p@a/b",
            "http://a/b?c",
            "http://a/b#c",
            "http://a/b c",
        ]);
    }

    #[test]
    fn password_hashes_and_nothing_else() {
        let yescrypt = format!("$y$j9T$salt.x/$%{}", "a".repeat(42));
        assert!(yescrypt.parse::<PasswordHash>().is_err());
        all_pass::<PasswordHash>(&[
            &format!("$y$j9T$saltsalt${}", "a".repeat(43)),
            &format!("$6$saltsalt${}", "b".repeat(86)),
            &format!("$6$rounds=5000$saltsalt${}", "b".repeat(86)),
        ]);
        none_passes::<PasswordHash>(&[
            "",
            "secret",
            "$1$a$b",
            "$6$salt$short",
            "*",
            "!",
            "$6$salt$:0:",
            "$y$j9T$salt$a:0",
        ]);
        let error = "secret".parse::<PasswordHash>().unwrap_err().to_string();
        assert!(
            !error.contains("secret") && error.contains("openssl passwd -6"),
            "{error}"
        );
    }

    #[test]
    fn ssh_keys() {
        let key = format!(
            "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5{} ada@example",
            "A".repeat(48)
        );
        all_pass::<SshKey>(&[&key]);
        none_passes::<SshKey>(&[
            "",
            "ssh-ed25519",
            "ssh-ed25519 AAAA",
            "command=\"x\" ssh-ed25519 AAAA",
            "-----BEGIN OPENSSH PRIVATE KEY-----",
            &format!("{key}\nssh-rsa x"),
        ]);
    }

    #[test]
    fn sizes_modes_and_owners() {
        assert_eq!("16G".parse::<Size>().unwrap().bytes(), 17_179_869_184);
        assert_eq!("512".parse::<Size>().unwrap().bytes(), 512);
        none_passes::<Size>(&["", "G", "16GB", "1.5G", "-1", "+1", "99999999999T"]);
        assert_eq!("4755".parse::<FileMode>().unwrap().bits(), 0o4755);
        none_passes::<FileMode>(&["", "8", "0o644", "rw", "00644", "0x1", "+644"]);
        let owner: Owner = "www-data:33".parse().unwrap();
        assert_eq!(owner.group, Principal::Id(33));
        none_passes::<Owner>(&["", ":", "a:", "a:b:c", "4294967295", "A"]);
    }

    #[test]
    fn places() {
        all_pass::<SourcePath>(&["x", "../common/base.toml", "./a b"]);
        none_passes::<SourcePath>(&["", "/etc/shadow", "a\0b"]);
        all_pass::<Target>(&["/", "/etc/motd"]);
        none_passes::<Target>(&["", "etc/motd", "/etc/../x", "/etc/"]);
    }
}
