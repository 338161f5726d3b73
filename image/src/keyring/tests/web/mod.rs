//! Keys that count because others certify them.

mod certifications;
mod keyrings;

use super::super::forge::{DAY, Forge, Signing, day};
use super::super::*;
use super::reason;
use sequoia_openpgp::types::{ReasonForRevocation, SignatureType};
use std::time::Duration;

const DATA: &[u8] = b"a package";

/// Master keys and a packager whose only key has not been certified.
struct Scene {
    masters: Vec<Forge>,
    full: Forge,
    packager: Forge,
    revoked: String,
}

/// A certification of the given day.
fn certification(number: i64) -> Signing {
    Signing::on(number).kind(SignatureType::GenericCertification)
}

fn revocation(number: i64) -> Signing {
    Signing::on(number).kind(SignatureType::CertificationRevocation)
}

fn too_few(by: usize) -> Reason {
    Reason::NotCertified { by, needed: 3 }
}

impl Scene {
    fn new() -> Self {
        Self::of(Forge::new())
    }

    fn of(packager: Forge) -> Self {
        Self {
            masters: (0..4).map(|_| Forge::new()).collect(),
            full: Forge::new(),
            packager,
            revoked: String::new(),
        }
    }

    /// The first user id of the packager, certified on day 5 by the marginal
    /// masters of these numbers.
    fn certified(mut self, masters: &[usize]) -> Self {
        for &master in masters {
            self.say(master, &certification(5));
        }
        self
    }

    fn say(&mut self, master: usize, how: &Signing) {
        self.packager.certified(0, &self.masters[master], how);
    }

    fn trusted(&self) -> String {
        let marginal = self.masters.iter();
        let mut list: String = marginal
            .map(|m| format!("{}:4:\n", m.fingerprint()))
            .collect();
        list.push_str(&format!("# a note\n\n{}:5:\n", self.full.fingerprint()));
        list
    }

    fn certificates(&self) -> Vec<u8> {
        let masters = self.masters.iter().chain([&self.full, &self.packager]);
        masters.flat_map(Forge::public).collect()
    }

    fn keyring(&self) -> Keyring {
        let (certificates, trusted) = (self.certificates(), self.trusted());
        Keyring::from_web_of_trust(&certificates, &trusted, &self.revoked, Policy::Arch).unwrap()
    }

    /// Why the packager does not count, if so. Data and the list for people
    /// agree.
    fn verdict_at(&self, now: Timestamp) -> Option<Reason> {
        let keyring = self.keyring();
        let signature = self.packager.sign(0, DATA, &Signing::on(6));
        let result = keyring.verify_detached(DATA, &signature, Policy::Arch, now);
        let packager = self.packager.fingerprint();
        let described = keyring.certificates(now);
        let state = described.into_iter().find(|c| c.fingerprint == packager);
        let good = state.unwrap().state == CertificateState::Good;
        assert_eq!(good, result.is_ok(), "{result:?}");
        result.is_err().then(|| reason(result))
    }

    fn verdict(&self) -> Option<Reason> {
        self.verdict_at(day(20))
    }
}

#[test]
fn three_marginal_masters_or_one_full_one_are_needed() {
    assert_eq!(Scene::new().verdict(), Some(too_few(0)));
    assert_eq!(Scene::new().certified(&[0, 1]).verdict(), Some(too_few(2)));
    assert_eq!(Scene::new().certified(&[0, 1, 3]).verdict(), None);
    assert_eq!(Scene::new().certified(&[0, 1, 2, 3]).verdict(), None);
    let mut scene = Scene::new();
    scene.packager.certified(0, &scene.full, &certification(5));
    assert_eq!(scene.verdict(), None);
    let text = too_few(2).to_string();
    assert_eq!(text, "is certified by 2 of the 3 master keys that it takes");
}

#[test]
fn masters_sign_data_themselves() {
    let scene = Scene::new();
    for master in [&scene.masters[0], &scene.full] {
        let signature = master.sign(0, DATA, &Signing::on(6));
        let result = scene
            .keyring()
            .verify_detached(DATA, &signature, Policy::Arch, day(20));
        assert_eq!(*result.unwrap().signer(), master.fingerprint());
    }
}

#[test]
fn a_master_counts_once_however_often_it_certifies() {
    let mut scene = Scene::new().certified(&[0, 1]);
    scene.say(0, &certification(7));
    scene.say(
        0,
        &certification(8).kind(SignatureType::PositiveCertification),
    );
    assert_eq!(scene.verdict(), Some(too_few(2)));
}

