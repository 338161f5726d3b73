//! A repository, a host that knows it, and what an attacker does to them.

use crate::import::fixture::{Street, chain, import};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use hatchery_image::catalog::PAYLOAD_TYPE;
use hatchery_image::envelope::{Envelope, pre_authentication_encoding};
use hatchery_image::signer::Signer;
use hatchery_image::{Catalog, Keyring};
use hatchery_importer::import::Kind;
use hatchery_importer::{ImportError, ImportRequest};
use hatchery_tests::run::run;
use hatchery_tests::trickster::{Trick, Trickster};
use hatchery_tests::{Need, require};
use hatchery_transfer::Location;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// A repository with `lab@1`, of which this host has seen the catalog.
pub(crate) fn known() -> Option<Street> {
    let street = fresh()?;
    import(&request(&street, "known")).unwrap();
    Some(street)
}

/// A repository with `lab@1`, of which this host has seen nothing.
pub(crate) fn fresh() -> Option<Street> {
    require(&[Need::Root, Need::Program("gpg")]).then(Street::new)
}

/// To import `lab` as `machine` from the folder of the store.
pub(crate) fn request(street: &Street, machine: &str) -> ImportRequest {
    let mut request = street.request();
    request.machine = machine.parse().unwrap();
    request
}

/// Imports as `victim`, which must be refused as not to be trusted, with a
/// message that holds `expected`.
pub(crate) fn refused(street: &Street, expected: &str) -> ImportError {
    refused_as(&request(street, "victim"), Kind::Trust, expected)
}

/// The same from a server with tricks.
pub(crate) fn tricked(street: &Street, tricks: &[(&str, Trick)], expected: &str) -> ImportError {
    let server = Trickster::serve(&street.store(), tricks);
    let mut request = request(street, "victim");
    request.repository.locations = vec![Location::parse(&server.url()).unwrap()];
    refused_as(&request, Kind::Trust, expected)
}

/// Imports, which must be refused so, with nothing left and nothing forgotten.
pub(crate) fn refused_as(request: &ImportRequest, kind: Kind, expected: &str) -> ImportError {
    let before = memory(request);
    let machines = names(&request.places.machines);
    let error = import(request).unwrap_err();
    let text = chain(&error);
    assert!(text.contains(expected), "{expected:?} is not in {text:?}");
    assert_eq!(error.kind(), kind, "{text}");
    assert_eq!(names(&request.places.machines), machines, "{text}");
    let after = memory(request);
    for (file, content) in before {
        let then = version(&content);
        let now = version(&after[&file]);
        assert!(now >= then, "{file} was lowered from {then} to {now}");
    }
    error
}

fn version(content: &[u8]) -> u64 {
    let value: serde_json::Value = serde_json::from_slice(content).unwrap_or_default();
    value["version"].as_u64().unwrap_or(0)
}

/// What the host has seen, by file name.
pub(crate) fn memory(request: &ImportRequest) -> BTreeMap<String, Vec<u8>> {
    let folder = request.places.state.join("repositories");
    names(&folder)
        .into_iter()
        .filter(|name| name.ends_with(".json"))
        .map(|name| {
            let content = fs::read(folder.join(&name)).unwrap();
            (name, content)
        })
        .collect()
}

/// Names of what is in a folder that is shown.
pub(crate) fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries
        .map(|entry| entry.file_name().into_string().unwrap())
        .filter(|name| !name.starts_with(".#") && name != ".lock")
        .collect();
    names.sort();
    names
}

pub(crate) fn catalog_path(street: &Street) -> PathBuf {
    street.store().join("catalog.json")
}

/// The catalog as it is now, whoever signed it.
pub(crate) fn catalog(street: &Street) -> Catalog {
    let bytes = fs::read(catalog_path(street)).unwrap();
    let envelope: Envelope = serde_json::from_slice(&bytes).unwrap();
    let payload = BASE64.decode(envelope.payload).unwrap();
    serde_json::from_slice(&payload).unwrap()
}

/// Changes the catalog and signs it with the repository's own key.
pub(crate) fn forge(street: &Street, edit: impl FnOnce(&mut Catalog)) {
    let mut forged = catalog(street);
    forged.version += 1;
    edit(&mut forged);
    write(street, &seal(&street.yard.signer, &forged));
}

pub(crate) fn write(street: &Street, bytes: &[u8]) {
    fs::write(catalog_path(street), bytes).unwrap();
}

pub(crate) fn seal(signer: &Signer, catalog: &Catalog) -> Vec<u8> {
    let payload = serde_json::to_vec(catalog).unwrap();
    signer.seal(PAYLOAD_TYPE, &payload).unwrap()
}

/// An envelope of signatures that were made elsewhere.
pub(crate) fn envelope(kind: &str, payload: &[u8], signatures: &[Vec<u8>]) -> Vec<u8> {
    let signatures: Vec<_> = signatures
        .iter()
        .map(|s| serde_json::json!({"keyid": "", "sig": BASE64.encode(s)}))
        .collect();
    let envelope = serde_json::json!({
        "payloadType": kind, "payload": BASE64.encode(payload), "signatures": signatures,
    });
    serde_json::to_vec(&envelope).unwrap()
}

/// Runs gpg in the home of a key.
pub(crate) fn gpg(signer: &Signer, arguments: &[&str]) -> String {
    let home = signer.home().unwrap().to_str().unwrap();
    let argv = ["gpg", "--homedir", home, "--batch", "--yes"];
    let no_passphrase = ["--pinentry-mode", "loopback", "--passphrase", ""];
    run(&[&argv[..], &no_passphrase, arguments].concat()).unwrap()
}

/// Revokes a key in its own home, with the revocation that GnuPG itself wrote
/// when it made the key, with a colon before it so that nobody imports it by
/// mistake.
pub(crate) fn revoke(street: &Street, signer: &Signer) {
    let home = signer.home().unwrap();
    let file = format!("openpgp-revocs.d/{}.rev", signer.fingerprint());
    let text = fs::read_to_string(home.join(file)).unwrap();
    let revocation = street.yard.path("revocation.asc");
    fs::write(&revocation, text.replace(":-----BEGIN", "-----BEGIN")).unwrap();
    gpg(signer, &["--import", revocation.to_str().unwrap()]);
}

/// The certificate of a key as its home has it now.
pub(crate) fn certificate(signer: &Signer) -> Keyring {
    Keyring::parse(&signer.public_key().unwrap()).unwrap()
}

/// A catalog that gpg signed with these options of its own.
pub(crate) fn seal_with_options(
    street: &Street,
    signer: &Signer,
    options: &[&str],
    catalog: &Catalog,
) -> Vec<u8> {
    let payload = serde_json::to_vec(catalog).unwrap();
    let covered = street.yard.path("covered");
    fs::write(
        &covered,
        pre_authentication_encoding(PAYLOAD_TYPE, &payload),
    )
    .unwrap();
    let (covered, output) = (covered.to_str().unwrap(), street.yard.path("signature"));
    let signing = [
        "--output",
        output.to_str().unwrap(),
        "--detach-sign",
        covered,
    ];
    gpg(signer, &[options, &signing].concat());
    let signature = fs::read(output).unwrap();
    envelope(PAYLOAD_TYPE, &payload, &[signature])
}
