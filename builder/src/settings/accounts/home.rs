//! Home directories.

use crate::recipe::{SshKey, User};
use crate::rootfs::{Access, Rootfs, RootfsError};
use rustix::fs::FileType;

/// What a new home directory begins with.
const SKELETON: &str = "etc/skel";

/// Mode of a home directory, as `HOME_MODE` of Debian's and Fedora's
/// login.defs.
const HOME_MODE: u32 = 0o700;

/// Deepest folder of the skeleton that is copied.
const DEPTH_MAX: usize = 16;

/// The home directory of a user, without the leading slash.
pub(super) fn path(user: &User) -> String {
    match &user.home {
        Some(home) => home.relative().to_owned(),
        None => format!("home/{}", user.name),
    }
}

/// Makes a home directory with what the skeleton has. One that is there stays
/// as it is.
pub(super) fn make(rootfs: &Rootfs, home: &str, uid: u32, gid: u32) -> Result<(), RootfsError> {
    if rootfs.exists(home)? {
        return Ok(());
    }
    let access = |mode| Access { mode, uid, gid };
    rootfs.folder(home, access(HOME_MODE))?;
    copy(rootfs, SKELETON, home, &access, DEPTH_MAX)
}

fn copy(
    rootfs: &Rootfs,
    from: &str,
    to: &str,
    access: &impl Fn(u32) -> Access,
    depth: usize,
) -> Result<(), RootfsError> {
    for name in rootfs.list(from)? {
        let Some(name) = name.to_str() else { continue };
        let (source, target) = (format!("{from}/{name}"), format!("{to}/{name}"));
        if let Some(link) = rootfs.read_link(&source)? {
            rootfs.link_of(&target, &link.to_string_lossy(), access(HOME_MODE))?;
            continue;
        }
        let Some(stat) = rootfs.stat(&source)? else {
            continue;
        };
        let access_as_there = access(stat.st_mode & 0o777);
        if FileType::from_raw_mode(stat.st_mode).is_dir() && depth > 0 {
            rootfs.folder(&target, access_as_there)?;
            copy(rootfs, &source, &target, access, depth - 1)?;
        } else if let Some(bytes) = rootfs.read(&source)? {
            rootfs.write(&target, &bytes, access_as_there)?;
        }
    }
    Ok(())
}

/// Lets SSH keys log in.
pub(super) fn authorize(
    rootfs: &Rootfs,
    home: &str,
    keys: &[SshKey],
    uid: u32,
    gid: u32,
) -> Result<(), RootfsError> {
    if keys.is_empty() {
        return Ok(());
    }
    let access = |mode| Access { mode, uid, gid };
    let lines: String = keys.iter().flat_map(|k| [k.as_str(), "\n"]).collect();
    rootfs.folder(&format!("{home}/.ssh"), access(0o700))?;
    let path = format!("{home}/.ssh/authorized_keys");
    rootfs.write(&path, lines.as_bytes(), access(0o600))
}
