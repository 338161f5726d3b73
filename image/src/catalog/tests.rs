//! Which catalogs are used, what is found in them, and what is remembered.

use super::*;
use crate::keyring::Reason;
use crate::keyring::forge::{Forge, Signing, day, seal_with};

/// A catalog made on day 10 and good until day 40.
fn catalog(keys: &[&Forge]) -> Catalog {
    let listing = |versions: &[(&str, i64)]| Listing {
        channels: [(Channel::latest(), versions[0].0.parse().unwrap())].into(),
        versions: versions
            .iter()
            .map(|(version, published)| {
                let reference = ManifestReference {
                    sha256: Sha256::of(version.as_bytes()),
                    size: 1000,
                    published: day(*published),
                };
                (version.parse().unwrap(), reference)
            })
            .collect(),
    };
    let debian = [
        (
            Architecture::Amd64,
            listing(&[("20260109.b", 9), ("20260108.a", 8)]),
        ),
        (Architecture::Arm64, listing(&[("20260107.c", 7)])),
    ];
    let images = [
        ("debian".parse().unwrap(), debian.into()),
        (
            "debian-sshd".parse().unwrap(),
            [(Architecture::Amd64, listing(&[("1", 1)]))].into(),
        ),
    ];
    Catalog {
        repository: "7d0c1f6e-8b1e-4c58-9b8e-0f3f6b3c2a11".into(),
        version: 7,
        created: day(10),
        expires: day(40),
        keys: keys.iter().map(|k| k.fingerprint()).collect(),
        images: images.into(),
    }
}

fn sealed(signers: &[&Forge], catalog: &Catalog) -> Vec<u8> {
    let payload = serde_json::to_vec_pretty(catalog).unwrap();
    seal_with(signers, PAYLOAD_TYPE, &payload, &Signing::on(10))
}

fn open(bytes: &[u8], trusted: &Forge, number: i64) -> Result<Verified<Catalog>, CatalogError> {
    Catalog::open(bytes, &trusted.keyring(), day(number), Stale::Refuse)
}

#[test]
fn a_good_catalog_opens() {
    let forge = Forge::new();
    let expected = catalog(&[&forge]);
    let opened = open(&sealed(&[&forge], &expected), &forge, 20).unwrap();
    assert_eq!(*opened, expected);
    assert_eq!(*opened.signer(), forge.fingerprint());
}

#[test]
fn unknown_signers_changes_and_other_documents_are_refused() {
    let (forge, other) = (Forge::new(), Forge::new());
    let bytes = sealed(&[&forge], &catalog(&[&forge]));
    let untrusted = |bytes: &[u8], trusted: &Forge| match open(bytes, trusted, 20) {
        Err(CatalogError::Untrusted(error)) => error,
        other => panic!("{other:?}"),
    };
    match untrusted(&bytes, &other) {
        KeyringError::Untrusted(rejected) => assert_eq!(rejected[0].reason, Reason::UnknownKey),
        other => panic!("{other:?}"),
    }
    let payload = serde_json::to_vec(&catalog(&[&forge])).unwrap();
    let list = forge.seal("application/vnd.hatchery.keys", &payload, &Signing::on(10));
    assert!(matches!(
        untrusted(&list, &forge),
        KeyringError::Envelope(_)
    ));
    untrusted(b"{}", &forge);
    untrusted(&bytes[..bytes.len() / 2], &forge);
    let not_a_catalog = forge.seal(PAYLOAD_TYPE, b"{}", &Signing::on(10));
    let result = open(&not_a_catalog, &forge, 20);
    assert!(matches!(result, Err(CatalogError::Json(_))), "{result:?}");
}

#[test]
fn only_keys_that_the_catalog_lists_may_sign_it() {
    let (listed, trusted) = (Forge::new(), Forge::new());
    let catalog = catalog(&[&listed]);
    let result = open(&sealed(&[&trusted], &catalog), &trusted, 20);
    assert!(
        matches!(result, Err(CatalogError::SignerNotListed { .. })),
        "{result:?}"
    );
    // Of several signatures one by a listed and trusted key suffices.
    let mut both = listed.keyring();
    both.extend(trusted.keyring());
    for signers in [[&trusted, &listed], [&listed, &trusted]] {
        let bytes = sealed(&signers, &catalog);
        let opened = Catalog::open(&bytes, &both, day(20), Stale::Refuse).unwrap();
        assert_eq!(*opened.signer(), listed.fingerprint());
    }
}

