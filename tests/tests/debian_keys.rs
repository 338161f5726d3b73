//! The keys that ship, against what Debian's mirrors serve today.

use hatchery_image::keyring::{CertificateState, Keyring, Policy};
use hatchery_image::{Fingerprint, Progress};
use hatchery_tests::{Need, host, require};
use hatchery_transfer::{Client, Location, Request};
use jiff::Timestamp;
use std::time::Instant;

const KEYS: &[u8] = include_bytes!("../../keys/debian.pgp");
const README: &str = include_str!("../../keys/README.md");

#[expect(
    clippy::disallowed_methods,
    reason = "the mirror signs with the real time"
)]
fn now() -> Timestamp {
    Timestamp::now()
}

#[test]
fn the_readme_lists_exactly_the_keys_that_ship_and_all_are_live() {
    let certificates = Keyring::parse(KEYS).unwrap().certificates(now());
    for certificate in &certificates {
        let fingerprint = certificate.fingerprint.as_str();
        assert!(README.contains(fingerprint), "{fingerprint} is missing");
        assert!(
            matches!(certificate.state, CertificateState::Good),
            "{fingerprint} is {:?}; run keys/refresh",
            certificate.state
        );
    }
    // Other distributions follow.
    let (debian, _) = README.split_once("<!-- debian: to here").unwrap();
    let listed = debian
        .split(|c: char| !c.is_ascii_hexdigit())
        .filter(|word| word.parse::<Fingerprint>().is_ok());
    assert_eq!(listed.count(), certificates.len());
}

#[test]
fn releases_of_the_host_s_mirror_are_signed_by_them() {
    if !require(&[Need::Network]) {
        return;
    }
    let keyring = Keyring::parse(KEYS).unwrap();
    let client = Client::new().unwrap();
    let mirror = Location::parse(&host::mirror().unwrap()).unwrap();
    for suite in ["bookworm", "trixie", "trixie-updates", "sid"] {
        let fetch = |name: &str| {
            let request = Request {
                locations: vec![mirror.clone()],
                path: format!("dists/{suite}/{name}"),
                sha256: None,
                size: None,
                limit: 16 << 20,
            };
            client.get(&request, &Progress::silent()).unwrap()
        };
        let signed = fetch("InRelease");
        let start = Instant::now();
        let verified = keyring
            .verify_clearsigned(&signed, Policy::Standard, now())
            .unwrap();
        let took = start.elapsed();
        println!(
            "{suite}: {} bytes, signed {} by {}, verified in {took:?}",
            signed.len(),
            verified.signed_at(),
            verified.signer()
        );
        // It is the Release file, byte for byte; a mirror that is just being
        // updated may have another day's.
        let release = fetch("Release");
        if date(&release) == date(&verified) {
            assert!(*verified == release, "{suite}: Release is another text");
        }

        let changed = String::from_utf8(signed)
            .unwrap()
            .replacen("main", "evil", 1);
        let result = keyring.verify_clearsigned(changed.as_bytes(), Policy::Standard, now());
        assert!(result.is_err());
    }
}

fn date(release: &[u8]) -> Option<&[u8]> {
    release
        .split(|b| *b == b'\n')
        .find(|line| line.starts_with(b"Date: "))
}
