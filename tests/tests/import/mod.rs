//! Imports of a small image: what a host has afterwards, and that whatever is
//! refused leaves nothing.

mod arriving;
mod btrfs;
pub(crate) mod fixture;
mod gc;
mod killed;
mod network;
mod refused;
mod reluctant;
mod rollback;
mod verify;

use fixture::{Street, chain, import};
use hatchery_image::Progress;
use hatchery_image::progress::{Event, Stage};
use hatchery_importer::import::Kind;
use hatchery_importer::{ImportError, list, remove};
use hatchery_mirror::{Options, Server, Store};
use hatchery_tests::lab;
use hatchery_tests::{Need, require};
use hatchery_transfer::Location;
use std::fs;
use std::os::unix::fs::{MetadataExt as _, symlink};
use std::sync::atomic::Ordering;
use std::sync::{Arc, OnceLock};
use std::thread;

#[test]
fn an_image_becomes_a_machine_and_goes_again() {
    if !require(&[Need::Root, Need::Program("gpg")]) {
        return;
    }
    let street = Street::new();
    let imported = street.import().unwrap();
    let tree = street.places().machines.join("m");
    assert_eq!(imported.path, tree);
    assert_eq!(imported.version.as_str(), "1");
    assert_eq!(&imported.signer, street.yard.signer.fingerprint());

    let content = tree.join("etc/content");
    assert_eq!(fs::read_to_string(&content).unwrap(), "one");
    let stat = fs::metadata(&content).unwrap();
    assert_eq!((stat.uid(), stat.gid(), stat.nlink()), (1000, 1001, 2));
    let tool = tree.join("usr/bin/tool");
    assert_eq!(fs::metadata(&tool).unwrap().mode() & 0o7777, 0o4755);
    assert_eq!(xattr::get(&tool, "user.note").unwrap().unwrap(), b"kept");
    assert_eq!(fs::metadata(&tree).unwrap().mode() & 0o7777, 0o755);

    // Shown, but not installed without consent; the download is not kept.
    let settings = imported.settings.unwrap();
    assert!(settings.text.contains("Boot=yes"), "{}", settings.text);
    assert_eq!(settings.installed, None);
    assert!(!street.places().settings.exists());
    let cached = walkdir(&street.places().cache);
    assert!(cached.is_empty(), "{cached:?}");

    let listed = list(&street.places()).unwrap();
    assert_eq!(listed.len(), 1);
    let record = listed[0].record.as_ref().unwrap();
    assert_eq!(record.version.as_str(), "1");
    assert_eq!(fs::read_dir(&street.places().machines).unwrap().count(), 1);

    let name = "m".parse().unwrap();
    let removed = remove(&name, &street.places(), &Progress::silent()).unwrap();
    assert_eq!(removed.path, Some(tree));
    street.assert_nothing_left();
    assert!(list(&street.places()).unwrap().is_empty());
}

/// Files beneath a folder.
fn walkdir(folder: &std::path::Path) -> Vec<std::path::PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap().flatten() {
        if entry.file_type().unwrap().is_dir() {
            files.extend(walkdir(&entry.path()));
        } else {
            files.push(entry.path());
        }
    }
    files
}

#[test]
fn the_next_mirror_is_asked_when_one_is_down() {
    if !require(&[Need::Root, Need::Program("gpg")]) {
        return;
    }
    let street = Street::new();
    let store = Store::open(&street.store()).unwrap();
    let listen = "127.0.0.1:0".parse().unwrap();
    let options = Options::new(listen, crate::wire::fixture::now);
    let server = Server::bind(store, options).unwrap().spawn();
    let down = {
        // A port that was free a moment ago.
        let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        socket.local_addr().unwrap()
    };
    let mut request = street.request();
    request.repository.locations = [down, server.local_addr()]
        .map(|address| Location::parse(&format!("http://{address}/")).unwrap())
        .to_vec();
    import(&request).unwrap();
    server.stop().unwrap();
    assert!(street.places().machines.join("m/etc/content").exists());
}

