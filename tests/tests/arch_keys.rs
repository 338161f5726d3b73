//! The keys of Arch Linux that ship, and gpg's opinion of each.

use crate::gnupg::PrivateHome;
use hatchery_builder::arch::keyring::keyring;
use hatchery_image::keyring::{
    Certificate, CertificateState, Fingerprint, Keyring, KeyringError, Policy, Reason, Rejected,
};
use hatchery_tests::need::skip;
use jiff::Timestamp;
use std::collections::{BTreeMap, BTreeSet};
use std::io::Read as _;
use std::path::Path;
use std::time::Instant;

const README: &str = include_str!("../../keys/README.md");
const CERTIFICATES: &[u8] = include_bytes!("../../keys/archlinux.pgp");
const TRUSTED: &str = include_str!("../../keys/archlinux-trusted");
const REVOKED: &str = include_str!("../../keys/archlinux-revoked");

/// When both are asked: shortly after the keys were taken.
const NOW: &str = "2026-11-20T00:00:00Z";
/// The same as gpg wants it, standing still.
const FAKED: &str = "--faked-system-time=20261120T000000!";

fn now() -> Timestamp {
    NOW.parse().unwrap()
}

/// The fingerprints of the masters' list.
fn masters() -> Vec<&'static str> {
    let lines = TRUSTED.lines().filter(|l| !l.is_empty());
    lines.map(|l| l.split(':').next().unwrap()).collect()
}

#[test]
fn the_readme_names_the_masters_and_counts_the_rest() {
    let count = keyring().unwrap().fingerprints().len();
    assert!(README.contains(&format!("({count} keys)")));
    let revoked = REVOKED.lines().filter(|l| !l.is_empty()).count();
    assert!(README.contains(&format!("`archlinux-revoked` ({revoked} keys)")));
    for master in masters() {
        assert!(README.contains(&format!("`{master}`")), "{master}");
    }
}

/// A home as `pacman-key --init` and `--populate archlinux` make it, but that
/// nothing is disabled: whether a key is listed as revoked is known anyway.
fn populated() -> Option<PrivateHome> {
    let home = PrivateHome::new()?;
    let gpg = |arguments: &[&str]| home.gpg(&[&[FAKED, "--quiet"], arguments].concat());
    let master = "Pacman Keyring Master Key <pacman@localhost>";
    let new_key = [
        "--quick-generate-key",
        master,
        "rsa2048",
        "default",
        "never",
    ];
    gpg(&[&["--pinentry-mode=loopback", "--passphrase="], &new_key[..]].concat());
    let certificates = home.at("archlinux.gpg");
    std::fs::write(&certificates, CERTIFICATES).unwrap();
    gpg(&["--import", certificates.to_str().unwrap()]);
    for key in masters() {
        gpg(&["--no-auto-check-trustdb", "--quick-lsign-key", key]);
    }
    gpg(&["--import-ownertrust", &home.file("trusted", TRUSTED)]);
    gpg(&["--check-trustdb"]);
    Some(home)
}

/// What gpg says of a key: `f`, `m`, `-`, `r`, `e`, … (`doc/DETAILS`), and
/// whether it can make signatures with it.
#[derive(Debug)]
struct Opinion {
    validity: String,
    signs: bool,
}

impl Opinion {
    /// Whether pacman takes packages signed with the key.
    fn is_good(&self, fingerprint: &str) -> bool {
        let valid = matches!(self.validity.as_str(), "f" | "u");
        valid && self.signs && !is_listed_as_revoked(fingerprint)
    }
}

fn is_listed_as_revoked(fingerprint: &str) -> bool {
    REVOKED.lines().any(|l| l.trim() == fingerprint)
}

fn is_good(certificate: &Certificate) -> bool {
    certificate.state == CertificateState::Good
}

fn opinions(home: &PrivateHome) -> BTreeMap<String, Opinion> {
    let listed = home.gpg(&[FAKED, "--with-colons", "--list-keys"]);
    let mut opinions = BTreeMap::new();
    let mut of_primary = None;
    for line in listed.lines() {
        let fields: Vec<&str> = line.split(':').collect();
        match fields[0] {
            "pub" => {
                of_primary = Some(Opinion {
                    validity: fields[1].to_owned(),
                    signs: fields[11].contains('S'),
                });
            }
            "fpr" => {
                if let Some(opinion) = of_primary.take() {
                    opinions.insert(fields[9].to_owned(), opinion);
                }
            }
            _ => {}
        }
    }
    opinions
}

/// Keys that gpg takes and we refuse, and why. None the other way round.
const STRICTER: [(&str, &str); 1] = [(
    "5134EF9EAF65F95B6BB1608E50FB9B273A9D0BB5",
    "RSA of 8192 bits; the cryptographic library computes with up to 4096",
)];

