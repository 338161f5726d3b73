//! What a booted host and its machine are made of: a tree of Debian, and a
//! store in which an image of nearly the same tree is published.

use super::booted::Host;
use crate::hatchery::{Home, run as hatchery};
use hatchery_tests::lab::{key, pack_tree};
use hatchery_tests::run::run;
use hatchery_tests::tree;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

/// What the host has besides a machine with networking: machined and
/// systemd-nspawn, what limits disks, what shows the network, what the
/// program is linked with, and a server for the image.
const PACKAGES: &str = "systemd-container,btrfs-progs,nftables,iproute2,iputils-ping,busybox,\
                        libgpgme11,ca-certificates";

/// The link to the LAN.
const LAN: &str = "\
[Match]
Name=host0
[Network]
Address=198.51.100.1/24
LinkLocalAddressing=no
IPv6AcceptRA=no
";

/// A server in the machine, of what is shared with it.
const SERVER: &str = "\
[Service]
ExecStartPre=/bin/mkdir -p /srv/share
ExecStart=/bin/busybox httpd -f -p 80 -h /srv/share
";

/// What the image does without.
const HEAVY: [&str; 6] = [
    "var/cache/apt",
    "var/lib/apt",
    "usr/share/doc",
    "usr/share/locale",
    "usr/share/man",
    "usr/lib/udev/hwdb.d",
];

/// The street up to the host: a tree to boot, and a store with its key.
pub(super) struct Street {
    home: Home,
    tree: PathBuf,
}

impl Street {
    /// Of a Debian release.
    pub(super) fn of(release: &str) -> Self {
        let trees = Path::new(env!("CARGO_TARGET_TMPDIR")).join("trees");
        let tree = tree::debian_with(&trees, release, PACKAGES);
        let home = Home::new();
        let at = |name: &str| home.path().join(name);
        let signer = key(&at("gnupg"), "images@example.org");
        let staging = tempfile::tempdir_in(&trees).unwrap();
        let rootfs = staging.path().join("rootfs");
        link(&tree, &rootfs);
        make_server(&rootfs);
        let mut image = pack_tree(&rootfs, &at("image"), "lab", "1", |_| ());
        image.sign(&signer).unwrap();
        let published = hatchery(home.path(), &["publish", "image", "--store", "store"]);
        assert_eq!(published.code, Some(0), "{published:?}");
        fs::write(at("store/key.pgp"), signer.public_key().unwrap()).unwrap();
        fs::remove_dir_all(at("image")).unwrap();
        Self { home, tree }
    }

    /// The key that signs, as GnuPG exports it.
    pub(super) fn secret_key(&self) -> String {
        let home = self.home.path().join("gnupg");
        let home = home.to_str().unwrap();
        let export = ["--batch", "--armor", "--export-secret-keys"];
        run(&[&["gpg", "--homedir", home][..], &export].concat()).unwrap()
    }

    /// Boots the host.
    pub(super) fn boot(self) -> Host {
        Host::boot(&self.tree, self.home, LAN)
    }
}

/// A tree of links to the files of another one, which are not to be written.
fn link(from: &Path, to: &Path) {
    let (from, to) = (from.to_str().unwrap(), to.to_str().unwrap());
    run(&["cp", "--archive", "--link", from, to]).unwrap();
}

/// Makes the host's tree one of a machine with a server.
fn make_server(root: &Path) {
    for folder in HEAVY {
        let _ = fs::remove_dir_all(root.join(folder));
    }
    let units = root.join("etc/systemd/system");
    fs::write(units.join("server.service"), SERVER).unwrap();
    let wants = units.join("multi-user.target.wants");
    symlink("../server.service", wants.join("server.service")).unwrap();
}
