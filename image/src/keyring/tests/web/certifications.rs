//! Which certifications count, and until when.

use super::*;
use sequoia_openpgp::packet::signature::SignatureBuilder;

#[test]
fn a_certification_can_be_revoked_and_given_again() {
    let mut scene = Scene::new().certified(&[0, 1, 2]);
    scene.say(2, &revocation(7));
    assert_eq!(scene.verdict(), Some(too_few(2)));
    // In the order in which they were made, not in that of the file.
    scene.say(2, &certification(6));
    assert_eq!(scene.verdict(), Some(too_few(2)));
    scene.say(2, &certification(8));
    assert_eq!(scene.verdict(), None);
    // In the same second the revocation counts, and one of the future too.
    scene.say(2, &revocation(8));
    assert_eq!(scene.verdict(), Some(too_few(2)));
    let mut scene = Scene::new().certified(&[0, 1, 2]);
    scene.say(2, &revocation(400));
    assert_eq!(scene.verdict(), Some(too_few(2)));
}

#[test]
fn a_revocation_by_somebody_else_means_nothing() {
    let mut scene = Scene::new().certified(&[0, 1, 2]);
    scene.packager.certified(0, &Forge::new(), &revocation(7));
    scene.say(3, &revocation(7));
    assert_eq!(scene.verdict(), None);
}

#[test]
fn a_certification_expires_and_an_older_one_does_not_return() {
    let mut scene = Scene::new().certified(&[0, 1, 2]);
    scene.say(2, &certification(6).valid_for(10));
    assert_eq!(scene.verdict_at(day(15)), None);
    assert_eq!(scene.verdict_at(day(16)), Some(too_few(2)));
    // One of the future is not made yet.
    let mut scene = Scene::new().certified(&[0, 1]);
    scene.say(2, &certification(30));
    assert_eq!(scene.verdict_at(day(20)), Some(too_few(2)));
    assert_eq!(scene.verdict_at(day(30)), None);
}

#[test]
fn one_keyring_answers_for_several_times() {
    let mut scene = Scene::new().certified(&[0, 1]);
    scene.say(2, &certification(6).valid_for(10));
    let keyring = scene.keyring();
    let signature = scene.packager.sign(0, DATA, &Signing::on(6));
    for (number, good) in [(15, true), (16, false), (14, true)] {
        let result = keyring.verify_detached(DATA, &signature, Policy::Arch, day(number));
        assert_eq!(result.is_ok(), good, "{number}");
    }
}

#[test]
fn unchecked_and_unexportable_certifications_do_not_count() {
    let mut scene = Scene::new().certified(&[0, 1]);
    scene.say(
        2,
        &certification(5).kind(SignatureType::PersonaCertification),
    );
    assert_eq!(scene.verdict(), Some(too_few(2)));
    scene.say(
        2,
        &certification(5).kind(SignatureType::CasualCertification),
    );
    assert_eq!(scene.verdict(), None);

    let mut scene = Scene::new().certified(&[0, 1]);
    let local = |b: SignatureBuilder| b.set_exportable_certification(false).unwrap();
    let master = &scene.masters[2];
    scene
        .packager
        .certified_with(0, master, &certification(5), local);
    assert_eq!(scene.verdict(), Some(too_few(2)));
}

#[test]
fn what_a_master_says_of_another_key_does_not_count() {
    let mut scene = Scene::new().certified(&[0, 1]);
    let mut other = Forge::new();
    other.certified(0, &scene.masters[2], &certification(5));
    let stolen = other.cert.userids().next().unwrap();
    let stolen = stolen.certifications().next().unwrap().clone();
    scene.packager.insert(0, stolen);
    assert_eq!(scene.verdict(), Some(too_few(2)));
}
