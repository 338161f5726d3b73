//! Whom a host trusts, as a person at the command line meets it: first
//! contact, keys that hand over, and what is remembered from run to run.

use crate::hatchery::{Home, Ran, run};
use hatchery_image::signer::{Home as GnupgHome, Protection, Signer};
use hatchery_tests::run::run as run_program;
use hatchery_tests::{Need, lab, require};
use serde_json::Value;
use std::fs;
use std::path::PathBuf;

const NEEDS: [Need; 2] = [Need::Root, Need::Program("gpg")];

/// A publisher with `lab@1` in a store, and a host that trusts nobody.
struct Desk {
    home: Home,
    signer: Signer,
}

impl Desk {
    fn new() -> Self {
        let home = Home::new();
        let signer = lab::key(&home.path().join("gnupg"), "images@example.org");
        let desk = Self { home, signer };
        desk.publish("1");
        desk
    }

    fn publish(&self, version: &str) {
        let folder = self.path(&format!("image-{version}"));
        drop(lab::image(&folder, version, version, &self.signer));
        let key = self.fingerprint();
        let ran = self.run(&[
            "publish",
            folder.to_str().unwrap(),
            "--store",
            "store",
            "--key",
            key,
        ]);
        assert_eq!(ran.code, Some(0), "{ran:?}");
    }

    fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    fn fingerprint(&self) -> &str {
        self.signer.fingerprint().as_str()
    }

    fn run(&self, arguments: &[&str]) -> Ran {
        run(self.home.path(), arguments)
    }

    /// Where this host has its things.
    fn host(&self) -> Vec<String> {
        let path = |name: &str| self.path(name).to_str().unwrap().to_owned();
        let flags = [
            ("--mirror", path("store")),
            ("--keys", path("keys")),
            ("--machines", path("machines")),
            ("--state", path("state")),
            ("--config", path("none.toml")),
            ("--nspawn", path("nspawn")),
        ];
        let flags = flags.into_iter();
        flags
            .flat_map(|(flag, value)| [flag.to_owned(), value])
            .collect()
    }

    fn on_host(&self, arguments: &[&str]) -> Ran {
        let host = self.host();
        let host: Vec<&str> = host.iter().map(String::as_str).collect();
        self.run(&[arguments, &host].concat())
    }

    /// The same with a terminal, at which somebody types `answer`.
    fn at_a_terminal(&self, arguments: &[&str], answer: &str) -> String {
        let mut words = vec![env!("CARGO_BIN_EXE_hatchery").to_owned()];
        words.extend(arguments.iter().map(|&word| word.to_owned()));
        words.extend(self.host());
        words.extend([
            "--cache-dir".to_owned(),
            self.path("c").to_str().unwrap().to_owned(),
        ]);
        let text = format!(
            "printf '{answer}\\n' | script -qec '{}' /dev/null || true",
            words.join(" ")
        );
        run_program(&["sh", "-c", &text]).unwrap()
    }

    fn machines(&self) -> usize {
        fs::read_dir(self.path("machines")).map_or(0, Iterator::count)
    }

    fn keys(&self) -> usize {
        fs::read_dir(self.path("keys")).map_or(0, Iterator::count)
    }
}

#[test]
fn nobody_is_trusted_when_nobody_can_answer() {
    if !require(&NEEDS) {
        return;
    }
    let desk = Desk::new();
    let offer = format!("--trust {}", desk.fingerprint());
    for how in [&[][..], &["-q"], &["--json"]] {
        let ran = desk.on_host(&[how, &["import", "lab"]].concat());
        assert_eq!(ran.code, Some(4), "{ran:?}");
        let said = format!("{}{}", ran.stdout, ran.stderr);
        assert!(said.contains(&offer), "{said}");
        assert!(said.contains("images@example.org"), "{said}");
        assert_eq!((desk.machines(), desk.keys()), (0, 0));
    }
}

#[test]
fn a_person_who_says_yes_trusts_and_one_who_does_not_does_not() {
    if !require(&NEEDS) || !require(&[Need::Program("script")]) {
        return;
    }
    let desk = Desk::new();
    for no in ["", "n", "yesterday"] {
        let said = desk.at_a_terminal(&["import", "lab"], no);
        assert!(said.contains("Trust this key from now on? [y/N]"), "{said}");
        assert!(said.contains("images@example.org"), "{said}");
        assert_eq!((desk.machines(), desk.keys()), (0, 0), "{said}");
    }
    let said = desk.at_a_terminal(&["import", "lab"], "y");
    assert_eq!((desk.machines(), desk.keys()), (1, 1), "{said}");
}

