//! What programs find that are run in a tree.

use hatchery_builder::confine::Confinement;
use hatchery_image::Progress;
use hatchery_tests::{Need, require, tree};
use std::path::Path;

#[test]
fn a_script_reaches_its_own_machine_and_no_other() {
    if !require(&[Need::Root, Need::Network, Need::Program("mmdebstrap")]) {
        return;
    }
    let trees = Path::new(env!("CARGO_TARGET_TMPDIR")).join("trees");
    let confinement = Confinement {
        helper: vec![
            env!("CARGO_BIN_EXE_hatchery-test-helper").into(),
            "__confine".into(),
        ],
        root: tree::debian(&trees, "trixie"),
        network: false,
        source_date_epoch: 0,
    };
    // A datagram's way is looked up before it is sent.
    let try_all = "for address in 127.0.0.1 ::1 192.0.2.1; do
        (echo > /dev/udp/$address/9) 2>/dev/null && echo $address
    done; true";
    let output = confinement.run(&["bash", "-c", try_all], None, &[], &Progress::silent());
    assert_eq!(output.unwrap().stdout, b"127.0.0.1\n::1\n");
}