#[test]
fn each_key_gets_the_verdict_that_gpg_gives() {
    let Some(home) = populated() else {
        return;
    };
    let opinions = opinions(&home);
    let certificates = keyring().unwrap().certificates(now());
    // gpg's own key is one more.
    assert_eq!(opinions.len(), certificates.len() + 1);
    let mut differences = Vec::new();
    let mut counts = BTreeMap::new();
    for certificate in &certificates {
        let fingerprint = certificate.fingerprint.as_str();
        let opinion = &opinions[fingerprint];
        let good = is_good(certificate);
        let listed = is_listed_as_revoked(fingerprint);
        let kind = format!("gpg {}, listed {listed}, good {good}", opinion.validity);
        *counts.entry(kind).or_insert(0) += 1;
        if opinion.is_good(fingerprint) != good {
            println!("{certificate:?}: {opinion:?}");
            differences.push(certificate);
        }
    }
    println!("{counts:#?}");
    // Both say yes and no often enough to mean something.
    let good = certificates.iter().filter(|c| is_good(c)).count();
    assert!((50..certificates.len() - 50).contains(&good), "{good}");
    let differ = differences.iter().map(|c| c.fingerprint.as_str());
    let differ: BTreeSet<&str> = differ.collect();
    assert_eq!(differ, STRICTER.iter().map(|(key, _)| *key).collect());
}

/// The signature of each package of a database, armored.
fn signatures(database: &[u8]) -> Vec<Vec<u8>> {
    let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(database));
    let mut signatures = Vec::new();
    for entry in archive.entries().unwrap() {
        let mut text = String::new();
        entry.unwrap().read_to_string(&mut text).unwrap();
        if let Some((_, rest)) = text.split_once("%PGPSIG%\n") {
            let base64 = rest.lines().next().unwrap();
            let (begin, end) = (
                "-----BEGIN PGP SIGNATURE-----",
                "-----END PGP SIGNATURE-----",
            );
            signatures.push(format!("{begin}\n\n{base64}\n{end}\n").into_bytes());
        }
    }
    signatures
}

/// Whose signature it is, said by a verification of other data.
fn claimed(keyring: &Keyring, signature: &[u8]) -> Rejected {
    match keyring.verify_detached(b"", signature, Policy::Arch, now()) {
        Err(KeyringError::Untrusted(mut rejected)) if rejected.len() == 1 => rejected.remove(0),
        other => panic!("{other:?}"),
    }
}

#[test]
fn each_signer_of_a_real_database_gets_the_verdict_that_gpg_gives() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data/arch");
    let Ok(database) = std::fs::read(folder.join("core.db")) else {
        skip("there is no real database beside the project");
        return;
    };
    let Some(home) = populated() else {
        return;
    };
    let opinions = opinions(&home);
    let start = Instant::now();
    let keyring = keyring().unwrap();
    let read = start.elapsed();
    let signatures = signatures(&database);
    assert_eq!(signatures.len(), 265);
    let start = Instant::now();
    let mut signers: BTreeMap<String, (Reason, &[u8])> = BTreeMap::new();
    for signature in &signatures {
        let Rejected { key, reason } = claimed(&keyring, signature);
        signers.insert(key, (reason, signature));
    }
    let claims = start.elapsed();
    let known = signers.keys().filter_map(|key| key.parse().ok());
    let known: Vec<Fingerprint> = known.collect();
    let start = Instant::now();
    let certificates = keyring.only(&known).certificates(now());
    println!(
        "keyring read in {read:?}, {} signatures checked in {claims:?}, {} signers judged in {:?}",
        signatures.len(),
        certificates.len(),
        start.elapsed()
    );
    let (data, path) = (home.file("data", ""), home.at("data.sig"));
    let mut good = 0;
    for (key, (reason, signature)) in &signers {
        std::fs::write(&path, signature).unwrap();
        let path = path.to_str().unwrap();
        let said = home.gpg_says(&[FAKED, "--status-fd=2", "--verify", path, &data]);
        let certificate = certificates.iter().find(|c| c.fingerprint.as_str() == key);
        let Some(certificate) = certificate else {
            assert_eq!(*reason, Reason::UnknownKey);
            assert!(said.contains("] NO_PUBKEY "), "{key}: {said}");
            continue;
        };
        // The data is none of the package's.
        assert_eq!(*reason, Reason::BadSignature);
        assert!(said.contains(&format!("] KEY_CONSIDERED {key} ")), "{said}");
        assert!(said.contains("] BADSIG "), "{key}: {said}");
        println!("{key}: {:?}", certificate.state);
        assert_eq!(opinions[key].is_good(key), is_good(certificate), "{key}");
        good += usize::from(is_good(certificate));
    }
    println!("{good} of {} signers are good", signers.len());
    assert!(good >= 15 && good < signers.len());
}