#[test]
fn an_expired_catalog_is_refused_unless_the_site_accepts_it() {
    let forge = Forge::new();
    let bytes = sealed(&[&forge], &catalog(&[&forge]));
    assert!(open(&bytes, &forge, 39).is_ok());
    match open(&bytes, &forge, 40) {
        Err(CatalogError::Expired { expires, now }) => {
            assert_eq!((expires, now), (day(40), day(40)));
        }
        other => panic!("{other:?}"),
    }
    let accepted = Catalog::open(&bytes, &forge.keyring(), day(400), Stale::Accept);
    assert!(accepted.is_ok(), "{accepted:?}");
}

#[test]
fn a_clock_before_the_catalog_is_its_own_error() {
    let forge = Forge::new();
    let bytes = sealed(&[&forge], &catalog(&[&forge]));
    let signed_later = sealed(
        &[&forge],
        &Catalog {
            created: day(30),
            ..catalog(&[&forge])
        },
    );
    for (bytes, stale) in [
        (&bytes, Stale::Refuse),
        (&bytes, Stale::Accept),
        (&signed_later, Stale::Refuse),
    ] {
        match Catalog::open(bytes, &forge.keyring(), day(9), stale) {
            Err(CatalogError::ClockBefore { now, .. }) => assert_eq!(now, day(9)),
            other => panic!("{other:?}"),
        }
    }
    let result = open(&signed_later, &forge, 20);
    assert!(
        matches!(result, Err(CatalogError::ClockBefore { created, .. }) if created == day(30)),
        "{result:?}"
    );
}

#[test]
fn values_that_cannot_be_meant_are_refused() {
    let forge = Forge::new();
    let never = Catalog {
        expires: day(10),
        ..catalog(&[&forge])
    };
    let result = open(&sealed(&[&forge], &never), &forge, 20);
    assert!(
        matches!(result, Err(CatalogError::NeverGood { .. })),
        "{result:?}"
    );
    for id in ["", "..", "../../etc/passwd", "a/b", "a b", &"x".repeat(65)] {
        let bad = Catalog {
            repository: id.into(),
            ..catalog(&[&forge])
        };
        let result = open(&sealed(&[&forge], &bad), &forge, 20);
        assert!(matches!(result, Err(CatalogError::Repository(_))), "{id:?}");
    }
}

fn find(name: &str, architecture: Architecture, selector: Selector) -> Result<String, String> {
    let catalog = catalog(&[]);
    let found = catalog.resolve(&name.parse().unwrap(), architecture, &selector);
    found
        .map(|f| f.version.to_string())
        .map_err(|e| e.to_string())
}

#[test]
fn images_are_found_by_channel_and_version() {
    let amd64 = Architecture::Amd64;
    let version = |text: &str| Selector::Version(text.parse().unwrap());
    assert_eq!(
        find("debian", amd64, Selector::default()).unwrap(),
        "20260109.b"
    );
    assert_eq!(
        find("debian", amd64, version("20260108.a")).unwrap(),
        "20260108.a"
    );
    let arm64 = Architecture::Arm64;
    assert_eq!(
        find("debian", arm64, Selector::default()).unwrap(),
        "20260107.c"
    );
}

#[test]
fn what_is_not_there_is_answered_with_what_is() {
    let amd64 = Architecture::Amd64;
    let latest = Selector::default;
    for (name, architecture, selector, expected) in [
        (
            "debain",
            amd64,
            latest(),
            "no image debain; did you mean debian?",
        ),
        (
            "arch",
            amd64,
            latest(),
            "no image arch; there are debian, debian-sshd",
        ),
        (
            "debian",
            Architecture::S390x,
            latest(),
            "debian for amd64, arm64, not for s390x",
        ),
        (
            "debian",
            amd64,
            Selector::Version("2".parse().unwrap()),
            "no version 2 of debian; the newest are 20260109.b, 20260108.a",
        ),
        (
            "debian",
            amd64,
            Selector::Channel("testing".parse().unwrap()),
            "no channel testing of debian; there are latest",
        ),
    ] {
        let error = find(name, architecture, selector).unwrap_err();
        assert!(error.contains(expected), "{expected:?} is not in {error:?}");
    }
    assert!(
        find("x", amd64, latest())
            .unwrap_err()
            .contains("there are")
    );
    let empty = Catalog {
        images: BTreeMap::new(),
        ..catalog(&[])
    };
    let error = empty.resolve(&"x".parse().unwrap(), amd64, &latest());
    assert!(error.unwrap_err().to_string().ends_with("; it has none"));
}

