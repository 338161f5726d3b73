//! Tests of [`super`]. What pacman does with the same is compared by the
//! tests that cross crates.

use super::*;
use crate::arch::database::Package;
use crate::arch::dependency::Dependency;

/// A database of packages such as `a 1-1 depends=b depends=c>1 groups=g`.
fn database(lines: &[&str]) -> Database {
    let mut packages: Vec<Package> = lines.iter().map(|line| package(line)).collect();
    packages.sort_by(|a, b| a.name.cmp(&b.name));
    Database {
        packages,
        newest: 1,
        warnings: Vec::new(),
    }
}

fn package(line: &str) -> Package {
    let mut words = line.split(' ');
    let (name, version) = (words.next().unwrap(), words.next().unwrap());
    let mut package = Package {
        file_name: format!("{name}-{version}-any.pkg.tar.zst"),
        name: name.parse().unwrap(),
        base: String::new(),
        version: version.parse().unwrap(),
        description: String::new(),
        groups: Vec::new(),
        compressed_size: 0,
        installed_size: 0,
        sha256: None,
        signature: None,
        url: String::new(),
        licenses: Vec::new(),
        architecture: "any".to_owned(),
        build_date: 0,
        packager: String::new(),
        replaces: Vec::new(),
        depends: Vec::new(),
        opt_depends: Vec::new(),
        conflicts: Vec::new(),
        provides: Vec::new(),
    };
    for word in words {
        let (field, value) = word.split_once('=').unwrap();
        match field {
            "depends" => package.depends.push(Dependency::parse(value)),
            "conflicts" => package.conflicts.push(Dependency::parse(value)),
            "replaces" => package.replaces.push(Dependency::parse(value)),
            "provides" => package.provides.push(Provision::parse(value)),
            "groups" => package.groups.push(value.to_owned()),
            "file" => package.file_name = value.to_owned(),
            other => panic!("{other}"),
        }
    }
    package
}

fn request(targets: &str) -> Request {
    Request {
        targets: targets.split(' ').map(str::to_owned).collect(),
        ..Request::default()
    }
}

/// What is installed from the repositories `core` and `extra`, with `*` after
/// what is explicit; or the error.
fn run(core: &[&str], extra: &[&str], request: &Request) -> Result<String, ResolveError> {
    let (core, extra) = (database(core), database(extra));
    let repositories = [("core", &core), ("extra", &extra)];
    let resolution = resolve(&repositories, request)?;
    let shown = resolution.packages.iter().map(|chosen| {
        let (repository, database) = repositories[chosen.repository];
        let name = &database.packages[chosen.package].name;
        let mark = if chosen.explicit { "*" } else { "" };
        format!("{repository}/{name}{mark}")
    });
    Ok(shown.collect::<Vec<_>>().join(" "))
}

fn warnings(core: &[&str], request: &Request) -> Vec<String> {
    let core = database(core);
    resolve(&[("core", &core)], request).unwrap().warnings
}

#[test]
fn what_is_needed_comes_first() {
    let core = [
        "a 1-1 depends=b depends=c",
        "b 1-1 depends=d",
        "c 1-1",
        "d 1-1",
    ];
    let found = run(&core, &[], &request("a")).unwrap();
    assert_eq!(found, "core/d core/b core/c core/a*");
    let found = run(&core, &[], &request("c a")).unwrap();
    assert_eq!(found, "core/c* core/d core/b core/a*");
    assert_eq!(run(&core, &[], &Request::default()).unwrap(), "");
}

