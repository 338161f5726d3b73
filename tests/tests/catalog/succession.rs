//! Keys that change: subkeys beneath a pinned primary key, and primary keys
//! that hand over to others.

use super::fixture::{
    catalog, fresh, gpg, known, memory, names, refused, refused_as, request, seal, write,
};
use super::memory::warnings;
use crate::import::fixture::{Street, import};
use crate::wire::fixture::{now, signing};
use hatchery_image::signer::Signer;
use hatchery_image::succession::{PAYLOAD_TYPE, Succession, Successions};
use hatchery_image::{Fingerprint, Keyring};
use hatchery_importer::ImportRequest;
use hatchery_importer::import::Kind;
use hatchery_mirror::{SucceedError, refresh, succeed};
use hatchery_tests::lab::key;
use jiff::ToSpan as _;
use std::fs;
use std::time::Duration;

/// A host that trusts the repository's first key, and keeps its keys.
fn host(street: &Street, machine: &str) -> ImportRequest {
    let keys = street.yard.path("trusted");
    if !keys.exists() {
        street.keyring().save_to_directory(&keys).unwrap();
    }
    let mut request = request(street, machine);
    request.repository.keyring = Keyring::load_directory(&keys).unwrap();
    request.repository.keys = Some(keys);
    request
}

fn new_key(street: &Street, name: &str) -> Signer {
    key(&street.yard.path(name), &format!("{name}@example.org"))
}

fn hand_over(street: &Street, old: &Signer, new: &Signer) {
    succeed(&street.yard.store(), old, new, &signing()).unwrap();
}

fn trusted(street: &Street) -> Vec<Fingerprint> {
    let keys = street.yard.path("trusted");
    Keyring::load_directory(&keys).unwrap().fingerprints()
}

/// A statement as an attacker makes it, and a catalog by the new key.
fn statement(street: &Street, from: &Signer, to: &Signer, signers: &[&Signer]) -> Succession {
    let succession = Succession {
        repository: catalog(street).repository,
        number: 1,
        created: now(),
        from: from.fingerprint().clone(),
        to: to.fingerprint().clone(),
    };
    publish(street, &succession, to, signers);
    succession
}

fn publish(street: &Street, succession: &Succession, to: &Signer, signers: &[&Signer]) {
    let mut list = Successions::default();
    let payload = serde_json::to_vec(succession).unwrap();
    let sealed = Signer::seal_together(signers, PAYLOAD_TYPE, &payload).unwrap();
    list.push(&sealed).unwrap();
    fs::write(street.store().join("keys.json"), list.to_bytes()).unwrap();
    show(street, to);
}

/// A catalog by `to`, whose certificate lies beside it.
fn show(street: &Street, to: &Signer) {
    let first = street.yard.path("first.json");
    if !first.exists() {
        fs::write(&first, serde_json::to_vec(&catalog(street)).unwrap()).unwrap();
    }
    let mut forged: hatchery_image::Catalog =
        serde_json::from_slice(&fs::read(first).unwrap()).unwrap();
    forged.version += 10;
    forged.created = now();
    forged.keys = vec![to.fingerprint().clone()];
    let mut keys = street.keyring();
    keys.extend(Keyring::parse(&to.public_key().unwrap()).unwrap());
    fs::write(street.store().join("keys.pgp"), keys.to_bytes()).unwrap();
    write(street, &seal(to, &forged));
}

#[test]
fn a_subkey_that_replaces_another_under_the_same_primary_key() {
    let Some(street) = fresh() else { return };
    let before = host(&street, "before");
    import(&before).unwrap();
    let signer = &street.yard.signer;
    let fingerprint = signer.fingerprint().as_str();
    gpg(signer, &["--quick-add-key", fingerprint, "ed25519", "sign"]);
    // GnuPG signs with the newest subkey from now on; this host knows nothing
    // of it but from the mirror.
    refresh(&street.yard.store(), signer, &signing()).unwrap();
    let file = street.yard.path(&format!("trusted/{fingerprint}.pgp"));
    let known = fs::read(&file).unwrap();
    let imported = import(&host(&street, "after")).unwrap();
    assert_eq!(imported.signer, *signer.fingerprint());
    assert!(fs::read(&file).unwrap().len() > known.len(), "it is kept");
    // Now it is known, and the mirror need not say it again.
    fs::remove_file(street.store().join("keys.pgp")).unwrap();
    import(&host(&street, "again")).unwrap();
    // What this host knew before does not do.
    let mut ignorant = host(&street, "victim");
    ignorant.repository.keyring = Keyring::parse(&known).unwrap();
    refused_as(&ignorant, Kind::Trust, "is not a trusted key");
}

