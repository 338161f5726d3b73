//! The units that `make install` installs, as systemd itself reads them.

use hatchery_tests::run::run;
use hatchery_tests::{Need, require};
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

/// Installs them beneath a prefix with a program that does nothing; the paths.
fn install(prefix: &Path) -> Vec<String> {
    let program = prefix.join("bin/hatchery");
    fs::create_dir_all(program.parent().unwrap()).unwrap();
    fs::write(&program, "#!/bin/sh\n").unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    let top = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let prefix_is = format!("PREFIX={}", prefix.display());
    let top = top.to_str().unwrap();
    run(&["make", "-s", "-C", top, "install-units", &prefix_is]).unwrap();
    let folder = prefix.join("lib/systemd/system");
    let entries = fs::read_dir(folder).unwrap();
    let mut units: Vec<_> = entries
        .map(|entry| {
            entry
                .unwrap()
                .path()
                .into_os_string()
                .into_string()
                .unwrap()
        })
        .collect();
    units.sort();
    units
}

#[test]
fn the_units_are_installed_and_systemd_has_nothing_to_say_about_them() {
    if !require(&[Need::Program("make"), Need::Program("systemd-analyze")]) {
        return;
    }
    let prefix = tempfile::tempdir().unwrap();
    let units = install(prefix.path());
    for unit in ["hatchery-refresh.service", "hatchery-refresh.timer"] {
        assert!(units.iter().any(|u| u.ends_with(unit)), "{units:?}");
    }
    let shell = "exec systemd-analyze verify --man=no \"$@\" 2>&1";
    let units: Vec<&str> = units.iter().map(String::as_str).collect();
    let argv = [&["sh", "-c", shell, "sh"][..], &units].concat();
    assert_eq!(run(&argv).unwrap(), "");
}

#[test]
fn the_catalog_is_refreshed_every_day_also_after_a_day_off() {
    if !require(&[Need::Program("make"), Need::Program("systemd-analyze")]) {
        return;
    }
    let prefix = tempfile::tempdir().unwrap();
    install(prefix.path());
    let path = "lib/systemd/system/hatchery-refresh.timer";
    let timer = fs::read_to_string(prefix.path().join(path)).unwrap();
    let value = |key: &str| timer.lines().find_map(|line| line.strip_prefix(key));
    assert_eq!(value("Persistent="), Some("true"));
    assert!(value("RandomizedDelaySec=").is_some());
    let when = value("OnCalendar=").unwrap();
    let shown = run(&["systemd-analyze", "calendar", when]).unwrap();
    assert!(shown.contains("*-*-* 00:00:00"), "{shown}");
}