#[test]
fn targets_are_packages_then_provided_then_groups() {
    let core = [
        "a 1-1 groups=g",
        "b 1-1 groups=g groups=p",
        "c 1-1 provides=p=3",
    ];
    let extra = ["a 2-1 groups=g", "d 1-1 groups=g provides=b"];
    for (targets, expected) in [
        ("a", "core/a*"),
        ("a>1", "extra/a*"),
        ("extra/a", "extra/a*"),
        ("b", "core/b*"),
        ("extra/b", "extra/d*"),
        ("p", "core/c*"),
        ("p=3", "core/c*"),
        ("g", "core/a* core/b* extra/d*"),
        ("extra/g", "extra/a* extra/d*"),
        ("a a core/a", "core/a*"),
    ] {
        let found = run(&core, &extra, &request(targets));
        assert_eq!(found.unwrap(), expected, "{targets}");
    }
    for (targets, expected) in [
        ("zzz", "there is no package or group zzz in core, extra"),
        (
            "a>2",
            "there is no package or group a>2 in core, extra; there is core/a 1-1, extra/a 2-1",
        ),
        (
            "gnu/a",
            "gnu/a names the repository gnu; there are core, extra",
        ),
        ("g>1", "there is no package or group g>1 in core, extra"),
        ("", "there is no package or group  in core, extra"),
        (
            "core/a extra/a",
            "core/a 1-1 and extra/a 2-1 are both asked for, and only one a can be installed",
        ),
    ] {
        let error = run(&core, &extra, &request(targets)).unwrap_err();
        assert_eq!(error.to_string(), expected, "{targets}");
    }
    let error = run(&["openssh 1-1"], &[], &request("opensh")).unwrap_err();
    assert!(
        error.to_string().ends_with("did you mean openssh?"),
        "{error}"
    );
}

#[test]
fn dependencies_are_met_by_what_is_there_then_by_targets() {
    let core = [
        "a 1-1 depends=p",
        "b 1-1 provides=p",
        "c 1-1 provides=p depends=a",
    ];
    assert_eq!(run(&core, &[], &request("a")).unwrap(), "core/b core/a*");
    let found = run(&core, &[], &request("a c")).unwrap();
    assert_eq!(found, "core/c* core/a*");
    // A package of that name in any repository goes before what provides it.
    let found = run(&core, &["p 1-1"], &request("a")).unwrap();
    assert_eq!(found, "extra/p core/a*");
}

#[test]
fn a_missing_dependency_is_told_by_who_needs_it() {
    let core = [
        "a 1-1 depends=b",
        "b 1-1 depends=c>=2",
        "c 1-1",
        "d 1-1 depends=x",
    ];
    let error = run(&core, &[], &request("a")).unwrap_err();
    assert_eq!(
        error.to_string(),
        "a dependency cannot be satisfied:\n  core/a 1-1 needs b\n    core/b 1-1 needs c>=2, \
         but there is only core/c 1-1"
    );
    let error = run(&core, &[], &request("d")).unwrap_err();
    assert!(
        error
            .to_string()
            .ends_with("needs x, which is in no repository")
    );
    let assumed = Request {
        assume_installed: ["c=2-1", "x"].map(Provision::parse).into(),
        ..request("a d")
    };
    assert_eq!(run(&core, &[], &assumed).unwrap(), "core/b core/a* core/d*");
}

#[test]
fn what_is_ignored_is_only_taken_when_it_is_asked_for() {
    let core = ["a 1-1 depends=p", "p 1-1 groups=g", "q 1-1 provides=p"];
    let ignoring = |targets, ignore: &[&str], groups: &[&str]| Request {
        ignore: ignore.iter().map(|s| (*s).to_owned()).collect(),
        ignore_groups: groups.iter().map(|s| (*s).to_owned()).collect(),
        ..request(targets)
    };
    for request in [ignoring("a", &["p"], &[]), ignoring("a", &[], &["[g-h]*"])] {
        assert_eq!(run(&core, &[], &request).unwrap(), "core/q core/a*");
        assert_eq!(
            warnings(&core, &request),
            ["ignoring the package core/p 1-1"]
        );
    }
    let asked = ignoring("a p", &["?"], &[]);
    assert_eq!(run(&core, &[], &asked).unwrap(), "core/p* core/a*");
    let error = run(&core, &[], &ignoring("a", &["*"], &[])).unwrap_err();
    assert_eq!(
        error.to_string(),
        "a package that is to be ignored is needed:\n  core/a 1-1 needs p, and core/p 1-1, \
         core/q 1-1 is to be ignored"
    );
}

