//! Bytes that somebody made up: no panic, no bomb, and never a good signature
//! over something else than was signed.

use super::super::forge::{Forge, Signing, day};
use super::super::*;
use proptest::prelude::*;
use sequoia_openpgp::serialize::stream::{Compressor, LiteralWriter, Message};
use sequoia_openpgp::types::CompressionAlgorithm;
use std::io::Write as _;
use std::sync::LazyLock;

const TEXT: &str = "Origin: Test\nSuite: stable\nDate: today";

static FORGE: LazyLock<Forge> = LazyLock::new(Forge::new);
static KEYRING: LazyLock<Keyring> = LazyLock::new(|| FORGE.keyring());
static SIGNED: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let how = Signing::on(10).text();
    FORGE.clearsign(TEXT, &how).into_bytes()
});
static DETACHED: LazyLock<Vec<u8>> =
    LazyLock::new(|| FORGE.sign(0, TEXT.as_bytes(), &Signing::on(10)));
static SEALED: LazyLock<Vec<u8>> =
    LazyLock::new(|| FORGE.seal("type", TEXT.as_bytes(), &Signing::on(10)));

fn detached(signature: &[u8]) -> Result<Verified<&'static str>, KeyringError> {
    KEYRING.verify_detached(TEXT, signature, Policy::Standard, day(20))
}

#[test]
fn other_packets_are_refused_and_never_decompressed() {
    for zipped in [false, true] {
        let mut bytes = Vec::new();
        let mut message = Message::new(&mut bytes);
        if zipped {
            let zip = CompressionAlgorithm::Zip;
            message = Compressor::new(message).algo(zip).build().unwrap();
        }
        let mut literal = LiteralWriter::new(message).build().unwrap();
        literal.write_all(&vec![0; 1 << 20]).unwrap();
        literal.finalize().unwrap();
        // The bomb is small enough to be read at all.
        let bytes = &bytes[..bytes.len().min(SIGNATURE_MAX / 2)];
        for bytes in [bytes.to_vec(), [&DETACHED, bytes].concat()] {
            let result = detached(&bytes);
            assert!(
                matches!(result, Err(KeyringError::MalformedSignature(_))),
                "{result:?}"
            );
        }
    }
}

#[test]
fn lengths_and_counts_have_limits() {
    let result = detached(&vec![0x88; SIGNATURE_MAX + 1]);
    assert!(
        matches!(result, Err(KeyringError::SignatureTooLarge)),
        "{result:?}"
    );
    let other = Forge::new().sign(0, b"", &Signing::on(10));
    let result = detached(&other.repeat(SIGNATURES_MAX + 1));
    assert!(
        matches!(result, Err(KeyringError::SignatureTooLarge)),
        "{result:?}"
    );
    let most = [other.repeat(SIGNATURES_MAX - 1), DETACHED.clone()].concat();
    assert!(detached(&most).is_ok());
    assert!(matches!(detached(b""), Err(KeyringError::NoSignature)));
}

#[test]
fn clocks_of_any_century_are_no_panic() {
    for now in [Timestamp::MIN, Timestamp::UNIX_EPOCH, Timestamp::MAX] {
        let result = KEYRING.verify_detached(TEXT, &DETACHED, Policy::Standard, now);
        // A key that never expires is good in the year 9999 too.
        assert_eq!(result.is_ok(), now == Timestamp::MAX, "{now}: {result:?}");
        assert_eq!(KEYRING.certificates(now).len(), 1);
    }
}

fn mutated(original: &'static [u8]) -> impl Strategy<Value = Vec<u8>> {
    let edit = (any::<prop::sample::Index>(), any::<u8>(), 0..3u8);
    prop::collection::vec(edit, 1..4).prop_map(move |edits| {
        let mut bytes = original.to_vec();
        for (at, byte, kind) in edits {
            let at = at.index(bytes.len());
            match kind {
                0 => bytes[at] = byte,
                1 => bytes.insert(at, byte),
                _ if bytes.len() > 1 => drop(bytes.remove(at)),
                _ => {}
            }
        }
        bytes
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn random_bytes_are_never_good(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        prop_assert!(detached(&bytes).is_err());
        prop_assert!(KEYRING.verify_clearsigned(&bytes, Policy::Standard, day(20)).is_err());
        prop_assert!(KEYRING.verify_envelope(&bytes, "type", day(20)).is_err());
        let _ = Keyring::parse(&bytes);
    }

    #[test]
    fn a_damaged_key_file_is_no_panic(
        bytes in any::<bool>().prop_flat_map(|armored| {
            static BINARY: LazyLock<Vec<u8>> = LazyLock::new(|| FORGE.public());
            static ARMORED: LazyLock<Vec<u8>> = LazyLock::new(|| FORGE.public_armored());
            mutated(if armored { &ARMORED } else { &BINARY })
        })
    ) {
        if let Ok(keyring) = Keyring::parse(&bytes) {
            let _ = keyring.certificates(day(20));
            let _ = keyring.verify_detached(TEXT, &DETACHED, Policy::Standard, day(20));
        }
    }

    #[test]
    fn a_damaged_clearsigned_text_is_refused_or_still_the_same(bytes in mutated(&SIGNED)) {
        if let Ok(verified) = KEYRING.verify_clearsigned(&bytes, Policy::Standard, day(20)) {
            prop_assert_eq!(verified.into_inner(), format!("{TEXT}\n").into_bytes());
        }
    }

    #[test]
    fn a_damaged_envelope_is_refused_or_still_the_same(bytes in mutated(&SEALED)) {
        if let Ok(verified) = KEYRING.verify_envelope(&bytes, "type", day(20)) {
            prop_assert_eq!(verified.into_inner(), TEXT.as_bytes());
        }
    }

    #[test]
    fn a_damaged_signature_is_no_panic(bytes in mutated(&DETACHED)) {
        if let Ok(verified) = detached(&bytes) {
            prop_assert_eq!(verified.signed_at(), day(10));
        }
    }
}
