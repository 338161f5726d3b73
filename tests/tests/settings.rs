//! Settings applied to a real tree, judged by the tree's own programs.

use hatchery_builder::confine::Confinement;
use hatchery_builder::recipe::Recipe;
use hatchery_builder::settings;
use hatchery_image::{Architecture, Progress};
use hatchery_tests::{Need, require, tree};
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use tempfile::TempDir;

const HELPER: &str = env!("CARGO_BIN_EXE_hatchery-test-helper");

const NEEDS: [Need; 3] = [Need::Root, Need::Network, Need::Program("mmdebstrap")];

/// 2026-11-22, whose day is 20779.
const EPOCH: i64 = 1_795_305_600;

/// Everything that a recipe can set.
const FULL: &str = r#"
name = "full"
distribution = "debian"
release = "trixie"
mirrors = ["http://mirror.example/debian"]
hostname = "web.example.org"
locale = "de_DE.UTF-8"
timezone = "Europe/Berlin"

[[repository]]
suite = "trixie-updates"

[root]
password_hash = "$6$saltsalt$qFmFH.bQmmtXzyBY0s9v7Oicd2z4XSIecDzlB5KiA2/jctKu9YterLp8wwnSq.qc.eoxqOmSuNp2xS0ktL3nh/"
ssh_keys = ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIPq4vzh5Ngs3W1p4yZ5jsx3zG4zk7pG6yOKt4N6nF0aX root@example"]

[[user]]
name = "ada"
comment = "Ada Lovelace"
groups = ["sudo", "users"]
ssh_keys = ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIPq4vzh5Ngs3W1p4yZ5jsx3zG4zk7pG6yOKt4N6nF0aX ada@example"]
sudo = "nopassword"

[[user]]
name = "bob"
uid = 2000
shell = "/bin/sh"
home = "/srv/bob"

[[file]]
path = "/etc/motd"
content = "hello\n"

[[file]]
path = "/srv/data/secret"
content = "s"
mode = "0640"
owner = "ada:www-data"

[[file]]
path = "/etc/systemd/system/own.service"
content = """
[Service]
ExecStart=/bin/true
[Install]
WantedBy=multi-user.target
"""

[units]
enable = ["own.service", "ssh.service"]
disable = ["apt-daily.timer"]
mask = ["fstrim.timer"]

[post_install]
script = """
test "$(cat /etc/motd)" = hello
test "$(id -un 1000)" = ada
! ls /sys/class 2>/dev/null
echo done > /srv/script-was-here
"""

[network.host0]
address = "172.23.0.2/24"
gateway = "172.23.0.1"

[resolved]
llmnr = "no"
dns = "9.9.9.9"
"#;

fn recipe(text: &str) -> Recipe {
    Recipe::parse(text, Path::new("test.toml"), Architecture::Amd64).unwrap()
}

/// A copy of a tree with what the recipe needs.
fn copy() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("tree");
    let trees = Path::new(env!("CARGO_TARGET_TMPDIR")).join("trees");
    tree::copy(
        &tree::debian_with(&trees, "trixie", "locales,sudo,openssh-server"),
        &root,
    );
    (folder, root)
}

fn confinement(root: &Path) -> Confinement {
    Confinement {
        helper: vec![HELPER.into(), "__confine".into()],
        root: root.to_owned(),
        network: false,
        source_date_epoch: EPOCH,
    }
}

fn apply(root: &Path, text: &str) -> Result<(), settings::SettingsError> {
    let progress = Progress::silent();
    settings::apply(root, &recipe(text), &confinement(root), &progress)
}

/// What a program inside says.
fn ask(root: &Path, argv: &[&str]) -> String {
    let output = confinement(root).run(argv, None, &[], &Progress::silent());
    String::from_utf8(output.unwrap().stdout).unwrap()
}

fn read(root: &Path, path: &str) -> String {
    fs::read_to_string(root.join(path)).unwrap_or_else(|e| panic!("{path}: {e}"))
}

