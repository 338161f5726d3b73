//! Power that goes at any moment: what was acknowledged is there and whole,
//! and what was not is the old or the new.
//!
//! The host's folders are on a file system in a file, and that file on a
//! btrfs, which copies it in one step. A copy holds what the disk had been
//! told at that moment, and nothing of what the system still had in memory.
//! It is mounted later, when the original is not any more.

use super::NEEDS;
use super::host::{Host, Seen, Wish};
use super::repository::Repository;
use super::run::program;
use hatchery_tests::{Pool, require};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// Cuts on each kind of file system.
const CUTS: usize = 24;
/// Time between two of them.
const PAUSE: Duration = Duration::from_millis(90);
/// Size of the file system: the least that both kinds like.
const SIZE: u64 = 160 << 20;

/// A copy of the disk, and what had been acknowledged when it was made, and
/// begun when it was done.
struct Cut {
    image: PathBuf,
    acknowledged: usize,
    begun: usize,
}

fn mount(image: &Path, target: &Path, kind: &str) {
    let (image, target) = (image.to_str().unwrap(), target.to_str().unwrap());
    program(&["mount", "-t", kind, "-o", "loop", image, target]);
}

/// What the host goes through, over and over.
fn steps(host: &Host<'_>) -> [Vec<String>; 4] {
    [
        host.import("1", false),
        host.import("2", true),
        host.import("1", true),
        host.remove(),
    ]
}

/// Cuts the power while the host works; `disk` is the live image.
fn work_and_cut(host: &Host<'_>, disk: &Path) -> Vec<Cut> {
    let (begun, acknowledged) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let (begun, acknowledged) = (&begun, &acknowledged);
    let stop = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        let stop = &stop;
        scope.spawn(move || {
            for step in steps(host).iter().cycle() {
                if stop.load(Ordering::SeqCst) > 0 {
                    break;
                }
                begun.fetch_add(1, Ordering::SeqCst);
                host.succeed(step);
                acknowledged.fetch_add(1, Ordering::SeqCst);
            }
        });
        let mut cuts = Vec::new();
        for number in 0..CUTS {
            std::thread::sleep(PAUSE);
            let image = disk.with_file_name(format!("cut-{number}"));
            let before = acknowledged.load(Ordering::SeqCst);
            let (from, to) = (disk.to_str().unwrap(), image.to_str().unwrap());
            program(&["cp", "--reflink=always", from, to]);
            cuts.push(Cut {
                image,
                acknowledged: before,
                begun: begun.load(Ordering::SeqCst),
            });
        }
        stop.store(1, Ordering::SeqCst);
        cuts
    })
}

/// Looks at what a cut left; whether it was in the middle of something.
fn check(host: &Host<'_>, cut: &Cut, states: &[Seen; 4]) -> bool {
    let Cut {
        acknowledged,
        begun,
        ..
    } = *cut;
    let seen = host.see();
    // The state after so many steps; nothing comes after a removal.
    let possible: Vec<&Seen> = (acknowledged..=begun).map(|n| &states[n % 4]).collect();
    let context = format!("{acknowledged} acknowledged, {begun} begun");
    let tree = possible.iter().any(|s| s.tree == seen.tree);
    assert!(tree, "tree, {context}: {:?}", seen.tree);
    let record = possible.iter().any(|s| s.record == seen.record);
    assert!(record, "record, {context}: {:?}", seen.record);
    let settings = possible.iter().any(|s| s.settings == seen.settings);
    assert!(settings, "settings, {context}: {:?}", seen.settings);
    // The next import makes all of it good.
    host.succeed(&host.import("2", true));
    assert!(host.see() == states[2], "recovered, {context}");
    assert_eq!(host.leftovers(), [""; 0], "{context}");
    host.succeed(&host.remove());
    assert_eq!(host.see(), Seen::NOTHING, "removed, {context}");
    acknowledged != begun
}

/// Unmounts when the test fails, too.
struct Mounted(PathBuf);

impl Drop for Mounted {
    fn drop(&mut self) {
        let target = self.0.to_str().unwrap();
        let _ = hatchery_tests::run::run(&["umount", target]);
    }
}

fn trial(repository: &Repository, outer: &Path, kind: &str, mkfs: &[&str]) -> (usize, usize) {
    let folder = outer.join(kind);
    let (disk, target) = (folder.join("disk"), folder.join("mnt"));
    fs::create_dir_all(&target).unwrap();
    File::create(&disk).unwrap().set_len(SIZE).unwrap();
    program(&[mkfs, &[disk.to_str().unwrap()]].concat());
    mount(&disk, &target, kind);
    let mounted = Mounted(target.clone());
    let wish = Wish {
        limit: false,
        settings: true,
    };
    let host = Host::new(repository, &target, wish);
    let mut states = [Seen::NOTHING, Seen::NOTHING, Seen::NOTHING, Seen::NOTHING];
    for (number, step) in steps(&host).iter().enumerate() {
        host.succeed(step);
        states[(number + 1) % 4] = host.see();
    }
    assert_eq!(states[0], Seen::NOTHING);
    program(&["sync", "-f", target.to_str().unwrap()]);
    let cuts = work_and_cut(&host, &disk);
    drop(mounted);
    let mut middle = 0;
    for cut in &cuts {
        mount(&cut.image, &target, kind);
        let _mounted = Mounted(target.clone());
        middle += usize::from(check(&host, cut, &states));
    }
    (cuts.len(), middle)
}

#[test]
fn what_was_acknowledged_survives_a_power_cut() {
    if !require(&NEEDS) {
        return;
    }
    let begun = Instant::now();
    let repository = Repository::new();
    let outer = Pool::btrfs(2 << 30);
    let mut all = (0, 0);
    for (kind, mkfs) in [
        ("btrfs", &["mkfs.btrfs", "--quiet"][..]),
        ("ext4", &["mkfs.ext4", "-q", "-F"][..]),
    ] {
        let (cuts, middle) = trial(&repository, outer.path(), kind, mkfs);
        all = (all.0 + cuts, all.1 + middle);
    }
    let (cuts, middle) = all;
    println!(
        "{cuts} cuts, {middle} of them amid a step, in {:?}",
        begun.elapsed()
    );
    assert!(cuts >= 30 && middle > 10, "{cuts}, {middle}");
}