#[test]
fn certifications_are_of_one_user_id_and_do_not_add_up_over_several() {
    let mut scene = Scene::of(Forge::with(|b| b.add_userid("Second").add_signing_subkey()));
    for (user_id, master) in [(0, 0), (0, 1), (1, 2), (1, 3)] {
        let by = &scene.masters[master];
        scene.packager.certified(user_id, by, &certification(5));
    }
    let keyring = scene.keyring();
    let signature = scene.packager.sign(1, DATA, &Signing::on(6));
    let verify =
        |keyring: &Keyring| keyring.verify_detached(DATA, &signature, Policy::Arch, day(20));
    assert_eq!(reason(verify(&keyring)), too_few(2));
    let by = &scene.masters[0];
    scene.packager.certified(1, by, &certification(5));
    assert!(verify(&scene.keyring()).is_ok());
}

#[test]
fn a_packager_certifies_nobody() {
    // Three packagers that count, and a fourth whom only they know.
    let mut scene = Scene::new();
    let mut others: Vec<Forge> = (0..3).map(|_| Forge::new()).collect();
    for other in &mut others {
        for master in &scene.masters[..3] {
            other.certified(0, master, &certification(5));
        }
        scene.packager.certified(0, other, &certification(6));
    }
    let mut certificates = scene.certificates();
    certificates.extend(others.iter().flat_map(Forge::public));
    let keyring =
        Keyring::from_web_of_trust(&certificates, &scene.trusted(), "", Policy::Arch).unwrap();
    let verify = |forge: &Forge| {
        let signature = forge.sign(0, DATA, &Signing::on(6));
        keyring.verify_detached(DATA, &signature, Policy::Arch, day(20))
    };
    assert!(verify(&others[0]).is_ok());
    assert_eq!(reason(verify(&scene.packager)), too_few(0));
}

#[test]
fn a_user_id_that_its_owner_revoked_does_not_count() {
    let mut scene = Scene::of(Forge::with(|b| b.add_userid("Second").add_signing_subkey()));
    for master in &scene.masters {
        scene.packager.certified(0, master, &certification(5));
    }
    let signature = scene.packager.sign(1, DATA, &Signing::on(6));
    let verify = |scene: &Scene| {
        let keyring = scene.keyring();
        keyring.verify_detached(DATA, &signature, Policy::Arch, day(20))
    };
    assert!(verify(&scene).is_ok());
    let itself = scene.packager.clone();
    scene.packager.certified(0, &itself, &revocation(10));
    assert_eq!(reason(verify(&scene)), too_few(0));
}

#[test]
fn a_packager_must_be_live_and_not_revoked() {
    let validity = Duration::from_secs(100 * DAY);
    let short = Forge::with(|b| b.set_validity_period(validity).add_signing_subkey());
    let scene = Scene::of(short).certified(&[0, 1, 2]);
    let signature = scene.packager.sign(1, DATA, &Signing::on(6));
    let verify = |number| {
        let keyring = scene.keyring();
        keyring.verify_detached(DATA, &signature, Policy::Arch, day(number))
    };
    assert!(verify(99).is_ok());
    assert_eq!(reason(verify(100)), Reason::KeyExpired(Some(day(100))));

    let mut scene = Scene::new().certified(&[0, 1, 2]);
    scene.packager.revoke(10, ReasonForRevocation::KeyRetired);
    assert_eq!(scene.verdict(), Some(Reason::KeyRevoked));
}

#[test]
fn a_key_that_is_listed_as_revoked_does_not_count_nor_certify() {
    let mut scene = Scene::new().certified(&[0, 1, 2]);
    scene.revoked = format!("{}\n", scene.packager.fingerprint());
    assert_eq!(scene.verdict(), Some(Reason::ListedAsRevoked));
    scene.revoked = format!("{}\n", scene.masters[0].fingerprint());
    assert_eq!(scene.verdict(), Some(too_few(2)));
}

#[test]
fn a_master_that_is_revoked_or_expired_certifies_nothing() {
    let mut scene = Scene::new().certified(&[0, 1, 2]);
    scene.masters[1].revoke(10, ReasonForRevocation::KeySuperseded);
    assert_eq!(scene.verdict(), Some(too_few(2)));

    let mut scene = Scene::new();
    let validity = Duration::from_secs(100 * DAY);
    scene.masters[1] = Forge::with(|b| b.set_validity_period(validity));
    let scene = scene.certified(&[0, 1, 2]);
    assert_eq!(scene.verdict_at(day(99)), None);
    assert_eq!(scene.verdict_at(day(100)), Some(too_few(2)));
}

#[test]
fn strangers_and_changed_data_are_refused() {
    let scene = Scene::new().certified(&[0, 1, 2]);
    let keyring = scene.keyring();
    let signature = Forge::new().sign(0, DATA, &Signing::on(6));
    let result = keyring.verify_detached(DATA, &signature, Policy::Arch, day(20));
    assert_eq!(reason(result), Reason::UnknownKey);
    let signature = scene.packager.sign(0, DATA, &Signing::on(6));
    let result = keyring.verify_detached(b"evil", &signature, Policy::Arch, day(20));
    assert_eq!(reason(result), Reason::BadSignature);
}
