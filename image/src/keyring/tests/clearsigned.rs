//! Texts with their signature around them.

use super::super::forge::{Forge, Signing, day};
use super::super::*;
use super::reason;

const TEXT: &str = "Origin: Test\nSuite: stable\n\nDate: today";

fn verify(forge: &Forge, signed: &[u8]) -> Result<String, KeyringError> {
    let verified = forge
        .keyring()
        .verify_clearsigned(signed, Policy::Standard, day(20))?;
    Ok(String::from_utf8(verified.into_inner()).unwrap())
}

fn signed() -> (Forge, String) {
    let forge = Forge::new();
    let signed = forge.clearsign(TEXT, &Signing::on(10).text());
    (forge, signed)
}

#[test]
fn what_is_inside_comes_out_with_a_line_feed_at_the_end() {
    let (forge, signed) = signed();
    assert_eq!(
        verify(&forge, signed.as_bytes()).unwrap(),
        format!("{TEXT}\n")
    );
    let without_last = signed.trim_end();
    assert_eq!(
        verify(&forge, without_last.as_bytes()).unwrap(),
        format!("{TEXT}\n")
    );
}

#[test]
fn line_ends_and_blanks_before_them_are_not_covered_and_not_returned() {
    let (forge, signed) = signed();
    let crlf = signed.replace('\n', "\r\n");
    assert_eq!(
        verify(&forge, crlf.as_bytes()).unwrap(),
        format!("{TEXT}\n")
    );
    let blanks = signed.replace("stable", "stable \t");
    assert_eq!(
        verify(&forge, blanks.as_bytes()).unwrap(),
        format!("{TEXT}\n")
    );
    let vertical = signed.replace("stable", "stable\x0b");
    assert_eq!(
        reason(verify(&forge, vertical.as_bytes())),
        Reason::BadSignature
    );
}

#[test]
fn empty_texts_and_empty_lines_are_kept_apart() {
    let forge = Forge::new();
    for (text, expected) in [("", ""), ("\n", "\n\n"), ("a\n", "a\n\n"), ("a", "a\n")] {
        let signed = forge.clearsign(text, &Signing::on(10).text());
        assert_eq!(
            verify(&forge, signed.as_bytes()).unwrap(),
            expected,
            "{text:?}"
        );
    }
}

#[test]
fn dashes_are_unescaped() {
    let forge = Forge::new();
    let text = "-----BEGIN PGP SIGNATURE-----\n-\n- x\nFrom me";
    let signed = forge.clearsign(text, &Signing::on(10).text());
    let (head, rest) = signed.split_once(text).unwrap();
    let escaped = "- -----BEGIN PGP SIGNATURE-----\n- -\n- - x\n- From me";
    let message = format!("{head}{escaped}{rest}");
    assert_eq!(
        verify(&forge, message.as_bytes()).unwrap(),
        format!("{text}\n")
    );
}

#[test]
fn changed_text_and_other_signatures_do_not_count() {
    let (forge, signed) = signed();
    let changed = signed.replace("stable", "oldstable");
    assert_eq!(
        reason(verify(&forge, changed.as_bytes())),
        Reason::BadSignature
    );
    assert_eq!(
        reason(verify(&Forge::new(), signed.as_bytes())),
        Reason::UnknownKey
    );
    // A signature over bytes says nothing about the text in this form.
    let binary = forge.clearsign(TEXT, &Signing::on(10));
    let result = verify(&forge, binary.as_bytes());
    assert!(matches!(reason(result), Reason::Malformed(_)));
}

#[test]
fn anything_around_or_between_is_refused() {
    let (forge, signed) = signed();
    let begin = "-----BEGIN PGP SIGNED MESSAGE-----\n";
    let with = |old: &str, new: &str| {
        assert!(signed.contains(old), "{old:?}");
        signed.replacen(old, new, 1)
    };
    let no_signature = signed
        .split("-----BEGIN PGP SIGNATURE-----")
        .next()
        .unwrap();
    let cases = [
        ("nothing", String::new()),
        ("no message", "Origin: Test\n".into()),
        ("a line before", format!("Origin: Evil\n{signed}")),
        ("an empty line before", format!("\n{signed}")),
        ("a blank before", format!(" {signed}")),
        ("a line after", format!("{signed}Origin: Evil\n")),
        ("an empty line after", format!("{signed}\n")),
        ("a NUL after", format!("{signed}\0")),
        ("a second message", format!("{signed}{signed}")),
        ("no signature", no_signature.into()),
        ("an unescaped dash", with("Suite", "-Suite")),
        ("an unescaped dash alone", with("Suite", "-\nSuite")),
        ("a message inside", with("Suite", &format!("{begin}Suite"))),
        (
            "a blank after the marker",
            with("SIGNATURE-----\n", "SIGNATURE----- \n"),
        ),
        ("text before the empty line", with("SHA512\n\n", "SHA512\n")),
        ("another header", with("Hash: SHA512", "Origin: Evil")),
        (
            "a header for other escapes",
            with("Hash: SHA512", "NotDashEscaped: yes"),
        ),
        ("a blank empty line", with("SHA512\n\n", "SHA512\n \n")),
        ("a carriage return", with("Suite: ", "Suite:\rEvil: ")),
        ("a NUL", with("Suite: ", "Suite:\0 ")),
        ("no end", with("-----END PGP SIGNATURE-----", "")),
        (
            "no blank",
            with("-----END PGP SIGNATURE-----", "-----END PGP SIGNATURE"),
        ),
        (
            "a block in the block",
            with("-----END", "-----BEGIN PGP SIGNATURE-----\n-----END"),
        ),
    ];
    for (name, text) in cases {
        match verify(&forge, text.as_bytes()) {
            Err(KeyringError::Clearsigned { line, .. }) => assert!(line <= 40, "{name}: {line}"),
            other => panic!("{name}: {other:?}"),
        }
    }
}

#[test]
fn an_empty_line_in_the_middle_cannot_end_the_headers_twice() {
    // "Hash:" in the text is text.
    let forge = Forge::new();
    let text = "Hash: SHA1\n\nOrigin: Test";
    let signed = forge.clearsign(text, &Signing::on(10).text());
    assert_eq!(
        verify(&forge, signed.as_bytes()).unwrap(),
        format!("{text}\n")
    );
}
