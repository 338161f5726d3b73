//! What `verify` finds in a machine that was changed, and that it finds
//! nothing in one that was not.

use super::fixture::{Street, chain, import};
use crate::wire::fixture::signing;
use hatchery_image::Progress;
use hatchery_image::manifest::ArchiveFormat;
use hatchery_importer::record::WrittenFile;
use hatchery_importer::verify::{VerifyOptions, verify};
use hatchery_importer::{Places, VerifyError, VerifyReport};
use hatchery_tests::lab::pack_tree;
use hatchery_tests::run::run;
use hatchery_tests::{Need, require, tree};
use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown, lchown, symlink};
use std::path::{Path, PathBuf};

const NEEDS: [Need; 2] = [Need::Root, Need::Program("gpg")];

const OPTIONS: VerifyOptions = VerifyOptions {
    times: false,
    threads: 2,
};

fn look(places: &Places, options: VerifyOptions) -> Result<VerifyReport, VerifyError> {
    verify(&"m".parse().unwrap(), places, options, &Progress::silent())
}

/// The differences as lines.
fn lines(report: &VerifyReport) -> Vec<String> {
    let shown = report.differences.iter();
    shown
        .map(|d| format!("{} {} ({})", d.change, d.path, d.details.join(", ")))
        .collect()
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// A street with a machine whose image has something of every kind.
fn rich() -> (Street, PathBuf) {
    let street = Street::empty();
    let rootfs = street.yard.path("rich");
    for folder in ["etc/conf.d", "var/log", "dev", "home"] {
        fs::create_dir_all(rootfs.join(folder)).unwrap();
    }
    let mut names = Vec::new();
    for name in [
        "same", "contents", "size", "mode", "owner", "xattr", "gone", "type", "time",
    ] {
        names.push(rootfs.join("etc").join(name));
        fs::write(names.last().unwrap(), "0123456789").unwrap();
    }
    fs::hard_link(rootfs.join("etc/same"), rootfs.join("etc/twin")).unwrap();
    fs::hard_link(rootfs.join("etc/same"), rootfs.join("etc/unlinked")).unwrap();
    xattr::set(rootfs.join("etc/xattr"), "user.note", b"one").unwrap();
    symlink("same", rootfs.join("etc/link")).unwrap();
    for at in 0..3 {
        fs::write(rootfs.join(format!("etc/conf.d/{at}")), "").unwrap();
    }
    fs::write(rootfs.join("etc/machine-id"), "").unwrap();
    let sparse = fs::File::create(rootfs.join("home/sparse")).unwrap();
    sparse.set_len(8 << 20).unwrap();
    run(&["mknod", text(&rootfs.join("dev/null")), "c", "1", "3"]).unwrap();
    run(&["mkfifo", text(&rootfs.join("dev/pipe"))]).unwrap();
    let directory = street.yard.path("image-rich");
    let image = pack_tree(&rootfs, &directory, "lab", "1", |_| ());
    street.publish_image(image, &signing());
    street.import().unwrap();
    let tree = street.places().machines.join("m");
    (street, tree)
}

#[test]
fn a_machine_as_it_was_imported_is_clean_also_while_it_is_in_use() {
    if !require(&NEEDS) {
        return;
    }
    let (street, _) = rich();
    let machines = hatchery_importer::Machines::open(&street.places().machines).unwrap();
    let _lock = machines.lock(&"m".parse().unwrap()).unwrap();
    let times = VerifyOptions {
        times: true,
        threads: 2,
    };
    let report = look(&street.places(), times).unwrap();
    assert!(report.passed(), "{report:#?}");
    assert!(report.first_boot.is_empty(), "{report:#?}");
    assert_eq!((report.entries, report.shift), (26, None));
}

#[test]
fn every_kind_of_change_is_found() {
    if !require(&NEEDS) {
        return;
    }
    let (street, tree) = rich();
    let etc = tree.join("etc");
    let before = fs::metadata(etc.join("contents")).unwrap();
    fs::write(etc.join("contents"), "9876543210").unwrap();
    // Somebody who hides it puts the time back.
    let file = fs::File::options().write(true).open(etc.join("contents"));
    file.unwrap()
        .set_modified(before.modified().unwrap())
        .unwrap();
    fs::write(etc.join("size"), "012").unwrap();
    fs::set_permissions(etc.join("mode"), fs::Permissions::from_mode(0o4711)).unwrap();
    chown(etc.join("owner"), Some(7), Some(8)).unwrap();
    xattr::set(etc.join("xattr"), "user.note", b"two").unwrap();
    xattr::set(etc.join("xattr"), "user.more", b"").unwrap();
    fs::remove_file(etc.join("gone")).unwrap();
    fs::remove_file(etc.join("type")).unwrap();
    fs::create_dir(etc.join("type")).unwrap();
    fs::write(etc.join("type/inside"), "").unwrap();
    fs::remove_file(etc.join("link")).unwrap();
    symlink("/etc/shadow", etc.join("link")).unwrap();
    fs::remove_file(etc.join("unlinked")).unwrap();
    fs::write(etc.join("unlinked"), "0123456789").unwrap();
    fs::remove_dir_all(etc.join("conf.d")).unwrap();
    symlink("/", tree.join("added")).unwrap();
    fs::create_dir_all(tree.join("srv/www/deep")).unwrap();
    fs::write(tree.join("srv/www/deep/page"), "").unwrap();
    fs::remove_file(tree.join("dev/null")).unwrap();
    run(&["mknod", text(&tree.join("dev/null")), "c", "1", "5"]).unwrap();
    fs::remove_file(tree.join("dev/pipe")).unwrap();
    fs::write(etc.join("machine-id"), "0123456789abcdef0123456789abcdef\n").unwrap();
    fs::write(tree.join("var/log/boot"), "").unwrap();

    let report = look(&street.places(), OPTIONS).unwrap();
    let found = lines(&report);
    let expected = [
        "added added (symbolic link)",
        "changed dev/null (device: 1:5, was 1:3)",
        "missing dev/pipe (FIFO)",
        "missing etc/conf.d (directory with 3 beneath it)",
        "changed etc/contents (contents)",
        "missing etc/gone (file)",
        "changed etc/link (target: /etc/shadow, was same)",
        "changed etc/mode (mode: 4711, was 0644)",
        "changed etc/owner (owner: 7:8, was 0:0)",
        "changed etc/size (contents: 3 bytes, were 10)",
        "changed etc/type (type: directory, was file)",
        "added etc/type/inside (file)",
        "changed etc/unlinked (no hard link to etc/same any more)",
        "changed etc/xattr (attribute user.more, attribute user.note)",
        "added srv (directory with 3 beneath it)",
    ];
    assert_eq!(found, expected);
    let first: Vec<_> = report.first_boot.iter().map(|d| d.path.as_str()).collect();
    assert_eq!(first, ["etc/machine-id", "var/log/boot"]);
    assert!(!report.passed());
}

#[test]
fn a_time_alone_is_found_when_asked_for() {
    if !require(&NEEDS) {
        return;
    }
    let (street, tree) = rich();
    let file = fs::File::options()
        .write(true)
        .open(tree.join("etc/time"))
        .unwrap();
    let later = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1000);
    file.set_modified(later).unwrap();
    assert!(look(&street.places(), OPTIONS).unwrap().passed());
    let times = VerifyOptions {
        times: true,
        threads: 1,
    };
    let report = look(&street.places(), times).unwrap();
    assert_eq!(lines(&report), ["changed etc/time (time: 1000, was 0)"]);
}

