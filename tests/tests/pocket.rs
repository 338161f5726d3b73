//! The pocket is what it says: pacstrap installs it, its tree boots, and
//! pacman inside finds nothing wrong and installs more.

use hatchery_importer::check::Outcome;
use hatchery_tests::inside::Inside;
use hatchery_tests::pacstrap::{self, PROGRAMS, Pacstrap};
use hatchery_tests::pocket::database;
use hatchery_tests::pocket::{Compression, Key, Kind, Listed, Member, Pkg, PkgRepository, Pocket};
use hatchery_tests::run::run;
use hatchery_tests::{Need, require, tree};
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

const NEEDS: [Need; 6] = [
    Need::Nspawn,
    Need::Network,
    Need::Program("gpg"),
    Need::Program(PROGRAMS[0]),
    Need::Program(PROGRAMS[1]),
    Need::Program("makepkg"),
];

fn pocket() -> Pocket {
    Pocket::repository(&target().join("pocket"))
}

/// What pacstrap makes of it.
fn pacstrapped() -> PathBuf {
    pacstrap::untouched(&target().join("trees"), &pocket(), &Pocket::PACKAGES)
}

fn target() -> &'static Path {
    Path::new(env!("CARGO_TARGET_TMPDIR"))
}

#[test]
fn the_tree_boots() {
    if !require(&NEEDS) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("tree");
    tree::copy(&pacstrapped(), &root);
    tree::configure(&root);
    let report = super::boot::boot(&root);
    assert!(report.passed(), "{report:#?}");
    let passed = |c: &hatchery_importer::check::Check| c.outcome == Outcome::Passed;
    assert!(report.checks.iter().all(passed), "{report:#?}");
}

#[test]
fn pacman_inside_finds_nothing_wrong_and_installs_more() {
    if !require(&NEEDS) {
        return;
    }
    let inside = Inside::new(&pacstrapped(), &pocket());
    inside.assert_sound();
    inside.assert_installs_more();
}

#[test]
fn everything_occurs_that_packages_can_do() {
    if !require(&NEEDS) {
        return;
    }
    let root = pacstrapped();
    let read = |path: &str| fs::read_to_string(root.join(path)).unwrap_or_default();
    let stat = |path: &str| fs::symlink_metadata(root.join(path)).unwrap();
    // Hooks: by package, by path, with targets, by what is installed, and
    // those that another one switches off, replaces, or that do not match.
    assert_eq!(read("var/lib/pocket/package"), "ran\n");
    let targets = read("var/lib/pocket/targets");
    assert!(targets.contains("usr/share/pocket/second\n"), "{targets}");
    assert!(!targets.contains("/first"), "{targets}");
    let names = read("var/lib/pocket/names");
    assert!(
        names.contains("glibc\n") && !names.contains("pocket"),
        "{names}"
    );
    assert_eq!(read("var/lib/pocket/replacing"), "ran\n");
    for absent in ["absent", "before", "off", "replaced", "upgrade"] {
        assert!(
            !root.join("var/lib/pocket").join(absent).exists(),
            "{absent}"
        );
    }
    // A file that was there before, and one that no list has.
    assert_eq!(read("etc/pocket/late.conf"), "early\n");
    assert_eq!(read("etc/pocket/late.conf.pacnew"), "late\n");
    assert!(!root.join("usr/share/pocket/unlisted").exists());
    assert_eq!(read("var/lib/pocket/odd"), "odd\n");
    // Modes, groups, links and capabilities.
    assert_eq!(stat("usr/share/pocket/first").nlink(), 3);
    assert_eq!(stat("usr/share/pocket/setuid").mode() & 0o7777, 0o6755);
    assert_eq!(stat("usr/share/pocket/terminals").gid(), 5);
    assert_eq!(stat("srv/ftp").gid(), 11);
    assert_eq!(stat("tmp").mode() & 0o7777, 0o1777);
    assert_eq!(stat("root").mode() & 0o7777, 0o750);
    let helper = stat("usr/lib/dbus-1.0/dbus-daemon-launch-helper");
    assert_eq!((helper.mode() & 0o7777, helper.gid()), (0o4750, 81));
    let ping = xattr::get(root.join("usr/bin/ping"), "security.capability");
    assert_eq!(ping.unwrap().unwrap().len(), 20);
    // Of two that provide the same, the first one.
    let local = |package: &str| root.join("var/lib/pacman/local").join(package);
    assert!(local("pocket-init-a-1-1").exists() && !local("pocket-init-b-1-1").exists());
    assert!(local("pocket-ring-b-1-1").exists());
    assert!(local("pocket-library-1:2.3-1").exists());
    assert!(!read("var/lib/pacman/local/base-3-2/desc").contains("%SIZE%"));
}

