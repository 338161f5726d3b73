//! Catalogs that are not what was signed, or signed as something else.

use super::fixture::{catalog, catalog_path, envelope, forge, fresh, known, refused, write};
use crate::import::fixture::{Street, chain, import};
use hatchery_image::catalog::PAYLOAD_TYPE;
use hatchery_image::envelope::pre_authentication_encoding;
use hatchery_image::succession;
use std::fs;

fn text(street: &Street) -> String {
    fs::read_to_string(catalog_path(street)).unwrap()
}

#[test]
fn a_list_of_keys_in_place_of_the_catalog() {
    let Some(street) = known() else { return };
    let payload = serde_json::to_vec(&catalog(&street)).unwrap();
    let signer = &street.yard.signer;
    write(
        &street,
        &signer.seal(succession::PAYLOAD_TYPE, &payload).unwrap(),
    );
    refused(
        &street,
        "it holds \"application/vnd.hatchery.keys.v1+json\"",
    );
}

#[test]
fn what_was_signed_as_something_else_and_renamed() {
    let Some(street) = known() else { return };
    let payload = serde_json::to_vec(&catalog(&street)).unwrap();
    let sealed = street.yard.signer.seal(succession::PAYLOAD_TYPE, &payload);
    let renamed = String::from_utf8(sealed.unwrap()).unwrap();
    write(
        &street,
        renamed
            .replace(succession::PAYLOAD_TYPE, PAYLOAD_TYPE)
            .as_bytes(),
    );
    refused(&street, "does not match the data");
}

#[test]
fn a_signature_over_the_bare_payload() {
    let Some(street) = known() else { return };
    let payload = serde_json::to_vec(&catalog(&street)).unwrap();
    let bare = street.yard.signer.sign_detached(&payload).unwrap();
    write(&street, &envelope(PAYLOAD_TYPE, &payload, &[bare]));
    refused(&street, "does not match the data");
}

#[test]
fn another_payload_under_a_good_signature() {
    let Some(street) = known() else { return };
    let mut forged = catalog(&street);
    let payload = serde_json::to_vec(&forged).unwrap();
    let covered = pre_authentication_encoding(PAYLOAD_TYPE, &payload);
    let good = street.yard.signer.sign_detached(&covered).unwrap();
    forged.version += 1;
    let payload = serde_json::to_vec(&forged).unwrap();
    write(&street, &envelope(PAYLOAD_TYPE, &payload, &[good]));
    refused(&street, "does not match the data");
}

#[test]
fn a_catalog_without_signatures() {
    let Some(street) = known() else { return };
    let payload = serde_json::to_vec(&catalog(&street)).unwrap();
    write(&street, &envelope(PAYLOAD_TYPE, &payload, &[]));
    refused(&street, "there is no signature");
}

#[test]
fn more_signatures_than_are_looked_at() {
    let Some(street) = known() else { return };
    let payload = serde_json::to_vec(&catalog(&street)).unwrap();
    let covered = pre_authentication_encoding(PAYLOAD_TYPE, &payload);
    let good = street.yard.signer.sign_detached(&covered).unwrap();
    write(&street, &envelope(PAYLOAD_TYPE, &payload, &vec![good; 33]));
    refused(&street, "the signature is too large");
}

#[test]
fn signatures_of_strangers_beside_the_good_one_do_no_harm() {
    let Some(street) = fresh() else { return };
    let other = hatchery_tests::lab::key(&street.yard.path("other"), "other@example.org");
    let payload = serde_json::to_vec(&catalog(&street)).unwrap();
    let covered = pre_authentication_encoding(PAYLOAD_TYPE, &payload);
    let by = [&other, &street.yard.signer].map(|key| key.sign_detached(&covered).unwrap());
    let _ = other.stop_agent();
    write(&street, &envelope(PAYLOAD_TYPE, &payload, &by));
    let imported = import(&super::fixture::request(&street, "good")).unwrap();
    assert_eq!(imported.signer, *street.yard.signer.fingerprint());
}

#[test]
fn a_field_of_the_envelope_twice() {
    let Some(street) = known() else { return };
    let twice = text(&street).replacen('{', "{\"payload\": \"e30=\",", 1);
    write(&street, twice.as_bytes());
    let error = refused(&street, "not a JSON object with payloadType");
    assert!(
        chain(&error).contains("duplicate field"),
        "{}",
        chain(&error)
    );
}

#[test]
fn a_field_of_the_signed_catalog_twice() {
    let Some(street) = known() else { return };
    let payload = serde_json::to_string(&catalog(&street)).unwrap();
    for (first, again, expected) in [
        ("{", "{\"version\":99,", "duplicate field `version`"),
        (
            "\"images\":{",
            "\"images\":{\"lab\":{},",
            "lab stands there twice",
        ),
        (
            "\"lab\":{",
            "\"lab\":{\"amd64\":{\"channels\":{},\"versions\":{}},",
            "amd64 stands there twice",
        ),
        (
            "\"channels\":{",
            "\"channels\":{\"latest\":\"0\",",
            "latest stands there twice",
        ),
    ] {
        let twice = payload.replacen(first, again, 1);
        assert_ne!(twice, payload);
        let sealed = street.yard.signer.seal(PAYLOAD_TYPE, twice.as_bytes());
        write(&street, &sealed.unwrap());
        refused(&street, expected);
    }
}

#[test]
fn a_catalog_that_is_cut_off() {
    let Some(street) = known() else { return };
    let whole = text(&street);
    write(&street, &whole.as_bytes()[..whole.len() / 2]);
    refused(&street, "not a JSON object with payloadType");
}

#[test]
fn something_behind_the_catalog() {
    let Some(street) = known() else { return };
    let whole = text(&street);
    write(&street, format!("{whole}{whole}").as_bytes());
    refused(&street, "trailing characters");
}

#[test]
fn a_repository_id_that_leads_elsewhere() {
    let Some(street) = known() else { return };
    for id in ["../../../etc/cron.d/x", "", "a/b"] {
        forge(&street, |c| c.repository = id.to_owned());
        refused(&street, "repository id");
    }
}

#[test]
fn a_catalog_of_another_repository_at_a_known_mirror() {
    let Some(street) = known() else { return };
    let id = catalog(&street).repository;
    forge(&street, |c| c.repository = "another-one".to_owned());
    let mut request = super::fixture::request(&street, "victim");
    request.repository.id = Some(id);
    let kind = hatchery_importer::import::Kind::Trust;
    super::fixture::refused_as(&request, kind, "its repository is another-one");
}
