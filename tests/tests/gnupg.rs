//! Keys and signatures of the real GnuPG, verified in process.

use hatchery_image::keyring::{Keyring, KeyringError, Policy};
use hatchery_image::signer::{HOME_MAX, Home, Protection, Signer, SignerError};
use hatchery_tests::run::run;
use hatchery_tests::{Need, require};
use jiff::{Timestamp, ToSpan as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A private home whose agent goes with it, and room for files beside it.
pub(crate) struct PrivateHome {
    home: Home,
    directory: tempfile::TempDir,
}

impl PrivateHome {
    pub(crate) fn new() -> Option<Self> {
        if !require(&[Need::Program("gpg"), Need::Program("gpgconf")]) {
            return None;
        }
        let directory = tempfile::tempdir().unwrap();
        let home = Home::create(&directory.path().join("g")).unwrap();
        Some(Self { home, directory })
    }

    fn path(&self) -> &Path {
        self.home.path().unwrap()
    }

    pub(crate) fn file(&self, name: &str, content: &str) -> String {
        let path = self.at(name);
        std::fs::write(&path, content).unwrap();
        path.to_str().unwrap().to_owned()
    }

    pub(crate) fn at(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn read(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.at(name)).unwrap()
    }

    fn signer(&self, name: &str) -> Signer {
        self.home.new_key(name, Protection::None, None).unwrap();
        Signer::find(self.home.path(), Some(name)).unwrap()
    }

    pub(crate) fn gpg(&self, arguments: &[&str]) -> String {
        let home = self.path().to_str().unwrap();
        let argv = ["gpg", "--homedir", home, "--batch", "--yes"];
        run(&[&argv, arguments].concat()).unwrap()
    }

    /// What gpg says on stderr, whatever it exits with.
    pub(crate) fn gpg_says(&self, arguments: &[&str]) -> String {
        let home = self.path().to_str().unwrap();
        let shell = ["sh", "-c", "gpg \"$@\" 2>&1 >/dev/null || true", "sh"];
        let argv = ["--homedir", home, "--batch", "--yes"];
        run(&[&shell[..], &argv, arguments].concat()).unwrap()
    }
}

impl Drop for PrivateHome {
    fn drop(&mut self) {
        self.home.stop_agent().unwrap();
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "what gpg signs bears the real time"
)]
fn now() -> Timestamp {
    Timestamp::now()
}

fn keyring(signer: &Signer) -> Keyring {
    Keyring::parse(&signer.public_key().unwrap()).unwrap()
}

#[test]
fn a_detached_signature_is_one_and_good() {
    let Some(home) = PrivateHome::new() else {
        return;
    };
    let signer = home.signer("Test <test@example.org>");
    let signature = signer.sign_detached(b"data").unwrap();
    let verified = keyring(&signer)
        .verify_detached(b"data", &signature, Policy::Standard, now())
        .unwrap();
    assert_eq!(verified.signer(), signer.fingerprint());
    let changed = keyring(&signer).verify_detached(b"dat4", &signature, Policy::Standard, now());
    assert!(matches!(changed, Err(KeyringError::Untrusted(_))));

    // gpg agrees, and sees one signature.
    let data = home.file("data", "data");
    std::fs::write(home.at("data.sig"), &signature).unwrap();
    let signature = home.at("data.sig");
    let status = home.gpg(&[
        "--status-fd=1",
        "--verify",
        signature.to_str().unwrap(),
        &data,
    ]);
    assert_eq!(status.matches("GOODSIG").count(), 1, "{status}");
    assert_eq!(status.matches("NEWSIG").count(), 1, "{status}");
}

#[test]
fn an_envelope_opens_only_as_what_it_was_sealed_as() {
    let Some(home) = PrivateHome::new() else {
        return;
    };
    let signer = home.signer("Test <test@example.org>");
    let sealed = signer.seal("a/b", b"payload").unwrap();
    assert_eq!(sealed.last(), Some(&b'\n'));
    let keyring = keyring(&signer);
    let opened = keyring.verify_envelope(&sealed, "a/b", now()).unwrap();
    assert_eq!(&opened[..], b"payload");
    let error = keyring.verify_envelope(&sealed, "a/c", now()).unwrap_err();
    assert!(matches!(error, KeyringError::Envelope(_)), "{error}");

    let renamed = String::from_utf8(sealed).unwrap().replace("a/b", "a/c");
    let error = keyring.verify_envelope(renamed.as_bytes(), "a/c", now());
    assert!(matches!(error, Err(KeyringError::Untrusted(_))));
}

#[test]
fn the_clock_before_the_signature_is_named() {
    let Some(home) = PrivateHome::new() else {
        return;
    };
    let signer = home.signer("Test <test@example.org>");
    let signature = signer.sign_detached(b"data").unwrap();
    let yesterday = now() - 24.hours();
    let error = keyring(&signer)
        .verify_detached(b"data", &signature, Policy::Standard, yesterday)
        .unwrap_err();
    assert!(
        matches!(error, KeyringError::ClockBeforeSignature { now, .. } if now == yesterday),
        "{error}"
    );
}

#[test]
fn what_gpg_clearsigns_comes_out_as_it_went_in() {
    let Some(home) = PrivateHome::new() else {
        return;
    };
    let signer = home.signer("Test <test@example.org>");
    let text = "Origin: Test\n-dashed\n- both\n\nFrom here\n--\nlast\n";
    home.gpg(&["--clearsign", &home.file("text", text)]);
    let signed = home.read("text.asc");
    let verified = keyring(&signer)
        .verify_clearsigned(&signed, Policy::Standard, now())
        .unwrap();
    assert_eq!(std::str::from_utf8(&verified).unwrap(), text);
}

#[test]
fn weak_and_foreign_signatures_of_gpg_are_refused_with_their_reason() {
    let Some(home) = PrivateHome::new() else {
        return;
    };
    let signer = home.signer("Test <test@example.org>");
    let data = home.file("data", "data");
    home.gpg(&["--digest-algo", "SHA1", "--detach-sign", &data]);
    let weak = home.read("data.sig");
    let error = keyring(&signer)
        .verify_detached(b"data", &weak, Policy::Standard, now())
        .unwrap_err();
    let text = error.to_string();
    assert!(text.contains("too weak"), "{text}");

    let other = home.signer("Other <other@example.org>");
    let signature = other.sign_detached(b"data").unwrap();
    let error = keyring(&signer)
        .verify_detached(b"data", &signature, Policy::Standard, now())
        .unwrap_err();
    let text = error.to_string();
    assert!(
        text.contains(other.fingerprint().as_str()) && text.contains("not a trusted key"),
        "{text}"
    );
}

#[test]
fn a_configuration_that_would_sign_twice_or_weakly_is_refused() {
    let Some(home) = PrivateHome::new() else {
        return;
    };
    let signer = home.signer("Test <test@example.org>");
    let other = home.signer("Other <other@example.org>");
    let conf = home.path().join("gpg.conf");
    std::fs::write(&conf, format!("local-user {}\n", other.fingerprint())).unwrap();
    let error = signer.sign_detached(b"data").unwrap_err();
    assert!(matches!(error, SignerError::Unexpected { .. }), "{error}");

    for bad in ["digest-algo SHA1\n", "textmode\n"] {
        std::fs::write(&conf, bad).unwrap();
        let error = signer.sign_detached(b"data").unwrap_err();
        assert!(matches!(error, SignerError::Unexpected { .. }), "{error}");
    }

    std::fs::write(&conf, "armor\n").unwrap();
    match signer.sign_detached(b"data") {
        Ok(signature) => assert!(signature[0] & 0x80 != 0, "it is binary"),
        Err(error) => panic!("{error:?}"),
    }
}

#[test]
fn one_key_is_found_and_several_are_listed() {
    let Some(home) = PrivateHome::new() else {
        return;
    };
    let find = |query| Signer::find(home.home.path(), query);
    let error = find(None).unwrap_err();
    assert!(matches!(error, SignerError::NoKey { .. }), "{error}");
    let first = home.signer("First <first@example.org>");
    assert_eq!(find(None).unwrap().fingerprint(), first.fingerprint());
    let second = home.signer("Second <second@example.org>");
    let text = find(None).unwrap_err().to_string();
    for signer in [&first, &second] {
        assert!(text.contains(signer.fingerprint().as_str()), "{text}");
    }
    for query in ["second@example.org", second.fingerprint().as_str()] {
        assert_eq!(
            find(Some(query)).unwrap().fingerprint(),
            second.fingerprint()
        );
    }
    assert!(find(Some("third@example.org")).is_err());
    assert_eq!(home.home.secret_keys().unwrap().len(), 2);
}

#[test]
fn exports_are_the_key_alone_and_parse_in_both_forms() {
    let Some(home) = PrivateHome::new() else {
        return;
    };
    let signer = home.signer("Test <test@example.org>");
    home.signer("Other <other@example.org>");
    for export in [signer.public_key(), signer.public_key_armored()] {
        let keyring = Keyring::parse(&export.unwrap()).unwrap();
        assert_eq!(keyring.fingerprints(), [signer.fingerprint().clone()]);
    }
    let armored = signer.public_key_armored().unwrap();
    assert!(armored.starts_with(b"-----BEGIN PGP PUBLIC KEY BLOCK-----"));
    let path = home.at("secret");
    home.gpg(&["--export-secret-keys", "--output", path.to_str().unwrap()]);
    let secret = home.read("secret");
    let error = Keyring::parse(&secret).unwrap_err();
    assert!(matches!(error, KeyringError::PrivateKey(_)), "{error}");
}

#[test]
fn a_key_may_expire() {
    let Some(home) = PrivateHome::new() else {
        return;
    };
    let year = Duration::from_secs(365 * 86_400);
    let key = home
        .home
        .new_key("Test <test@example.org>", Protection::None, Some(year))
        .unwrap();
    let expires = key.expires.unwrap();
    let in_days = (expires - now()).as_hours() / 24;
    assert!((364..=365).contains(&in_days), "{expires}");
    let signer = Signer::find(home.home.path(), None).unwrap();
    let signature = signer.sign_detached(b"data").unwrap();
    let later = now() + (366 * 24).hours();
    let error = keyring(&signer)
        .verify_detached(b"data", &signature, Policy::Standard, later)
        .unwrap_err();
    assert!(error.to_string().contains("has expired (at "), "{error}");
}

#[test]
fn a_home_with_too_long_a_path_is_refused_before_gpg_fails() {
    let directory = tempfile::tempdir().unwrap();
    let long = directory.path().join("x".repeat(HOME_MAX));
    match Home::create(&long) {
        Err(SignerError::HomeTooLong { .. }) => {}
        // With a runtime folder of the user, gpg has room elsewhere.
        Ok(_) => assert!(Path::new("/run/user").is_dir()),
        Err(error) => panic!("{error}"),
    }
}

#[test]
fn the_agent_of_a_private_home_is_stopped() {
    let Some(home) = PrivateHome::new() else {
        return;
    };
    home.signer("Test <test@example.org>");
    let agents = || {
        let processes = std::fs::read_dir("/proc").unwrap();
        processes
            .filter_map(|p| std::fs::read(p.ok()?.path().join("cmdline")).ok())
            .filter(|line| {
                let line = String::from_utf8_lossy(line);
                line.contains("gpg-agent") && line.contains(&*home.path().to_string_lossy())
            })
            .count()
    };
    assert_eq!(agents(), 1);
    home.home.stop_agent().unwrap();
    for _ in 0..50 {
        if agents() == 0 {
            return;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    panic!("the agent still runs");
}

#[test]
fn a_certificate_that_rests_on_sha1_is_refused() {
    let Some(home) = PrivateHome::new() else {
        return;
    };
    let weak = ["--cert-digest-algo", "SHA1", "--passphrase", ""];
    let make = ["--quick-gen-key", "Weak <weak@example.org>", "ed25519"];
    home.gpg(&[&weak[..], &make, &["cert,sign", "never"]].concat());
    let signer = Signer::find(home.home.path(), None).unwrap();
    // Our own check of what was made finds it at once.
    let error = signer.sign_detached(b"data").unwrap_err();
    assert!(matches!(error, SignerError::Unexpected { .. }), "{error}");

    home.gpg(&["--detach-sign", &home.file("data", "data")]);
    let error = keyring(&signer)
        .verify_detached(b"data", &home.read("data.sig"), Policy::Standard, now())
        .unwrap_err();
    assert!(error.to_string().contains("is not acceptable"), "{error}");
}

#[test]
fn gpg_accepts_sums_as_systemd_asks_it() {
    let Some(home) = PrivateHome::new() else {
        return;
    };
    let signer = home.signer("Test <test@example.org>");
    let sums = b"sums";
    let signature = signer.sign_detached(sums).unwrap();
    // As systemd asks gpg: a keyring file, one signature, nothing unknown.
    let public = home.at("import-pubring.gpg");
    std::fs::write(&public, signer.public_key().unwrap()).unwrap();
    std::fs::write(home.at("SHA256SUMS.gpg"), &signature).unwrap();
    let sums = home.file("SHA256SUMS", "sums");
    let status = home.gpg(&[
        "--no-options",
        "--no-default-keyring",
        "--no-auto-key-locate",
        "--no-auto-check-trustdb",
        "--trust-model=always",
        &format!("--keyring={}", public.display()),
        "--status-fd=1",
        "--verify",
        home.at("SHA256SUMS.gpg").to_str().unwrap(),
        &sums,
    ]);
    assert_eq!(status.matches("VALIDSIG").count(), 1, "{status}");
}