#[test]
fn of_two_in_conflict_one_that_the_other_provides_is_left_out() {
    let core = [
        "a 1-1 conflicts=b provides=b",
        "b 1-1",
        "c 1-1 conflicts=d<2",
        "d 1-1",
        "e 1-1 conflicts=e provides=e",
        "f 1-1 depends=b=1",
        "r 1-1 replaces=b",
    ];
    assert_eq!(run(&core, &[], &request("a b")).unwrap(), "core/a*");
    assert_eq!(warnings(&core, &request("b a")).len(), 1);
    let error = run(&core, &[], &request("d c")).unwrap_err();
    assert_eq!(
        error.to_string(),
        "core/c 1-1 and core/d 1-1 are in conflict (d<2)"
    );
    assert_eq!(run(&core, &[], &request("e")).unwrap(), "core/e*");
    let error = run(&core, &[], &request("a f b")).unwrap_err();
    assert!(matches!(error, ResolveError::KeptOut { .. }), "{error}");
    // Only an upgrade replaces.
    assert_eq!(run(&core, &[], &request("b r")).unwrap(), "core/b* core/r*");
}

#[test]
fn a_target_of_another_version_can_keep_a_dependency_out() {
    let core = ["a 1-1", "b 1-1 depends=a>1"];
    let found = run(&core, &["a 2-1"], &request("b core/a")).unwrap();
    assert_eq!(found, "extra/a* core/b*");
    let error = run(&core, &["a 2-1"], &request("core/a b")).unwrap_err();
    assert!(matches!(error, ResolveError::Unsatisfied { .. }), "{error}");
}

#[test]
fn what_needs_one_another_is_installed_with_a_warning() {
    let core = [
        "a 1-1 depends=b",
        "b 1-1 depends=a depends=b",
        "c 1-1 provides=c depends=c",
    ];
    assert_eq!(
        run(&core, &[], &request("a c")).unwrap(),
        "core/b core/a* core/c*"
    );
    assert_eq!(
        warnings(&core, &request("a c")),
        ["b is installed before a, which it needs: they need one another"]
    );
}

#[test]
fn two_packages_in_one_file_are_refused() {
    let core = ["a 1-1 file=x.pkg", "b 1-1 file=x.pkg"];
    assert_eq!(run(&core, &[], &request("a")).unwrap(), "core/a*");
    let error = run(&core, &[], &request("a b")).unwrap_err();
    assert!(matches!(error, ResolveError::SameFile { .. }), "{error}");
}

#[test]
fn chains_may_be_as_long_as_a_database() {
    let mut lines: Vec<String> = (0..30_000)
        .map(|n| format!("p{n} 1-1 depends=p{}", n + 1))
        .collect();
    let lines_of =
        |lines: &[String]| database(&lines.iter().map(String::as_str).collect::<Vec<_>>());
    let missing = lines_of(&lines);
    let error = resolve(&[("core", &missing)], &request("p0")).unwrap_err();
    assert!(error.to_string().len() < 10_000);
    lines.push("p30000 1-1".to_owned());
    let whole = lines_of(&lines);
    let found = resolve(&[("core", &whole)], &request("p0")).unwrap();
    assert_eq!(found.packages.len(), 30_001);
}

#[test]
fn a_database_made_to_take_for_ever_is_refused() {
    let mut lines = vec![format!("a 1-1{}", " depends=x>9".repeat(1_000))];
    let provides = " provides=x=1".to_owned() + &" provides=y".repeat(1_000);
    lines.extend((0..200).map(|n| format!("p{n} 1-1{provides} groups=g")));
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    let mut endless = database(&lines);
    // Each is gone through for all of them, as the last one satisfies it.
    let last = endless.packages.last_mut().unwrap();
    last.provides.push(Provision::parse("x=10"));
    let error = resolve(&[("core", &endless)], &request("g a")).unwrap_err();
    assert!(matches!(error, ResolveError::TooMuch { .. }), "{error}");
}
