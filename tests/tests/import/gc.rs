//! What `gc` removes, and what it spares.

use super::fixture::{Street, import};
use crate::wire::fixture::now;
use hatchery_image::Progress;
use hatchery_image::durable::Staging;
use hatchery_importer::gc::{DOWNLOAD_AGE, What};
use hatchery_importer::verify::{VerifyOptions, verify};
use hatchery_importer::{Collected, GcRequest, RollbackError, gc, rollback};
use hatchery_tests::{Need, require};
use std::fs;
use std::time::Duration;

const NEEDS: [Need; 2] = [Need::Root, Need::Program("gpg")];

fn request(street: &Street, dry_run: bool) -> GcRequest {
    GcRequest {
        places: street.places(),
        download_age: DOWNLOAD_AGE,
        dry_run,
        now: now(),
    }
}

fn collect(street: &Street, dry_run: bool) -> Collected {
    gc(&request(street, dry_run), &Progress::silent()).unwrap()
}

/// How many there are of each kind: previous, image, staging, download.
fn kinds(collected: &Collected) -> [usize; 4] {
    [What::Previous, What::Image, What::Staging, What::Download]
        .map(|what| collected.removed.iter().filter(|g| g.what == what).count())
}

#[test]
fn what_nobody_needs_goes_and_what_lives_stays() {
    if !require(&NEEDS) {
        return;
    }
    let street = Street::new();
    let places = street.places();
    street.import().unwrap();
    street.publish("2", "two", |_| ());
    let mut again = street.request();
    again.force = true;
    import(&again).unwrap();
    // Another machine of the newer version, which shares what is remembered.
    again.machine = "n".parse().unwrap();
    import(&again).unwrap();
    let machines = &places.machines;
    fs::create_dir_all(machines.join(".#hatchery-0123456789abcdef/etc")).unwrap();
    fs::create_dir_all(machines.join(".#n.previous-0123456789abcdef/etc")).unwrap();
    fs::create_dir_all(machines.join(".#others")).unwrap();
    let alive = Staging::new(machines).unwrap();
    for (name, days) in [("old", 40), ("new", 10)] {
        let path = places.cache.join("part").join(name);
        fs::write(&path, "x").unwrap();
        let then = fs::metadata(&path).unwrap().modified().unwrap()
            - Duration::from_secs(days * 24 * 3600);
        let times = fs::FileTimes::new().set_accessed(then).set_modified(then);
        let file = fs::File::options().write(true).open(&path).unwrap();
        file.set_times(times).unwrap();
    }
    // A machine that runs is no obstacle for what is kept beside it.
    let lock = hatchery_importer::Machines::open(machines).unwrap();
    let _running = lock.lock(&"m".parse().unwrap()).unwrap();

    let count = || fs::read_dir(machines).unwrap().count();
    let before = count();
    let would = collect(&street, true);
    assert_eq!(kinds(&would), [2, 1, 1, 1], "{would:#?}");
    assert_eq!(count(), before);
    // The noise of the tree that is kept.
    assert!(would.bytes > 4 << 20, "{would:#?}");

    let done = collect(&street, false);
    assert_eq!(kinds(&done), [2, 1, 1, 1], "{done:#?}");
    assert!(done.spared.is_empty(), "{done:#?}");
    assert!(alive.path().exists() && machines.join(".#others").exists());
    // m and its lock, n, the living staging, and what is not ours.
    assert_eq!(count(), 5);
    assert!(places.cache.join("part/new").exists());
    assert!(!places.cache.join("part/old").exists());
    for name in ["m", "n"] {
        let options = VerifyOptions {
            times: true,
            threads: 1,
        };
        let name = name.parse().unwrap();
        let report = verify(&name, &places, options, &Progress::silent()).unwrap();
        assert!(report.passed(), "{report:#?}");
    }
    assert_eq!(kinds(&collect(&street, false)), [0; 4]);
    drop(_running);
    let error = rollback(&"m".parse().unwrap(), &places, now()).unwrap_err();
    assert!(matches!(error, RollbackError::NoPrevious { .. }), "{error}");
}

#[test]
fn imports_and_collections_at_the_same_time_do_not_disturb_one_another() {
    if !require(&NEEDS) {
        return;
    }
    let street = Street::new();
    street.import().unwrap();
    std::thread::scope(|scope| {
        let importing: Vec<_> = ["a", "b"]
            .iter()
            .map(|name| {
                let mut request = street.request();
                request.machine = name.parse().unwrap();
                request.force = true;
                scope.spawn(move || {
                    for _ in 0..3 {
                        import(&request).unwrap();
                    }
                })
            })
            .collect();
        let mut rounds = 0;
        while importing.iter().any(|thread| !thread.is_finished()) && rounds < 10_000 {
            collect(&street, false);
            rounds += 1;
        }
        assert!(rounds > 0);
    });
    let places = street.places();
    for name in ["m", "a", "b"] {
        let options = VerifyOptions {
            times: true,
            threads: 1,
        };
        let name = name.parse().unwrap();
        let report = verify(&name, &places, options, &Progress::silent()).unwrap();
        assert!(report.passed(), "{report:#?}");
    }
    collect(&street, false);
    assert_eq!(fs::read_dir(&places.machines).unwrap().count(), 3);
}

#[test]
fn nothing_is_removed_when_a_record_cannot_be_read() {
    if !require(&NEEDS) {
        return;
    }
    let street = Street::new();
    street.import().unwrap();
    let places = street.places();
    fs::write(places.state.join("machines/m.json"), "{").unwrap();
    assert!(gc(&request(&street, false), &Progress::silent()).is_err());
    let images = fs::read_dir(places.state.join("images")).unwrap().count();
    assert_eq!(images, 1);
}
