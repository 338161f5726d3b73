//! Gives the build its own mount namespace and, where the caller is not root,
//! a user namespace in which it is.
//!
//! Inside, 0 is the user and 1 to 65535 are the user's subordinate ids
//! (`/etc/subuid`, `/etc/subgid`, see subuid(5)), mapped by newuidmap(1) and
//! newgidmap(1). That is Podman's mapping, so that what a build leaves in a
//! cache belongs to the user, and every id that Debian gives away, `nobody`
//! (65534) included, exists. mmdebstrap instead maps 0 to the first
//! subordinate id; its caches cannot be read from outside.
//!
//! The calling process itself moves: terminal, signals, working directory and
//! process id stay, and nothing has to be re-executed. Mounts that the build
//! makes end with it, however it ends.

use crate::run::{self, RunError};
use rustix::mount::{MountPropagationFlags, mount_change};
use rustix::process::{Gid, Uid};
use rustix::thread::UnshareFlags;
use std::ffi::OsString;
use std::fs;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

/// How many ids an image may use besides root's: 1 to 65535.
const SUBORDINATE_IDS: u32 = 65535;

/// Fewest that are enough: up to `nobody`, 65534.
const SUBORDINATE_IDS_MIN: u32 = 65534;

/// Longest `/etc/subuid` that is read, in bytes.
const SUBID_FILE_MAX: u64 = 4 << 20;

/// Most ranges that are used; the kernel takes 340 lines.
const RANGES_MAX: usize = 64;

/// What [`enter`] did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entered {
    /// The process is root only inside a user namespace.
    pub user_namespace: bool,
}

