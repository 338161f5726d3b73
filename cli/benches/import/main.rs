//! `hatchery import` against what a host has without it, from one server and
//! of the same archives: A B A B, medians and ratios beside the goals.
//!
//! ```text
//! make bench, or: ROUNDS=5 cargo bench -p hatchery --bench import
//! ```
//!
//! Run it as root. Images, server, downloads and machines lie on a tmpfs.
//! Peers run with the fastest settings that they document: `curl` into `zstd`
//! into `tar`, and `systemd-pull` as `machinectl pull-tar` runs it, but with
//! `--verify=no`, without settings and without its sync; beside that, once
//! more with `--verify=signature`. One is this host's, the other that of a
//! tree of Debian's testing release, in a chroot with this host's network.
//! What ours does besides: it verifies the catalog's signature, the
//! manifest's and the archive's digest before anything is unpacked, and syncs
//! before the machine appears.

#![allow(
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a bench is a program of its own"
)]

mod ours;
mod peers;
mod report;
mod yard;

use hatchery_tests::Need;
use ours::Ours;
use peers::{Pull, Verify};
use report::{Goal, Times};
use yard::{Form, Yard};

const NEEDS: [Need; 8] = [
    Need::Root,
    Need::Network,
    Need::Program("mmdebstrap"),
    Need::Program("gpg"),
    Need::Program("curl"),
    Need::Program("zstd"),
    Need::Program("chattr"),
    Need::Program(peers::PULL),
];

fn main() {
    // `cargo test --benches` and `cargo nextest` ask for the list of tests.
    if std::env::args().any(|a| a == "--list" || a == "--test") {
        return;
    }
    if let Err(why) = NEEDS.iter().try_for_each(|need| need.check()) {
        println!("import bench skipped: {why}");
        return;
    }
    let rounds = std::env::var("ROUNDS").map_or(5, |r| r.parse().unwrap());
    let scratch = tempfile::tempdir_in("/dev/shm").unwrap();
    let yard = Yard::new(scratch.path());
    let host = Pull::of_host(&yard);
    let testing = Pull::of_testing(&yard);
    println!("{}, medians of {rounds} runs, in seconds", yard.describe());
    println!("peers: {}, {}", host.version(), testing.version());

    tar_zst(&yard, &testing, &host, rounds);
    tar_xz(&yard, &testing, &host, rounds);
    let hung = host.hung() + testing.hung();
    println!("\npulls of systemd that hung and were repeated: {hung}");
}

/// All that take the `.tar.zst`, and the host's, which takes only `.tar.xz`.
fn tar_zst(yard: &Yard, testing: &Pull, host: &Pull, rounds: usize) {
    let ours = Ours::new(yard, Form::Zst);
    let mut times = Times::new("ours on the .tar.zst");
    for _ in 0..rounds {
        times.ours(ours.import());
        times.peer("curl | zstd -d | tar -x", yard.piped(Form::Zst));
        for verify in [Verify::No, Verify::Signature] {
            let name = format!("{} .tar.zst {verify}", testing.name());
            times.peer(&name, testing.pull(yard, Form::Zst, verify));
        }
        let name = format!("{} .tar.xz {}", host.name(), Verify::No);
        times.peer(&name, host.pull(yard, Form::Xz, Verify::No));
    }
    let goals = [
        Goal::new("curl | zstd", 0.6),
        Goal::new("testing .tar.zst --verify=no", 0.4),
        Goal::new("host .tar.xz --verify=no", 1.0 / 8.0),
    ];
    times.print(&goals, yard.decompressed(Form::Zst));
}

/// The same where nobody has anything but the `.tar.xz`.
fn tar_xz(yard: &Yard, testing: &Pull, host: &Pull, rounds: usize) {
    let ours = Ours::new(yard, Form::Xz);
    let mut times = Times::new("ours on the .tar.xz");
    for _ in 0..rounds {
        times.ours(ours.import());
        times.peer("curl | xz -d | tar -x", yard.piped(Form::Xz));
        for (pull, verify) in [
            (host, Verify::No),
            (host, Verify::Signature),
            (testing, Verify::No),
        ] {
            let name = format!("{} .tar.xz {verify}", pull.name());
            times.peer(&name, pull.pull(yard, Form::Xz, verify));
        }
    }
    let goals = [Goal::new("host .tar.xz --verify=no", 0.8)];
    times.print(&goals, yard.decompressed(Form::Xz));
}
