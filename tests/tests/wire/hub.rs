//! What nspawn.org's `nspawn` script does, against our server: its requests
//! by curl, then systemd's own client, which verifies with the key that came
//! from there. The script itself cannot be here: its licence is the GPL.

use super::pull::{Lab, NEEDS, check_tree};
use hatchery_tests::lab::NSPAWN;
use hatchery_tests::{Need, require, run};
use std::fs;

fn require_all() -> bool {
    require(NEEDS) && require(&[Need::Program("curl")])
}

fn storage(lab: &Lab) -> String {
    format!("http://{}/storage", lab.server.local_addr())
}

/// The status that the script looks at before it pulls.
fn status(url: &str) -> String {
    let script = "curl -o /dev/null -sIw '%{http_code}' \"$0\"";
    run::run(&["sh", "-c", script, url]).unwrap()
}

#[test]
fn the_script_finds_the_list_and_the_key_and_systemd_verifies_the_image() {
    if !require_all() {
        return;
    }
    let lab = Lab::new();
    lab.yard.publish(&lab.yard.image("1", "a")).unwrap();
    let storage = storage(&lab);
    let list = run::run(&["curl", "-sS", &format!("{storage}/list.txt")]).unwrap();
    assert_eq!(list, "lab/1/tar\n");
    // It makes the keyring of what it got.
    let (key, ring) = (lab.yard.path("masterkey"), lab.yard.path("etc"));
    let ring = ring.join("import-pubring.gpg");
    fs::remove_file(&ring).unwrap();
    let (key, ring) = (key.to_str().unwrap(), ring.to_str().unwrap());
    let url = format!("{storage}/masterkey.pgp");
    run::run(&["curl", "-sS", &url, "-o", key]).unwrap();
    let home = lab.yard.path("home");
    fs::create_dir(&home).unwrap();
    let home = format!("--homedir={}", home.display());
    let keyring = format!("--keyring={ring}");
    let argv = [
        "gpg",
        "--batch",
        &home,
        "--no-autostart",
        "--no-default-keyring",
    ];
    run::run(&[&argv[..], &[&keyring, "--import", key]].concat()).unwrap();
    // 200 itself: the script follows no redirect.
    assert_eq!(status(&format!("{storage}/lab/1/tar/image.tar.xz")), "200");
    assert_eq!(status(&format!("{storage}/lab/2/tar/image.tar.xz")), "404");
    assert_eq!(status(&format!("{storage}/lab/1/raw/image.raw.xz")), "404");
    lab.requests();
    let path = "storage/lab/1/tar/image.tar.xz";
    let said = lab.pull(path, "lab-1-tar").unwrap();
    assert!(said.contains("Signature verification succeeded"), "{said}");
    check_tree(&lab.tree("lab-1-tar"), "a");
    let settings = lab.images.path().join("lab-1-tar.nspawn");
    assert_eq!(fs::read_to_string(settings).unwrap(), NSPAWN);
    assert_eq!(
        lab.requests(),
        [
            "GET /storage/lab/1/tar/SHA256SUMS 200",
            "GET /storage/lab/1/tar/SHA256SUMS.gpg 200",
            "GET /storage/lab/1/tar/image.nspawn 200",
            "GET /storage/lab/1/tar/image.tar.xz 200",
            "GET /storage/lab/1/tar/image.tar.xz.sha256 404",
        ]
    );
    // Once more, and after a new version.
    let said = lab.pull(path, "again").unwrap();
    assert!(said.contains("already downloaded"), "{said}");
    lab.yard.publish(&lab.yard.image("2", "b")).unwrap();
    let said = lab.pull(path, "new").unwrap();
    assert!(said.contains("Signature verification succeeded"), "{said}");
    check_tree(&lab.tree("new"), "b");
}

#[test]
fn a_version_can_be_pulled_by_its_archives_other_name() {
    if !require_all() {
        return;
    }
    let lab = Lab::new();
    lab.yard.publish(&lab.yard.image("1", "a")).unwrap();
    lab.yard.publish(&lab.yard.image("2", "b")).unwrap();
    let said = lab.pull("images/lab/amd64/1/image.tar.xz", "one").unwrap();
    assert!(said.contains("Signature verification succeeded"), "{said}");
    check_tree(&lab.tree("one"), "a");
}

/// The archive of one version beside the digests of another, as a pull sees
/// them that a publication falls into.
#[test]
fn two_versions_never_pass_for_one() {
    if !require_all() {
        return;
    }
    let lab = Lab::new();
    let first = lab.yard.publish(&lab.yard.image("1", "a")).unwrap();
    let second = lab.yard.publish(&lab.yard.image("2", "b")).unwrap();
    let archive = second.directory.join("lab.tar.xz");
    fs::copy(first.directory.join("lab.tar.xz"), &archive).unwrap();
    let path = "storage/lab/1/tar/image.tar.xz";
    let said = lab.pull(path, "mixed").unwrap_err();
    assert!(said.contains("DOWNLOAD INVALID"), "{said}");
    assert!(!lab.tree("mixed").exists());
}
