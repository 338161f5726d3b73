//! Our bootstrap of an Arch Linux and pacstrap's, of the same packages from
//! the same repository over HTTP on loopback; and what checking signatures
//! and resolving take of ours.
//!
//! What checks take is what a bootstrap that checks nothing takes less, in the
//! same rounds; one after another they would take longer, because there are
//! several threads that check.
//!
//! Either begins without a package in a cache and ends with a tree on the
//! tmpfs; both check every signature. pacman may download as many packages at
//! once as it likes. Its keyring is there already and has one key in it, which
//! saves it the 20 seconds of `pacman-key`. `CORE_DB` may name a database of
//! Arch's own, in which packages are then chosen, too.

use crate::mirror::Mirror;
use crate::which;
use hatchery_builder::arch::database::Database;
use hatchery_builder::arch::dependency::Provision;
use hatchery_builder::arch::{self, Repository, Request, resolve};
use hatchery_builder::confine::Confinement;
use hatchery_builder::family::BootstrapOptions;
use hatchery_builder::plan::Plan;
use hatchery_builder::recipe::{Pacman, SigLevel};
use hatchery_image::keyring::Policy;
use hatchery_image::{Architecture, Keyring, Progress};
use hatchery_tests::pacstrap::{Pacstrap, View};
use hatchery_tests::pocket::Pocket;
use hatchery_transfer::{Cache, Client, Location};
use jiff::Timestamp;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// The goal, as a share of pacstrap's wall time.
const GOAL: f64 = 1.0 / 3.0;

/// Most that checking signatures may take of ours.
const SIGNATURES_GOAL: f64 = 0.10;

/// Most milliseconds that reading Arch's own core and choosing `base` from it
/// may take.
const RESOLVE_GOAL: f64 = 50.0;

/// What `base` needs of other repositories.
const ELSEWHERE: [&str; 2] = ["libsysprof-capture", "lmdb"];

/// Connections at once: as many as ours.
const DOWNLOADS: usize = 8;

struct Bench {
    work: PathBuf,
    pocket: Pocket,
    url: String,
}

/// Runs both `rounds` times, and says what came of it.
pub(crate) fn bench(work: &Path, rounds: u32) {
    if which("pacstrap").is_none() || which("pacman").is_none() {
        println!(
            "arch bench skipped: it needs pacstrap and pacman (apt-get install \
             arch-install-scripts pacman-package-manager)"
        );
        return;
    }
    println!("making the pocket Arch from packages of the host's own mirror ...");
    let kept = Path::new(env!("CARGO_TARGET_TMPDIR")).join("pocket");
    let pocket = Pocket::repository(&kept).copy(&work.join("pocket"));
    let mirror = Mirror::of_folder(pocket.path());
    let bench = Bench {
        work: work.to_owned(),
        url: mirror.url(),
        pocket,
    };
    let (mut theirs, mut ours, mut unchecked) = (Vec::new(), Vec::new(), Vec::new());
    // The first round only warms the page cache.
    for round in 0..=rounds {
        let (peer, own) = (bench.pacstrap(), bench.hatchery(SigLevel::Required));
        let without = bench.hatchery(SigLevel::Never);
        println!(
            "round {round} of {rounds}: pacstrap {:.2} s, ours {:.2} s",
            peer.as_secs_f64(),
            own.as_secs_f64()
        );
        if round > 0 {
            theirs.push(peer);
            ours.push(own);
            unchecked.push(without);
        }
    }
    resolve_core();
    bench.report(&mut theirs, &mut ours, &mut unchecked);
    let _ = fs::remove_dir_all(bench.pocket.path());
}

