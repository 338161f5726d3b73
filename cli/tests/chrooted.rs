//! An import that runs in a chroot: what it mounts for itself does not show
//! outside, and it does not hold up the rename of the tree.

use crate::hatchery::{ran, shell};
use crate::street::Street;
use hatchery_tests::{Need, require, run};
use std::fs;
use std::path::Path;

const NEEDS: [Need; 4] = [
    Need::Root,
    Need::Program("gpg"),
    Need::Program("ldd"),
    Need::Program("unshare"),
];

/// In a mount namespace of its own, in which every mount is shared, as systemd
/// has them: what is mounted in another namespace shows here.
const SCRIPT: &str = r#"
    exec unshare --mount --propagation shared sh -ec '
        cat /proc/self/mountinfo >"$0/before"
        code=0
        chroot "$0" /hatchery import lab --as m --key /key.pgp --mirror /store \
            --machines /machines --state /state --config /config --nspawn /nspawn \
            --accept-unsuitable || code=$?
        cat /proc/self/mountinfo >"$0/after"
        exit $code
    ' "$0"
"#;

/// The program, and what it is linked to.
fn install(root: &Path) {
    let program = env!("CARGO_BIN_EXE_hatchery");
    fs::copy(program, root.join("hatchery")).unwrap();
    let linked = run::run(&["ldd", program]).unwrap();
    for library in linked.split_whitespace().filter(|w| w.starts_with('/')) {
        let to = root.join(library.trim_start_matches('/'));
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        fs::copy(library, to).unwrap();
    }
}

#[test]
fn its_mounts_are_its_own() {
    if !require(&NEEDS) {
        return;
    }
    let street = Street::new(None);
    let root = street.path("");
    install(&root);
    let ran = ran(&shell(SCRIPT).arg(&root).output().unwrap());
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let [before, after] =
        ["before", "after"].map(|name| fs::read_to_string(root.join(name)).unwrap());
    assert!(before.contains(" shared:"), "{before}");
    assert_eq!(before, after);
    let text = fs::read_to_string(street.machine().join("etc/os-release")).unwrap();
    assert_eq!(text, "ID=lab\n");
}
