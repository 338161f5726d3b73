//! Chains of keys, good ones and every kind of bad one.

use super::*;
use crate::keyring::forge::{Forge, Signing, day, seal_with};
use sequoia_openpgp::types::ReasonForRevocation;

fn step(number: u64, from: &Forge, to: &Forge) -> Succession {
    Succession {
        repository: "lab".into(),
        number,
        created: day(10),
        from: from.fingerprint(),
        to: to.fingerprint(),
    }
}

fn list(statements: &[(&Succession, &[&Forge])]) -> Successions {
    let mut list = Successions::default();
    for (statement, signers) in statements {
        let payload = serde_json::to_vec(statement).unwrap();
        list.push(&seal_with(
            signers,
            PAYLOAD_TYPE,
            &payload,
            &Signing::on(10),
        ))
        .unwrap();
    }
    Successions::parse(&list.to_bytes()).unwrap()
}

fn keyring(forges: &[&Forge]) -> Keyring {
    let mut keyring = Keyring::default();
    for forge in forges {
        keyring.extend(forge.keyring());
    }
    keyring
}

fn follow(
    list: &Successions,
    from: &Forge,
    all: &[&Forge],
) -> Result<Vec<Verified<Succession>>, SuccessionError> {
    list.follow(&[from.fingerprint()], &keyring(all), day(20))
}

#[test]
fn a_chain_is_followed_from_any_of_its_keys() {
    let (a, b, c) = (Forge::new(), Forge::new(), Forge::new());
    let (first, second) = (step(1, &a, &b), step(2, &b, &c));
    let list = list(&[(&first, &[&a, &b]), (&second, &[&c, &b])]);
    for (from, steps) in [(&a, 2), (&b, 1), (&c, 0)] {
        let followed = follow(&list, from, &[&a, &b, &c]).unwrap();
        assert_eq!(followed.len(), steps);
        assert!(followed.iter().all(|s| s.repository == "lab"));
    }
}

#[test]
fn both_keys_have_to_sign() {
    let (a, b, other) = (Forge::new(), Forge::new(), Forge::new());
    let statement = step(1, &a, &b);
    for (signers, missing) in [
        (&[&a][..], &b),
        (&[&b], &a),
        (&[&a, &other], &b),
        (&[&other], &a),
    ] {
        let list = list(&[(&statement, signers)]);
        match follow(&list, &a, &[&a, &b, &other]) {
            Err(SuccessionError::Unsigned { missing: found, .. }) => {
                assert_eq!(found, missing.fingerprint());
            }
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_stolen_or_expired_key_hands_over_to_nobody_but_a_retired_one_did() {
    let b = Forge::new();
    for (reason, counts) in [
        (ReasonForRevocation::KeyCompromised, false),
        (ReasonForRevocation::Unspecified, false),
        (ReasonForRevocation::KeySuperseded, true),
        (ReasonForRevocation::KeyRetired, true),
    ] {
        let mut a = Forge::new();
        let statement = step(1, &a, &b);
        let list = list(&[(&statement, &[&a, &b])]);
        a.revoke(15, reason);
        assert_eq!(follow(&list, &a, &[&a, &b]).is_ok(), counts, "{reason}");
    }
    let days = |n: u64| std::time::Duration::from_secs(n * crate::keyring::forge::DAY);
    let a = Forge::with(|builder| {
        builder
            .set_primary_key_flags(
                sequoia_openpgp::types::KeyFlags::empty()
                    .set_signing()
                    .set_certification(),
            )
            .set_validity_period(days(15))
    });
    let statement = step(1, &a, &b);
    let list = list(&[(&statement, &[&a, &b])]);
    let result = follow(&list, &a, &[&a, &b]);
    assert!(
        matches!(result, Err(SuccessionError::Expired { .. })),
        "{result:?}"
    );
}

#[test]
fn what_was_followed_only_moves_forward() {
    let (a, b, c, x) = (Forge::new(), Forge::new(), Forge::new(), Forge::new());
    let all = [&a, &b, &c, &x];
    let steps =
        |statements: &[(&Succession, &[&Forge])]| follow(&list(statements), &a, &all).unwrap();
    let (first, second) = (step(1, &a, &b), step(2, &b, &c));
    let whole = steps(&[(&first, &[&a, &b]), (&second, &[&b, &c])]);
    let followed = Followed::default().and(&whole).unwrap();
    assert_eq!(followed.and(&whole).unwrap(), followed, "the same again");
    assert_eq!(followed.heir(&a.fingerprint()), Some(&b.fingerprint()));
    assert_eq!(followed.heir(&c.fingerprint()), None);

    let shorter = followed.and(&steps(&[(&first, &[&a, &b])]));
    assert!(
        matches!(
            shorter,
            Err(SuccessionError::RolledBack {
                seen: 2,
                offered: 1
            })
        ),
        "{shorter:?}"
    );
    let elsewhere = step(3, &a, &x);
    let forked = followed.and(&steps(&[(&elsewhere, &[&a, &x])]));
    assert!(
        matches!(forked, Err(SuccessionError::Forked { .. })),
        "{forked:?}"
    );
}

#[test]
fn lists_that_cannot_be_meant_are_refused() {
    let (a, b, c) = (Forge::new(), Forge::new(), Forge::new());
    let (first, mut second) = (step(2, &a, &b), step(2, &b, &c));
    let same = list(&[(&first, &[&a, &b]), (&second, &[&b, &c])]);
    let result = follow(&same, &a, &[&a, &b, &c]);
    assert!(
        matches!(result, Err(SuccessionError::Order { .. })),
        "{result:?}"
    );
    second.number = 3;
    second.repository = "other".into();
    let mixed = list(&[(&first, &[&a, &b]), (&second, &[&b, &c])]);
    let result = follow(&mixed, &a, &[&a, &b, &c]);
    assert!(
        matches!(result, Err(SuccessionError::OtherRepository { .. })),
        "{result:?}"
    );
    let mut future = step(1, &a, &b);
    future.created = day(30);
    let result = follow(&list(&[(&future, &[&a, &b])]), &a, &[&a, &b]);
    assert!(
        matches!(result, Err(SuccessionError::ClockBefore { .. })),
        "{result:?}"
    );
    let mut many = Successions::default();
    let sealed = seal_with(&[&a], PAYLOAD_TYPE, b"{}", &Signing::on(10));
    for _ in 0..STEPS_MAX {
        many.push(&sealed).unwrap();
    }
    assert!(matches!(
        many.push(&sealed),
        Err(SuccessionError::TooMany(_))
    ));
    assert!(many.unverified().is_err());
}
