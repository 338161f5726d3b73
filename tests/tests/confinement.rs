//! What a program inside a tree that is being built finds, and what it cannot
//! do.

use hatchery_builder::confine::{ConfineError, Confinement};
use hatchery_image::Progress;
use hatchery_tests::{Need, require, tree};
use std::path::{Path, PathBuf};

const HELPER: &str = env!("CARGO_BIN_EXE_hatchery-test-helper");

const NEEDS: [Need; 3] = [Need::Root, Need::Network, Need::Program("mmdebstrap")];

fn confinement(root: PathBuf) -> Confinement {
    Confinement {
        helper: vec![HELPER.into(), "__confine".into()],
        root,
        network: false,
        source_date_epoch: 1_700_000_000,
    }
}

/// What a program prints inside a copy of a tree.
fn inside(argv: &[&str]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("tree");
    let trees = Path::new(env!("CARGO_TARGET_TMPDIR")).join("trees");
    tree::copy(&tree::debian(&trees, "trixie"), &root);
    let output = confinement(root).run(argv, None, &[], &Progress::silent());
    String::from_utf8(output.unwrap().stdout).unwrap()
}

/// The same for a program of perl, which every Debian has.
fn perl(program: &str) -> String {
    inside(&["perl", "-e", program])
}

#[test]
fn a_script_reaches_its_own_machine_and_no_other() {
    if !require(&NEEDS) {
        return;
    }
    // A datagram's way is looked up before it is sent.
    let try_all = "for address in 127.0.0.1 ::1 192.0.2.1; do
        (echo > /dev/udp/$address/9) 2>/dev/null && echo $address
    done; true";
    assert_eq!(inside(&["bash", "-c", try_all]), "127.0.0.1\n::1\n");
}

#[test]
fn a_program_that_cannot_be_started_is_told_apart() {
    if !require(&NEEDS) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("tree");
    let trees = Path::new(env!("CARGO_TARGET_TMPDIR")).join("trees");
    tree::copy(&tree::debian(&trees, "trixie"), &root);
    let confinement = confinement(root);
    let silent = Progress::silent();
    for program in ["/usr/bin/not-there", "/etc/passwd"] {
        match confinement.run(&[program], None, &[], &silent) {
            Err(ConfineError::Unstarted { index: 0, argv, .. }) => assert_eq!(argv, program),
            other => panic!("{other:?}"),
        }
    }
}

/// A user namespace gives every capability back to who is root in it.
#[test]
#[cfg(target_arch = "x86_64")]
fn no_user_namespace_can_be_made() {
    if !require(&NEEDS) {
        return;
    }
    // clone with CLONE_NEWUSER and SIGCHLD, clone3, unshare, and clone by its
    // number in the x32 table. What succeeded would say so twice.
    let said = perl(
        "$| = 1; for ([56, 0x10000011], [435, 0, 0], [272, 0x10000000], [0x40000038, 0x10000011]) { \
         my ($call, @rest) = @$_; my $r = syscall($call, @rest, 0, 0, 0, 0); print $r < 0 ? $!+0 : 'made', ' '; }",
    );
    assert_eq!(said, "1 38 1 1 ");
    // Processes can still be made.
    assert_eq!(perl("print `echo made`"), "made\n");
}

/// From the chroot of a bootstrap one gets to an empty folder at most.
#[test]
fn the_way_out_of_the_chroot_leads_nowhere() {
    if !require(&NEEDS) {
        return;
    }
    let marker = tempfile::tempdir_in("/var/tmp").unwrap();
    let name = marker.path().file_name().unwrap().to_str().unwrap();
    let said = perl(&format!(
        "mkdir '/x'; chroot '/x'; chdir '..' for 1..50; chroot '.'; opendir(D, '.'); \
         print join(' ', sort grep {{ !/^\\./ }} readdir D), '|', (-e '/var/tmp/{name}' ? 'seen' : 'hidden')"
    ));
    assert!(said.ends_with("|hidden"), "{said}");
}
