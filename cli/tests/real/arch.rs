//! Arch Linux by the same commands as Debian, from a pocket repository, as no
//! mirror of Arch's can be counted on.

use crate::hatchery::{Home, Ran, run};
use hatchery_tests::need::skip;
use hatchery_tests::pocket::Pocket;
use hatchery_tests::run::run as run_program;
use hatchery_tests::{Need, Pool, require, tree};
use std::fs;
use std::path::{Path, PathBuf};

/// A folder with the recipe that ships, and one that takes the pocket's key.
struct Desk {
    home: Home,
    pocket: Pocket,
}

/// What the pocket is needed for, and the packages of it.
const NEEDS: [Need; 2] = [Need::Root, Need::Network];

/// Archives that are made quickly.
const QUICK: &str = "archive = { formats = [\"tar.zst\"], zstd_level = 1 }\n";

impl Desk {
    fn new() -> Self {
        let target = Path::new(env!("CARGO_TARGET_TMPDIR"));
        let desk = Self {
            home: Home::new(),
            pocket: Pocket::repository(&target.join("pocket")),
        };
        let recipes = Path::new(env!("CARGO_MANIFEST_DIR")).join("../recipes");
        fs::copy(recipes.join("arch.toml"), desk.path("shipped.toml")).unwrap();
        fs::write(desk.path("pocket.pgp"), desk.pocket.key().public()).unwrap();
        desk
    }

    fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    /// The pocket, as a mirror that keeps each day's state has it.
    fn keep_day(&self) {
        fs::create_dir_all(self.path("days/2025/06")).unwrap();
        tree::copy(self.pocket.path(), &self.path("days/2025/06/16"));
    }

    fn text(&self, name: &str) -> String {
        self.path(name).to_str().unwrap().to_owned()
    }

    /// A recipe of packages that need no others.
    fn tiny(&self, lines: &str) {
        let text = format!(
            "name = \"tiny\"\ndistribution = \"arch\"\nkey = \"pocket.pgp\"\n\
             mirrors = [\"file://{}/$repo/os/$arch\"]\n\
             packages = [\"filesystem\", \"licenses\"]\n{QUICK}{lines}\n",
            self.path("main").display()
        );
        fs::write(self.path("tiny.toml"), text).unwrap();
    }

    fn run(&self, arguments: &[&str]) -> Ran {
        run(self.home.path(), arguments)
    }

    /// Runs it to a good end; what it printed.
    fn good(&self, arguments: &[&str]) -> String {
        let ran = self.run(arguments);
        assert_eq!(
            ran.code,
            Some(0),
            "{arguments:?}: {}{}",
            ran.stdout,
            ran.stderr
        );
        ran.stdout
    }
}

#[test]
fn arch_goes_the_whole_way() {
    if !require(&NEEDS) || !require(&[Need::Nspawn, Need::Btrfs, Need::Program("gpg")]) {
        return;
    }
    let desk = Desk::new();
    let text =
        format!("name = \"arch\"\ninclude = [\"shipped.toml\"]\nkey = \"pocket.pgp\"\n{QUICK}");
    fs::write(desk.path("arch.toml"), text).unwrap();
    let mirror = desk.pocket.path().to_str().unwrap();
    desk.good(&[
        "key",
        "new",
        "--name",
        "x",
        "--email",
        "x@localhost",
        "--no-passphrase",
    ]);
    desk.good(&["key", "export", "--output", "x.pgp"]);
    let planned = desk.good(&["plan", "arch.toml", "--mirror", mirror]);
    assert!(
        planned.contains("systemd") && planned.contains("extra"),
        "{planned}"
    );
    desk.good(&["build", "arch.toml", "--mirror", mirror]);
    looked_into(&desk);
    desk.good(&["publish", "images/arch", "--store", "store"]);

    let pool = Pool::btrfs(2 << 30);
    let (machines, state) = (pool.path().to_str().unwrap(), desk.text("state"));
    let host = ["--machines", machines, "--state", &state];
    let store = desk.text("store");
    let import = [
        "import", "arch", "--mirror", &store, "--key", "x.pgp", "--limit", "1G",
    ];
    let imported = desk.good(&[&import[..], &host].concat());
    assert!(imported.contains("disk limit: 1.0 GiB"), "{imported}");
    let machine = pool.path().join("arch");
    let checked = desk.good(&["check", machine.to_str().unwrap()]);
    assert!(!checked.contains("failed  "), "{checked}");
    desk.good(&[&["remove", "arch"][..], &host].concat());
}