#[test]
fn a_later_expiry_is_learnt_from_the_mirror() {
    let Some(street) = fresh() else { return };
    let signer = &street.yard.signer;
    let fingerprint = signer.fingerprint().as_str();
    gpg(signer, &["--quick-set-expire", fingerprint, "1d"]);
    let mut later = host(&street, "victim");
    later.now = now().checked_add(48.hours()).unwrap();
    fs::remove_file(street.store().join("keys.pgp")).unwrap();
    refused_as(&later, Kind::Trust, "has expired");
    // Of two self-signatures the newer counts, and their times are seconds.
    std::thread::sleep(Duration::from_millis(1100));
    gpg(signer, &["--quick-set-expire", fingerprint, "0"]);
    refresh(&street.yard.store(), signer, &signing()).unwrap();
    import(&later).unwrap();
}

#[test]
fn a_key_hands_over_and_the_next_one_too() {
    let Some(street) = fresh() else { return };
    import(&host(&street, "first")).unwrap();
    let a = street.yard.signer.clone();
    let (b, c) = (new_key(&street, "b"), new_key(&street, "c"));
    hand_over(&street, &a, &b);
    hand_over(&street, &b, &c);
    let said = warnings(&host(&street, "second"));
    for key in [&b, &c] {
        let fingerprint = key.fingerprint().as_str();
        assert!(said.iter().any(|w| w.contains(fingerprint)), "{said:?}");
    }
    assert!(trusted(&street).contains(c.fingerprint()));
    assert!(trusted(&street).contains(a.fingerprint()));
    // It is known now, and said no more.
    assert!(warnings(&host(&street, "third")).is_empty());
    // The old key cannot come back, not even with a newer catalog.
    show(&street, &a);
    refused_as(&host(&street, "victim"), Kind::Trust, "has handed over to");
    let again = succeed(&street.yard.store(), &a, &c, &signing());
    assert!(again.is_err(), "{again:?}");
    for key in [b, c] {
        let _ = key.stop_agent();
    }
}

#[test]
fn a_key_that_has_handed_over_hands_over_to_no_other() {
    let Some(street) = fresh() else { return };
    let a = street.yard.signer.clone();
    let (b, x) = (new_key(&street, "b"), new_key(&street, "x"));
    hand_over(&street, &a, &b);
    import(&host(&street, "first")).unwrap();
    let mut stolen = statement(&street, &a, &x, &[&a, &x]);
    refused_as(&host(&street, "victim"), Kind::Trust, "cannot hand over to");
    stolen.number = 7;
    publish(&street, &stolen, &x, &[&a, &x]);
    refused_as(&host(&street, "victim"), Kind::Trust, "cannot hand over to");
    assert!(!trusted(&street).contains(x.fingerprint()));
    for key in [b, x] {
        let _ = key.stop_agent();
    }
}

#[test]
fn a_list_of_keys_that_is_rolled_back() {
    let Some(street) = fresh() else { return };
    let a = street.yard.signer.clone();
    let (b, c) = (new_key(&street, "b"), new_key(&street, "c"));
    hand_over(&street, &a, &b);
    let first = fs::read(street.store().join("keys.json")).unwrap();
    hand_over(&street, &b, &c);
    import(&host(&street, "first")).unwrap();
    // As long as B was the heir its catalogs were good; they are no more.
    fs::write(street.store().join("keys.json"), first).unwrap();
    show(&street, &b);
    let mut forgetful = host(&street, "victim");
    forgetful.repository.keyring = forgetful
        .repository
        .keyring
        .only(&[a.fingerprint().clone()]);
    let before = memory(&forgetful);
    refused_as(&forgetful, Kind::Trust, "has handed over to");
    assert_eq!(memory(&forgetful), before);
    let x = new_key(&street, "x");
    statement(&street, &a, &x, &[&a, &x]);
    refused_as(&forgetful, Kind::Trust, "somebody replays an old list");
    for key in [b, c, x] {
        let _ = key.stop_agent();
    }
}

