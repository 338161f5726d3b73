//! Whatever GNU tar, bsdtar and others write of a tree is unpacked as they
//! would unpack it: type, mode, owner, time, contents, holes, links, devices,
//! attributes and access lists.

mod programs;
mod trees;

use crate::import::fixture::chain;
use crate::unpacking::{Packed, Walk, tree, unpack_file};
use hatchery_image::archive::{PackOptions, VerifiedArchive, pack, unpack};
use hatchery_image::manifest::Unpacked;
use hatchery_image::place::{Resolve, Root};
use hatchery_image::{Progress, Sha256};
use hatchery_tests::{Need, require, run::run};
use programs::{Judge, Made};
use std::fs::{self, File};
use std::path::Path;
use tempfile::TempDir;

const NEEDS: [Need; 6] = [
    Need::Root,
    Need::Program("tar"),
    Need::Program("bsdtar"),
    Need::Program("zstd"),
    Need::Program("xz"),
    Need::Program("git"),
];

/// What is declared of all of them: a file of 9 GiB of holes is among them.
const LIMITS: Unpacked = Unpacked {
    bytes: 32 << 30,
    entries: 100_000,
};

/// Unpacks with ours, and with the program that is to be believed.
fn difference(made: &Made, walk: Walk) -> Option<String> {
    let folder = tempfile::tempdir().unwrap();
    let [ours, theirs] = ["ours", "theirs"].map(|name| folder.path().join(name));
    for tree in [&ours, &theirs] {
        fs::create_dir(tree).unwrap();
    }
    let packed = Packed {
        format: made.format,
        ..Packed::zst(Vec::new())
    };
    let mut archive = packed.manifest("archive");
    archive.size = fs::metadata(&made.path).unwrap().len();
    (archive.sha256, _) = Sha256::of_reader(File::open(&made.path).unwrap()).unwrap();
    if let Err(error) = unpack_file(&made.path, &archive, &ours, &LIMITS, walk) {
        return Some(format!("was refused: {}", chain(&error)));
    }
    let (path, target) = (made.path.to_str().unwrap(), theirs.to_str().unwrap());
    let said = match made.judge {
        Judge::Gnu => {
            let options = [
                "--numeric-owner",
                "--xattrs",
                "--xattrs-include=*",
                "--acls",
                "-p",
                "-x",
            ];
            run(&[&["tar"], &options[..], &["-f", path, "-C", target]].concat())
        }
        Judge::Bsd => {
            let options = ["--numeric-owner", "--xattrs", "--acls", "-p", "-x"];
            run(&[&["bsdtar"], &options[..], &["-f", path, "-C", target]].concat())
        }
    };
    said.unwrap();
    let mut trees = [tree::look(&ours), tree::look(&theirs)];
    if made.judge == Judge::Bsd {
        // It leaves the time of the folder that it is told to fill.
        trees
            .iter_mut()
            .for_each(|tree| drop(tree.remove(Path::new(""))));
    }
    let differences = tree::differences(&trees[0], &trees[1]);
    (!differences.is_empty()).then(|| differences.join("\n"))
}

#[test]
fn all_output_of_ordinary_programs_makes_the_same_tree() {
    if !require(&NEEDS) {
        return;
    }
    let folder = TempDir::new().unwrap();
    let all = programs::all(folder.path());
    let mut wrong = Vec::new();
    for made in &all {
        for walk in [Walk::Kernel, Walk::Steps] {
            let differs = difference(made, walk);
            wrong.extend(differs.map(|what| format!("{} ({walk:?}): {what}", made.name)));
        }
    }
    println!("{} archives", all.len());
    assert!(
        wrong.is_empty(),
        "{} of {}:\n{}",
        wrong.len(),
        all.len(),
        wrong.join("\n")
    );
    assert!(all.len() >= 40, "{}", all.len());
}

#[test]
fn names_from_the_root_of_a_host_are_refused() {
    if !require(&NEEDS) {
        return;
    }
    let folder = TempDir::new().unwrap();
    let made = programs::absolute(folder.path());
    let error = difference(&made, Walk::Kernel).unwrap();
    assert!(error.contains("refused, the path is absolute"), "{error}");
}

#[test]
fn what_is_packed_comes_out_as_tar_would_have_it() {
    if !require(&NEEDS) {
        return;
    }
    for (name, make) in trees::ALL {
        let folder = TempDir::new().unwrap();
        let at = |name: &str| folder.path().join(name);
        for name in ["tree", "ours", "theirs", "image"] {
            fs::create_dir(at(name)).unwrap();
        }
        make(&at("tree"));
        for (path, level) in [("low", 1), ("high", 19)] {
            let ours = at(path);
            fs::create_dir(&ours).unwrap();
            pack_and_unpack(&at("tree"), &at("image"), &ours, level);
            let theirs = at(&format!("theirs/{path}"));
            fs::create_dir(&theirs).unwrap();
            by_tar(&at("tree"), &theirs, &at("tar"));
            let mut trees = [tree::look(&ours), tree::look(&theirs)];
            // What is packed has whole seconds.
            trees.iter_mut().for_each(tree::whole_seconds);
            let differences = tree::differences(&trees[0], &trees[1]);
            assert!(
                differences.is_empty(),
                "{name}, {path}:\n{}",
                differences.join("\n")
            );
        }
    }
}

fn pack_and_unpack(tree: &Path, image: &Path, target: &Path, level: i32) {
    let options = PackOptions {
        source_date_epoch: 6_000_000_000,
        zstd_level: level,
        xz_level: None,
        threads: 2,
        traces: Vec::new(),
        frames: None,
    };
    let silent = Progress::silent();
    let packed = pack(tree, image, &format!("level-{level}"), &options, &silent).unwrap();
    let archive = &packed.archives[0];
    let file = File::open(image.join(archive.file.as_str())).unwrap();
    let verified = VerifiedArchive::verify(file, archive).unwrap();
    let root = Root::open(target, Resolve::Beneath).unwrap();
    unpack(&verified, &root, &packed.unpacked, 2, &silent).unwrap();
}

fn by_tar(tree: &Path, target: &Path, archive: &Path) {
    let [tree, target, archive] = [tree, target, archive].map(|p| p.to_str().unwrap());
    let options = [
        "tar",
        "--format=posix",
        "-S",
        "--xattrs",
        "--xattrs-include=*",
        "--acls",
    ];
    run(&[&options[..], &["-cf", archive, "-C", tree, "."]].concat()).unwrap();
    let options = [
        "tar",
        "--numeric-owner",
        "--xattrs",
        "--xattrs-include=*",
        "--acls",
        "-p",
    ];
    run(&[&options[..], &["-xf", archive, "-C", target]].concat()).unwrap();
}