/// pacman inside trusts those whom it shall, with a master key that only this
/// machine has, and installs more.
fn goes_on_inside(desk: &Desk, root: &Path) {
    let other = desk.path("other");
    tree::copy(root, &other);
    let mirrors = desk.path("mirrors");
    fs::write(&mirrors, "Server = file:///srv/http/$repo/os/$arch\n").unwrap();
    let pocket = format!("--bind-ro={}:/srv/http", desk.pocket.path().display());
    let mirrors = format!("--bind-ro={}:/etc/pacman.d/mirrorlist", mirrors.display());
    let inside = |root: &Path, argv: &[&str]| {
        let root = format!("--directory={}", root.display());
        let nspawn = [
            "systemd-nspawn",
            "--quiet",
            "--register=no",
            "--keep-unit",
            "--pipe",
        ];
        let binds = ["--resolv-conf=off", &root, &pocket, &mirrors];
        run_program(&[&nspawn[..], &binds, argv].concat()).unwrap()
    };
    // As the unit has it that does so after the first boot.
    let unit = fs::read_to_string(root.join("etc/systemd/system/pacman-init.service")).unwrap();
    let command = unit.split_once("ExecStart=/bin/sh -ec '").unwrap().1;
    let command = command.split_once("'\n").unwrap().0.replace("\\\n", "");
    let master = |root: &Path| {
        inside(root, &["sh", "-ec", &command]);
        let home = "/etc/pacman.d/gnupg";
        let gpg = [
            "gpg",
            "--homedir",
            home,
            "--list-secret-keys",
            "--with-colons",
        ];
        let listed = inside(root, &gpg);
        let line = listed.lines().find(|l| l.starts_with("fpr:"));
        line.unwrap().to_owned()
    };
    assert_ne!(master(root), master(&other));
    inside(root, &["pacman", "-Sy", "--noconfirm", "fakeroot"]);
    assert!(inside(root, &["pacman", "-Dk"]).contains("No database errors"));
}

/// What an image of Arch must hold, and what not.
fn looked_into(desk: &Desk) {
    let root = desk.path("root");
    fs::create_dir(&root).unwrap();
    let archive = desk.text("images/arch/arch.tar.zst");
    run_program(&[
        "tar",
        "--zstd",
        "-xf",
        &archive,
        "-C",
        root.to_str().unwrap(),
    ])
    .unwrap();
    let read = |path: &str| fs::read_to_string(root.join(path)).unwrap();
    assert_eq!(read("etc/machine-id"), "");
    for absent in [
        "etc/pacman.d/gnupg",
        "var/lib/pacman/sync",
        "var/log/pacman.log",
    ] {
        assert!(!root.join(absent).exists(), "{absent}");
    }
    assert_eq!(
        fs::read_dir(root.join("var/cache/pacman/pkg"))
            .unwrap()
            .count(),
        0
    );
    let mirrors = read("etc/pacman.d/mirrorlist");
    assert!(
        mirrors.starts_with("Server = https://geo.mirror"),
        "{mirrors}"
    );
    assert!(!mirrors.contains("pocket"), "{mirrors}");
    let config = read("etc/pacman.conf");
    assert!(
        config.contains("\nSigLevel = Required DatabaseOptional\n"),
        "{config}"
    );
    assert!(
        config.contains("\n[extra]\nInclude = /etc/pacman.d/mirrorlist\n"),
        "{config}"
    );
    let unit = root.join("etc/systemd/system/multi-user.target.wants/pacman-init.service");
    assert!(unit.symlink_metadata().unwrap().is_symlink());
    let trusted = read("usr/share/pacman/keyrings/image-1-trusted");
    assert_eq!(trusted, format!("{}:4:\n", desk.pocket.key().fingerprint()));
    let sbom = fs::read_to_string(desk.path("images/arch/arch.spdx.json")).unwrap();
    assert!(sbom.contains("pkg:alpm/arch/systemd@"), "{sbom}");
    goes_on_inside(desk, &root);
}