#[test]
fn the_trees_own_programs_agree_with_every_setting() {
    if !require(&NEEDS) {
        return;
    }
    let (_folder, root) = copy();
    apply(&root, FULL).unwrap();

    // Accounts: shadow's own checkers find nothing to say.
    ask(&root, &["pwck", "--quiet", "--read-only"]);
    ask(&root, &["grpck", "--read-only"]);
    assert_eq!(
        ask(&root, &["passwd", "--status", "root"]),
        "root P 2026-11-22 0 99999 7 -1\n"
    );
    assert_eq!(
        ask(&root, &["passwd", "--status", "ada"]),
        "ada L 2026-11-22 0 99999 7 -1\n"
    );
    assert_eq!(
        ask(&root, &["id", "ada"]),
        "uid=1000(ada) gid=1000(ada) groups=1000(ada),27(sudo),100(users)\n"
    );
    assert_eq!(
        ask(&root, &["getent", "passwd", "bob"]),
        "bob:x:2000:2000::/srv/bob:/bin/sh\n"
    );
    assert!(ask(&root, &["sudo", "-l", "-U", "ada"]).contains("NOPASSWD: ALL"));
    ask(&root, &["visudo", "--check", "--strict"]);
    let keys = fs::metadata(root.join("home/ada/.ssh/authorized_keys")).unwrap();
    assert_eq!(
        (keys.uid(), keys.gid(), keys.mode() & 0o777),
        (1000, 1000, 0o600)
    );
    let skeleton = fs::metadata(root.join("home/ada/.bashrc")).unwrap();
    assert_eq!((skeleton.uid(), skeleton.mode() & 0o777), (1000, 0o644));
    assert_eq!(
        fs::metadata(root.join("home/ada")).unwrap().mode() & 0o777,
        0o700
    );
    assert!(root.join("root/.ssh/authorized_keys").exists());

    // Locale, time, names.
    assert!(ask(&root, &["locale", "-a"]).contains("de_DE.utf8"));
    assert_eq!(read(&root, "etc/default/locale"), "LANG=de_DE.UTF-8\n");
    let local = ask(&root, &["date", "-d", "@1795305600", "+%Z"]);
    assert_eq!(local, "CET\n");
    assert_eq!(read(&root, "etc/hostname"), "web.example.org\n");
    assert!(read(&root, "etc/hosts").ends_with("127.0.1.1\tweb.example.org web\n"));

    // Network and units.
    assert!(
        read(&root, "etc/systemd/network/80-container-host0.network")
            .contains("Address=172.23.0.2/24\n")
    );
    assert_eq!(
        read(&root, "etc/systemd/resolved.conf.d/50-image.conf"),
        "[Resolve]\nDNS=9.9.9.9\nLLMNR=no\n"
    );
    let link = fs::read_link(root.join("etc/resolv.conf")).unwrap();
    assert_eq!(link, Path::new("../run/systemd/resolve/stub-resolv.conf"));
    for (unit, state) in [
        ("systemd-networkd.service", "enabled"),
        ("systemd-resolved.service", "enabled"),
        ("own.service", "enabled"),
        ("ssh.service", "enabled"),
        ("apt-daily.timer", "disabled"),
        ("fstrim.timer", "masked"),
    ] {
        let script = format!("systemctl --root=/ is-enabled {unit} || true");
        assert_eq!(ask(&root, &["sh", "-c", &script]).trim(), state, "{unit}");
    }
    ask(
        &root,
        &["systemd-analyze", "verify", "--root=/", "own.service"],
    );

    // Files, sources, script.
    let secret = fs::metadata(root.join("srv/data/secret")).unwrap();
    assert_eq!(
        (secret.uid(), secret.gid(), secret.mode() & 0o777),
        (1000, 33, 0o640)
    );
    assert_eq!(secret.mtime(), EPOCH);
    let sources = ask(&root, &["apt-get", "update", "--print-uris"]);
    let updates = "'http://mirror.example/debian/dists/trixie-updates/InRelease'";
    assert!(sources.contains(updates), "{sources}");
    assert_eq!(read(&root, "srv/script-was-here"), "done\n");
    assert!(!root.join(".post-install").exists());
}

