//! What a recipe says of accounts: names, SSH keys, hashes of passwords.

use super::LINE_MAX;
use hatchery_image::settings::text::deserialize;
use hatchery_image::validated_text;
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

/// Longest name of a user or group, in bytes (shadow's and utmp's limit).
const USER_MAX: usize = 31;

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
