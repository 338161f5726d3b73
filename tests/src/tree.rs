//! Debian trees, made by mmdebstrap once and kept for later runs: one to boot,
//! and such as ours are compared with.
//!
//! mmdebstrap mounts /proc, /sys and /dev in what it makes, and a signal that
//! it cannot catch leaves them there. So it runs in namespaces of mounts and
//! processes, which end with it. What is mounted in a staging folder all the
//! same is unmounted before that is removed, and removing enters no other
//! file system.

use crate::{host, run::run};
use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

/// What a machine with zero-configuration networking needs.
const PACKAGES: &str = "systemd-sysv,systemd-resolved,dbus,libnss-resolve";

/// What the tree is made with. When it changes, so does its name.
const RECIPE: &str = "1";

/// Runs a program so that its mounts are seen by nobody else and, with all
/// that it has started, are gone once this is.
const APART: [&str; 8] = [
    "unshare",
    "--mount",
    "--propagation=private",
    "--pid",
    "--fork",
    "--kill-child",
    "--mount-proc",
    "--",
];

/// More mounts in one folder than anybody leaves.
const MOUNTS_MAX: usize = 1000;

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
    APART.iter().chain(&argv).map(|s| (*s).to_owned()).collect()
}

fn call(argv: &[String]) {
    let argv: Vec<&str> = argv.iter().map(String::as_str).collect();
    run(&argv).expect("a tree by mmdebstrap");
}

fn remove(tree: &Path) {
    unmount_beneath(tree);
    let text = tree.to_str().expect("target folders are UTF-8");
    let _ = run(&["rm", "-rf", "--one-file-system", text]);
}

/// Unmounts what lies beneath `tree`, the last mounted first; never the folder
/// itself or anything beside it.
fn unmount_beneath(tree: &Path) {
    let Ok(tree) = tree.canonicalize() else {
        return;
    };
    let inside = tree.join("");
    for target in mounts().iter().rev() {
        if target.as_bytes().starts_with(inside.as_os_str().as_bytes()) {
            // Lazily: a process that was left may have its folder there.
            let result = rustix::mount::unmount(target, rustix::mount::UnmountFlags::DETACH);
            result.unwrap_or_else(|e| panic!("cannot unmount {}: {e}", target.display()));
        }
    }
}

/// Where this process sees mounts, in the order in which they were made.
fn mounts() -> Vec<OsString> {
    let text = fs::read("/proc/self/mountinfo").expect("the mounts");
    let lines = text.split(|byte| *byte == b'\n').take(MOUNTS_MAX);
    let targets = lines.filter_map(|line| line.split(|byte| *byte == b' ').nth(4));
    targets.map(unescaped).collect()
}

/// What mountinfo says of a path: blanks and backslashes are three digits.
fn unescaped(text: &[u8]) -> OsString {
    let mut path = Vec::new();
    let mut rest = text;
    while let Some((&byte, after)) = rest.split_first() {
        let digits = after.get(..3).and_then(|d| std::str::from_utf8(d).ok());
        let code = digits.and_then(|d| u8::from_str_radix(d, 8).ok());
        match code.filter(|_| byte == b'\\') {
            Some(code) => {
                path.push(code);
                rest = &after[3..];
            }
            None => {
                path.push(byte);
                rest = after;
            }
        }
    }
    OsString::from_vec(path)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::start;
    use crate::{Need, Pool, require};
    use std::time::{Duration, Instant};

    /// Longest wait for something that takes a moment.
    const PATIENCE: Duration = Duration::from_secs(60);

    fn until(what: &str, mut is_so: impl FnMut() -> bool) {
        let begun = Instant::now();
        while !is_so() {
            assert!(begun.elapsed() < PATIENCE, "it is not so yet: {what}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Mounts beneath a folder that any process sees.
    fn mounted_beneath(folder: &Path) -> Vec<String> {
        let folder = folder.join("").to_str().unwrap().to_owned();
        let mut found = Vec::new();
        for process in fs::read_dir("/proc").unwrap().flatten() {
            let text = fs::read(process.path().join("mountinfo")).unwrap_or_default();
            let text = String::from_utf8_lossy(&text).into_owned();
            let lines = text.lines().filter(|line| line.contains(&folder));
            found.extend(lines.map(str::to_owned));
        }
        found
    }

    /// Needs the host's mirror only for its name: it is killed before that is asked.
    #[test]
    fn mmdebstrap_that_is_killed_leaves_nothing_mounted() {
        if !require(&[
            Need::Root,
            Need::Program("mmdebstrap"),
            Need::Program("unshare"),
        ]) {
            return;
        }
        let pool = Pool::tmpfs(64 << 20);
        let folder = pool.path().canonicalize().unwrap();
        let staging = folder.join(".new-tree");
        // As it is after it has mounted /proc, /sys and /dev/shm, which is all
        // that a kill could leave: no packages are needed for that.
        let mut argv = mmdebstrap("trixie", "", &staging);
        argv.retain(|word| word != "--include=");
        let at = argv
            .iter()
            .position(|word| word == "--variant=minbase")
            .unwrap();
        argv[at] = "--variant=custom".to_owned();
        // In the host's view, for it to be about the mounts and not a download.
        let hook = "--setup-hook=mkdir -p \"$1/proc\" && mount -t proc proc \"$1/proc\" \
                    && touch \"$1/ready\" && sleep 600";
        argv.insert(at + 1, hook.to_owned());
        argv.push("deb [trusted=yes] copy:///nowhere ./".to_owned());
        let argv: Vec<&str> = argv.iter().map(String::as_str).collect();
        let log = folder.join("log");
        let mut child = start(&argv, &log).unwrap();
        let said = || fs::read_to_string(&log).unwrap_or_default();
        until("mounted", || {
            assert!(child.try_wait().unwrap().is_none(), "it ended: {}", said());
            staging.join("ready").exists()
        });
        assert_ne!(mounted_beneath(&staging), [""; 0], "{}", said());
        child.kill().unwrap();
        child.wait().unwrap();
        until("all of it has ended", || {
            mounted_beneath(&staging).is_empty()
        });
        remove(&staging);
        assert!(!staging.exists());
    }

    #[test]
    fn what_was_left_mounted_is_unmounted_and_never_removed() {
        if !require(&[Need::Root]) {
            return;
        }
        let pool = Pool::tmpfs(16 << 20);
        let folder = pool.path().canonicalize().unwrap();
        let (staging, beside) = (folder.join(".new-a b"), folder.join(".new-a b-kept"));
        let elsewhere = folder.join("elsewhere");
        fs::create_dir(&elsewhere).unwrap();
        fs::write(elsewhere.join("file"), "kept").unwrap();
        let text = |path: &Path| path.to_str().unwrap().to_owned();
        for place in [
            staging.join("proc"),
            staging.join("proc/deep"),
            beside.clone(),
        ] {
            fs::create_dir_all(&place).unwrap();
            run(&["mount", "-t", "tmpfs", "tmpfs", &text(&place)]).unwrap();
        }
        let bound = staging.join("bound");
        fs::create_dir(&bound).unwrap();
        run(&["mount", "--bind", &text(&elsewhere), &text(&bound)]).unwrap();
        remove(&staging);
        assert!(!staging.exists());
        assert_eq!(fs::read_to_string(elsewhere.join("file")).unwrap(), "kept");
        assert!(mounts().contains(&beside.clone().into_os_string()));
        run(&["umount", &text(&beside)]).unwrap();
    }
}