#[test]
fn a_channel_that_points_nowhere_says_so() {
    let mut catalog = catalog(&[]);
    let name: ImageName = "debian-sshd".parse().unwrap();
    let listing = catalog.images.get_mut(&name).unwrap();
    listing
        .get_mut(&Architecture::Amd64)
        .unwrap()
        .versions
        .clear();
    let error = catalog.resolve(&name, Architecture::Amd64, &Selector::default());
    assert!(
        matches!(error, Err(LookupError::Dangling { .. })),
        "{error:?}"
    );
}

#[test]
fn what_was_seen_only_moves_forward() {
    let forge = Forge::new();
    let with = |change: fn(&mut Catalog)| {
        let mut changed = catalog(&[&forge]);
        change(&mut changed);
        let bytes = sealed(&[&forge], &changed);
        (open(&bytes, &forge, 35).unwrap(), Sha256::of(&bytes))
    };
    let (first, digest) = with(|_| {});
    let seen = Seen::first(&first, digest);
    let text = serde_json::to_string(&seen).unwrap();
    assert_eq!(serde_json::from_str::<Seen>(&text).unwrap(), seen);
    assert_eq!(seen.check(&first, digest).unwrap(), seen, "the same again");

    let (newer, digest) = with(|c| {
        c.version = 9;
        c.created = day(20);
    });
    let after = seen.check(&newer, digest).unwrap();
    assert_eq!(
        (after.version, after.created, after.sha256),
        (9, day(20), digest)
    );

    let refused = |change: fn(&mut Catalog)| {
        let (catalog, digest) = with(change);
        after.check(&catalog, digest).unwrap_err()
    };
    let older = refused(|c| c.version = 8);
    assert_eq!(
        older,
        SeenError::Older {
            seen: 9,
            offered: 8
        }
    );
    let forked = refused(|c| {
        c.version = 9;
        c.created = day(21);
    });
    assert!(
        matches!(forked, SeenError::Forked { version: 9, .. }),
        "{forked}"
    );
    let before = refused(|c| {
        c.version = 10;
        c.created = day(19);
    });
    assert!(matches!(before, SeenError::MadeBefore { .. }), "{before}");
    let other = refused(|c| {
        c.version = 10;
        c.repository = "other".into();
    });
    assert!(
        matches!(other, SeenError::OtherRepository { .. }),
        "{other}"
    );
}

proptest::proptest! {
    /// Whoever holds the key can sign anything; it must still be no panic.
    #[test]
    fn a_signed_mistake_is_no_panic(
        at in proptest::prelude::any::<proptest::sample::Index>(),
        byte in proptest::prelude::any::<u8>(),
    ) {
        static FORGE: std::sync::LazyLock<Forge> = std::sync::LazyLock::new(Forge::new);
        let mut payload = serde_json::to_vec(&catalog(&[&FORGE])).unwrap();
        let at = at.index(payload.len());
        payload[at] = byte;
        let bytes = seal_with(&[&FORGE], PAYLOAD_TYPE, &payload, &Signing::on(10));
        if let Ok(catalog) = open(&bytes, &FORGE, 20) {
            let name = "debian".parse().unwrap();
            let _ = catalog.resolve(&name, Architecture::Amd64, &Selector::default());
            let seen = Seen::first(&catalog, Sha256::of(&bytes));
            proptest::prop_assert!(seen.check(&catalog, Sha256::of(&bytes)).is_ok());
        }
    }
}

#[test]
fn no_key_stands_twice() {
    let forge = Forge::new();
    let text = serde_json::to_string(&catalog(&[&forge])).unwrap();
    for (first, again) in [
        ("{", "{\"version\":1,"),
        ("\"images\":{", "\"images\":{\"debian\":{},"),
        ("\"channels\":{", "\"channels\":{\"latest\":\"1\","),
    ] {
        let twice = text.replacen(first, again, 1);
        let bytes = seal_with(&[&forge], PAYLOAD_TYPE, twice.as_bytes(), &Signing::on(10));
        let result = open(&bytes, &forge, 20);
        assert!(matches!(result, Err(CatalogError::Json(_))), "{result:?}");
    }
}
