//! Packages that reach for what lies outside the tree. Refused or kept inside
//! it: nothing else changes.

use super::fixture::{NEEDS, Workshop, build, names, refused, says};
use hatchery_tests::debs::Deb;
use hatchery_tests::require;
use std::fs;
use std::path::PathBuf;

/// What lies outside.
const PRECIOUS: &str = "precious";

/// A workshop, and a folder outside of everything with a file in it.
fn outside() -> (Workshop, PathBuf) {
    let workshop = Workshop::empty();
    let outside = workshop.path("outside");
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join(PRECIOUS), PRECIOUS).unwrap();
    (workshop, outside)
}

/// Builds with these packages; the error, if it was refused. Whatever came of
/// it, what lies outside is as it was.
fn contained(make: impl FnOnce(&str) -> Vec<Deb>) -> Option<String> {
    let (mut workshop, outside) = outside();
    let around = names(&workshop.path("."));
    let packages = make(outside.to_str().unwrap());
    let mut list = Vec::new();
    for (number, package) in packages.iter().enumerate() {
        workshop.repository.add(package);
        list.push(format!("\"evil{number}\""));
    }
    workshop.publish();
    let request = workshop.request(&format!("packages = [{}]", list.join(", ")));
    let error = match build(&request) {
        Ok(_) => None,
        Err(_) => Some(refused(&request)),
    };
    assert_eq!(names(&outside), [PRECIOUS], "{error:?}");
    assert_eq!(
        fs::read_to_string(outside.join(PRECIOUS)).unwrap(),
        PRECIOUS
    );
    let mut now = names(&workshop.path("."));
    now.retain(|name| !["cache", "output"].contains(&name.as_str()));
    assert_eq!(now, around, "{error:?}");
    error
}

fn evil() -> Deb {
    Deb::new("evil0", "1")
}

#[test]
fn a_path_that_climbs_out_of_the_tree_is_refused() {
    if !require(&NEEDS) {
        return;
    }
    for path in ["../../escaped", "usr/../../../../escaped", "..", "usr/./x"] {
        let error = contained(|_| vec![evil().bare_file(path, b"x")]).unwrap();
        says(
            &error,
            &["the package evil0 has a path that cannot be (/", path],
        );
    }
}

#[test]
fn a_file_through_a_link_of_the_same_package_is_refused() {
    if !require(&NEEDS) {
        return;
    }
    for climbing in [false, true] {
        let error = contained(|outside| {
            let target = if climbing {
                format!("../../../../../../../../..{outside}")
            } else {
                outside.to_owned()
            };
            let evil = evil().link("escape", &target);
            vec![evil.bare_file("escape/planted", b"x")]
        });
        let error = error.unwrap();
        says(
            &error,
            &[
                "the package evil0 has a path that leads through a link of its own (/escape/planted)",
            ],
        );
    }
}

#[test]
fn a_file_through_a_link_of_another_package_stays_inside() {
    if !require(&NEEDS) {
        return;
    }
    contained(|outside| {
        let link = evil().link("escape", outside);
        vec![link, Deb::new("evil1", "1").file("escape/planted", b"x")]
    });
    contained(|outside| {
        let link = evil().link("escape", outside);
        let over = Deb::new("evil1", "1").bare_file(&format!("escape/{PRECIOUS}"), b"x");
        vec![link, over]
    });
    // The folders that every tree has, and in which the build itself writes.
    let folders = "usr/sbin sbin bin etc var var/lib var/lib/dpkg run tmp proc dev";
    for folder in folders.split(' ') {
        for essential in ["yes", "no"] {
            let evil = evil().field("Essential", essential);
            contained(|outside| vec![evil.link(folder, outside)]);
        }
    }
}

#[test]
fn a_hard_link_to_what_lies_outside_is_refused() {
    if !require(&NEEDS) {
        return;
    }
    for climbing in [false, true] {
        let error = contained(|outside| {
            let target = format!("{outside}/{PRECIOUS}");
            let target = if climbing {
                format!("../../../../../../../../..{target}")
            } else {
                target
            };
            vec![evil().hard_link("taken", &target)]
        });
        says(
            &error.unwrap(),
            &["cannot unpack the package evil0", "taken: refused"],
        );
    }
}

#[test]
fn a_file_in_the_place_of_the_tree_itself_is_refused() {
    if !require(&NEEDS) {
        return;
    }
    for package in [evil().bare_file(".", b"x"), evil().link("./", "/")] {
        let error = contained(|_| vec![package]).unwrap();
        says(&error, &["something else than a directory at its top"]);
    }
}

#[test]
fn a_link_in_the_place_of_a_folder_does_not_lead_settings_out() {
    if !require(&NEEDS) {
        return;
    }
    let (mut workshop, outside) = outside();
    let path = outside.to_str().unwrap();
    let evil = evil()
        .link("srv", path)
        .link("root", path)
        .link("home", path);
    workshop.repository.add(&evil);
    workshop.publish();
    let request = workshop.request(
        "packages = [\"evil0\"]\n[[file]]\npath = \"/srv/planted\"\ncontent = \"x\"\n\
         [[user]]\nname = \"ada\"\n",
    );
    // Refused or written beneath the tree: either is right.
    let _ = build(&request);
    assert_eq!(names(&outside), [PRECIOUS]);
}
