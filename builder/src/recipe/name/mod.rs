//! The texts and numbers of a recipe that can only be made valid.

mod account;
mod file;
mod size;
#[cfg(test)]
mod tests;

pub use account::{NotAHash, PasswordHash, SshKey, UserName};
pub use file::{FileMode, Owner, Principal, SourcePath, Target};
pub use size::Size;

use hatchery_image::validated_text;

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
    /// A pattern in which `*`, `?` and `[…]` stand for any letters, as pacman
    /// has them.
    Glob,
    "a pattern",
    |text| {
        if text.is_empty() || text.len() > LINE_MAX {
            return Err("it is empty or too long");
        }
        let bad = |c: char| c.is_control() || c.is_whitespace() || c == '#';
        (!text.contains(bad))
            .then_some(())
            .ok_or("it holds a space, '#' or a control character")
    },
    "^[^# ]+$"
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