/// Everything about a tree that an archive holds, but times.
fn state(root: &Path) -> BTreeMap<PathBuf, (u32, u32, u32, Vec<u8>)> {
    let mut state = BTreeMap::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let stat = fs::symlink_metadata(&path).unwrap();
            let content = if stat.is_symlink() {
                fs::read_link(&path)
                    .unwrap()
                    .into_os_string()
                    .into_encoded_bytes()
            } else if stat.is_file() {
                fs::read(&path).unwrap()
            } else {
                Vec::new()
            };
            if stat.is_dir() {
                folders.push(path.clone());
            }
            let relative = path.strip_prefix(root).unwrap().to_owned();
            state.insert(relative, (stat.mode(), stat.uid(), stat.gid(), content));
        }
    }
    state
}

#[test]
fn the_same_settings_give_the_same_tree() {
    if !require(&NEEDS) {
        return;
    }
    let ((_a, first), (_b, second)) = (copy(), copy());
    apply(&first, FULL).unwrap();
    let before = rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o077));
    let result = apply(&second, FULL);
    rustix::process::umask(before);
    result.unwrap();
    let (first, second) = (state(&first), state(&second));
    let differ: Vec<&PathBuf> = first
        .keys()
        .chain(second.keys())
        .filter(|path| first.get(*path) != second.get(*path))
        .collect();
    assert!(differ.is_empty(), "{differ:?}");
}

#[test]
fn what_cannot_be_applied_is_told_with_what_to_do() {
    if !require(&NEEDS) {
        return;
    }
    let (_folder, root) = copy();
    let base = "name = \"x\"\ndistribution = \"debian\"\nrelease = \"trixie\"\nmirrors = [\"http://a.example/d\"]\n";
    for (rest, wanted) in [
        (
            "timezone = \"Mars/Olympus\"",
            "no /usr/share/zoneinfo/Mars/Olympus",
        ),
        ("locale = \"xx_XX.UTF-8\"", "no such locale"),
        (
            "[[user]]\nname = \"www-data\"",
            "the user www-data is in the tree already",
        ),
        (
            "[[user]]\nname = \"a\"\nshell = \"/bin/zsh\"",
            "no /bin/zsh; add its package",
        ),
        (
            "[[file]]\npath = \"/x\"\ncontent = \"\"\nowner = \"www-dta\"",
            "no user www-dta in the tree; did you mean www-data?",
        ),
        ("[units]\nenable = [\"nothing.service\"]", "nothing.service"),
        (
            "[post_install]\nscript = \"echo about to fail; exit 3\"",
            "exit status 3; its last lines:\nabout to fail",
        ),
    ] {
        let error = apply(&root, &format!("{base}{rest}")).unwrap_err();
        let mut text = error.to_string();
        let mut source = std::error::Error::source(&error);
        while let Some(inner) = source {
            text = format!("{text}: {inner}");
            source = inner.source();
        }
        assert!(
            text.contains(wanted),
            "{rest}\n  got    {text}\n  wanted {wanted}"
        );
    }
    assert!(!root.join(".post-install").exists());
}

#[test]
fn a_link_that_a_package_planted_does_not_lead_out() {
    if !require(&NEEDS) {
        return;
    }
    let (folder, root) = copy();
    let outside = folder.path().join("outside");
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("hosts"), "host's own\n").unwrap();
    fs::set_permissions(&outside, fs::Permissions::from_mode(0o755)).unwrap();
    for name in ["etc/hosts", "etc/locale.conf"] {
        let _ = fs::remove_file(root.join(name));
        std::os::unix::fs::symlink(outside.join("hosts"), root.join(name)).unwrap();
    }
    fs::remove_dir_all(root.join("home")).unwrap();
    std::os::unix::fs::symlink(&outside, root.join("home")).unwrap();
    // Refused or written beneath the tree: either is right.
    let _ = apply(&root, FULL);
    assert_eq!(read(folder.path(), "outside/hosts"), "host's own\n");
    assert_eq!(fs::read_dir(&outside).unwrap().count(), 1);
}
