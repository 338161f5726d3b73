//! `hatchery import` against `curl | zstd -d | tar -x`, from one server, in
//! one run: A B A B, medians and the ratio.
//!
//! Run with `make bench` (root, mmdebstrap). Server, downloads and machines
//! lie on a tmpfs. What ours does besides: it verifies the catalog's
//! signature, the manifest's and the archive's digest before anything is
//! unpacked, restores extended attributes, and syncs before the machine
//! appears. `ROUNDS` (default 5) is how often each is run.

#![allow(
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a bench is a program of its own"
)]

use hatchery_tests::{Need, lab, tree};
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Instant;

const NEEDS: [Need; 6] = [
    Need::Root,
    Need::Network,
    Need::Program("mmdebstrap"),
    Need::Program("gpg"),
    Need::Program("curl"),
    Need::Program("zstd"),
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
    let bench = Bench::new(scratch.path());
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        ours.push(bench.hatchery());
        theirs.push(bench.stock());
    }
    let (ours, theirs) = (median(ours), median(theirs));
    println!("\nimport of a small trixie over HTTP on loopback, medians of {rounds} runs");
    println!("  curl | zstd -d | tar -x  {theirs:.3} s");
    println!(
        "  hatchery import          {ours:.3} s   ratio {:.3}",
        ours / theirs
    );
}

struct Bench {
    work: PathBuf,
    server: Server,
}

impl Bench {
    /// Packs, signs, publishes and serves a tree.
    fn new(work: &Path) -> Self {
        let tree = tree::debian(&work.join("trees"), "trixie");
        let home = work.join("gnupg");
        let signer = lab::key(&home, "bench <bench@localhost>");
        let image = work.join("image");
        let mut files = lab::pack_tree(&tree, &image, "lab", "1", |_| ());
        files.sign(&signer).unwrap();
        fs::write(work.join("key.pgp"), signer.public_key().unwrap()).unwrap();
        publish(&image, &work.join("store"), &home);
        signer.stop_agent().unwrap();
        let server = Server::start(&work.join("store"));
        Self {
            work: work.to_owned(),
            server,
        }
    }

    fn hatchery(&self) -> f64 {
        let at = |name: &str| self.work.join(name);
        let _ = fs::remove_dir_all(at("machines"));
        let _ = fs::remove_dir_all(at("cache"));
        let _ = fs::remove_dir_all(at("state"));
        let mut command = Command::new(env!("CARGO_BIN_EXE_hatchery"));
        command.args(["-q", "import", "lab", "--mirror", &self.server.url]);
        for (flag, path) in [
            ("--key", "key.pgp"),
            ("--machines", "machines"),
            ("--cache-dir", "cache"),
            ("--state", "state"),
            ("--config", "no-config"),
        ] {
            command.arg(flag).arg(at(path));
        }
        timed(&mut command)
    }

    fn stock(&self) -> f64 {
        let into = self.work.join("stock");
        let _ = fs::remove_dir_all(&into);
        fs::create_dir(&into).unwrap();
        let url = format!("{}images/lab/amd64/latest/lab.tar.zst", self.server.url);
        let script = format!(
            "set -e -o pipefail; curl -sfL {url} | zstd -q -d | tar --numeric-owner --xattrs -x -C {}",
            into.display()
        );
        timed(Command::new("bash").args(["-c", &script]))
    }
}

fn publish(image: &Path, store: &Path, home: &Path) {
    timed(
        Command::new(env!("CARGO_BIN_EXE_hatchery"))
            .args(["-q", "publish"])
            .arg(image)
            .arg("--store")
            .arg(store)
            .env("GNUPGHOME", home),
    );
}

/// A server that ends with the bench.
struct Server {
    child: Child,
    url: String,
}

impl Server {
    fn start(store: &Path) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_hatchery"))
            .args(["-q", "serve", "--listen", "127.0.0.1:0", "--store"])
            .arg(store)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let stdout = child.stdout.take().unwrap();
        BufReader::new(stdout).read_line(&mut line).unwrap();
        let url = line.split_whitespace().find(|w| w.starts_with("http://"));
        let url = url.expect("the server says where it is").to_owned();
        Self { child, url }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn timed(command: &mut Command) -> f64 {
    let begun = Instant::now();
    let output = command.stdin(Stdio::null()).output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?} failed:\n{stderr}");
    begun.elapsed().as_secs_f64()
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}
