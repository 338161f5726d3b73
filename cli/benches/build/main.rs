//! Our build and mmdebstrap's of the same package set, against one local
//! mirror, in one run: A B A B, medians and the ratio. Then our bootstrap of
//! an Arch Linux and pacstrap's ([`arch`]).
//!
//! Run with `make bench` (root, Debian, mmdebstrap, pacstrap). Everything that is
//! written lies on a tmpfs. Three cases of ours are compared with the same
//! mmdebstrap figure, which has no cache to be warm:
//!
//! * cold: nothing cached;
//! * warm: packages in our cache, but no finished bootstrap and no compressed
//!   frame;
//! * settings: only the recipe's settings changed since the last build.
//!
//! Both write a `.tar.zst` at level 3 and nothing else; neither signs.
//! `ROUNDS` (default 5) is how often each is run.

#![allow(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "a bench is a program of its own"
)]

mod arch;
mod mirror;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

/// What both install; `variant = "minbase"` and these.
const PACKAGES: [&str; 6] = [
    "systemd",
    "systemd-sysv",
    "systemd-resolved",
    "dbus",
    "iproute2",
    "libnss-resolve",
];

/// The goals, as shares of mmdebstrap's wall time, and the ones beyond them.
const GOALS: [(&str, f64, f64); 3] = [
    ("cold", 0.40, 1.0 / 3.0),
    ("warm", 0.28, 0.25),
    ("settings", 0.10, 0.10),
];

/// Most memory that our build may use, in MiB.
const MEMORY_GOAL: u64 = 400;

fn main() -> ExitCode {
    // `cargo test --benches` and `cargo nextest` ask for the list of tests.
    if std::env::args().any(|a| a == "--list" || a == "--test") {
        return ExitCode::SUCCESS;
    }
    if !rustix::process::geteuid().is_root() {
        println!("build benches skipped: they need root");
        return ExitCode::SUCCESS;
    }
    let rounds = std::env::var("ROUNDS")
        .ok()
        .and_then(|r| r.parse().ok())
        .unwrap_or(5);
    let work = tempfile::Builder::new()
        .prefix("hatchery-bench")
        .tempdir_in("/dev/shm");
    let work = work.expect("/dev/shm is a writable tmpfs");
    arch::bench(work.path(), rounds);
    if which("mmdebstrap").is_none() {
        println!("build bench skipped: it needs mmdebstrap (apt-get install mmdebstrap)");
        return ExitCode::SUCCESS;
    }
    debian(work.path(), rounds);
    ExitCode::SUCCESS
}

fn debian(work: &Path, rounds: u32) {
    let mirror = mirror::Mirror::of_debian(&work.join("mirror"));
    let bench = Bench {
        work: work.to_owned(),
        mirror: mirror.url(),
    };

    println!("filling the local mirror from the host's own ...");
    bench.mmdebstrap();
    bench.hatchery("cold", 0);
    let fetched = mirror.bytes_upstream();

    let mut peer = Vec::new();
    let mut ours: [Vec<Run>; 3] = Default::default();
    for round in 1..=rounds {
        peer.push(bench.mmdebstrap());
        for (runs, (case, ..)) in ours.iter_mut().zip(GOALS) {
            runs.push(bench.hatchery(case, round));
        }
        println!(
            "round {round} of {rounds}: mmdebstrap {:.2} s",
            peer[peer.len() - 1].wall.as_secs_f64()
        );
    }
    assert_eq!(
        mirror.bytes_upstream(),
        fetched,
        "a measured run reached past the local mirror"
    );
    report(&peer, &ours);
}

/// One run.
#[derive(Clone, Copy)]
struct Run {
    wall: Duration,
    /// Largest resident set of any one process, in KiB.
    memory: u64,
}

struct Bench {
    work: PathBuf,
    mirror: String,
}

