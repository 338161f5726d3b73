//! `systemd-pull`: this host's, and that of Debian's testing release.
//!
//! Each runs in a mount namespace of its own, in which it finds the key and
//! nothing of the host's `/etc/systemd` is touched.

use crate::yard::{Form, Yard};
use hatchery_tests::tree::{self, Untouched};
use std::cell::Cell;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Instant;

pub(crate) const PULL: &str = "/lib/systemd/systemd-pull";

/// systemd 252 hangs now and then: such a pull is ended after so many seconds …
const PATIENCE: &str = "60";
/// … and repeated, at most so often in a row.
const ATTEMPTS: usize = 5;
/// What `timeout` exits with.
const TIMED_OUT: i32 = 124;

/// What the client of the testing release needs, with the libraries that it
/// only opens when it runs.
const PACKAGES: &str = "systemd-container,ca-certificates,gpg,gpgv,libarchive13t64,libcurl4t64,\
    tar,xz-utils,zstd";

/// Whether the client verifies what it fetched.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verify {
    No,
    Signature,
}

impl fmt::Display for Verify {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::No => "--verify=no",
            Self::Signature => "--verify=signature",
        })
    }
}

pub(crate) struct Pull {
    name: &'static str,
    /// The root that it runs in.
    root: PathBuf,
    hung: Cell<usize>,
}

impl Pull {
    pub(crate) fn of_host(yard: &Yard) -> Self {
        Self::new("host", Path::new("/"), yard)
    }

    /// In a tree that is made for it.
    pub(crate) fn of_testing(yard: &Yard) -> Self {
        // A mirror that is a copy may be older than the release says it may be.
        let root = tree::untouched(
            &yard.at("trees"),
            &Untouched {
                name: "testing",
                release: "testing",
                packages: PACKAGES,
                epoch: 0,
                state: "1",
            },
        );
        Self::new("testing", &root, yard)
    }

    fn new(name: &'static str, root: &Path, yard: &Yard) -> Self {
        let etc = yard.at("etc-systemd");
        fs::create_dir_all(&etc).unwrap();
        let key = fs::read(yard.at("key.pgp")).unwrap();
        // The names before and since 258.
        for file in ["import-pubring.gpg", "import-pubring.pgp"] {
            fs::write(etc.join(file), &key).unwrap();
        }
        Self {
            name,
            root: root.to_owned(),
            hung: Cell::new(0),
        }
    }

    pub(crate) const fn name(&self) -> &'static str {
        self.name
    }

    pub(crate) fn hung(&self) -> usize {
        self.hung.get()
    }

    /// Such as `host: systemd 252 (252.39-1~deb12u1)`.
    pub(crate) fn version(&self) -> String {
        let mut command = Command::new("chroot");
        command.arg(&self.root).args([PULL, "--version"]);
        let output = command.output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let first = text.lines().next().unwrap_or("no version");
        format!("{}: {first}", self.name)
    }

    /// Seconds of a pull on a host that has nothing yet.
    pub(crate) fn pull(&self, yard: &Yard, form: Form, verify: Verify) -> f64 {
        for _ in 0..ATTEMPTS {
            let images = yard.at("pulled");
            fs::create_dir(&images).unwrap();
            let begun = Instant::now();
            let output = self.once(yard, &images, form, verify);
            let seconds = begun.elapsed().as_secs_f64();
            remove(&images);
            if output.status.code() == Some(TIMED_OUT) {
                self.hung.set(self.hung.get() + 1);
                continue;
            }
            let stderr = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "{} failed:\n{stderr}", self.name);
            return seconds;
        }
        panic!("{} hung {ATTEMPTS} times in a row", self.name);
    }

    fn once(&self, yard: &Yard, images: &Path, form: Form, verify: Verify) -> Output {
        // $0 root, $1 keys, $2 images, then the client.
        let script = "set -e
            root=${0%/}
            mount --bind \"$1\" \"$root/etc/systemd\"
            mount --bind \"$2\" \"$root/mnt\"
            [ -z \"$root\" ] || {
                mount -t proc proc \"$root/proc\"
                mount --rbind /dev \"$root/dev\"
            }
            shift 2
            exec timeout \"$@\"";
        let mut command = Command::new("unshare");
        command.args(["--mount", "--propagation=private", "sh", "-c", script]);
        command.arg(&self.root);
        command.arg(yard.at("etc-systemd")).arg(images);
        command.args([PATIENCE, "chroot"]).arg(&self.root);
        command.args([PULL, &verify.to_string()]);
        command.args(["--settings=no", "--sync=no", "--image-root=/mnt", "tar"]);
        command.arg(format!("{}{}", yard.url(), form.path()));
        command.arg("pulled").stdin(Stdio::null());
        command.output().unwrap()
    }
}

/// Removes what the client made, of which it leaves a part immutable.
fn remove(images: &Path) {
    let mut command = Command::new("chattr");
    command.args(["-R", "-f", "-i"]).arg(images);
    // It fails for the symbolic links in the tree; removing tells.
    let _ = command.output();
    fs::remove_dir_all(images).unwrap();
}
