//! A Debian tree to boot, made by mmdebstrap once and kept for later runs.

use crate::{host, run::run};
use std::fs;
use std::path::{Path, PathBuf};

/// What a machine with zero-configuration networking needs.
const PACKAGES: &str = "systemd-sysv,systemd-resolved,dbus,libnss-resolve";

/// What the tree is made with. When it changes, so does its name.
const RECIPE: &str = "1";

/// A tree of a Debian release that passes every check, made in `folder`
/// unless it is there. It must not be changed: see [`copy`]. Ask for
/// [`crate::Need::Root`], [`crate::Need::Network`] and mmdebstrap first.
///
/// # Panics
/// When it cannot be made.
#[must_use]
pub fn debian(folder: &Path, release: &str) -> PathBuf {
    debian_with(folder, release, "")
}

/// The same with more packages, separated by commas.
///
/// # Panics
/// When it cannot be made.
#[must_use]
pub fn debian_with(folder: &Path, release: &str, more: &str) -> PathBuf {
    fs::create_dir_all(folder).expect("a folder for trees");
    let lock = fs::File::create(folder.join(".lock")).expect("a lock file");
    lock.lock().expect("the lock");
    let release_and_more = format!("{release}{}", more.replace(',', "-"));
    let target = folder.join(format!("{release_and_more}-{RECIPE}"));
    if target.exists() {
        return target;
    }
    let staging = folder.join(format!(".new-{release_and_more}"));
    let text = staging.to_str().expect("target folders are UTF-8");
    let _ = run(&["rm", "-rf", "--one-file-system", text]);
    let mirror = host::mirror().expect("the host's mirror");
    let include = format!("--include={PACKAGES},{more}");
    run(&[
        "mmdebstrap",
        "--variant=minbase",
        &include,
        release,
        text,
        &mirror,
    ])
    .expect("mmdebstrap");
    for unit in ["systemd-networkd", "systemd-resolved"] {
        run(&["systemctl", "--quiet", "--root", text, "enable", unit]).expect("enable a unit");
    }
    let link = staging.join("etc/resolv.conf");
    let _ = fs::remove_file(&link);
    std::os::unix::fs::symlink("../run/systemd/resolve/stub-resolv.conf", link).expect("a link");
    fs::write(staging.join("etc/machine-id"), "").expect("an empty machine-id");
    for file in ["etc/hostname", "var/lib/dbus/machine-id"] {
        let _ = fs::remove_file(staging.join(file));
    }
    fs::rename(&staging, &target).expect("the finished tree");
    target
}

/// A copy of a tree that may be changed.
///
/// # Panics
/// When it cannot be made.
pub fn copy(from: &Path, to: &Path) {
    let (from, to) = (from.to_str(), to.to_str());
    let (from, to) = (from.expect("UTF-8"), to.expect("UTF-8"));
    run(&["cp", "-a", "--reflink=auto", from, to]).expect("a copy");
}
