//! Packages that reach for what lies outside the tree. Refused or kept inside
//! it: nothing else changes.

use super::fixture::{Bench, NEEDS, pkg, with_file};
use crate::build::fixture::{build, names, refused, says};
use hatchery_tests::pocket::{Kind, Member, Pkg};
use hatchery_tests::require;
use std::fs;

/// What lies outside.
const PRECIOUS: &str = "precious";

/// Builds with these packages; the error, if it was refused. Whatever came of
/// it, what lies outside is as it was.
fn contained(make: impl FnOnce(&str) -> Vec<Pkg>) -> Option<String> {
    let mut bench = Bench::empty();
    let outside = bench.path("outside");
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join(PRECIOUS), PRECIOUS).unwrap();
    let around = names(&bench.path("."));
    let packages = make(outside.to_str().unwrap());
    for package in &packages {
        bench.repository.add(package);
    }
    bench.repository.publish();
    let list: Vec<&str> = packages.iter().map(Pkg::name).collect();
    let request = bench.request(&list, "");
    let error = match build(&request) {
        Ok(_) => None,
        Err(_) => Some(refused(&request)),
    };
    assert_eq!(names(&outside), [PRECIOUS], "{error:?}");
    let precious = fs::read_to_string(outside.join(PRECIOUS)).unwrap();
    assert_eq!(precious, PRECIOUS, "{error:?}");
    let mut now = names(&bench.path("."));
    now.retain(|name| !["cache", "output"].contains(&name.as_str()));
    assert_eq!(now, around, "{error:?}");
    error
}

fn file(path: &str) -> Member {
    Member::new(path, Kind::File(b"planted".into()))
}

fn evil() -> Pkg {
    pkg("evil")
}

#[test]
fn a_path_that_climbs_out_of_the_tree_is_refused() {
    if !require(&NEEDS) {
        return;
    }
    for path in ["../x", "../../../x", "a/../../x", "..", "usr/./x", "usr//x"] {
        let error = contained(|_| vec![evil().bare(file(path))]).unwrap();
        says(
            &error,
            &["the package evil has a path that cannot be (/", path],
        );
    }
}

#[test]
fn a_path_from_the_root_of_the_host_is_refused() {
    if !require(&NEEDS) {
        return;
    }
    let error = contained(|outside| vec![evil().bare(file(&format!("{outside}/x")))]);
    says(
        &error.unwrap(),
        &["the package evil has a path that cannot be"],
    );
    let error = contained(|_| vec![evil().bare(file("//x"))]);
    says(
        &error.unwrap(),
        &["the package evil has a path that cannot be"],
    );
}

#[test]
fn a_file_through_a_link_of_the_same_package_is_refused() {
    if !require(&NEEDS) {
        return;
    }
    for climb in ["", "../../../../../../../../.."] {
        let error = contained(|outside| {
            let evil = evil().link("escape", &format!("{climb}{outside}"));
            vec![evil.bare(file("escape/planted"))]
        });
        says(
            &error.unwrap(),
            &["the package evil has a path that leads through a link of its own (/escape/planted)"],
        );
    }
}

#[test]
fn a_file_through_a_link_of_another_package_stays_inside() {
    if !require(&NEEDS) {
        return;
    }
    for path in ["escape/planted", "escape/precious"] {
        for kind in [Kind::File(b"planted".into()), Kind::Folder] {
            contained(|outside| {
                let link = pkg("another").link("escape", outside);
                let over = evil().bare(Member::new(path, kind)).depends("another");
                vec![link, over]
            });
        }
    }
}

#[test]
fn a_link_in_the_place_of_a_folder_of_every_tree_stays_inside() {
    if !require(&NEEDS) {
        return;
    }
    // The build itself writes into these.
    let folders = "etc var var/lib/pacman var/lib/pacman/local tmp usr/share/libalpm/hooks \
                   var/lib/pacman/local/evil-1-1";
    for folder in folders.split_whitespace() {
        contained(|outside| {
            let evil = evil()
                .link(folder, outside)
                .script("post_install() { :; }\n");
            vec![evil, with_file("victim").depends("evil")]
        });
    }
}

#[test]
fn a_hard_link_to_what_lies_outside_is_refused() {
    if !require(&NEEDS) {
        return;
    }
    for climb in ["", "../../../../../../../../.."] {
        let error = contained(|outside| {
            let target = format!("{climb}{outside}/{PRECIOUS}");
            vec![evil().hard_link("taken", &target)]
        });
        says(
            &error.unwrap(),
            &["cannot unpack the package evil", "taken: refused"],
        );
    }
}

#[test]
fn a_hard_link_to_what_the_package_does_not_have_is_refused() {
    if !require(&NEEDS) {
        return;
    }
    // Packages do not see one another's files.
    let error = contained(|_| {
        let evil = evil().hard_link("etc/taken", "etc/another");
        vec![with_file("another"), evil.depends("another")]
    });
    says(
        &error.unwrap(),
        &["cannot unpack the package evil", "taken"],
    );
}

#[test]
fn a_file_in_the_place_of_the_tree_itself_is_refused() {
    if !require(&NEEDS) {
        return;
    }
    for member in [file("."), Member::new("./", Kind::Link("/".into()))] {
        let error = contained(|_| vec![evil().bare(member)]).unwrap();
        says(&error, &["something else than a directory at its top"]);
    }
}

#[test]
fn a_scriptlet_or_hook_does_not_reach_the_host() {
    if !require(&NEEDS) {
        return;
    }
    contained(|outside| {
        let write = format!("echo planted >{outside}/planted");
        let hook = format!(
            "[Trigger]\nType = Package\nOperation = Install\nTarget = *\n[Action]\n\
             When = PostTransaction\nExec = /bin/sh -c '{write}'\n"
        );
        let evil = evil()
            .depends("bash")
            .script(&format!("post_install() {{\n  {write}\n}}\n"))
            .hook("evil.hook", &hook);
        vec![super::fixture::shell(), evil]
    });
}
