use super::*;
use hatchery_image::Architecture;
use std::fs;
use std::os::unix::fs::symlink;

fn recipe(rest: &str) -> Recipe {
    let text = format!(
        "name = \"x\"\ndistribution = \"debian\"\nrelease = \"trixie\"\n\
         mirrors = [\"https://mirror.example/debian\"]\n{rest}"
    );
    Recipe::parse(&text, Path::new("x.toml"), Architecture::Amd64).unwrap()
}

fn tree(files: &[(&str, &[u8])]) -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    for (path, bytes) in files {
        let path = root.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
    root
}

fn found(root: &Path, recipe: &Recipe) -> Vec<String> {
    match lint(root, recipe, Some("buildhost"), &Progress::silent()) {
        Ok(()) => Vec::new(),
        Err(LintError::Found(found)) => found.iter().map(ToString::to_string).collect(),
        Err(error) => panic!("{error}"),
    }
}

#[test]
fn each_thing_that_no_image_may_hold_is_found() {
    let bad: [(&str, &[u8], &str); 15] = [
        (
            "etc/machine-id",
            b"0123456789abcdef0123456789abcdef\n",
            "a machine-id",
        ),
        ("var/lib/dbus/machine-id", b"01\n", "a machine-id"),
        ("etc/ssh/ssh_host_rsa_key", b"x", "an SSH host key"),
        ("etc/ssh/ssh_host_rsa_key.pub", b"x", "an SSH host key"),
        ("var/lib/systemd/random-seed", b"x", "a random seed"),
        ("var/lib/systemd/credential.secret", b"x", "a random seed"),
        (
            "etc/ssl/private/snake.key",
            b"-----BEGIN PRIVATE KEY-----\n",
            "a credential",
        ),
        ("home/a/.netrc", b"password x", "a credential"),
        ("root/.ssh/id_ed25519", b"x", "a credential"),
        ("var/cache/apt/archives/a.deb", b"x", "a cache"),
        ("var/lib/apt/lists/m_InRelease", b"x", "a cache"),
        (
            "etc/resolv.conf",
            b"nameserver 10.0.0.1\n",
            "the build host's name servers",
        ),
        (
            "etc/hosts",
            b"127.0.1.1 buildhost.lan buildhost\n",
            "the build host's name",
        ),
        ("var/log/dpkg.log", b"x", "a log"),
        ("tmp/x", b"x", "a temporary file"),
    ];
    for (path, bytes, what) in bad {
        let root = tree(&[(path, bytes), ("etc/good", b"good")]);
        assert_eq!(
            found(root.path(), &recipe("")),
            [format!("/{path}: {what}")]
        );
    }
}

#[test]
fn what_every_image_has_is_let_be() {
    let root = tree(&[
        ("etc/machine-id", b""),
        ("var/log/wtmp", b""),
        ("etc/hosts", b"127.0.0.1 localhost\n"),
        ("root/.ssh/authorized_keys", b"ssh-ed25519 AAAA x\n"),
        ("root/.ssh/id_ed25519.pub", b"ssh-ed25519 AAAA x\n"),
        (
            "usr/share/doc/x/key.pem",
            b"-----BEGIN RSA PRIVATE KEY-----\n",
        ),
        ("etc/ssl/certs/a.pem", b"-----BEGIN CERTIFICATE-----\n"),
    ]);
    symlink(
        "../run/systemd/resolve/stub-resolv.conf",
        root.path().join("etc/resolv.conf"),
    )
    .unwrap();
    assert_eq!(found(root.path(), &recipe("")), [""; 0]);
    fs::write(root.path().join("etc/machine-id"), "uninitialized\n").unwrap();
    assert_eq!(found(root.path(), &recipe("")), [""; 0]);
}

#[test]
fn the_recipe_says_what_is_there_on_purpose() {
    let root = tree(&[
        ("etc/ssl/private/ca/a.key", b"-----BEGIN PRIVATE KEY-----\n"),
        ("etc/resolv.conf", b"nameserver 10.0.0.1\n"),
        ("etc/ssl/private-not", b"-----BEGIN PRIVATE KEY-----\n"),
    ]);
    let recipe = recipe(
        "[lint]\nallow = [\"/etc/ssl/private\"]\n\
         [[file]]\npath = \"/etc/resolv.conf\"\ncontent = \"nameserver 10.0.0.1\"\n",
    );
    assert_eq!(
        found(root.path(), &recipe),
        ["/etc/ssl/private-not: a credential"]
    );
}

#[test]
fn an_error_lists_what_was_found_and_says_what_to_do() {
    let root = tree(&[("etc/krb5.keytab", b"x"), ("tmp/y", b"x")]);
    let error = lint(root.path(), &recipe(""), None, &Progress::silent());
    let error = error.unwrap_err().to_string();
    for part in [
        "/etc/krb5.keytab: a credential\n  /tmp/y: a temporary file\n",
        "[lint] allow = [\"/etc/krb5.keytab\"]",
    ] {
        assert!(error.contains(part), "{error}");
    }
}