#[test]
fn a_fingerprint_is_trusted_and_a_part_of_it_is_not() {
    if !require(&NEEDS) {
        return;
    }
    let desk = Desk::new();
    let (short, spaced) = desk.fingerprint().split_at(20);
    let ran = desk.on_host(&["import", "lab", "--trust", short]);
    assert_eq!(ran.code, Some(2), "{ran:?}");
    let other = "0123456789ABCDEF0123456789ABCDEF01234567";
    let ran = desk.on_host(&["import", "lab", "--trust", other]);
    assert_eq!(ran.code, Some(4), "{ran:?}");
    assert_eq!((desk.machines(), desk.keys()), (0, 0));

    let spaced = format!("{} {}", short.to_lowercase(), spaced);
    let ran = desk.on_host(&["import", "lab", "--trust", &spaced]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert_eq!(desk.keys(), 1);
    let ran = desk.on_host(&["import", "lab", "--as", "again"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
}

#[test]
fn what_a_repository_offers_is_listed() {
    if !require(&NEEDS) {
        return;
    }
    let desk = Desk::new();
    let ran = desk.on_host(&["list", "--remote"]);
    assert_eq!(ran.code, Some(4), "{ran:?}");
    let trust = ["--trust", desk.fingerprint()];
    let ran = desk.on_host(&[&["list", "--remote"][..], &trust].concat());
    assert_eq!(ran.code, Some(0), "{ran:?}");
    for word in ["lab", "amd64", "latest", desk.fingerprint()] {
        assert!(ran.stdout.contains(word), "{}", ran.stdout);
    }
    let ran = desk.on_host(&["list", "--remote", "--json"]);
    let last: Value = serde_json::from_str(ran.stdout.lines().last().unwrap()).unwrap();
    let image = &last["result"]["images"][0];
    assert_eq!(image["version"], "1");
    assert_eq!(image["channels"][0], "latest");
    assert!(image["download"].as_u64().unwrap() > 0, "{image}");
    assert!(image["unpacked"].as_u64().unwrap() > lab::NOISE as u64);
    let ran = desk.on_host(&["list"]);
    assert_eq!(ran.code, Some(2), "{ran:?}");
}

#[test]
fn a_key_hands_over_and_a_host_follows() {
    if !require(&NEEDS) {
        return;
    }
    let desk = Desk::new();
    let trust = ["import", "lab", "--trust", desk.fingerprint()];
    assert_eq!(desk.on_host(&trust).code, Some(0));
    let gnupg = GnupgHome::open(&desk.path("gnupg")).unwrap();
    let new = gnupg
        .new_key("new@example.org", Protection::None, None)
        .unwrap();
    let ran = desk.run(&[
        "catalog",
        "succeed",
        "--store",
        "store",
        "--key",
        desk.fingerprint(),
        "--new",
        "new@example.org",
    ]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let ran = desk.on_host(&["-q", "import", "lab", "--as", "after"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let said = format!("has handed over to {}", new.fingerprint);
    assert!(ran.stderr.contains(&said), "{}", ran.stderr);
    assert_eq!(desk.keys(), 2);
    // The old key signs this repository no more.
    let old = [
        "catalog",
        "refresh",
        "--store",
        "store",
        "--key",
        desk.fingerprint(),
    ];
    assert_eq!(desk.run(&old).code, Some(4));
    let old = [
        "import",
        "lab",
        "--as",
        "victim",
        "--trust",
        desk.fingerprint(),
    ];
    let ran = desk.on_host(&old);
    assert_eq!(ran.code, Some(4), "{ran:?}");
    assert_eq!(desk.machines(), 2);
}

#[test]
fn what_was_seen_is_known_to_the_next_process() {
    if !require(&NEEDS) {
        return;
    }
    let desk = Desk::new();
    let catalog = desk.path("store/catalog.json");
    let old = fs::read(&catalog).unwrap();
    desk.publish("2");
    let trust = ["import", "lab", "--trust", desk.fingerprint()];
    assert_eq!(desk.on_host(&trust).code, Some(0));
    fs::write(&catalog, old).unwrap();
    for stale in [&[][..], &["--allow-stale"]] {
        let ran = desk.on_host(&[&["import", "lab", "--as", "victim"][..], stale].concat());
        assert_eq!(ran.code, Some(4), "{ran:?}");
        assert!(
            ran.stderr.contains("has seen version 2 already"),
            "{}",
            ran.stderr
        );
    }
    assert_eq!(desk.machines(), 1);
}