#[test]
fn databases_are_those_of_repo_add() {
    if !require(&NEEDS) {
        return;
    }
    let pocket = pocket();
    let folder = tempfile::tempdir().unwrap();
    let copy = pocket.copy(&folder.path().join("copy"));
    for (repository, suffix) in [("core", "gz"), ("extra", "zst")] {
        let made = folder.path().join(format!("{repository}.db.tar.{suffix}"));
        let mut argv = vec!["repo-add", "--quiet", "--nocolor", made.to_str().unwrap()];
        let files = fs::read_dir(copy.files(repository)).unwrap();
        let files: Vec<String> = files
            .map(|f| f.unwrap().path().to_str().unwrap().to_owned())
            .filter(|f| f.contains(".pkg.tar.") && !f.ends_with(".sig"))
            .collect();
        argv.extend(files.iter().map(String::as_str));
        run(&argv).unwrap();
        let theirs: BTreeMap<_, _> = database::read(&made).into_iter().collect();
        let ours = database::read(&copy.database(repository));
        assert_eq!(ours.len(), theirs.len());
        for (folder, desc) in ours {
            assert_eq!(desc, theirs[&folder], "{folder}");
        }
    }
}

/// What pacstrap does with a repository of a package that `spoil` has spoilt.
fn strap(package: &Pkg, spoil: impl FnOnce(&mut Listed)) -> Result<String, String> {
    let folder = tempfile::tempdir().unwrap();
    let key = Key::new("Test <test@localhost>");
    let mut repository = PkgRepository::create(folder.path(), "core", &key);
    repository.add_changed(package, spoil);
    repository.publish();
    let pacstrap = Pacstrap::from_one(folder.path(), &repository);
    let target = folder.path().join("tree");
    pacstrap.run(&target, &[package.name()])
}

#[test]
fn pacstrap_refuses_what_is_spoilt() {
    if !require(&NEEDS) {
        return;
    }
    let good = Pkg::new("good", "1:1-1").file("etc/good", b"good\n");
    strap(&good, |_| ()).unwrap();
    let refused = |spoil: &dyn Fn(&mut Listed)| strap(&good, spoil).unwrap_err();
    let said = refused(&|listed| *listed.bytes.last_mut().unwrap() ^= 1);
    assert!(
        said.contains("PGP signature") || said.contains("corrupted"),
        "{said}"
    );
    let said = refused(&Listed::unsign);
    assert!(said.contains(".sig' from disk"), "{said}");
    let other = Key::new("Other <other@localhost>");
    let said = refused(&|listed| listed.sign_with(other.sign(&listed.bytes)));
    assert!(said.contains("required key missing"), "{said}");
    let said = refused(&|listed| listed.set("DEPENDS", &["absent"]));
    assert!(said.contains("unable to satisfy dependency"), "{said}");
}

#[test]
fn packages_can_be_what_no_tool_would_make() {
    let long = format!("/{}", "far/".repeat(40));
    let paths = ["../../etc/x", "/etc/x", "a/../b", &long];
    let mut package = Pkg::new("hostile", "1-1")
        .link("usr/way", "/tmp")
        .bare(Member::new("usr/way/out", Kind::File(b"out\n".into())))
        .without(".MTREE")
        .compressed(Compression::Xz);
    for path in paths {
        package = package.bare(Member::new(path, Kind::File(b"x".into())));
    }
    let (compression, tar) = Compression::unpack(&package.bytes());
    assert_eq!(compression, Compression::Xz);
    let mut archive = tar::Archive::new(tar.as_slice());
    let entries = archive.entries().unwrap().map(|entry| entry.unwrap());
    let written: Vec<_> = entries
        .map(|e| String::from_utf8(e.path_bytes().into_owned()).unwrap())
        .collect();
    let expected = [".BUILDINFO", ".PKGINFO", "usr/", "usr/way", "usr/way/out"];
    assert_eq!(written, [&expected[..], &paths].concat());
}

#[test]
fn a_copy_can_be_spoilt_and_the_pocket_stays() {
    if !require(&NEEDS) {
        return;
    }
    let (pocket, folder) = (pocket(), tempfile::tempdir().unwrap());
    let before = fs::read(pocket.database("core")).unwrap();
    let copy = pocket.copy(&folder.path().join("copy"));
    database::edit(&copy.database("core"), "bash", |desc| {
        *desc = desc.replace("%NAME%\nbash\n", "%NAME%\nhash\n");
    });
    assert!(copy.packages().contains_key("hash"));
    assert_eq!(fs::read(pocket.database("core")).unwrap(), before);
    assert!(pocket.packages().contains_key("bash"));
    assert!(pocket.package("iputils").to_string_lossy().contains("-3:2"));
    assert_eq!(copy.key().fingerprint(), pocket.key().fingerprint());
}