#[test]
fn a_statement_that_only_one_of_them_signed() {
    let Some(street) = known() else { return };
    let a = street.yard.signer.clone();
    let (x, y) = (new_key(&street, "x"), new_key(&street, "y"));
    for signers in [&[&a][..], &[&x], &[&a, &y], &[&x, &y]] {
        statement(&street, &a, &x, signers);
        refused_as(
            &host(&street, "victim"),
            Kind::Trust,
            "both have to sign it",
        );
    }
    assert_eq!(trusted(&street), [a.fingerprint().clone()]);
    for key in [x, y] {
        let _ = key.stop_agent();
    }
}

#[test]
fn a_statement_of_strangers() {
    let Some(street) = known() else { return };
    let (x, y) = (new_key(&street, "x"), new_key(&street, "y"));
    statement(&street, &x, &y, &[&x, &y]);
    refused_as(
        &host(&street, "victim"),
        Kind::Trust,
        "is not a trusted key",
    );
    for key in [x, y] {
        let _ = key.stop_agent();
    }
}

#[test]
fn a_statement_for_another_repository() {
    let Some(street) = known() else { return };
    let a = street.yard.signer.clone();
    let x = new_key(&street, "x");
    let mut other = statement(&street, &a, &x, &[&a, &x]);
    other.repository = "another-one".to_owned();
    publish(&street, &other, &x, &[&a, &x]);
    let victim = host(&street, "victim");
    refused_as(&victim, Kind::Trust, "is for repository another-one");
    assert_eq!(names(&street.yard.path("trusted")).len(), 1);
    let _ = x.stop_agent();
}

#[test]
fn a_statement_that_leads_to_another_key_than_the_catalogs() {
    let Some(street) = known() else { return };
    let a = street.yard.signer.clone();
    let (b, x) = (new_key(&street, "b"), new_key(&street, "x"));
    statement(&street, &a, &b, &[&a, &b]);
    let mut keys = street.keyring();
    for key in [&b, &x] {
        keys.extend(Keyring::parse(&key.public_key().unwrap()).unwrap());
    }
    show(&street, &x);
    fs::write(street.store().join("keys.pgp"), keys.to_bytes()).unwrap();
    refused_as(&host(&street, "victim"), Kind::Trust, "is not signed by it");
    for key in [b, x] {
        let _ = key.stop_agent();
    }
}

#[test]
fn a_stolen_key_that_was_revoked_hands_over_to_nobody() {
    let Some(street) = known() else { return };
    let a = street.yard.signer.clone();
    let x = new_key(&street, "x");
    let home = a.home().unwrap();
    let file = format!("openpgp-revocs.d/{}.rev", a.fingerprint());
    let text = fs::read_to_string(home.join(file)).unwrap();
    let revocation = street.yard.path("revocation.asc");
    fs::write(&revocation, text.replace(":-----BEGIN", "-----BEGIN")).unwrap();
    statement(&street, &a, &x, &[&a, &x]);
    gpg(&a, &["--import", revocation.to_str().unwrap()]);
    let mut informed = host(&street, "victim");
    informed.repository.keyring = Keyring::parse(&a.public_key().unwrap()).unwrap();
    refused_as(&informed, Kind::Trust, "was revoked");
    let _ = x.stop_agent();
}

#[test]
fn a_catalog_in_place_of_the_list_of_keys() {
    let Some(street) = known() else { return };
    let x = new_key(&street, "x");
    let sealed = fs::read_to_string(super::fixture::catalog_path(&street)).unwrap();
    show(&street, &x);
    fs::write(street.store().join("keys.json"), format!("[{sealed}]")).unwrap();
    refused(&street, "statement 1 of the list of keys is none");
    fs::write(street.store().join("keys.json"), sealed).unwrap();
    refused(&street, "the list of keys cannot be read");
    let _ = x.stop_agent();
}

#[test]
fn a_publisher_is_kept_from_what_importers_would_refuse() {
    let Some(street) = fresh() else { return };
    let a = street.yard.signer.clone();
    let b = new_key(&street, "b");
    let store = street.yard.store();
    let same = succeed(&store, &a, &a, &signing());
    assert!(matches!(same, Err(SucceedError::Same(_))), "{same:?}");
    hand_over(&street, &a, &b);
    let back = succeed(&store, &b, &a, &signing());
    assert!(matches!(back, Err(SucceedError::Back(_))), "{back:?}");
    let _ = b.stop_agent();
}
