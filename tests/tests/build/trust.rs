//! Release files and indexes that must not be believed.

use super::fixture::{NEEDS, Workshop, build, days, now, refused, says};
use hatchery_builder::recipe::Key;
use hatchery_tests::repository::Dates;
use hatchery_tests::require;
use hatchery_transfer::Location;
use jiff::ToSpan as _;
use std::fs;

#[test]
fn a_release_file_by_a_key_that_is_not_trusted() {
    if !require(&NEEDS) {
        return;
    }
    let workshop = Workshop::new();
    let other = workshop.other_key();
    let mut request = workshop.request("");
    request.recipe.repositories[0].key = Some(Key {
        name: "other.pgp".to_owned(),
        content: other.public_key().unwrap().into(),
    });
    let _ = other.stop_agent();
    let error = refused(&request);
    says(
        &error,
        &[
            "cannot use the repository small",
            "no mirror has a release file that can be used",
            "dists/small/InRelease: ",
            "is not a trusted key",
        ],
    );
    // Neither does Debian's own key count for it.
    request.recipe.repositories[0].key = None;
    says(&refused(&request), &["is not a trusted key"]);
}

#[test]
fn a_release_file_that_was_changed_after_it_was_signed() {
    if !require(&NEEDS) {
        return;
    }
    let workshop = Workshop::new();
    let path = workshop.repository.in_release();
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.replace("Origin: test", "Origin: fest")).unwrap();
    says(&workshop.refused(""), &["InRelease: ", "does not match"]);
}

#[test]
fn a_release_file_without_a_signature() {
    if !require(&NEEDS) {
        return;
    }
    let workshop = Workshop::new();
    let path = workshop.repository.in_release();
    let text = fs::read_to_string(&path).unwrap();
    fs::copy(workshop.repository.release(), &path).unwrap();
    let error = workshop.refused("");
    says(
        &error,
        &["InRelease: ", "it does not start a signed message"],
    );

    let (signed, _) = text.split_once("-----BEGIN PGP SIGNATURE").unwrap();
    fs::write(&path, signed).unwrap();
    let error = workshop.refused("");
    says(&error, &["InRelease: ", "the signature is missing"]);

    // The unsigned file beside it is never asked for.
    fs::remove_file(&path).unwrap();
    says(&workshop.refused(""), &["InRelease: ", "No such file"]);
}

#[test]
fn a_text_around_what_was_signed() {
    if !require(&NEEDS) {
        return;
    }
    let workshop = Workshop::new();
    let path = workshop.repository.in_release();
    let text = fs::read_to_string(&path).unwrap();
    let own = "Suite: small\nDate: Sat, 21 Nov 2026 09:15:44 UTC\nSHA256:\n\n";
    for around in [
        format!("{own}{text}"),
        format!("{text}{own}"),
        format!("\n{text}"),
        format!("{text}{text}"),
    ] {
        fs::write(&path, around).unwrap();
        let error = workshop.refused("");
        says(&error, &["not one clearsigned text and nothing else"]);
    }
}

#[test]
fn a_release_file_that_has_expired_unless_that_is_accepted() {
    if !require(&NEEDS) {
        return;
    }
    let workshop = Workshop::new();
    workshop.repository.publish(Dates {
        made: days(-30),
        until: Some(days(-20)),
    });
    let error = workshop.refused("");
    says(
        &error,
        &[
            "the release file expired at",
            "`accept_expired = true` in the recipe",
        ],
    );
    workshop.builds("accept_expired = true");
    let mut request = workshop.request("");
    request.accept_expired = true;
    build(&request).unwrap_or_else(|e| panic!("{e}"));
}

#[test]
fn a_release_file_of_tomorrow() {
    if !require(&NEEDS) {
        return;
    }
    let workshop = Workshop::new();
    workshop.repository.publish(Dates {
        made: days(1),
        until: None,
    });
    let error = workshop.refused("accept_expired = true");
    says(&error, &["the release file is dated", "set the clock"]);
    // A clock that is behind is told by the signature before that.
    workshop.publish();
    let mut request = workshop.request("");
    request.now = now().checked_sub(48.hours()).unwrap();
    says(&refused(&request), &["the clock is before the signature"]);
}

#[test]
fn the_release_file_of_another_suite() {
    if !require(&NEEDS) {
        return;
    }
    let workshop = Workshop::new();
    let dists = workshop.repository.folder().join("dists");
    std::os::unix::fs::symlink("small", dists.join("stable")).unwrap();
    let mut request = workshop.request("");
    request.recipe.repositories[0].suite = "stable".parse().unwrap();
    let error = refused(&request);
    says(
        &error,
        &["the release file is that of small", "not of stable"],
    );
}

#[test]
fn an_index_that_is_not_the_signed_one() {
    if !require(&NEEDS) {
        return;
    }
    let workshop = Workshop::new();
    let path = workshop.repository.index();
    let good = fs::read(&path).unwrap();
    let mut bad = good.clone();
    let middle = bad.len() / 2;
    bad[middle] ^= 1;
    fs::write(&path, &bad).unwrap();
    let error = workshop.refused("");
    says(
        &error,
        &[
            "cannot fetch the index of packages",
            "Packages.gz: its SHA-256 is",
        ],
    );
    fs::write(&path, &good[..middle]).unwrap();
    let error = workshop.refused("");
    says(&error, &["Packages.gz: it is", "bytes long instead of"]);
    fs::write(&path, &good).unwrap();
    workshop.builds("");
}

#[test]
fn a_mirror_that_is_not_believed_is_as_good_as_none() {
    if !require(&NEEDS) {
        return;
    }
    let workshop = Workshop::new();
    let portal = workshop.path("portal");
    fs::create_dir_all(portal.join("dists/small")).unwrap();
    fs::write(portal.join("dists/small/InRelease"), "<html>log in</html>").unwrap();
    let mut request = workshop.request("packages = [\"hello\"]");
    request.mirrors = vec![Location::from(portal.as_path())];
    build(&request).unwrap_or_else(|e| panic!("{e}"));
}
