//! A lab in one command, as a person types it: into a bridge that is there,
//! and what is said where it cannot be done.

use crate::hatchery::{Home, Ran, command, ran, run, shell};
use hatchery_image::signer::Signer;
use hatchery_tests::lab::{self, pack_tree};
use hatchery_tests::run::run as run_program;
use hatchery_tests::{Need, require};
use std::fs;
use std::path::PathBuf;

const NEEDS: [Need; 4] = [
    Need::Root,
    Need::Program("gpg"),
    Need::Program("ip"),
    Need::Program("unshare"),
];

/// Before the program, in a network namespace: br0 with an address.
const WITH_BRIDGE: &str = "mount -t sysfs sysfs /sys; \
     ip link add br0 type bridge; ip address add 172.23.0.1/24 dev br0; \
     ip address add fd00:23::1/64 dev br0; ip link add dummy0 type dummy; \
     exec \"$@\"";

/// A store with `lab@1`, in which networkd is, and a host.
struct Desk {
    home: Home,
}

impl Desk {
    fn new() -> Self {
        let home = Home::new();
        let signer = lab::key(&home.path().join("gnupg"), "images@example.org");
        let desk = Self { home };
        desk.publish(&signer);
        desk
    }

    fn publish(&self, signer: &Signer) {
        let rootfs = self.path("rootfs");
        let lib = rootfs.join("usr/lib/systemd");
        let wants = rootfs.join("etc/systemd/system/multi-user.target.wants");
        for folder in [&lib, &wants] {
            fs::create_dir_all(folder).unwrap();
        }
        fs::write(lib.join("systemd-networkd"), "").unwrap();
        fs::write(lib.join("systemd-resolved"), "").unwrap();
        fs::write(wants.join("systemd-networkd.service"), "").unwrap();
        let mut image = pack_tree(&rootfs, &self.path("image"), "lab", "1", |_| ());
        image.sign(signer).unwrap();
        let key = signer.fingerprint().as_str();
        let arguments = ["publish", "image", "--store", "store", "--key", key];
        let published = run(self.home.path(), &arguments);
        assert_eq!(published.code, Some(0), "{published:?}");
        fs::write(self.path("key.pgp"), signer.public_key().unwrap()).unwrap();
    }

    fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    fn places(&self) -> Vec<String> {
        let path = |name: &str| self.path(name).to_str().unwrap().to_owned();
        let flags = [
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

    /// The arguments of an import.
    fn import(&self, arguments: &str) -> Vec<String> {
        let path = |name: &str| self.path(name).to_str().unwrap().to_owned();
        let mut words = vec!["import".to_owned(), "lab".to_owned()];
        words.extend(arguments.split_ascii_whitespace().map(str::to_owned));
        words.extend(self.places());
        for (flag, name) in [
            ("--mirror", "store"),
            ("--key", "key.pgp"),
            ("--cache-dir", "c"),
        ] {
            words.extend([flag.to_owned(), path(name)]);
        }
        words
    }

    /// Imports in a network namespace that has br0.
    fn in_lab(&self, arguments: &str) -> Ran {
        let mut around = shell("exec unshare --net --mount sh -ec \"$@\"");
        around.args(["sh", WITH_BRIDGE, "sh"]);
        around.arg(env!("CARGO_BIN_EXE_hatchery"));
        around.args(self.import(arguments));
        around.current_dir(self.home.path());
        ran(&around.output().unwrap())
    }
}

#[test]
fn one_command_makes_a_machine_in_a_bridge() {
    if !require(&NEEDS) {
        return;
    }
    let desk = Desk::new();
    let shared = desk.path("shared");
    fs::create_dir(&shared).unwrap();
    let arguments = format!(
        "--as web --bridge br0 --address 172.23.0.2/24 --address fd00:23::2/64 \
         --dns 9.9.9.9 --port tcp:8080:80 --bind {} --private-users",
        shared.display()
    );
    let done = desk.in_lab(&arguments);
    assert_eq!(done.code, Some(0), "{done:?}");
    for said in [
        "address: 172.23.0.2/24 fd00:23::2/64\n",
        "gateway: 172.23.0.1 fd00:23::1\n",
        "start it: machinectl start web\n",
    ] {
        assert!(done.stdout.contains(said), "{}", done.stdout);
    }
    assert!(done.stderr.contains("will install"), "{}", done.stderr);
    let settings = fs::read_to_string(desk.path("nspawn/web.nspawn")).unwrap();
    assert!(
        settings.contains("Bridge=br0\nPort=tcp:8080:80\n"),
        "{settings}"
    );
    assert!(settings.contains("PrivateUsers=pick\n"), "{settings}");

    let mut remove = command(desk.home.path());
    let removed = remove.args(["remove", "web", "--stop"]).args(desk.places());
    let removed = ran(&removed.output().unwrap());
    assert_eq!(removed.code, Some(0), "{removed:?}");
    assert!(!desk.path("nspawn/web.nspawn").exists());
    assert_eq!(fs::read_dir(desk.path("machines")).unwrap().count(), 0);
}

#[test]
fn what_cannot_be_done_is_said_with_the_way_out() {
    if !require(&NEEDS) {
        return;
    }
    let desk = Desk::new();
    fs::remove_file(desk.path("store/images/lab/amd64/1/lab.tar.zst")).unwrap();
    let mut cases = vec![
        (
            "--bridge br7 --address 10.7.0.9/16",
            "make it first: hatchery host bridge br7 10.7.0.1/16",
        ),
        ("--bridge dummy0", "no bridge"),
        ("--address 172.23.0.2/24", "add --bridge NAME"),
        (
            "--bridge br0 --address 172.23.0.1/24",
            "this host's own, on br0",
        ),
        ("--bind /nonexistent/folder", "make it first"),
    ];
    // Where systemd runs, these are for the tests on a host that is booted.
    if !std::path::Path::new("/run/systemd/system").exists() {
        cases.push(("--start", "import without --start and --enable"));
        cases.push(("--enable", "import without --start and --enable"));
    }
    for (arguments, wanted) in cases {
        let refused = desk.in_lab(arguments);
        assert!(refused.stderr.contains(wanted), "{arguments}: {refused:?}");
        assert!(
            matches!(refused.code, Some(6 | 8)),
            "{arguments}: {refused:?}"
        );
        assert_eq!(fs::read_dir(desk.path("machines")).unwrap().count(), 0);
    }
}

#[test]
fn settings_are_asked_for_at_a_terminal_and_nowhere_else() {
    if !require(&[Need::Root, Need::Program("gpg"), Need::Program("script")]) {
        return;
    }
    let desk = Desk::new();
    let installed = desk.path("nspawn/lab.nspawn");
    let at_a_terminal = |arguments: &str, answer: &str| {
        let mut words = vec![env!("CARGO_BIN_EXE_hatchery").to_owned()];
        words.extend(desk.import(arguments));
        let line = words.join(" ");
        let text = format!("printf '{answer}\\n' | script -qec '{line}' /dev/null || true");
        run_program(&["sh", "-c", &text]).unwrap()
    };
    let said = at_a_terminal("", "");
    assert!(said.contains("Install them for lab? [y/N]"), "{said}");
    assert!(
        said.contains("Boot=yes") && said.contains("imported lab"),
        "{said}"
    );
    assert!(!installed.exists());
    let said = at_a_terminal("--force", "y");
    assert!(said.contains("settings, installed in"), "{said}");
    assert!(installed.exists());
    fs::remove_file(&installed).unwrap();
    for quiet in ["--force --json", "--force -q"] {
        let said = at_a_terminal(quiet, "y");
        assert!(!said.contains("[y/N]"), "{said}");
        assert!(!installed.exists(), "{quiet}");
    }
    // Nor without a terminal.
    let words = desk.import("--force");
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let done = run(desk.home.path(), &words);
    assert_eq!(done.code, Some(0), "{done:?}");
    assert!(done.stderr.contains("--accept-settings does"), "{done:?}");
    assert!(!installed.exists());
}

#[test]
fn the_help_of_import_explains_the_lab() {
    let home = Home::new();
    let help = run(home.path(), &["import", "--help"]).stdout;
    for wanted in [
        "hatchery host bridge br0 172.23.0.1/24",
        "--address 172.23.0.2/24",
        "Network and start",
        "--private-users[=<IDS>]",
    ] {
        assert!(help.contains(wanted), "{wanted}: {help}");
    }
}