impl Bench {
    fn pacstrap(&self) -> Duration {
        let (target, folder) = (self.work.join("theirs"), self.work.join("pacman"));
        for path in [&target, &folder] {
            fs::create_dir(path).expect("the tmpfs is writable");
        }
        let pacstrap = Pacstrap::of(&self.pocket);
        let view = View {
            folder: &folder,
            root: &target,
            top: self.pocket.path(),
        };
        pacstrap.configure(&folder, &view);
        let path = folder.join("pacman.conf");
        let text = fs::read_to_string(&path).expect("it was just written");
        let top = format!("file://{}", self.pocket.path().display());
        let options = format!("[options]\nParallelDownloads = {DOWNLOADS}");
        let text = text.replace(&top, &self.url).replace("[options]", &options);
        fs::write(&path, text).expect("the tmpfs is writable");
        let begin = Instant::now();
        let output = Command::new("unshare")
            .args(["--mount", "pacstrap", "-c", "-G", "-M", "-C"])
            .arg(&path)
            .arg(&target)
            .args(Pocket::PACKAGES)
            .env("LC_ALL", "C.UTF-8")
            .stdin(Stdio::null())
            .output()
            .expect("pacstrap runs");
        let wall = begin.elapsed();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "pacstrap failed:\n{said}");
        for path in [&target, &folder] {
            fs::remove_dir_all(path).expect("the tmpfs is writable");
        }
        wall
    }

    fn hatchery(&self, sig_level: SigLevel) -> Duration {
        let folder = self.work.join("ours");
        let root = folder.join("tree");
        fs::create_dir_all(&root).expect("the tmpfs is writable");
        let cache = Cache::open(&folder.join("cache")).expect("the tmpfs is writable");
        let client = Client::new().expect("a client");
        let begin = Instant::now();
        let request = self.request(sig_level);
        let plan = plan(&request, &client);
        let confinement = Confinement {
            helper: vec![env!("CARGO_BIN_EXE_hatchery").into(), "__confine".into()],
            root,
            network: false,
            source_date_epoch: plan.source_date_epoch,
        };
        let options = BootstrapOptions {
            work: &folder.join("work"),
            client: &client,
            cache: &cache,
            confinement: &confinement,
            threads: std::thread::available_parallelism().map_or(1, usize::from),
            unpacked: &|| (),
            now: Timestamp::now(),
        };
        let done = arch::bootstrap(&plan, &request, &options, &Progress::silent());
        done.expect("a bootstrap");
        let wall = begin.elapsed();
        fs::remove_dir_all(&folder).expect("the tmpfs is writable");
        wall
    }

    fn request(&self, sig_level: SigLevel) -> Request {
        let repository = |name: &str| Repository {
            name: name.to_owned(),
            locations: vec![
                Location::parse(&format!("{}/{name}/os/x86_64", self.url)).expect("an address"),
            ],
            archives: Vec::new(),
            keyring: self.keyring(),
            policy: Policy::Standard,
            sig_level,
        };
        Request {
            architecture: Architecture::Amd64,
            snapshot: None,
            packages: Pocket::PACKAGES.map(str::to_owned).to_vec(),
            pacman: Pacman::default(),
            repositories: Pocket::REPOSITORIES.map(repository).to_vec(),
            hooks: Vec::new(),
        }
    }

    fn keyring(&self) -> Keyring {
        Keyring::parse(&self.pocket.key().public()).expect("the pocket's key")
    }

    fn report(&self, theirs: &mut [Duration], ours: &mut [Duration], unchecked: &mut [Duration]) {
        let (theirs, ours, unchecked) = (median(theirs), median(ours), median(unchecked));
        let request = self.request(SigLevel::Required);
        let plan = plan(&request, &Client::new().expect("a client"));
        let bytes: u64 = plan.packages.iter().map(|p| p.size).sum();
        println!(
            "\nbootstrap of {} packages, {} MiB, of a pocket Arch over loopback",
            plan.packages.len(),
            bytes >> 20
        );
        let ratio = ours / theirs;
        println!("  {:<12} {theirs:>6.2} s", "pacstrap");
        println!(
            "  {:<12} {ours:>6.2} s   ratio {ratio:.3} (goal {GOAL:.2}): {}",
            "ours",
            verdict(ratio <= GOAL)
        );
        let share = (ours - unchecked) / ours;
        println!(
            "  unchecked    {unchecked:>6.2} s   signature checks take {:.1} % of ours (goal {:.0} %): {}",
            100.0 * share,
            100.0 * SIGNATURES_GOAL,
            verdict(share <= SIGNATURES_GOAL)
        );
        println!(
            "  signature checks, one after another: {:.0} ms",
            1e3 * self.signatures(&plan)
        );
        let begin = Instant::now();
        let keys = arch::keyring::keyring().expect("keys/archlinux.pgp");
        let good = keys.certificates(Timestamp::now()).len();
        println!(
            "  the whole web of trust of Arch's {good} keys: {:.0} ms (only those that signed are \
             looked at)",
            1e3 * begin.elapsed().as_secs_f64()
        );
    }

    /// Seconds that checking all signatures takes.
    fn signatures(&self, plan: &Plan) -> f64 {
        let keyring = self.keyring();
        let begin = Instant::now();
        for package in &plan.packages {
            let repository = &plan.repositories[package.repository].suite;
            let path = self.pocket.files(repository).join(package.path.as_str());
            let mut file = File::open(path).expect("a package");
            let signature = package.signature.as_ref().expect("it is signed");
            keyring
                .verify_reader(
                    &mut file,
                    signature.bytes(),
                    Policy::Standard,
                    Timestamp::now(),
                )
                .expect("a good signature");
        }
        begin.elapsed().as_secs_f64()
    }
}

/// Resolves in a real database, if `CORE_DB` names one.
fn resolve_core() {
    let Some(bytes) = std::env::var_os("CORE_DB").map(fs::read) else {
        return;
    };
    let bytes = bytes.expect("the database that CORE_DB names");
    let request = resolve::Request {
        targets: vec!["base".to_owned()],
        assume_installed: ELSEWHERE.map(Provision::parse).to_vec(),
        ..resolve::Request::default()
    };
    let begin = Instant::now();
    let database = Database::parse(&bytes).expect("a database");
    let chosen = resolve::resolve(&[("core", &database)], &request).expect("a choice");
    let milliseconds = 1e3 * begin.elapsed().as_secs_f64();
    println!(
        "reading {} packages and choosing {} for base: {milliseconds:.1} ms (goal {RESOLVE_GOAL:.0} ms): {}",
        database.packages.len(),
        chosen.packages.len(),
        verdict(milliseconds <= RESOLVE_GOAL)
    );
}

fn plan(request: &Request, client: &Client) -> Plan {
    arch::plan(request, client, Timestamp::now(), &Progress::silent()).expect("a plan")
}

fn verdict(is_met: bool) -> &'static str {
    if is_met { "goal met" } else { "GOAL MISSED" }
}

fn median(times: &mut [Duration]) -> f64 {
    times.sort();
    times[times.len() / 2].as_secs_f64()
}
