//! The units of systemd and the sample configuration, as they are installed.

use crate::hatchery::{Home, ran, run, shell};
use hatchery_tests::Need;
use hatchery_tests::need::require;
use std::fs;
use std::path::{Path, PathBuf};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../units")
}

/// Copies of the units that start the program under test.
fn copies(home: &Path) -> Vec<PathBuf> {
    let program = env!("CARGO_BIN_EXE_hatchery");
    let copy = |name: &str| {
        let text = fs::read_to_string(folder().join(name)).unwrap();
        let to = home.join(name);
        fs::write(&to, text.replace("/usr/local/bin/hatchery", program)).unwrap();
        to
    };
    ["hatchery-serve.service", "hatchery-serve.socket"]
        .map(copy)
        .into()
}

#[test]
fn systemd_finds_nothing_wrong_with_the_units() {
    if !require(&[Need::Program("systemd-analyze")]) {
        return;
    }
    let home = Home::new();
    let mut verify = shell("exec systemd-analyze verify --man=no \"$@\"");
    let ran = ran(&verify.arg("sh").args(copies(home.path())).output().unwrap());
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert_eq!((&*ran.stdout, &*ran.stderr), ("", ""));
}

#[test]
fn the_service_is_exposed_less_than_two() {
    if !require(&[Need::Program("systemd-analyze")]) {
        return;
    }
    let home = Home::new();
    let copies = copies(home.path());
    let mut security = shell("exec systemd-analyze security --offline=true --threshold=20 \"$1\"");
    let ran = ran(&security.arg("sh").arg(&copies[0]).output().unwrap());
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(ran.stdout.contains("Overall exposure level"), "{ran:?}");
}

#[test]
fn the_sample_is_right_with_and_without_its_examples() {
    let home = Home::new();
    let root = super::store::make(home.path());
    let pair = super::tls::Pair::write(home.path());
    let sample = fs::read_to_string(folder().join("mirror.toml")).unwrap();
    let sample = sample
        .replace("/srv/images", root.to_str().unwrap())
        .replace(
            "/etc/ssl/certs/mirror.pem",
            pair.certificate.to_str().unwrap(),
        )
        .replace("/etc/ssl/private/mirror.key", pair.key.to_str().unwrap());
    // Comments begin with "# ", and settings that are left out with "#".
    let everything: String = sample
        .lines()
        .map(|line| match line.strip_prefix('#') {
            Some(rest) if !rest.is_empty() && !rest.starts_with(' ') => format!("{rest}\n"),
            _ => format!("{line}\n"),
        })
        .collect();
    for text in [&sample, &everything] {
        fs::write(home.path().join("mirror.toml"), text).unwrap();
        let check = ["serve", "--config", "mirror.toml", "--check"];
        let ran = run(home.path(), &check);
        assert_eq!(ran.code, Some(0), "{ran:?}");
    }
    for key in [
        "public_url",
        "drain_seconds",
        "address",
        "certificate",
        "key",
        "metrics",
        "connections",
        "head_bytes",
        "head_seconds",
        "head_seconds_crowded",
        "stalled_seconds",
        "stalled_seconds_crowded",
        "handshake_seconds",
        "ranges",
        "requests_per_second",
        "burst",
        "local",
        "access",
        "file",
    ] {
        let line = format!("\n{key} = ");
        assert!(everything.contains(&line), "{key} is not in the sample");
    }
}