#[test]
fn a_version_and_a_channel_can_be_named() {
    if !require(&[Need::Root, Need::Program("gpg")]) {
        return;
    }
    let street = Street::new();
    street.publish("2", "two", |_| ());
    for (reference, machine, content) in [("lab@1", "old", "one"), ("lab:latest", "new", "two")] {
        let mut request = street.request();
        request.reference = reference.parse().unwrap();
        request.machine = machine.parse().unwrap();
        import(&request).unwrap();
        let path = street.places().machines.join(machine).join("etc/content");
        assert_eq!(fs::read_to_string(path).unwrap(), content);
    }
    let mut request = street.request();
    request.reference = "lap".parse().unwrap();
    let error = import(&request).unwrap_err();
    assert_eq!(error.kind(), Kind::Conflict);
    assert!(
        chain(&error).contains("did you mean lab"),
        "{}",
        chain(&error)
    );
}

#[test]
fn a_name_that_is_taken_is_replaced_only_by_force_and_in_one_step() {
    if !require(&[Need::Root, Need::Program("gpg")]) {
        return;
    }
    let street = Street::new();
    street.import().unwrap();
    street.publish("2", "two", |_| ());
    let tree = street.places().machines.join("m");
    fs::write(tree.join("mine"), "").unwrap();
    let error = street.import().unwrap_err();
    assert!(matches!(error, ImportError::Exists { .. }), "{error}");
    assert_eq!(error.kind(), Kind::Conflict);
    assert!(tree.join("mine").exists());

    // One that runs stays, also with force.
    let machines = hatchery_importer::Machines::open(&street.places().machines).unwrap();
    let lock = machines.lock(&"m".parse().unwrap()).unwrap();
    let mut request = street.request();
    request.force = true;
    let error = import(&request).unwrap_err();
    assert!(matches!(error, ImportError::Lock(_)), "{error}");
    assert!(tree.join("mine").exists());
    drop(lock);

    let imported = import(&request).unwrap();
    assert!(imported.replaced);
    assert_eq!(fs::read_to_string(tree.join("etc/content")).unwrap(), "two");
    assert!(!tree.join("mine").exists());
    // The other one is kept, and is no machine.
    assert_eq!(fs::read_dir(&street.places().machines).unwrap().count(), 2);
    let listed = list(&street.places()).unwrap();
    assert_eq!(listed[0].record.as_ref().unwrap().version.as_str(), "2");
}

#[test]
fn settings_are_installed_with_consent_and_removed_unless_changed() {
    if !require(&[Need::Root, Need::Program("gpg")]) {
        return;
    }
    let street = Street::new();
    let path = street.places().settings.join("m.nspawn");
    let mut request = street.request();
    request.accept_settings = true;
    let name = "m".parse().unwrap();

    // Somebody else's are not replaced, and nothing is downloaded for that.
    fs::create_dir_all(&street.places().settings).unwrap();
    fs::write(&path, "[Exec]\nBoot=no\n").unwrap();
    let error = import(&request).unwrap_err();
    assert_eq!(error.kind(), Kind::Conflict, "{error}");
    assert!(walkdir(&street.places().cache).is_empty());
    fs::remove_file(&path).unwrap();

    let imported = import(&request).unwrap();
    assert_eq!(
        imported.settings.unwrap().installed.as_deref(),
        Some(&*path)
    );
    assert!(fs::read_to_string(&path).unwrap().contains("Boot=yes"));
    let removed = remove(&name, &street.places(), &Progress::silent()).unwrap();
    assert_eq!(removed.settings.as_deref(), Some(&*path));
    street.assert_nothing_left();

    import(&request).unwrap();
    fs::write(&path, lab::NSPAWN.replace("yes", "no")).unwrap();
    let removed = remove(&name, &street.places(), &Progress::silent()).unwrap();
    assert_eq!(removed.kept_settings.as_deref(), Some(&*path));
    assert!(path.exists());
}

