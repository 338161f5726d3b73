//! Keys: made in a GnuPG home, exported, trusted.

use crate::hatchery::{Home, run};
use hatchery_tests::{Need, require};
use serde_json::Value;

fn result(stdout: &str) -> Value {
    let last = stdout.lines().last().unwrap();
    serde_json::from_str::<Value>(last).unwrap()["result"].clone()
}

#[test]
fn a_new_key_is_listed_exported_and_trusted() {
    if !require(&[Need::Program("gpg")]) {
        return;
    }
    let home = Home::new();
    let hatchery = |arguments: &[&str]| {
        let ran = run(home.path(), arguments);
        assert_eq!(ran.code, Some(0), "{ran:?}");
        ran
    };
    let user = ["--name", "A lab", "--email", "lab@example.org"];
    let new = ["--json", "key", "new", "--no-passphrase", "--expires", "2y"];
    let made = result(&hatchery(&[&new[..], &user[..]].concat()).stdout);
    assert_eq!(made["user_id"], "A lab <lab@example.org>");

    let listed = result(&hatchery(&["--json", "key", "list"]).stdout);
    assert_eq!(listed[0]["fingerprint"], made["fingerprint"]);
    assert_eq!(listed[0]["can_sign"], true);

    hatchery(&["key", "export", "--output", "a.pgp"]);
    let armored = hatchery(&["key", "export", "--armor", "lab@example.org"]);
    assert!(
        armored
            .stdout
            .starts_with("-----BEGIN PGP PUBLIC KEY BLOCK-----")
    );

    let fingerprint = made["fingerprint"].as_str().unwrap();
    hatchery(&[
        "key",
        "trust",
        "a.pgp",
        "--keys",
        "keys",
        "--fingerprint",
        fingerprint,
    ]);
    let trusted = result(&hatchery(&["--json", "key", "show", "--keys", "keys"]).stdout);
    assert_eq!(trusted[0]["fingerprint"], made["fingerprint"]);
    assert_eq!(trusted[0]["state"], "good");
}

#[test]
fn a_key_with_another_fingerprint_is_not_trusted() {
    if !require(&[Need::Program("gpg")]) {
        return;
    }
    let home = Home::new();
    run(home.path(), &["key", "new", "--no-passphrase"]);
    run(home.path(), &["key", "export", "--output", "a.pgp"]);
    let other = "0123456789ABCDEF0123456789ABCDEF01234567";
    let arguments = [
        "key",
        "trust",
        "a.pgp",
        "--keys",
        "keys",
        "--fingerprint",
        other,
    ];
    let ran = run(home.path(), &arguments);
    assert_eq!(ran.code, Some(4), "{ran:?}");
    assert!(!home.path().join("keys").exists());
}

#[test]
fn what_is_no_key_is_not_trusted() {
    let home = Home::new();
    std::fs::write(home.path().join("x"), "hello").unwrap();
    let ran = run(home.path(), &["key", "trust", "x", "--keys", "keys"]);
    assert_eq!(ran.code, Some(4), "{ran:?}");
    assert!(
        ran.stderr.contains("the key file x is not usable"),
        "{}",
        ran.stderr
    );
}
