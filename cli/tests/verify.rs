//! `hatchery verify` of a machine whose image has a `.tar.xz` and nothing else:
//! the import lists what it unpacked.

use crate::hatchery::{Ran, command, ran, shell};
use crate::street::Street;
use hatchery_image::Progress;
use hatchery_image::archive::{PackOptions, pack};
use hatchery_image::manifest::{ArchiveFormat, Unpacked};
use hatchery_tests::old_kernel::{Answer, with_old_kernel};
use hatchery_tests::{Need, require, run};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

const NEEDS: [Need; 4] = [
    Need::Root,
    Need::Program("gpg"),
    Need::Program("tar"),
    Need::Program("xz"),
];

/// Exit codes.
const FAULTS: i32 = 7;
const CONFLICT: i32 = 8;
const DISTRUST: i32 = 4;

/// Length of the largest file: more than is listed at once.
const LARGE: usize = 3 << 20;

/// What is declared of the trees.
const LIMITS: Unpacked = Unpacked {
    bytes: 64 << 20,
    entries: 1000,
};

/// Something of every kind, and what an import needs that writes a network.
const TREE: &str = "
    mkdir -p etc/conf.d usr/lib/systemd etc/systemd/system/multi-user.target.wants dev home a
    for name in same contents size mode owner gone type time; do echo 0123456789 >etc/$name; done
    touch usr/lib/systemd/systemd-networkd usr/lib/systemd/systemd-resolved
    touch etc/systemd/system/multi-user.target.wants/systemd-networkd.service
    touch etc/conf.d/0 etc/conf.d/1 a/z a-b a.b 'home/a name' \"home/$(printf '%0200d' 7)\"
    chown 1000:1001 home; chmod 4755 etc/mode
    ln etc/same etc/twin; ln etc/same etc/unlinked; ln -s same etc/link
    truncate -s 8M home/sparse; mknod dev/null c 1 3; mkfifo dev/pipe
    touch --date=@1234567 etc/time";

fn tree(folder: &Path) -> PathBuf {
    let root = folder.join("rootfs");
    fs::create_dir(&root).unwrap();
    shell_in(&root, TREE);
    note(&root.join("etc/contents"), b"one");
    fs::write(root.join("home/large"), hatchery_tests::lab::noise(LARGE)).unwrap();
    root
}

fn note(path: &Path, value: &[u8]) {
    let flags = rustix::fs::XattrFlags::empty();
    rustix::fs::lsetxattr(path, "user.note", value, flags).unwrap();
}

fn shell_in(folder: &Path, script: &str) {
    let ran = ran(&shell(script).current_dir(folder).output().unwrap());
    assert_eq!(ran.code, Some(0), "{ran:?}");
}

/// The tree as this project packs it.
fn ours(folder: &Path, root: &Path) -> PathBuf {
    let options = PackOptions {
        source_date_epoch: i64::from(u32::MAX),
        zstd_level: 1,
        xz_level: Some(0),
        threads: 2,
        traces: Vec::new(),
        frames: None,
    };
    pack(root, folder, "ours", &options, &Progress::silent()).unwrap();
    folder.join("ours.tar.xz")
}

/// The tree as GNU tar packs it: backwards, without its root, and with a file
/// that a later entry replaces.
fn others(folder: &Path, root: &Path) -> PathBuf {
    shell_in(
        root,
        "echo before >a.b; tar -cf ../tar a.b; : >a.b
         ls -A | sort -r | tar --xattrs --numeric-owner --sort=none -rf ../tar -T -
         xz -0 -c ../tar >../others.tar.xz",
    );
    folder.join("others.tar.xz")
}

fn street(archive: &Path) -> Street {
    Street::new(Some((archive, ArchiveFormat::TarXz, LIMITS)))
}

fn run_on(street: &Street, arguments: &[&str]) -> Ran {
    let mut command = command(&street.path(""));
    command.args(arguments);
    command.args(["--machines", "machines", "--state", "state"]);
    command.args(["--config", "config", "--nspawn", "nspawn"]);
    ran(&command.output().unwrap())
}

fn import(street: &Street, arguments: &[&str]) {
    let imported = ran(&street.import().args(arguments).output().unwrap());
    assert_eq!(imported.code, Some(0), "{imported:?}");
    assert!(
        !imported.stderr.contains("cannot be listed"),
        "{imported:?}"
    );
}

/// Asserts that nothing was changed, times included.
fn assert_clean(street: &Street) {
    let verified = run_on(street, &["verify", "m", "--times"]);
    assert_eq!(verified.code, Some(0), "{verified:?}");
    let says = verified
        .stdout
        .contains("entries compared with lab@1, 0 differ");
    assert!(says && verified.stdout.lines().count() == 1, "{verified:?}");
}

/// Folders of what is remembered of images.
fn remembered(street: &Street) -> Vec<PathBuf> {
    let folders = fs::read_dir(street.path("state/images")).unwrap().flatten();
    folders.map(|folder| folder.path()).collect()
}