impl Bench {
    fn mmdebstrap(&self) -> Run {
        let archive = self.work.join("peer.tar.zst");
        // With a suffix it compresses with zstd on all cores, at its level 3.
        let run = measure(
            Command::new("mmdebstrap")
                .args([
                    "--quiet",
                    "--variant=minbase",
                    "--keyring=/usr/share/keyrings",
                ])
                .arg(format!("--include={}", PACKAGES.join(",")))
                .arg("trixie")
                .arg(&archive)
                .arg(&self.mirror)
                .env("TMPDIR", &self.work),
        );
        let _ = fs::remove_file(archive);
        run
    }

    fn hatchery(&self, case: &str, round: u32) -> Run {
        let cache = self.work.join("cache");
        let output = self.work.join("output");
        match case {
            "cold" => remove(&cache),
            "warm" => {
                remove(&cache.join("base"));
                remove(&cache.join("frames"));
            }
            _ => (),
        }
        remove(&output);
        let recipe = self.work.join("bench.toml");
        let packages: Vec<_> = PACKAGES.iter().map(|p| format!("{p:?}")).collect();
        // Each round has another setting, so that no image is one made before.
        let text = format!(
            "name = \"bench\"\ndistribution = \"debian\"\nrelease = \"trixie\"\nvariant = \"minbase\"\n\
             mirrors = [{:?}]\npackages = [{}]\nhostname = \"bench{round}{case}\"\n\
             [archive]\nformats = [\"tar.zst\"]\nzstd_level = 3\n",
            self.mirror,
            packages.join(", "),
        );
        fs::write(&recipe, text).expect("the tmpfs is writable");
        measure(
            Command::new(env!("CARGO_BIN_EXE_hatchery"))
                .args(["--quiet", "build", "--no-sign"])
                .arg(&recipe)
                .arg("--mirror")
                .arg(&self.mirror)
                .arg("--cache-dir")
                .arg(&cache)
                .arg("--output")
                .arg(&output)
                .env("TMPDIR", &self.work),
        )
    }
}

fn remove(path: &Path) {
    let _ = fs::remove_dir_all(path);
}

fn which(program: &str) -> Option<PathBuf> {
    ["/usr/sbin", "/usr/bin"]
        .iter()
        .map(|d| Path::new(d).join(program))
        .find(|p| p.exists())
}

fn measure(command: &mut Command) -> Run {
    let begin = Instant::now();
    let mut timed = Command::new("/usr/bin/time");
    timed
        .args(["-f", "%M"])
        .arg(command.get_program())
        .args(command.get_args());
    for (name, value) in command.get_envs() {
        timed.env(name, value.unwrap_or_default());
    }
    let output = timed
        .stdin(Stdio::null())
        .output()
        .expect("/usr/bin/time runs");
    let wall = begin.elapsed();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?} failed:\n{stderr}");
    let memory = stderr.lines().last().and_then(|l| l.trim().parse().ok());
    Run {
        wall,
        memory: memory.expect("time prints the resident set last"),
    }
}

fn median(runs: &[Run]) -> f64 {
    let mut seconds: Vec<f64> = runs.iter().map(|r| r.wall.as_secs_f64()).collect();
    seconds.sort_by(f64::total_cmp);
    seconds[seconds.len() / 2]
}

fn report(peer: &[Run], ours: &[Vec<Run>; 3]) {
    let theirs = median(peer);
    println!(
        "\nbuild of minbase + {} (trixie), tar.zst at level 3, medians of {} runs",
        PACKAGES.join(" "),
        peer.len()
    );
    println!("  {:<12} {theirs:>6.2} s", "mmdebstrap");
    for (runs, (case, goal, beyond)) in ours.iter().zip(GOALS) {
        let ratio = median(runs) / theirs;
        let verdict = match ratio {
            r if r <= beyond => "beyond the goal",
            r if r <= goal => "goal met",
            _ => "GOAL MISSED",
        };
        println!(
            "  {case:<12} {:>6.2} s   ratio {ratio:.3} (goal {goal:.2}): {verdict}",
            median(runs)
        );
    }
    let memory = ours.iter().flatten().map(|r| r.memory).max().unwrap_or(0) / 1024;
    let verdict = if memory < MEMORY_GOAL {
        "goal met"
    } else {
        "GOAL MISSED"
    };
    println!("  peak memory {memory} MiB (goal below {MEMORY_GOAL} MiB): {verdict}");
}