/// Why the build has no namespaces of its own.
#[derive(Debug, thiserror::Error)]
pub enum UsernsError {
    /// Too few ids.
    #[error(
        "building as an ordinary user needs {SUBORDINATE_IDS_MIN} subordinate ids, and {} gives \
         {user} {have}; root can add some with: usermod --add-subuids 100000-165535 \
         --add-subgids 100000-165535 {user}", .file.display()
    )]
    SubordinateIds {
        /// Name (or number) of the user.
        user: String,
        /// `/etc/subuid` or `/etc/subgid`.
        file: PathBuf,
        /// How many there are.
        have: u32,
    },
    /// One of the mapping programs is not installed.
    #[error(
        "building as an ordinary user needs {0}, which Debian has in the package uidmap \
         (and Fedora in shadow-utils-subid)"
    )]
    NoMappingProgram(&'static str),
    /// The kernel refused.
    #[error("this host does not let ordinary users make user namespaces; {hint}")]
    Refused {
        /// What turns them on.
        hint: String,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The ids were not mapped.
    #[error("cannot map subordinate ids into a user namespace")]
    Map(#[source] RunError),
    /// Root without its powers, as in a container.
    #[error(
        "root lacks the capability CAP_SYS_ADMIN here (a container?), which a mount namespace needs"
    )]
    PowerlessRoot(#[source] io::Error),
    /// Another step failed.
    #[error("cannot {doing} the build's own namespace")]
    System {
        /// Such as `become root in`.
        doing: &'static str,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

fn system<E: Into<io::Error>>(doing: &'static str) -> impl FnOnce(E) -> UsernsError {
    move |source| UsernsError::System {
        doing,
        source: source.into(),
    }
}

/// Moves the calling process into its own mount namespace, and before that,
/// unless it is root, into a user namespace in which it is root and the
/// user's subordinate ids are 1 to 65535. Must be called while the process
/// has one thread; everything after it is the same code for root and users.
///
/// # Errors
/// What is missing on this host, and how to get it.
pub fn enter() -> Result<Entered, UsernsError> {
    let user_namespace = !rustix::process::geteuid().is_root();
    if user_namespace {
        become_root()?;
    }
    unshare(UnshareFlags::NEWNS).map_err(|e| match e {
        rustix::io::Errno::PERM if user_namespace => refused(e.into()),
        rustix::io::Errno::PERM => UsernsError::PowerlessRoot(e.into()),
        e => system("make")(e),
    })?;
    // The host's mounts and unmounts still arrive; ours stay here.
    let down = MountPropagationFlags::DOWNSTREAM | MountPropagationFlags::REC;
    mount_change("/", down).map_err(|e| match e {
        rustix::io::Errno::PERM | rustix::io::Errno::ACCESS if user_namespace => refused(e.into()),
        e => system("detach the host's mounts from")(e),
    })?;
    Ok(Entered { user_namespace })
}

fn unshare(flags: UnshareFlags) -> rustix::io::Result<()> {
    #[expect(
        unsafe_code,
        reason = "unsafe only for FILES and for threads that share a working directory; there is one thread"
    )]
    unsafe {
        rustix::thread::unshare_unsafe(flags)
    }
}

fn become_root() -> Result<(), UsernsError> {
    let uid = rustix::process::getuid();
    let gid = rustix::process::getgid();
    let user = nix::unistd::User::from_uid(nix::unistd::Uid::from_raw(uid.as_raw()))
        .ok()
        .flatten()
        .map(|u| u.name);
    let map = |file: &str| {
        let file = Path::new(file);
        let text = read_subids(file).map_err(system("read the ids for"))?;
        let ranges = parse_subids(&text, user.as_deref(), uid.as_raw());
        id_map(&ranges).map_err(|have| UsernsError::SubordinateIds {
            user: user.clone().unwrap_or_else(|| uid.as_raw().to_string()),
            file: file.to_owned(),
            have,
        })
    };
    let (uids, gids) = (map("/etc/subuid")?, map("/etc/subgid")?);
    let newuidmap = find_program("newuidmap")?;
    let newgidmap = find_program("newgidmap")?;
    // Programs with setuid bits have no power inside, so the mapping is done
    // by processes that stay outside and wait for the namespace to exist.
    let pid = rustix::process::getpid().as_raw_nonzero().to_string();
    let outside = [
        (newuidmap, uids, uid.as_raw()),
        (newgidmap, gids, gid.as_raw()),
    ];
    let waiting = outside.map(|(program, map, own)| {
        let mut arguments: Vec<OsString> = vec![program.into(), pid.clone().into()];
        arguments.extend(["0", &own.to_string(), "1"].map(Into::into));
        arguments.extend(map.iter().map(Into::into));
        run::start_waiting("read go && exec \"$@\"", &arguments)
    });
    unshare(UnshareFlags::NEWUSER).map_err(|e| match e {
        rustix::io::Errno::INVAL => system("enter, with more than one thread,")(e),
        e => refused(e.into()),
    })?;
    for program in waiting {
        program
            .and_then(run::Waiting::go)
            .map_err(UsernsError::Map)?;
    }
    rustix::thread::set_thread_groups(&[]).map_err(system("drop the groups in"))?;
    rustix::thread::set_thread_res_gid(Gid::ROOT, Gid::ROOT, Gid::ROOT)
        .and_then(|()| rustix::thread::set_thread_res_uid(Uid::ROOT, Uid::ROOT, Uid::ROOT))
        .map_err(system("become root in"))
}

fn find_program(name: &'static str) -> Result<PathBuf, UsernsError> {
    ["/usr/bin", "/bin", "/usr/sbin", "/usr/local/bin"]
        .iter()
        .map(|folder| Path::new(folder).join(name))
        .find(|path| path.exists())
        .ok_or(UsernsError::NoMappingProgram(name))
}

fn read_subids(file: &Path) -> io::Result<String> {
    let mut text = String::new();
    match fs::File::open(file) {
        Ok(file) => file.take(SUBID_FILE_MAX).read_to_string(&mut text)?,
        Err(e) if e.kind() == io::ErrorKind::NotFound => 0,
        Err(e) => return Err(e),
    };
    Ok(text)
}

/// First id and count of each of the user's ranges.
fn parse_subids(text: &str, user: Option<&str>, uid: u32) -> Vec<(u32, u32)> {
    let uid = uid.to_string();
    text.lines()
        .filter_map(|line| {
            let mut fields = line.trim().split(':');
            let who = fields.next()?;
            let range = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
            (Some(who) == user || who == uid).then_some(range)
        })
        .take(RANGES_MAX)
        .collect()
}

/// Arguments for newuidmap that map 1 and up to these ranges, or how many
/// ids there are if that is too few.
fn id_map(ranges: &[(u32, u32)]) -> Result<Vec<String>, u32> {
    let mut arguments = Vec::new();
    let mut mapped = 0;
    for &(first, count) in ranges {
        let count = count.min(SUBORDINATE_IDS - mapped);
        if count > 0 {
            arguments.extend([mapped + 1, first, count].map(|n| n.to_string()));
            mapped += count;
        }
    }
    if mapped < SUBORDINATE_IDS_MIN {
        return Err(mapped);
    }
    Ok(arguments)
}

/// What this kernel offers to turn user namespaces off, and is set that way.
fn refused(source: io::Error) -> UsernsError {
    let is = |name: &str, value: &str| {
        fs::read_to_string(Path::new("/proc/sys").join(name)).is_ok_and(|t| t.trim() == value)
    };
    let hint = if is("kernel/unprivileged_userns_clone", "0") {
        "root can allow it with: sysctl kernel.unprivileged_userns_clone=1"
    } else if is("kernel/apparmor_restrict_unprivileged_userns", "1") {
        "AppArmor restricts them; root can allow it with: sysctl \
         kernel.apparmor_restrict_unprivileged_userns=0, or with an AppArmor profile for this program"
    } else if is("user/max_user_namespaces", "0") {
        "root can allow it with: sysctl user.max_user_namespaces=10000"
    } else {
        "a container or security module forbids it; building as root works without"
    };
    UsernsError::Refused {
        hint: hint.to_owned(),
        source,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_belong_to_name_or_number() {
        let text = "alice:100000:65536\n1001:300000:10\nbob:1:2\nalice:500000:7\nbad\nalice:x:1\n";
        assert_eq!(
            parse_subids(text, Some("alice"), 1001),
            [(100_000, 65536), (300_000, 10), (500_000, 7)]
        );
        assert!(parse_subids(text, None, 5).is_empty());
    }

    #[test]
    fn several_ranges_make_one_map() {
        assert_eq!(
            id_map(&[(100_000, 65536), (300_000, 10)]).unwrap(),
            ["1", "100000", "65535"]
        );
        assert_eq!(
            id_map(&[(100_000, 60_000), (300_000, 60_000)]).unwrap(),
            ["1", "100000", "60000", "60001", "300000", "5535"]
        );
        assert_eq!(id_map(&[(100_000, 1000)]), Err(1000));
        assert_eq!(id_map(&[]), Err(0));
    }
}