#[test]
fn a_package_of_a_lock_is_found_in_the_archive_and_in_the_cache() {
    if !require(&NEEDS) {
        return;
    }
    let desk = Desk::new();
    let main = desk.pocket.copy(&desk.path("main"));
    desk.keep_day();
    let build = |cache: &str| {
        desk.run(&[
            "build",
            "tiny.toml",
            "--locked",
            "--no-sign",
            "--cache-dir",
            cache,
        ])
    };
    desk.tiny("");
    desk.good(&["plan", "tiny.toml"]);
    fs::remove_file(main.package("licenses")).unwrap();
    let ran = build("empty");
    assert_eq!(ran.code, Some(5), "{ran:?}");

    // The packages of the 15th of June are in the state of the 16th.
    desk.tiny(&format!(
        "snapshots = [\"file://{}\"]",
        desk.path("days").display()
    ));
    let ran = build("kept");
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let image = desk.path("images/tiny/tiny.tar.zst");
    let bytes = fs::read(&image).unwrap();

    // Neither has it any more.
    fs::remove_dir_all(desk.path("days")).unwrap();
    let ran = build("kept");
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(fs::read(&image).unwrap() == bytes);
}

#[test]
fn a_snapshot_is_planned_and_built_from_the_day_that_was_named() {
    if !require(&NEEDS) {
        return;
    }
    let desk = Desk::new();
    desk.keep_day();
    desk.tiny("");
    let plan = ["plan", "tiny.toml", "--snapshot", "2025/06/16"];
    let ran = desk.run(&plan);
    assert_eq!(ran.code, Some(3), "{ran:?}");
    assert!(
        ran.stderr
            .contains("no mirror that keeps the packages of 2025-06-16"),
        "{ran:?}"
    );

    desk.tiny(&format!(
        "snapshots = [\"file://{}\"]",
        desk.path("days").display()
    ));
    desk.good(&plan);
    let lock = fs::read_to_string(desk.path("tiny.lock")).unwrap();
    assert!(lock.contains("release = \"2025-06-16\""), "{lock}");
    desk.good(&["build", "tiny.toml", "--locked", "--no-sign"]);
    // By a mirror of the command line, with the day in it.
    let days = desk.text("days");
    desk.tiny("");
    desk.good(&[
        "build",
        "tiny.toml",
        "--snapshot",
        "2025-06-16",
        "--mirror",
        &days,
        "--no-sign",
    ]);
    let ran = desk.run(&[
        "plan",
        "tiny.toml",
        "--snapshot",
        "2025/06/17",
        "--mirror",
        &days,
    ]);
    assert_eq!(ran.code, Some(5), "{ran:?}");
}

#[test]
fn what_this_host_cannot_run_is_said_before_anything_is_downloaded() {
    if !require(&NEEDS) {
        return;
    }
    if Path::new("/proc/sys/fs/binfmt_misc/qemu-arm").exists() {
        return skip("this host runs programs for armhf");
    }
    let desk = Desk::new();
    tree::copy(desk.pocket.path(), &desk.path("main"));
    desk.tiny("architecture = \"armhf\"");
    let ran = desk.run(&["build", "tiny.toml", "--no-sign"]);
    assert_eq!(ran.code, Some(6), "{ran:?}");
    for part in ["cannot run programs for armhf", "qemu-user-static"] {
        assert!(ran.stderr.contains(part), "{ran:?}");
    }
    let cache = desk.path("cache/hatchery/sha256");
    assert_eq!(fs::read_dir(cache).unwrap().count(), 0);
}
