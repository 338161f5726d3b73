//! Webs read, merged with others, and written.

use super::*;

#[test]
fn what_is_named_counts_by_itself_and_merging_asks_anew() {
    let scene = Scene::new().certified(&[0, 1]);
    let signature = scene.packager.sign(0, DATA, &Signing::on(6));
    let verify =
        |keyring: &Keyring| keyring.verify_detached(DATA, &signature, Policy::Arch, day(20));
    let mut keyring = scene.keyring();
    assert_eq!(reason(verify(&keyring)), too_few(2));
    let only = keyring.only(&[scene.packager.fingerprint()]);
    assert_eq!(reason(verify(&only)), too_few(2));

    // A newer copy of the same web brings the certification that was missing.
    let newer = Scene {
        packager: scene.packager.clone(),
        masters: scene.masters.clone(),
        full: scene.full.clone(),
        revoked: String::new(),
    };
    keyring.extend(newer.certified(&[2]).keyring());
    assert!(verify(&keyring).is_ok());

    let mut keyring = scene.keyring();
    keyring.extend(scene.packager.keyring());
    assert!(verify(&keyring).is_ok());
}

#[test]
fn a_web_is_never_written_as_a_file_of_keys_that_all_count() {
    let folder = tempfile::tempdir().unwrap();
    let scene = Scene::new().certified(&[0, 1]);
    let mut keyring = scene.keyring();
    assert!(keyring.to_bytes().is_empty());
    assert!(keyring.save_to_directory(folder.path()).unwrap().is_empty());
    let named = Forge::new();
    keyring.extend(named.keyring());
    let written = Keyring::parse(&keyring.to_bytes()).unwrap();
    assert_eq!(written.fingerprints(), [named.fingerprint()]);
    assert_eq!(keyring.save_to_directory(folder.path()).unwrap().len(), 1);
}

#[test]
fn lists_that_cannot_be_read_are_refused_with_their_line() {
    let scene = Scene::new();
    let known = scene.masters[0].fingerprint();
    let unknown = Forge::new().fingerprint();
    let certificates = scene.certificates();
    let read = |trusted: &str, revoked: &str| {
        let result = Keyring::from_web_of_trust(&certificates, trusted, revoked, Policy::Arch);
        match result {
            Ok(_) => None,
            Err(KeyringError::List { list, line, .. }) => Some((list, line)),
            other => panic!("{other:?}"),
        }
    };
    for bad in [
        format!("\n{known}\n"),
        format!("\n{known}:3:\n"),
        format!("\n{known}::\n"),
        "\nsomething:4:\n".to_owned(),
        format!("\n{unknown}:4:\n"),
        format!("{known}:4:\n{known}:4:\n"),
    ] {
        assert_eq!(read(&bad, ""), Some(("trusted", 2)), "{bad:?}");
    }
    assert_eq!(read("", "\nnonsense\n"), Some(("revoked", 2)));
    // A key that was taken out of the file may still be listed as revoked.
    assert_eq!(read(&format!("{known}:6:\n"), &unknown.to_string()), None);
}

#[test]
fn threads_share_a_keyring() {
    let scene = Scene::new().certified(&[0, 1, 2]);
    let keyring = scene.keyring();
    let signature = scene.packager.sign(0, DATA, &Signing::on(6));
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let result = keyring.verify_detached(DATA, &signature, Policy::Arch, day(20));
                assert!(result.is_ok());
            });
        }
    });
}