#[test]
fn ports_and_binds_are_installed_with_or_without_the_image_settings() {
    if !require(&[Need::Root, Need::Program("gpg")]) {
        return;
    }
    let street = Street::new();
    let path = street.places().settings.join("m.nspawn");
    let mut request = street.request();
    request.own_settings.ports = vec!["tcp:8080:80".parse().unwrap()];
    let shared = tempfile::tempdir().unwrap();
    let shared = shared.path().to_str().unwrap();
    request.own_settings.binds = vec![format!("{shared}:/srv/http:ro").parse().unwrap()];
    let own = format!("BindReadOnly={shared}:/srv/http\n");
    let imported = import(&request).unwrap();
    let text = fs::read_to_string(&path).unwrap();
    assert_eq!(imported.settings.unwrap().text, text);
    assert!(
        text.contains(&own) && text.contains("Port=tcp:8080:80\n"),
        "{text}"
    );
    assert!(!text.contains("Boot="), "{text}");

    // Again with those of the image; and a port that is given twice.
    request.force = true;
    request.accept_settings = true;
    import(&request).unwrap();
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.contains(&own) && text.contains("Boot=yes\n"), "{text}");
    request.own_settings.ports.push("8080".parse().unwrap());
    let error = import(&request).unwrap_err();
    assert_eq!(error.kind(), Kind::Conflict, "{error}");
    remove(&"m".parse().unwrap(), &street.places(), &Progress::silent()).unwrap();
    assert!(!path.exists());
}

#[test]
fn eight_imports_of_one_name_have_one_winner() {
    if !require(&[Need::Root, Need::Program("gpg")]) {
        return;
    }
    let street = Street::new();
    let request = Arc::new(street.request());
    let threads: Vec<_> = (0..8)
        .map(|_| {
            let request = Arc::clone(&request);
            thread::spawn(move || import(&request))
        })
        .collect();
    let results: Vec<_> = threads.into_iter().map(|t| t.join().unwrap()).collect();
    let winners = results.iter().filter(|r| r.is_ok()).count();
    assert_eq!(winners, 1, "{results:?}");
    for error in results.into_iter().filter_map(Result::err) {
        assert_eq!(error.kind(), Kind::Conflict, "{error}");
    }
    assert_eq!(fs::read_dir(&street.places().machines).unwrap().count(), 1);
    list(&street.places()).unwrap()[0].record.as_ref().unwrap();
}

#[test]
fn an_interrupted_import_leaves_nothing_at_whatever_stage() {
    if !require(&[Need::Root, Need::Program("gpg")]) {
        return;
    }
    let street = Street::new();
    for at in [Stage::Verify, Stage::Download, Stage::Unpack] {
        let stop = Arc::new(OnceLock::<Arc<std::sync::atomic::AtomicBool>>::new());
        let flag = Arc::clone(&stop);
        let progress = Progress::new(move |event| {
            if matches!(event, Event::Begin { stage, .. } if stage == at) {
                flag.get().unwrap().store(true, Ordering::Relaxed);
            }
        });
        stop.set(progress.stop_flag()).unwrap();
        let error = hatchery_importer::import(&street.request(), &progress).unwrap_err();
        let interrupted = error.kind() == Kind::Interrupted
            || chain(&error).contains("interrupted; what had been begun was removed");
        assert!(interrupted, "{at:?}: {}", chain(&error));
        street.assert_nothing_left();
    }
    street.import().unwrap();
}

#[test]
fn what_killed_imports_left_is_removed_by_the_next() {
    if !require(&[Need::Root, Need::Program("gpg")]) {
        return;
    }
    let street = Street::new();
    let machines = street.places().machines;
    let left = machines.join(".#hatchery-0123456789abcdef");
    fs::create_dir_all(left.join("etc")).unwrap();
    symlink("/", left.join("etc/root")).unwrap();
    fs::write(machines.join(".#other.lck"), "").unwrap();
    street.import().unwrap();
    assert_eq!(fs::read_dir(&machines).unwrap().count(), 1);
}