#[test]
fn a_hole_that_was_filled_and_a_link_in_a_folders_place_are_found() {
    if !require(&NEEDS) {
        return;
    }
    let (street, tree) = rich();
    use std::os::unix::fs::FileExt as _;
    let sparse = fs::File::options()
        .write(true)
        .open(tree.join("home/sparse"))
        .unwrap();
    sparse.write_all_at(b"x", 5 << 20).unwrap();
    // What lies behind the link is the host's, and looks right.
    let outside = street.host.path().join("outside");
    run(&["cp", "-a", text(&tree.join("etc/conf.d")), text(&outside)]).unwrap();
    fs::remove_dir_all(tree.join("etc/conf.d")).unwrap();
    symlink(&outside, tree.join("etc/conf.d")).unwrap();
    let found = lines(&look(&street.places(), OPTIONS).unwrap());
    let expected = [
        "changed etc/conf.d (type: symbolic link, was directory)",
        "changed home/sparse (contents)",
    ];
    assert_eq!(found, expected);
}

#[test]
fn a_tree_that_was_given_to_a_user_namespace_is_told_once() {
    if !require(&NEEDS) {
        return;
    }
    let (street, tree) = rich();
    const BASE: u32 = 3 << 16;
    let mut paths = vec![tree.clone()];
    while let Some(path) = paths.pop() {
        let stat = path.symlink_metadata().unwrap();
        if stat.is_dir() {
            let entries = fs::read_dir(&path).unwrap().flatten();
            paths.extend(entries.map(|e| e.path()));
        }
        // Several names of one file: shifted once.
        if stat.uid() < BASE {
            lchown(&path, Some(stat.uid() + BASE), Some(stat.gid() + BASE)).unwrap();
        }
    }
    let report = look(&street.places(), OPTIONS).unwrap();
    assert_eq!(report.shift, Some(BASE));
    assert!(report.passed(), "{report:#?}");
    chown(tree.join("etc/owner"), Some(0), Some(0)).unwrap();
    let found = lines(&look(&street.places(), OPTIONS).unwrap());
    assert_eq!(found, ["changed etc/owner (owner: 0:0, was 196608:196608)"]);
}

