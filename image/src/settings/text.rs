//! Texts that can only be made in a valid form, and how they are read so that
//! an error points at the very value that is wrong.

use serde::Deserializer;
use serde::de::{Error, Visitor};
use std::fmt;
use std::marker::PhantomData;
use std::str::FromStr;

/// Longest host name, in bytes (Linux's `HOST_NAME_MAX`).
pub const HOST_NAME_MAX: usize = 64;

/// Longest label of a host or domain name, in bytes.
const LABEL_MAX: usize = 63;

/// Longest domain name, in bytes.
const DOMAIN_MAX: usize = 253;

/// How much of a wrong text an error repeats, in characters.
const SHOWN_MAX: usize = 80;

/// A text that has not the form it needs.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not {what}: {why}")]
pub struct InvalidText {
    what: &'static str,
    text: String,
    why: &'static str,
}

impl InvalidText {
    /// `what` with its article, such as `a host name`; `why` a clause, such as
    /// `it is empty`.
    #[must_use]
    pub fn new(what: &'static str, text: &str, why: &'static str) -> Self {
        Self {
            what,
            text: text.chars().take(SHOWN_MAX).collect(),
            why,
        }
    }
}

/// Reads a text and parses it while the deserializer still knows where it
/// stands; serde's `try_from` would lose the place inside a list.
///
/// # Errors
/// Not a text, or one that does not parse.
pub fn deserialize<'de, T, D>(deserializer: D, what: &'static str) -> Result<T, D::Error>
where
    T: FromStr,
    T::Err: fmt::Display,
    D: Deserializer<'de>,
{
    struct Text<T>(&'static str, PhantomData<T>);
    impl<T: FromStr<Err: fmt::Display>> Visitor<'_> for Text<T> {
        type Value = T;
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(self.0)
        }
        fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
            text.parse().map_err(E::custom)
        }
    }
    deserializer.deserialize_str(Text(what, PhantomData))
}

/// Declares a text type: `validated_text!(/** doc */ Name, "a name", check, "regex")`,
/// where `check` is `fn(&str) -> Result<(), &'static str>` and says why a text
/// is refused, and the regular expression goes into the JSON schema.
#[macro_export]
macro_rules! validated_text {
    ($(#[$doc:meta])* $type:ident, $what:literal, $check:expr, $pattern:literal) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $type(String);

        impl $type {
            /// The text itself.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl ::std::str::FromStr for $type {
            type Err = $crate::settings::text::InvalidText;
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                let check: fn(&str) -> Result<(), &'static str> = $check;
                match check(text) {
                    Ok(()) => Ok(Self(text.to_owned())),
                    Err(why) => Err($crate::settings::text::InvalidText::new($what, text, why)),
                }
            }
        }

        impl ::std::fmt::Display for $type {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl AsRef<str> for $type {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl ::serde::Serialize for $type {
            fn serialize<S: ::serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl<'de> ::serde::Deserialize<'de> for $type {
            fn deserialize<D: ::serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                $crate::settings::text::deserialize(deserializer, $what)
            }
        }

        impl ::schemars::JsonSchema for $type {
            fn schema_name() -> ::std::borrow::Cow<'static, str> {
                stringify!($type).into()
            }
            fn json_schema(_: &mut ::schemars::SchemaGenerator) -> ::schemars::Schema {
                ::schemars::json_schema!({ "type": "string", "pattern": $pattern })
            }
        }
    };
}

validated_text!(
    /// A host name: labels of letters, digits and `-`, joined by dots.
    HostName,
    "a host name",
    check_host_name,
    "^[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?(\\.[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?)*$"
);

validated_text!(
    /// A DNS domain to search or to route to, such as `example.org`, `~corp`
    /// (only routed to, never appended) or `~.` (everything).
    Domain,
    "a domain",
    check_domain,
    "^~?([A-Za-z0-9_-]+(\\.[A-Za-z0-9_-]+)*\\.?|\\.)$"
);

validated_text!(
    /// An absolute path other than `/`, without `.`, `..`, empty parts and
    /// control characters.
    AbsolutePath,
    "an absolute path",
    check_absolute_path,
    "^(/[^/]+)+$"
);

impl AbsolutePath {
    /// The path beneath `/`, without the leading slash.
    #[must_use]
    pub fn relative(&self) -> &str {
        &self.0[1..]
    }
}

fn check_labels(text: &str, also: &[u8]) -> Result<(), &'static str> {
    for label in text.split('.') {
        if label.is_empty() {
            return Err("a part between dots is empty");
        }
        if label.len() > LABEL_MAX {
            return Err("a part between dots is longer than 63 characters");
        }
        let allowed = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || also.contains(&b);
        if !label.bytes().all(allowed) {
            return Err("only letters, digits, '-' and '.' are allowed");
        }
        if label.starts_with('-') || label.ends_with('-') {
            return Err("a part between dots starts or ends with '-'");
        }
    }
    Ok(())
}