#[test]
fn nothing_is_found_in_a_machine_as_it_was_unpacked() {
    if !require(&NEEDS) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let root = tree(folder.path());
    // A tar without its root leaves that the time at which it was unpacked, so
    // its lists may differ.
    let archives = [
        (ours(folder.path(), &root), 1),
        (others(folder.path(), &root), 2),
    ];
    for (archive, lists) in archives {
        let street = street(&archive);
        import(&street, &[]);
        assert_clean(&street);
        // On top of the image lies what the import itself writes.
        import(&street, &["--force", "--dns", "9.9.9.9"]);
        let network = street.machine().join("etc/systemd/network");
        assert_eq!(fs::read_dir(&network).unwrap().count(), 1);
        let verified = run_on(&street, &["verify", "m"]);
        assert_eq!(verified.code, Some(0), "{verified:?}");
        assert!(verified.stdout.contains(", 0 differ"), "{verified:?}");
        // The manifest, and the lists of both generations.
        let count = remembered(&street).len();
        assert!((2..=1 + lists).contains(&count), "{count}");
        let back = run_on(&street, &["rollback", "m"]);
        assert_eq!(back.code, Some(0), "{back:?}");
        let collected = run_on(&street, &["gc", "--cache-dir", "cache"]);
        assert_eq!(collected.code, Some(0), "{collected:?}");
        assert_clean(&street);
        let removed = run_on(&street, &["remove", "m"]);
        assert_eq!(removed.code, Some(0), "{removed:?}");
        assert!(remembered(&street).is_empty());
    }
}

#[test]
fn each_kind_of_change_is_found() {
    if !require(&NEEDS) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let root = tree(folder.path());
    let street = street(&ours(folder.path(), &root));
    import(&street, &["--dns", "9.9.9.9"]);
    let machine = street.machine();
    shell_in(
        &machine,
        "echo 9876543210 >etc/contents; echo 012 >etc/size; chmod 4711 etc/mode
         chown 7:8 etc/owner; rm etc/gone etc/type; mkdir etc/type; touch --date=@7 etc/time
         rm etc/unlinked; cp -p etc/same etc/unlinked; rm -r etc/conf.d; mkdir -p srv/www
         rm dev/null; mknod -m 644 dev/null c 1 5; rm dev/pipe; echo >>etc/systemd/network/*
         printf x | dd of=home/large bs=1 seek=2500000 conv=notrunc status=none
         printf x | dd of=home/sparse bs=1 seek=5000000 conv=notrunc status=none",
    );
    note(&machine.join("etc/same"), b"two");
    fs::remove_file(machine.join("etc/link")).unwrap();
    symlink("/etc/shadow", machine.join("etc/link")).unwrap();
    let verified = run_on(&street, &["verify", "m"]);
    assert_eq!(verified.code, Some(FAULTS), "{verified:?}");
    let own = fs::read_dir(machine.join("etc/systemd/network"));
    let own = own.unwrap().next().unwrap().unwrap().file_name();
    let found: Vec<_> = verified.stdout.lines().collect();
    let expected = [
        "changed   dev/null (device: 1:5, was 1:3)",
        "missing   dev/pipe (FIFO)",
        "missing   etc/conf.d (directory with 2 beneath it)",
        "changed   etc/contents (contents)",
        "missing   etc/gone (file)",
        "changed   etc/link (target: /etc/shadow, was same)",
        "changed   etc/mode (mode: 4711, was 4755)",
        "changed   etc/owner (owner: 7:8, was 0:0)",
        "changed   etc/same (attribute user.note)",
        "changed   etc/size (contents: 4 bytes, were 11)",
        &format!("added     etc/systemd/network/{} (file)", own.display()),
        "changed   etc/type (type: directory, was file)",
        "changed   etc/unlinked (no hard link to etc/same any more)",
        "changed   home/large (contents)",
        "changed   home/sparse (contents)",
        "added     srv (directory with 1 beneath it)",
    ];
    assert_eq!(found[..found.len() - 1], expected, "{verified:?}");
    let timed = run_on(&street, &["verify", "m", "--times"]);
    let line = "changed   etc/time (time: 7, was 1234567)";
    assert!(timed.stdout.contains(line), "{timed:?}");
}

#[test]
fn a_list_that_was_changed_is_not_believed_and_one_that_is_gone_is_missed() {
    if !require(&NEEDS) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let root = tree(folder.path());
    let street = street(&ours(folder.path(), &root));
    import(&street, &[]);
    let folders = remembered(&street).into_iter();
    let listing = folders
        .map(|folder| folder.join("listing"))
        .find(|file| file.exists())
        .unwrap();
    let good = fs::read(&listing).unwrap();
    let mut bad = good.clone();
    *bad.last_mut().unwrap() ^= 1;
    for bytes in [&bad[..], &good[..20], b""] {
        fs::write(&listing, bytes).unwrap();
        let verified = run_on(&street, &["verify", "m"]);
        assert_eq!(verified.code, Some(DISTRUST), "{verified:?}");
        assert!(verified.stderr.contains("was changed"), "{verified:?}");
    }
    fs::remove_file(&listing).unwrap();
    let verified = run_on(&street, &["verify", "m"]);
    assert_eq!(verified.code, Some(CONFLICT), "{verified:?}");
    assert!(verified.stderr.contains("import it again"), "{verified:?}");
    // As is said.
    import(&street, &["--force"]);
    assert_clean(&street);
}

#[test]
fn on_an_old_kernel_too() {
    if !require(&NEEDS) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let root = tree(folder.path());
    // More levels than are open at once.
    run::run(&["mkdir", "-p", root.join("d/".repeat(70)).to_str().unwrap()]).unwrap();
    let street = street(&ours(folder.path(), &root));
    for answer in [Answer::Unknown, Answer::Forbidden] {
        with_old_kernel(answer, || {
            import(&street, &["--force"]);
            assert_clean(&street);
        });
    }
}