#[test]
fn what_the_import_wrote_is_left_out_unless_it_was_changed() {
    if !require(&NEEDS) {
        return;
    }
    let (street, tree) = rich();
    let places = street.places();
    let path = "etc/systemd/network/10-host0.network";
    fs::create_dir_all(tree.join("etc/systemd/network")).unwrap();
    fs::write(tree.join(path), "[Match]\n").unwrap();
    let name = "m".parse().unwrap();
    let mut record = places.records().find(&name).unwrap().unwrap();
    record.written = vec![WrittenFile {
        path: path.parse().unwrap(),
        sha256: hatchery_image::Sha256::of(b"[Match]\n"),
    }];
    places.records().write(&record).unwrap();
    let report = look(&places, OPTIONS).unwrap();
    assert!(report.passed(), "{report:#?}");
    fs::write(tree.join(path), "[Match]\nName=*\n").unwrap();
    fs::write(tree.join("etc/systemd/other"), "").unwrap();
    let found = lines(&look(&places, OPTIONS).unwrap());
    let expected = [
        "added etc/systemd/network/10-host0.network (file)",
        "added etc/systemd/other (file)",
    ];
    assert_eq!(found, expected);
}

#[test]
fn what_is_remembered_is_verified_too_and_a_machine_of_others_is_refused() {
    if !require(&NEEDS) {
        return;
    }
    let (street, _) = rich();
    let places = street.places();
    let folders = fs::read_dir(places.state.join("images")).unwrap().flatten();
    let folder = folders.map(|e| e.path()).find(|p| p.is_dir()).unwrap();
    for file in ["manifest.json", "toc", "skeleton"] {
        let path = folder.join(file);
        let good = fs::read(&path).unwrap();
        let mut bad = good.clone();
        *bad.last_mut().unwrap() ^= 1;
        fs::write(&path, bad).unwrap();
        let error = look(&places, OPTIONS).unwrap_err();
        assert!(chain(&error).contains("not what was signed"), "{error}");
        fs::write(&path, good).unwrap();
    }
    assert!(look(&places, OPTIONS).unwrap().passed());
    fs::remove_dir_all(&folder).unwrap();
    let error = look(&places, OPTIONS).unwrap_err();
    assert!(matches!(error, VerifyError::Forgotten { .. }), "{error}");
    places.records().remove(&"m".parse().unwrap()).unwrap();
    let error = look(&places, OPTIONS).unwrap_err();
    assert!(matches!(error, VerifyError::NotImported { .. }), "{error}");
}

#[test]
fn without_a_list_it_is_said_that_there_is_none() {
    if !require(&NEEDS) {
        return;
    }
    let street = Street::empty();
    street.publish("1", "one", |manifest| {
        manifest
            .archives
            .retain(|a| a.format == ArchiveFormat::TarXz);
    });
    street.import().unwrap();
    let places = street.places();
    assert!(look(&places, OPTIONS).unwrap().passed());
    // As a program has left it that made none.
    let mut record = places
        .records()
        .find(&"m".parse().unwrap())
        .unwrap()
        .unwrap();
    assert!(record.listing.take().is_some());
    places.records().write(&record).unwrap();
    let error = look(&places, OPTIONS).unwrap_err();
    assert!(matches!(error, VerifyError::NoTable { .. }), "{error}");
}

#[test]
fn a_machine_that_was_booted_shows_what_the_first_boot_writes_and_no_more() {
    let needs = [
        Need::Nspawn,
        Need::Network,
        Need::Program("mmdebstrap"),
        Need::Program("gpg"),
    ];
    if !require(&needs) {
        return;
    }
    let street = Street::empty();
    let trees = Path::new(env!("CARGO_TARGET_TMPDIR")).join("trees");
    let rootfs = street.yard.path("debian");
    tree::copy(&tree::debian(&trees, "trixie"), &rootfs);
    // It ends itself once it is up, however it came up.
    let unit = "[Unit]\nAfter=multi-user.target\n\
                [Service]\nType=oneshot\nExecStart=systemctl --no-block poweroff\n";
    let units = rootfs.join("etc/systemd/system");
    fs::write(units.join("enough.service"), unit).unwrap();
    let wants = units.join("default.target.wants");
    fs::create_dir_all(&wants).unwrap();
    symlink("../enough.service", wants.join("enough.service")).unwrap();
    let directory = street.yard.path("image-debian");
    let image = pack_tree(&rootfs, &directory, "debian", "1", |_| ());
    street.publish_image(image, &signing());
    let mut request = street.request();
    request.reference = "debian".parse().unwrap();
    let imported = import(&request).unwrap();
    let clean = look(&street.places(), OPTIONS).unwrap();
    assert!(clean.passed() && clean.first_boot.is_empty(), "{clean:#?}");

    let machine = format!("--directory={}", text(&imported.path));
    let nspawn = [
        "systemd-nspawn",
        "--quiet",
        "--register=no",
        "--keep-unit",
        "--boot",
    ];
    let settings = ["--private-network", "--settings=no", &machine];
    run(&[&["timeout", "--signal=KILL", "180"], &nspawn[..], &settings].concat()).unwrap();
    let report = look(&street.places(), OPTIONS).unwrap();
    assert!(report.passed(), "{:#?}", lines(&report));
    let first: Vec<_> = report.first_boot.iter().map(|d| d.path.as_str()).collect();
    assert!(first.contains(&"etc/machine-id"), "{first:?}");
}
