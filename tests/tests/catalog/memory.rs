//! Older, other and expired catalogs; clocks; what is remembered.

use super::fixture::{
    catalog_path, forge, fresh, known, memory, names, refused, refused_as, request, write,
};
use crate::import::fixture::import;
use crate::wire::fixture::now;
use hatchery_image::catalog::Stale;
use hatchery_image::progress::{Event, Progress};
use hatchery_importer::import::Kind;
use jiff::ToSpan as _;
use std::fs;
use std::sync::{Arc, Mutex};

#[test]
fn an_older_catalog_after_a_newer_one() {
    let Some(street) = fresh() else { return };
    let old = fs::read(catalog_path(&street)).unwrap();
    street.publish("2", "two", |_| ());
    street.import().unwrap();
    write(&street, &old);
    refused(&street, "has seen version 2 already");
}

#[test]
fn another_catalog_of_the_same_version() {
    let Some(street) = known() else { return };
    forge(&street, |c| {
        c.version -= 1;
        c.images.clear();
    });
    refused(&street, "another catalog of version 1");
}

#[test]
fn a_newer_catalog_that_was_made_before_the_one_seen() {
    let Some(street) = known() else { return };
    forge(&street, |c| c.created -= 24.hours());
    refused(&street, "its publisher's clock is wrong");
}

#[test]
fn an_expired_catalog() {
    let Some(street) = known() else { return };
    forge(&street, |c| {
        c.expires = now().checked_sub(1.minute()).unwrap();
        c.created -= 24.hours();
    });
    refused(&street, "the catalog expired at");
}

#[test]
fn a_catalog_of_the_future() {
    let Some(street) = known() else { return };
    forge(&street, |c| c.created += 24.hours());
    refused(&street, "check the clock");
}

#[test]
fn a_catalog_that_was_never_good() {
    let Some(street) = known() else { return };
    forge(&street, |c| c.expires = c.created);
    refused(&street, "before it was good");
}

#[test]
fn a_clock_that_is_set_back_below_the_catalog() {
    let Some(street) = known() else { return };
    let mut request = request(&street, "victim");
    request.now = now().checked_sub(48.hours()).unwrap();
    refused_as(&request, Kind::Trust, "check the clock");
}

#[test]
fn a_clock_far_ahead_refuses_and_forgets_nothing() {
    let Some(street) = known() else { return };
    let old = fs::read(catalog_path(&street)).unwrap();
    let mut ahead = request(&street, "ahead");
    ahead.now = now().checked_add((24 * 365).hours()).unwrap();
    refused_as(&ahead, Kind::Trust, "the catalog expired at");
    // Neither does what is accepted under a wrong clock change what was seen.
    let before = memory(&ahead);
    ahead.repository.stale = Stale::Accept;
    import(&ahead).unwrap();
    assert_eq!(memory(&ahead), before);
    street.publish("2", "two", |_| ());
    import(&request(&street, "right")).unwrap();
    write(&street, &old);
    refused(&street, "has seen version 2 already");
}

#[test]
fn accepting_stale_ones_does_not_lower_what_was_seen_and_is_said() {
    let Some(street) = fresh() else { return };
    let old = fs::read(catalog_path(&street)).unwrap();
    street.publish("2", "two", |_| ());
    let mut stale = request(&street, "stale");
    stale.now = now().checked_add((24 * 60).hours()).unwrap();
    stale.repository.stale = Stale::Accept;
    assert!(warnings(&stale).iter().any(|w| w.contains("expired at")));
    write(&street, &old);
    stale.machine = "victim".parse().unwrap();
    refused_as(&stale, Kind::Trust, "has seen version 2 already");
}

#[test]
fn a_downgrade_through_a_second_mirror() {
    let Some(street) = fresh() else { return };
    let behind = street.yard.path("behind");
    let behind_text = behind.to_str().unwrap();
    let store = street.store();
    hatchery_tests::run::run(&["cp", "-r", store.to_str().unwrap(), behind_text]).unwrap();
    street.publish("2", "two", |_| ());
    street.import().unwrap();
    let mut request = request(&street, "victim");
    request.repository.locations = vec![behind.as_path().into()];
    refused_as(&request, Kind::Trust, "has seen version 2 already");
}

#[test]
fn a_damaged_memory_is_not_taken_for_none() {
    let Some(street) = known() else { return };
    let folder = street.places().state.join("repositories");
    for name in names(&folder) {
        if name.ends_with(".json") {
            fs::write(folder.join(name), "{").unwrap();
        }
    }
    refused(&street, "without it an old catalog would not be noticed");
}

#[test]
fn a_memory_that_is_gone_is_said_where_machines_tell_of_it() {
    let Some(street) = known() else { return };
    let said = |machine: &str| {
        let warnings = warnings(&request(&street, machine));
        warnings.iter().any(|w| w.contains("came from repository"))
    };
    assert!(!said("before"));
    fs::remove_dir_all(street.places().state.join("repositories")).unwrap();
    assert!(said("after"));
    assert!(!said("again"));
}

/// What an import warned of.
pub(super) fn warnings(request: &hatchery_importer::ImportRequest) -> Vec<String> {
    let warnings = Arc::new(Mutex::new(Vec::new()));
    let said = Arc::clone(&warnings);
    let progress = Progress::new(move |event| {
        if let Event::Warning { text } = event {
            said.lock().unwrap().push(text);
        }
    });
    hatchery_importer::import(request, &progress).unwrap();
    warnings.lock().unwrap().clone()
}
