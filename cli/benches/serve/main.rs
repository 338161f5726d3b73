//! `hatchery serve` against nginx, on the same files and with as many workers:
//! A B B A, medians and ratios.
//!
//! ```text
//! make bench, or: ROUNDS=4 cargo bench -p hatchery --bench serve
//! ```
//!
//! Run it as root. The store lies on a tmpfs. nginx runs with `sendfile`,
//! `tcp_nopush` and `open_file_cache`, without an access log, as ours does.
//! The goal is nginx's figure in each, with TLS and without, and 200 MiB of
//! memory at most. Those who ask run on the same two or more processors and
//! take their share; the seconds of processor time are the servers' alone.
//!
//! nginx is not installed, since its package would start a server: it is
//! downloaded as a package and run from the folder into which that is unpacked.

#![allow(
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a bench is a program of its own"
)]

mod clients;
mod nginx;
mod process;
mod report;
mod yard;

use clients::{Wrk, download, imports};
use hatchery_tests::Need;
use nginx::Nginx;
use process::{Kind, Scheme, Served};
use report::{Better, Table};
use yard::Yard;

const NEEDS: [Need; 7] = [
    Need::Root,
    Need::Network,
    Need::Program("mmdebstrap"),
    Need::Program("gpg"),
    Need::Program("curl"),
    Need::Program("wrk"),
    Need::Program("dpkg-deb"),
];
/// The most that ours may take, in MiB.
const MEMORY_MAX: f64 = 200.0;

fn main() {
    // `cargo test --benches` and `cargo nextest` ask for the list of tests.
    if std::env::args().any(|a| a == "--list" || a == "--test") {
        return;
    }
    if let Err(why) = NEEDS.iter().try_for_each(|need| need.check()) {
        println!("serve bench skipped: {why}");
        return;
    }
    let rounds = std::env::var("ROUNDS").map_or(4, |r| r.parse().unwrap());
    let scratch = tempfile::tempdir_in("/dev/shm").unwrap();
    let yard = Yard::new(scratch.path());
    let nginx = Nginx::unpack(&yard);
    let servers = [Served::ours(&yard), nginx.start(&yard)];
    println!(
        "hatchery serve and {}, {} workers each, medians of {rounds} runs on loopback",
        nginx.version(),
        process::workers()
    );

    let mut table = Table::default();
    for round in 0..rounds {
        // Whoever is the second finds more of the machine warm.
        let order = match round % 2 {
            0 => [&servers[0], &servers[1]],
            _ => [&servers[1], &servers[0]],
        };
        for scheme in [Scheme::Http, Scheme::Https] {
            for server in order {
                large(&mut table, server, scheme);
                small(&mut table, server, scheme);
                unchanged(&mut table, server, scheme);
                imported(&mut table, server, scheme, &yard);
            }
        }
    }
    table.print();
    println!();
    for server in &servers {
        let memory = server.memory_peak();
        let verdict = match server.kind() {
            Kind::Nginx => "",
            Kind::Ours if memory <= MEMORY_MAX => ", goal 200 met",
            Kind::Ours => ", goal 200 MISSED",
        };
        println!(
            "  most memory of {}: {memory:.0} MiB{verdict}",
            server.kind()
        );
    }
}

/// A large file, by several at once.
fn large(table: &mut Table, server: &Served, scheme: Scheme) {
    let url = server.url(scheme, yard::LARGE);
    let ((bytes, seconds), cost) = server.cost(|| download(&url, scheme));
    let gigabytes = bytes as f64 / 1e9;
    let mut add = |what, better, figure| table.add(scheme, what, better, server.kind(), figure);
    add("large file, GB/s", Better::More, gigabytes / seconds);
    add("large file, CPU s/GB", Better::Less, cost.all() / gigabytes);
    let what = "large file, ms of a GB";
    table.limit(scheme, what, server.kind(), cost.of_each(gigabytes * 1e-3));
}

/// A small file, again and again.
fn small(table: &mut Table, server: &Served, scheme: Scheme) {
    let wrk = Wrk::new(server.url(scheme, yard::SMALL));
    let (ran, cost) = server.cost(|| wrk.run());
    let mut add = |what, better, figure| table.add(scheme, what, better, server.kind(), figure);
    add("small file, requests/s", Better::More, ran.per_second);
    add("small file, p99 ms", Better::Less, ran.p99_ms);
    let what = "small file, µs of a request";
    table.limit(
        scheme,
        what,
        server.kind(),
        cost.of_each(ran.requests * 1e-6),
    );
}

/// The same, by those who have it already.
fn unchanged(table: &mut Table, server: &Served, scheme: Scheme) {
    let wrk = Wrk::new(server.url(scheme, yard::SMALL));
    let (ran, cost) = server.cost(|| wrk.unless_changed());
    let mut add = |what, better, figure| table.add(scheme, what, better, server.kind(), figure);
    add("304, requests/s", Better::More, ran.per_second);
    add("304, p99 ms", Better::Less, ran.p99_ms);
    let what = "304, µs of a request";
    table.limit(
        scheme,
        what,
        server.kind(),
        cost.of_each(ran.requests * 1e-6),
    );
}

/// Imports of a real image, many at once.
fn imported(table: &mut Table, server: &Served, scheme: Scheme, yard: &Yard) {
    let url = server.url(scheme, "");
    let (seconds, cost) = server.cost(|| imports(yard, &url));
    let mut add = |what, better, figure| table.add(scheme, what, better, server.kind(), figure);
    add("32 imports at once, s", Better::Less, seconds);
    add("32 imports at once, CPU s", Better::Less, cost.all());
    let what = "32 imports at once, s";
    table.limit(scheme, what, server.kind(), cost);
}
