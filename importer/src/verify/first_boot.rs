//! What the first boot of every machine writes: found by booting one of
//! Debian and looking, and from systemd's own documentation of its files.
//!
//! It is told apart and not left out: somebody who wants to hide something
//! can put it there, too.

/// Files.
const FILES: [&str; 17] = [
    "etc/.updated",
    "etc/adjtime",
    "etc/hostname",
    "etc/ld.so.cache",
    "etc/locale.conf",
    "etc/localtime",
    "etc/machine-id",
    "etc/machine-info",
    "etc/udev/hwdb.bin",
    "etc/vconsole.conf",
    "var/.updated",
    "var/cache/ldconfig/aux-cache",
    "var/lib/dbus/machine-id",
    "var/lib/machines",
    "var/lib/portables",
    "var/lib/private",
    "var/spool",
];

/// Directories with everything in them.
const FOLDERS: [&str; 5] = [
    "etc/pacman.d/gnupg",
    "var/cache/private",
    "var/lib/systemd",
    "var/log",
    "var/tmp",
];

/// What the names of host keys begin with, which are made at the first boot.
const HOST_KEYS: &str = "etc/ssh/ssh_host_";

/// Whether the first boot of every machine writes to this path.
pub(super) fn writes(path: &[u8]) -> bool {
    let Ok(path) = std::str::from_utf8(path) else {
        return false;
    };
    let in_folder = |folder: &&str| {
        let rest = path.strip_prefix(*folder);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    FILES.contains(&path) || FOLDERS.iter().any(in_folder) || path.starts_with(HOST_KEYS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_only_looks_like_it_is_not_excused() {
        for path in ["var/log", "var/log/journal/x", "etc/machine-id"] {
            assert!(writes(path.as_bytes()), "{path}");
        }
        for path in [
            "var/login",
            "etc/machine-id/x",
            "etc/passwd",
            "usr/var/log",
            "",
        ] {
            assert!(!writes(path.as_bytes()), "{path}");
        }
    }
}
