//! Packing and unpacking a real tree, against the stock tools, alternately.
//!
//! ```text
//! cargo bench -p hatchery --bench archive [-- TREE [ROUNDS [LEVEL]]]
//! ```
//!
//! A: ours. B: `tar --sort=name | zstd -T2`, and `zstd -d | tar -x`. Both
//! write beneath TREE's parent directory, so a tree on a tmpfs measures
//! neither disk. Without TREE one is made on a tmpfs by mmdebstrap. It prints
//! medians of the wall time in seconds, their ratio, and the sizes, also that
//! of one plain stream at the same level. Run it as root if the tree has other
//! owners than you.

#![allow(clippy::print_stdout, clippy::unwrap_used, clippy::disallowed_methods)]

use hatchery_image::Progress;
use hatchery_image::archive::{PackOptions, VerifiedArchive, pack, unpack};
use hatchery_image::place::{Resolve, Root};
use hatchery_tests::{Need, tree};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

const THREADS: usize = 2;

/// What a tree needs that is not given.
const NEEDS: [Need; 3] = [Need::Root, Need::Network, Need::Program("mmdebstrap")];

/// Most that an archive may be larger than one plain stream.
const SIZE_GOAL: f64 = 1.05;

fn main() {
    // `cargo bench` passes flags of its own.
    let mut arguments = std::env::args().skip(1).filter(|a| !a.starts_with("--"));
    let scratch = tempfile::tempdir_in("/dev/shm").unwrap();
    let tree = match arguments.next() {
        Some(tree) => PathBuf::from(tree),
        None => match NEEDS.iter().try_for_each(|need| need.check()) {
            Ok(()) => tree::debian(scratch.path(), "trixie"),
            Err(why) => {
                println!("archive: skipped, without a tree it needs one of mmdebstrap: {why}");
                return;
            }
        },
    };
    let rounds = arguments.next().map_or(5, |n| n.parse().unwrap());
    let level = arguments.next().map_or(3, |n| n.parse().unwrap());
    measure(&tree.canonicalize().unwrap(), rounds, level);
}

fn measure(tree: &Path, rounds: usize, level: i32) {
    let work = tempfile::tempdir_in(tree.parent().unwrap()).unwrap();
    let at = |name: &str| work.path().join(name);
    let options = PackOptions {
        source_date_epoch: 1 << 33,
        zstd_level: level,
        xz_level: None,
        threads: THREADS,
        traces: Vec::new(),
        frames: None,
    };
    let mut times = [const { Vec::new() }; 4];
    let mut sizes = (0, 0);
    for _ in 0..rounds {
        let _ = fs::remove_file(at("ours.tar.zst"));
        let begun = Instant::now();
        let packed = pack(tree, work.path(), "ours", &options, &Progress::silent()).unwrap();
        times[0].push(begun.elapsed());

        let (from, to) = (tree.display(), at("theirs.tar.zst"));
        let to = to.display();
        times[1].push(shell(&format!(
            "tar --sort=name --numeric-owner --xattrs -C {from} -c . | zstd -q -f -T2 -{level} -o {to}"
        )));
        let archive = &packed.archives[0];
        sizes = (
            archive.size,
            fs::metadata(at("theirs.tar.zst")).unwrap().len(),
        );

        fs::create_dir(at("a")).unwrap();
        let begun = Instant::now();
        let file = File::open(at("ours.tar.zst")).unwrap();
        let verified = VerifiedArchive::verify(file, archive).unwrap();
        let root = Root::open(&at("a"), Resolve::Beneath).unwrap();
        unpack(
            &verified,
            &root,
            &packed.unpacked,
            THREADS,
            &Progress::silent(),
        )
        .unwrap();
        times[2].push(begun.elapsed());
        fs::remove_dir_all(at("a")).unwrap();

        fs::create_dir(at("b")).unwrap();
        let into = at("b");
        times[3].push(shell(&format!(
            "zstd -q -dc {to} | tar --numeric-owner --xattrs -C {} -x",
            into.display()
        )));
        fs::remove_dir_all(at("b")).unwrap();
    }
    let [pack, their_pack, unpack, their_unpack] = times.map(median);
    println!(
        "pack    ours {pack:.3} s, tar | zstd -T2 {their_pack:.3} s: {:.2}",
        pack / their_pack
    );
    println!(
        "unpack  ours {unpack:.3} s, zstd | tar {their_unpack:.3} s: {:.2}",
        unpack / their_unpack
    );
    let plain = at("plain.tar.zst");
    shell(&format!(
        "tar --sort=name --numeric-owner --xattrs -C {} -c . | zstd -q -f -T1 --single-thread -{level} -o {}",
        tree.display(),
        plain.display()
    ));
    let plain = fs::metadata(plain).unwrap().len();
    let ratio = sizes.0 as f64 / plain as f64;
    let verdict = if ratio <= SIZE_GOAL {
        "goal met"
    } else {
        "GOAL MISSED"
    };
    println!(
        "size    ours {}, zstd -T2 {}, one stream at level {level} {plain}: {ratio:.4} (goal {SIZE_GOAL}): {verdict}",
        sizes.0, sizes.1
    );
}

fn shell(command: &str) -> std::time::Duration {
    let begun = Instant::now();
    let status = Command::new("bash")
        .args(["-c", &format!("set -e -o pipefail; {command}")])
        .status();
    assert!(status.unwrap().success(), "{command}");
    begun.elapsed()
}

fn median(mut times: Vec<std::time::Duration>) -> f64 {
    times.sort();
    times[times.len() / 2].as_secs_f64()
}