fn check_host_name(text: &str) -> Result<(), &'static str> {
    match text.len() {
        0 => Err("it is empty"),
        n if n > HOST_NAME_MAX => Err("it is longer than 64 characters"),
        _ => check_labels(text, b""),
    }
}

fn check_domain(text: &str) -> Result<(), &'static str> {
    let bare = text.strip_prefix('~').unwrap_or(text);
    match bare {
        "" => Err("it is empty"),
        "." => Ok(()),
        _ if bare.len() > DOMAIN_MAX => Err("it is longer than 253 characters"),
        _ => check_labels(bare.strip_suffix('.').unwrap_or(bare), b"_"),
    }
}

/// Why a text is not an absolute path that systemd's file formats can hold.
///
/// # Errors
/// The reason, as a clause.
pub fn check_absolute_path(text: &str) -> Result<(), &'static str> {
    let Some(rest) = text.strip_prefix('/') else {
        return Err("it does not start with '/'");
    };
    if rest.is_empty() {
        return Err("it is the root itself");
    }
    if text.len() > crate::path::PATH_MAX {
        return Err("it is longer than 4095 bytes");
    }
    if text.chars().any(char::is_control) {
        return Err("it holds a control character");
    }
    if text.ends_with(' ') {
        return Err("it ends with a space, which systemd's files cannot hold");
    }
    if rest.split('/').any(|part| matches!(part, "" | "." | "..")) {
        return Err("it has an empty part, '.' or '..'");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn host_names() {
        for good in ["a", "web-1", "Web.example.org", &"x".repeat(63)] {
            assert!(good.parse::<HostName>().is_ok(), "{good}");
        }
        let long = "x".repeat(64);
        for bad in ["", "-a", "a-", "a..b", ".a", "a_b", "a b", "a\n", &long] {
            assert!(bad.parse::<HostName>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn domains() {
        for good in ["~.", "example.org", "~corp", "_tcp.example", "example.org."] {
            assert!(good.parse::<Domain>().is_ok(), "{good}");
        }
        for bad in ["", "~", "..", "a b", "a\nDNS=1.1.1.1"] {
            assert!(bad.parse::<Domain>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn absolute_paths() {
        for good in ["/a", "/srv/share it", "/a:b"] {
            assert!(good.parse::<AbsolutePath>().is_ok(), "{good}");
        }
        for bad in [
            "",
            "/",
            "a",
            "/a/",
            "//a",
            "/a/../b",
            "/a\nBind=/",
            "/a ",
            "/./a",
        ] {
            assert!(bad.parse::<AbsolutePath>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn an_error_says_what_was_wanted_and_why() {
        let error = "a b".parse::<HostName>().unwrap_err();
        assert_eq!(
            error.to_string(),
            "\"a b\" is not a host name: only letters, digits, '-' and '.' are allowed"
        );
    }
}
