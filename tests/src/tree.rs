//! Debian trees, made by mmdebstrap once and kept for later runs: one to boot,
//! and such as ours are compared with.

use crate::{host, run::run};
use std::fs;
use std::os::unix::fs::symlink;
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
    let name = format!("{release}{}", more.replace(',', "-"));
    keep(folder, &name, RECIPE, |staging| {
        let packages = format!("{PACKAGES},{more}");
        let mut argv = mmdebstrap(release, &packages, staging);
        argv.push(host::mirror().expect("the host's mirror"));
        call(&argv);
        configure(staging);
    })
}

/// Makes a tree one of a machine with zero-configuration networking, which is
/// nobody's yet.
///
/// # Panics
/// When it cannot be changed.
pub fn configure(root: &Path) {
    let text = root.to_str().expect("target folders are UTF-8");
    for unit in ["systemd-networkd", "systemd-resolved"] {
        run(&["systemctl", "--quiet", "--root", text, "enable", unit]).expect("enable a unit");
    }
    let link = root.join("etc/resolv.conf");
    let _ = fs::remove_file(&link);
    symlink("../run/systemd/resolve/stub-resolv.conf", link).expect("a link");
    let id = root.join("etc/machine-id");
    let _ = fs::remove_file(&id);
    fs::write(id, "").expect("an empty machine-id");
    for file in ["etc/hostname", "var/lib/dbus/machine-id"] {
        let _ = fs::remove_file(root.join(file));
    }
}

/// What mmdebstrap makes of a release, and no more than that. Its host is
/// called localhost, and its packages may be of a release that has expired.
#[derive(Clone, Copy, Debug)]
pub struct Untouched<'a> {
    /// What the tree is called.
    pub name: &'a str,
    /// Such as `trixie`.
    pub release: &'a str,
    /// Those besides the variant minbase, separated by commas.
    pub packages: &'a str,
    /// `SOURCE_DATE_EPOCH`.
    pub epoch: i64,
    /// Stands for what the mirror holds: with another one, the tree is made
    /// anew, and the one before it is removed.
    pub state: &'a str,
}

/// Makes it in `folder` unless it is there. It must not be changed. Ask for
/// the same as for [`debian`].
///
/// # Panics
/// When it cannot be made.
#[must_use]
pub fn untouched(folder: &Path, what: &Untouched<'_>) -> PathBuf {
    keep(folder, what.name, what.state, |staging| {
        let mirror = host::mirror().expect("the host's mirror");
        let own_name = "hostname localhost && exec \"$@\"";
        let epoch = format!("SOURCE_DATE_EPOCH={}", what.epoch);
        let around = [
            "unshare", "--uts", "sh", "-c", own_name, "sh", "env", &epoch,
        ];
        let mut argv = around.map(str::to_owned).to_vec();
        argv.extend(mmdebstrap(what.release, what.packages, staging));
        argv.push(format!(
            "deb [check-valid-until=no] {mirror} {} main",
            what.release
        ));
        call(&argv);
    })
}

/// The tree `NAME-STATE`, made by `make` in a staging folder unless it is
/// there. Others of the name, which only lack the state, are removed.
pub(crate) fn keep(folder: &Path, name: &str, state: &str, make: impl FnOnce(&Path)) -> PathBuf {
    fs::create_dir_all(folder).expect("a folder for trees");
    let lock = fs::File::create(folder.join(".lock")).expect("a lock file");
    lock.lock().expect("the lock");
    let target = folder.join(format!("{name}-{state}"));
    if target.exists() {
        return target;
    }
    for entry in fs::read_dir(folder).expect("the folder for trees") {
        let entry = entry.expect("its entries");
        let before = entry.file_name().to_string_lossy().into_owned();
        if before.rsplit_once('-').is_some_and(|(of, _)| of == name) {
            remove(&entry.path());
        }
    }
    let staging = folder.join(format!(".new-{name}"));
    remove(&staging);
    make(&staging);
    fs::rename(&staging, &target).expect("the finished tree");
    target
}

fn mmdebstrap(release: &str, packages: &str, target: &Path) -> Vec<String> {
    let include = format!("--include={packages}");
    let target = target.to_str().expect("target folders are UTF-8");
    let argv = ["mmdebstrap", "--variant=minbase", &include, release, target];
    argv.map(str::to_owned).to_vec()
}

fn call(argv: &[String]) {
    let argv: Vec<&str> = argv.iter().map(String::as_str).collect();
    run(&argv).expect("a tree by mmdebstrap");
}

fn remove(tree: &Path) {
    let text = tree.to_str().expect("target folders are UTF-8");
    let _ = run(&["rm", "-rf", "--one-file-system", text]);
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
