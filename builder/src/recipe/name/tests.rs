//! What passes and what does not.

use super::*;
use std::str::FromStr;

fn all_pass<T: FromStr>(texts: &[&str]) {
    for text in texts {
        assert!(text.parse::<T>().is_ok(), "{text:?} should pass");
    }
}

fn none_passes<T: FromStr>(texts: &[&str]) {
    for text in texts {
        assert!(text.parse::<T>().is_err(), "{text:?} should be refused");
    }
}

#[test]
fn words() {
    all_pass::<PackageName>(&["libc6", "g++", "python3.13", "libstdc++6"]);
    none_passes::<PackageName>(&["", "-x", "a b", "a/b", "a:amd64", "a\n", "$(reboot)"]);
    all_pass::<Suite>(&["trixie", "trixie-security", "stable/updates"]);
    none_passes::<Suite>(&["", "../x", "a/../b", "a//b", "a b"]);
    all_pass::<TimeZone>(&[
        "UTC",
        "Europe/Berlin",
        "Etc/GMT+5",
        "America/Argentina/Ushuaia",
    ]);
    none_passes::<TimeZone>(&[
        "",
        "../etc/shadow",
        "Europe//Berlin",
        "/UTC",
        "a b",
        "Europe/..",
    ]);
    all_pass::<Locale>(&[
        "C",
        "C.UTF-8",
        "de_DE.UTF-8",
        "eo.UTF-8",
        "ca_ES.UTF-8@valencia",
    ]);
    none_passes::<Locale>(&["", "de_DE", "de_de.UTF-8", "de_DE.ISO-8859-1", "x\ny.UTF-8"]);
    all_pass::<UserName>(&["ada", "_apt", "a-b_c1"]);
    none_passes::<UserName>(&["", "Ada", "1a", "a b", "a:b", "a\n", &"a".repeat(32)]);
    all_pass::<UnitName>(&["ssh.service", "a@b.timer", r"dev-disk\x2d1.swap"]);
    none_passes::<UnitName>(&[
        "ssh",
        ".service",
        "a/b.service",
        "../x.service",
        "--now.service",
        "a b.service",
    ]);
}

#[test]
fn mirrors() {
    all_pass::<MirrorUrl>(&[
        "http://ftp.de.debian.org/debian",
        "file:///srv/mirror",
        "https://a:8443/x",
    ]);
    none_passes::<MirrorUrl>(&[
        "ftp://a/b",
        "http://a/",
        "http://",
        "a/b",
        "http://u:p@a/b",
        "http://a/b?c",
        "http://a/b#c",
        "http://a/b c",
    ]);
}

#[test]
fn password_hashes_and_nothing_else() {
    let yescrypt = format!("$y$j9T$salt.x/$%{}", "a".repeat(42));
    assert!(yescrypt.parse::<PasswordHash>().is_err());
    all_pass::<PasswordHash>(&[
        &format!("$y$j9T$saltsalt${}", "a".repeat(43)),
        &format!("$6$saltsalt${}", "b".repeat(86)),
        &format!("$6$rounds=5000$saltsalt${}", "b".repeat(86)),
    ]);
    none_passes::<PasswordHash>(&[
        "",
        "secret",
        "$1$a$b",
        "$6$salt$short",
        "*",
        "!",
        "$6$salt$:0:",
        "$y$j9T$salt$a:0",
    ]);
    let error = "secret".parse::<PasswordHash>().unwrap_err().to_string();
    assert!(
        !error.contains("secret") && error.contains("openssl passwd -6"),
        "{error}"
    );
}

#[test]
fn ssh_keys() {
    let key = format!(
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5{} ada@example",
        "A".repeat(48)
    );
    all_pass::<SshKey>(&[&key]);
    none_passes::<SshKey>(&[
        "",
        "ssh-ed25519",
        "ssh-ed25519 AAAA",
        "command=\"x\" ssh-ed25519 AAAA",
        "-----BEGIN OPENSSH PRIVATE KEY-----",
        &format!("{key}\nssh-rsa x"),
    ]);
}

#[test]
fn sizes_modes_and_owners() {
    assert_eq!("16G".parse::<Size>().unwrap().bytes(), 17_179_869_184);
    assert_eq!("512".parse::<Size>().unwrap().bytes(), 512);
    none_passes::<Size>(&["", "G", "16GB", "1.5G", "-1", "+1", "99999999999T"]);
    assert_eq!("4755".parse::<FileMode>().unwrap().bits(), 0o4755);
    none_passes::<FileMode>(&["", "8", "0o644", "rw", "00644", "0x1", "+644"]);
    let owner: Owner = "www-data:33".parse().unwrap();
    assert_eq!(owner.group, Principal::Id(33));
    none_passes::<Owner>(&["", ":", "a:", "a:b:c", "4294967295", "A"]);
}

#[test]
fn places() {
    all_pass::<SourcePath>(&["x", "../common/base.toml", "./a b"]);
    none_passes::<SourcePath>(&["", "/etc/shadow", "a\0b"]);
    all_pass::<Target>(&["/", "/etc/motd"]);
    none_passes::<Target>(&["", "etc/motd", "/etc/../x", "/etc/"]);
}
