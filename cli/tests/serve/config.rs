//! `--config`, and flags over it.

use super::curl::{body, tells};
use super::process::Served;
use super::store;
use super::tls::{Pair, named};
use crate::hatchery::{Home, run};
use hatchery_tests::Need;
use hatchery_tests::need::require;
use std::fs;
use std::path::Path;

/// Writes a configuration that begins with the store.
pub(super) fn write(home: &Path, rest: &str) -> String {
    let path = home.join("mirror.toml");
    let root = home.join("store");
    if !root.exists() {
        store::make(home);
    }
    fs::write(&path, format!("store = '{}'\n{rest}", root.display())).unwrap();
    path.to_str().unwrap().to_owned()
}

#[test]
fn everything_can_be_in_the_file() {
    if !require(&[Need::Program("curl")]) {
        return;
    }
    let home = Home::new();
    let pair = Pair::write(home.path());
    let authority = pair.authority("authority.pem");
    let socket = home.path().join("serve.sock");
    let config = write(
        home.path(),
        &format!(
            "[[listen]]\naddress = '127.0.0.1:0'\n\
             [[listen]]\naddress = '[::1]:0'\ncertificate = '{}'\nkey = '{}'\n\
             [[listen]]\naddress = 'unix:{}'\n",
            pair.certificate.display(),
            pair.key.display(),
            socket.display(),
        ),
    );
    let served = Served::start(home.path(), &["--config", &config], 3);
    let [plain, tls, unix] = &served.addresses[..] else {
        panic!("{:?}", served.addresses)
    };
    assert!(body(&[&format!("{plain}{}", store::SUMS)]).contains("lab.tar.xz"));
    let tls = named(&tls.replace("[::1]", "127.0.0.1")) + store::SUMS;
    let told = tells("%{http_code}", &["--cacert", &authority, "--ipv6", &tls]);
    assert_eq!(told, "200");
    assert_eq!(*unix, format!("unix:{}", socket.display()));
}

#[test]
fn flags_win_over_the_file() {
    let home = Home::new();
    let config = write(
        home.path(),
        "public_url = 'http://file.example/'\n\
         [[listen]]\naddress = '192.0.2.1:80'\n[log]\naccess = 'off'\n",
    );
    let mut arguments = vec!["--config", &config, "--listen", "127.0.0.1:0"];
    let served = Served::start(home.path(), &arguments, 1);
    assert!(served.addresses[0].starts_with("http://127.0.0.1:"));
    assert!(body(&[&served.addresses[0]]).contains(">file.example</a>"));
    arguments.extend(["--public-url", "https://flag.example/mirror"]);
    let served = Served::start(home.path(), &arguments, 1);
    assert!(body(&[&served.addresses[0]]).contains(">flag.example</a>"));
}

#[test]
fn a_check_says_what_is_wrong_and_where() {
    let home = Home::new();
    let pair = Pair::write(home.path());
    let tls = format!(
        "[[listen]]\naddress = '[::]:443'\ncertificate = '{}'\nkey = '{}'\n\
         [[listen]]\naddress = 'systemd:http'\n",
        pair.certificate.display(),
        pair.key.display()
    );
    let config = write(home.path(), &tls);
    let check = || run(home.path(), &["serve", "--config", &config, "--check"]);
    let right = check();
    assert_eq!(right.code, Some(0), "{right:?}");
    assert!(right.stdout.contains("mirror.toml is right"), "{right:?}");
    for (rest, code, says) in [
        ("[limits]\nconections = 3\n", 3, "line 3"),
        (
            "[limits]\nconections = 3\n",
            3,
            "unknown field `conections`",
        ),
        ("[[listen]]\naddress = '8080'\n", 3, "write one such as"),
        ("drain_seconds = 0\n", 3, "write 1 to 86400 seconds"),
        ("public_url = 'example.org'\n", 3, "write it like https://"),
    ] {
        write(home.path(), rest);
        let wrong = check();
        assert_eq!(wrong.code, Some(code), "{rest}: {wrong:?}");
        assert!(wrong.stderr.contains(says), "{rest}: {wrong:?}");
        assert!(wrong.stderr.contains("mirror.toml"), "{rest}: {wrong:?}");
    }
    write(home.path(), &tls);
    fs::write(&pair.key, "no key").unwrap();
    let wrong = check();
    assert_ne!(wrong.code, Some(0));
    assert!(wrong.stderr.contains("holds no private key"), "{wrong:?}");
    fs::write(&config, "store = '/nonexistent/store'\n").unwrap();
    let wrong = check();
    assert_ne!(wrong.code, Some(0));
    assert!(wrong.stderr.contains("/nonexistent/store"), "{wrong:?}");
    fs::write(&config, "drain_seconds = 3\n").unwrap();
    let wrong = check();
    assert_eq!(wrong.code, Some(3), "{wrong:?}");
    assert!(wrong.stderr.contains("names no store"), "{wrong:?}");
}

#[test]
fn a_configuration_that_is_not_there_is_said() {
    let home = Home::new();
    let ran = run(home.path(), &["serve", "--config", "missing.toml"]);
    assert_ne!(ran.code, Some(0));
    assert!(ran.stderr.contains("cannot read missing.toml"), "{ran:?}");
}
