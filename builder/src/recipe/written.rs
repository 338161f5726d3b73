//! A recipe as it is written: the keys, what they hold, and their defaults.
//! The JSON schema comes out of these types. [`super::check`] makes a
//! [`super::Recipe`] of it.

use super::distribution::{Pacman, SigLevel};
use super::name::{
    FileMode, Locale, MirrorUrl, Owner, PackageName, PasswordHash, Size, SourcePath, SshKey, Suite,
    Target, TimeZone, UnitName, UserName,
};
use super::{Component, Distribution};
use crate::debian::Variant;
use hatchery_image::manifest::ArchiveFormat;
use hatchery_image::settings::{AbsolutePath, Host0, HostName, Nspawn, OneOrMany, Resolved};
use hatchery_image::{Architecture, ImageName};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A recipe: what an image is made of. Relative paths are relative to the
/// file in which they are written.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[schemars(rename = "Recipe")]
#[serde(deny_unknown_fields)]
pub(super) struct Written {
    /// Further recipe files whose keys come first. Tables are merged, lists
    /// appended, and of other values the later one wins.
    #[serde(default)]
    #[allow(
        dead_code,
        reason = "taken out before; here for the schema and for near keys"
    )]
    include: Vec<SourcePath>,
    /// The name of the image: a-z, 0-9, '.' and '-'. At most 12 characters
    /// keep the name of its network link on a host whole.
    pub(super) name: ImageName,
    /// The distribution.
    pub(super) distribution: Distribution,
    /// Its release, such as `trixie`; Arch Linux has none.
    pub(super) release: Option<Suite>,
    /// What it runs on; the build host's own unless given.
    pub(super) architecture: Option<Architecture>,
    /// Mirrors of the distribution, tried in order. The first is the one that
    /// the image itself will use; those of Arch Linux say where the names of
    /// the repository and of the architecture go:
    /// `https://mirror.example/$repo/os/$arch`.
    #[serde(default)]
    pub(super) mirrors: Vec<MirrorUrl>,
    /// For Arch Linux: mirrors that keep the state of each day in folders
    /// `YYYY/MM/DD`, which stand before `$repo`:
    /// `https://archive.example/repos`.
    #[serde(default)]
    pub(super) snapshots: Vec<MirrorUrl>,
    /// A file with the OpenPGP keys that sign the distribution's own
    /// repositories; those that come with hatchery unless given.
    pub(super) key: Option<SourcePath>,
    /// Packages to install, besides those of the variant.
    #[serde(default)]
    pub(super) packages: Vec<PackageName>,
    /// Whether recommended packages are installed too.
    #[serde(default)]
    pub(super) recommends: bool,
    /// Which packages a tree begins with, as mmdebstrap has them.
    pub(super) variant: Option<Variant>,
    /// Components of the distribution's archive; `main` unless given.
    pub(super) components: Option<Vec<Component>>,
    /// For Arch Linux: pacman's own settings.
    #[serde(default)]
    pub(super) pacman: Pacman,
    /// Further repositories.
    #[serde(default)]
    pub(super) repository: Vec<WrittenRepository>,
    /// Whether a Release file past its Valid-Until is accepted, as mirrors
    /// that are not updated any more need it.
    #[serde(default)]
    pub(super) accept_expired: bool,
    /// Time for everything that wants to know it while building, in seconds
    /// since 1970; that of the newest repository unless given.
    pub(super) source_date_epoch: Option<i64>,
    /// Host name; unless given, each machine gets its own name.
    pub(super) hostname: Option<HostName>,
    /// System locale; `C.UTF-8` unless given.
    pub(super) locale: Option<Locale>,
    /// Time zone; UTC unless given.
    pub(super) timezone: Option<TimeZone>,
    /// The root account, locked unless something is given here.
    #[serde(default)]
    pub(super) root: Root,
    /// Users to create.
    #[serde(default)]
    pub(super) user: Vec<User>,
    /// Files and folders to put into the image. Of two with the same path the
    /// later one wins.
    #[serde(default)]
    pub(super) file: Vec<WrittenFile>,
    /// systemd units.
    #[serde(default)]
    pub(super) units: Units,
    /// A script to run inside the finished tree, confined.
    pub(super) post_install: Option<WrittenScript>,
    /// The network.
    #[serde(default)]
    pub(super) network: Network,
    /// systemd-resolved.
    #[serde(default)]
    pub(super) resolved: Resolved,
    /// Disk limit for a machine, such as `16G`.
    pub(super) disk_limit: Option<Size>,
    /// Settings for systemd-nspawn that are published beside the image.
    #[serde(default)]
    pub(super) nspawn: Nspawn,
    /// The archives.
    #[serde(default)]
    pub(super) archive: Archive,
    /// What the lint lets be.
    #[serde(default)]
    pub(super) lint: Lint,
}

