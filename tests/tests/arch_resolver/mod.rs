//! Arch's databases, versions and the resolver against pacman's own answers.

mod database;
mod generated;
mod pacman;
mod scenario;
mod versions;

use hatchery_builder::arch::database::Database;
use hatchery_builder::arch::dependency::Provision;
use hatchery_builder::arch::resolve::{Request, resolve};
use std::fs;
use std::path::Path;

/// The closure of `base` on a real database. Both files lie beside the
/// project and are no part of it.
#[test]
fn base_on_a_real_database_is_what_pacman_installs() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data/arch");
    let read = |name: &str| fs::read(folder.join(name));
    let (Ok(bytes), Ok(expected)) = (read("core.db"), read("expected-base-closure.txt")) else {
        hatchery_tests::need::skip("there is no real database beside the project");
        return;
    };
    let database = Database::parse(&bytes).unwrap();
    assert_eq!(database.packages.len(), 265);
    assert_eq!(database.warnings, [""; 0]);
    assert!(database.packages.iter().all(|p| p.signature.is_some()));
    let request = Request {
        targets: vec!["base".to_owned()],
        assume_installed: ["lmdb", "libsysprof-capture"].map(Provision::parse).into(),
        ..Request::default()
    };
    let resolution = resolve(&[("core", &database)], &request).unwrap();
    let lines = resolution.packages.iter().map(|chosen| {
        let package = &database.packages[chosen.package];
        let (name, version) = (&package.name, &package.version);
        format!("{name} {version} {}\n", package.compressed_size)
    });
    let expected = String::from_utf8(expected).unwrap();
    assert_eq!(lines.collect::<String>(), expected);
    let explicit = resolution.packages.iter().filter(|c| c.explicit);
    let explicit: Vec<_> = explicit
        .map(|c| &database.packages[c.package].name)
        .collect();
    assert_eq!(explicit, [&"base".parse().unwrap()]);
}
