//! The signed catalog: the envelope with its signature verified, and the
//! payload by itself. Nothing but the payload that was signed is ever taken.

#![no_main]

use hatchery_image::Keyring;
use hatchery_image::catalog::{Catalog, Stale};
use hatchery_image::envelope::Envelope;
use libfuzzer_sys::fuzz_target;
use std::sync::LazyLock;

/// A catalog that was really signed, and the key.
const SIGNED: &[u8] = include_bytes!("../seeds/catalog/signed");
const KEY: &[u8] = include_bytes!("../key.pgp");

static KEYRING: LazyLock<Keyring> = LazyLock::new(|| Keyring::parse(KEY).expect("a key"));
static GENUINE: LazyLock<Catalog> = LazyLock::new(|| open(SIGNED).expect("it is genuine"));

fuzz_target!(|bytes: &[u8]| {
    if let Some(catalog) = open(bytes) {
        assert_eq!(catalog, *GENUINE, "another payload than the signed one");
    }
    if let Ok(envelope) = serde_json::from_slice::<Envelope>(bytes) {
        let again = serde_json::to_vec(&envelope).expect("it is plain JSON");
        let again: Envelope = serde_json::from_slice(&again).expect("it was written");
        assert_eq!(again.payload, envelope.payload);
    }
    if let Ok(catalog) = serde_json::from_slice::<Catalog>(bytes) {
        let again = serde_json::to_vec(&catalog).expect("it is plain JSON");
        assert_eq!(
            serde_json::from_slice::<Catalog>(&again).ok(),
            Some(catalog)
        );
    }
});

fn open(bytes: &[u8]) -> Option<Catalog> {
    let now = GENUINE_AT.parse().expect("a time");
    let opened = Catalog::open(bytes, &KEYRING, now, Stale::Accept).ok()?;
    Some(opened.into_inner())
}

/// Some minutes after it was signed.
const GENUINE_AT: &str = include_str!("../signed-at");
