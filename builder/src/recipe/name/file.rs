//! What a recipe says of files: where they come from and go, whose they are.

use super::UserName;
use hatchery_image::settings::text::{InvalidText, check_absolute_path, deserialize};
use hatchery_image::validated_text;
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::borrow::Cow;
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

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
