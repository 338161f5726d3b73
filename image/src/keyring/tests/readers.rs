//! Data that is too long to be held.

use super::super::forge::{Forge, Signing, day};
use super::super::*;
use super::reason;
use crate::Sha256;
use sequoia_openpgp::types::HashAlgorithm;
use std::io::{self, Read};

/// More than one buffer and no multiple of it.
fn data() -> Vec<u8> {
    (0..700_001_u32).map(|i| (i % 251) as u8).collect()
}

fn verify(
    keyring: &Keyring,
    data: &mut dyn Read,
    signature: &[u8],
) -> Result<Verified<Sha256>, KeyringError> {
    keyring.verify_reader(data, signature, Policy::Standard, day(20))
}

/// Yields a few bytes at a time, is interrupted now and then, and may fail.
struct Halting<'a> {
    data: &'a [u8],
    reads: usize,
    fails_at_end: bool,
}

impl Read for Halting<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.reads += 1;
        if self.reads.is_multiple_of(3) {
            return Err(io::ErrorKind::Interrupted.into());
        }
        if self.data.is_empty() && self.fails_at_end {
            return Err(io::Error::other("the disk is gone"));
        }
        let length = buffer.len().min(4097);
        self.data.read(&mut buffer[..length])
    }
}

#[test]
fn a_reader_is_judged_as_bytes_are() {
    let data = data();
    for forge in [Forge::new(), Forge::version_6()] {
        let signature = forge.sign(0, &data, &Signing::on(10));
        let keyring = forge.keyring();
        let bytes = keyring
            .verify_detached(&data, &signature, Policy::Standard, day(20))
            .unwrap();
        for reader in [
            &mut data.as_slice() as &mut dyn Read,
            &mut Halting {
                data: &data,
                reads: 0,
                fails_at_end: false,
            },
        ] {
            let verified = verify(&keyring, reader, &signature).unwrap();
            assert_eq!(*verified, Sha256::of(&data));
            assert_eq!(verified.signer(), bytes.signer());
            assert_eq!(verified.signed_at(), bytes.signed_at());
        }
    }
}

#[test]
fn several_signatures_are_judged_in_one_pass() {
    let data = data();
    let (ours, theirs) = (Forge::new(), Forge::new());
    let mut keyring = ours.keyring();
    keyring.extend(theirs.keyring());
    let signatures = [
        Forge::new().sign(0, &data, &Signing::on(10)),
        theirs.sign(0, b"else", &Signing::on(10)),
        ours.sign(0, &data, &Signing::on(10).hash(HashAlgorithm::SHA256)),
    ];
    let all = signatures.concat();
    let verified = verify(&keyring, &mut data.as_slice(), &all).unwrap();
    assert_eq!(*verified.signer(), ours.fingerprint());
    let bad = verify(&keyring, &mut data.as_slice(), &signatures[..2].concat());
    match bad {
        Err(KeyringError::Untrusted(rejected)) => {
            let reasons: Vec<_> = rejected.into_iter().map(|r| r.reason).collect();
            assert_eq!(reasons, [Reason::UnknownKey, Reason::BadSignature]);
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn less_more_or_other_data_does_not_match() {
    let data = data();
    let forge = Forge::new();
    let signature = forge.sign(0, &data, &Signing::on(10));
    let keyring = forge.keyring();
    let mut changed = data.clone();
    changed[500_000] ^= 1;
    for other in [
        &data[..data.len() - 1],
        &[],
        &[&data[..], b"x"].concat(),
        &changed,
    ] {
        let result = verify(&keyring, &mut &*other, &signature);
        assert_eq!(reason(result), Reason::BadSignature);
    }
}

#[test]
fn a_reader_that_fails_is_no_verdict() {
    let data = data();
    let forge = Forge::new();
    let signature = forge.sign(0, &data, &Signing::on(10));
    let mut reader = Halting {
        data: &data,
        reads: 0,
        fails_at_end: true,
    };
    match verify(&forge.keyring(), &mut reader, &signature) {
        Err(KeyringError::Data(error)) => assert_eq!(error.to_string(), "the disk is gone"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_cannot_count_is_not_read() {
    let forge = Forge::new();
    let weak = Signing::on(10).hash(HashAlgorithm::SHA1);
    let unknown = Forge::new().sign(0, b"", &Signing::on(10));
    for signature in [unknown, forge.sign(0, b"", &weak)] {
        let mut reader = Halting {
            data: &[],
            reads: 0,
            fails_at_end: true,
        };
        let result = verify(&forge.keyring(), &mut reader, &signature);
        assert!(matches!(result, Err(KeyringError::Untrusted(_))));
        assert_eq!(reader.reads, 0);
    }
}