/// A further repository.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[schemars(rename = "Repository")]
#[serde(deny_unknown_fields)]
pub(super) struct WrittenRepository {
    /// Its mirrors, tried in order; those of the distribution unless given.
    #[serde(default)]
    pub(super) mirrors: OneOrMany<MirrorUrl>,
    /// For Debian: its suite, such as `trixie-security`.
    pub(super) suite: Option<Suite>,
    /// For Arch Linux: its name, such as `multilib`.
    pub(super) name: Option<Suite>,
    /// For Arch Linux: what must be signed; every package unless given.
    pub(super) sig_level: Option<SigLevel>,
    /// Its components; those of the distribution unless given.
    pub(super) components: Option<Vec<Component>>,
    /// A file with the OpenPGP keys that sign it; the distribution's own keys
    /// unless given.
    pub(super) key: Option<SourcePath>,
}

/// The root account.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Root {
    /// Hash of its password (`$y$…` or `$6$…`); none locks it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password_hash: Option<PasswordHash>,
    /// SSH keys that may log in.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ssh_keys: Vec<SshKey>,
}

/// A user to create.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct User {
    /// Login name. A group of the same name is made with it.
    pub name: UserName,
    /// User and group id; the first free one from 1000 unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uid: Option<u32>,
    /// Full name or purpose.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<Comment>,
    /// Further groups.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<UserName>,
    /// Login shell; `/bin/bash` if the image has it, else `/bin/sh`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shell: Option<AbsolutePath>,
    /// Home directory; `/home/NAME` unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub home: Option<AbsolutePath>,
    /// Hash of the password (`$y$…` or `$6$…`); none locks it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password_hash: Option<PasswordHash>,
    /// SSH keys that may log in.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ssh_keys: Vec<SshKey>,
    /// Whether the user may become root with sudo, which is then installed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sudo: Option<Sudo>,
}

hatchery_image::validated_text!(
    /// The comment field of a user.
    Comment,
    "a comment",
    |text| {
        (!text.contains([':', '\n', '\r', '\0']) && text.len() <= 256)
            .then_some(())
            .ok_or("':' and line breaks cannot be in it, and it has at most 256 bytes")
    },
    "^[^:\\n]*$"
);

/// How a user becomes root.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Sudo {
    /// With the own password.
    Password,
    /// Without any.
    Nopassword,
}

/// A file or folder to put into the image. Exactly one of `content` and
/// `source` is given.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[schemars(rename = "File")]
#[serde(deny_unknown_fields)]
pub(super) struct WrittenFile {
    /// Where it goes.
    pub(super) path: Target,
    /// Its text.
    pub(super) content: Option<String>,
    /// A file or folder beside the recipe.
    pub(super) source: Option<SourcePath>,
    /// Its mode, such as `"0644"`; for a single file only. Unless given, 0755
    /// for folders and what is executable, else 0644.
    pub(super) mode: Option<FileMode>,
    /// Its owner, such as `"root:root"`, which is the default.
    pub(super) owner: Option<Owner>,
}

/// systemd units.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Units {
    /// To start at boot.
    pub enable: Vec<UnitName>,
    /// Not to start at boot.
    pub disable: Vec<UnitName>,
    /// Never to start.
    pub mask: Vec<UnitName>,
}

/// A script to run inside the finished tree. Exactly one of `script` and
/// `file` is given.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[schemars(rename = "Script")]
#[serde(deny_unknown_fields)]
pub(super) struct WrittenScript {
    /// Its text. Without a `#!` line, `/bin/sh -e` runs it.
    pub(super) script: Option<String>,
    /// A file beside the recipe.
    pub(super) file: Option<SourcePath>,
    /// Whether it can use the build host's network.
    #[serde(default)]
    pub(super) network: bool,
}

/// The network.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Network {
    /// The machine's end of its virtual Ethernet link.
    pub host0: Host0,
}

/// The archives of an image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Archive {
    /// Which are made. systemd before 258 needs `tar.xz`.
    pub formats: Vec<ArchiveFormat>,
    /// 1 to 19.
    pub zstd_level: i32,
    /// 0 to 9.
    pub xz_level: u32,
}

/// What the lint, which refuses images with keys, caches and traces of the
/// build host in them, lets be.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Lint {
    /// Files and folders that are in the image on purpose.
    pub allow: Vec<AbsolutePath>,
}

/// Level of zstd unless the recipe says otherwise. A small trixie of 174 MB
/// takes 8 CPU seconds and is 12 % smaller than at 3; 12 takes twice as long
/// for 1 % more.
const ZSTD_LEVEL: i32 = 9;

/// Level of xz unless the recipe says otherwise. The same tree takes 30 CPU
/// seconds; 3 takes 66 for 10 % less, and 6 takes 120 for 18 %. It is there
/// for old clients; whoever serves mostly those sets more.
const XZ_LEVEL: u32 = 1;

impl Default for Archive {
    fn default() -> Self {
        Self {
            formats: vec![ArchiveFormat::TarZst, ArchiveFormat::TarXz],
            zstd_level: ZSTD_LEVEL,
            xz_level: XZ_LEVEL,
        }
    }
}
