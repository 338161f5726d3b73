//! A tree that tells of the host that packs it is refused.

use super::*;
use std::os::unix::fs::symlink;

const TRACE: &[u8] = b"/var/cache/builds/.#";

/// What packing a tree says that has a trace in it.
fn refused(tree: &Path) -> String {
    let out = tempfile::tempdir().unwrap();
    let mut options = options(2, None);
    options.traces = vec![b"/not/there".to_vec(), TRACE.to_vec()];
    let error = super::super::pack(tree, out.path(), "x", &options, &Progress::silent());
    assert_eq!(fs::read_dir(out.path()).unwrap().count(), 0);
    error.unwrap_err().to_string()
}

#[test]
fn a_trace_in_a_small_file_is_found() {
    let tree = tempfile::tempdir().unwrap();
    fs::write(tree.path().join("a"), "x").unwrap();
    fs::write(tree.path().join("b"), [b"..", TRACE, b".."].concat()).unwrap();
    fs::write(tree.path().join("c"), "x").unwrap();
    let error = refused(tree.path());
    assert!(error.starts_with("b: it holds"), "{error}");
    assert!(error.contains("/var/cache/builds"), "{error}");
}

#[test]
fn a_trace_in_a_link_is_found() {
    let tree = tempfile::tempdir().unwrap();
    symlink("/var/cache/builds/.#1/x", tree.path().join("link")).unwrap();
    assert!(refused(tree.path()).starts_with("link: "));
}

#[test]
fn a_trace_across_the_frames_of_a_large_file_is_found() {
    let tree = tempfile::tempdir().unwrap();
    let size = frame_size(1);
    // The header's block comes first in the frame.
    for at in [size - 512 - TRACE.len() / 2, size - 512, 2 * size] {
        let mut bytes = vec![b'x'; 3 * size];
        bytes[at..at + TRACE.len()].copy_from_slice(TRACE);
        fs::write(tree.path().join("large"), &bytes).unwrap();
        assert!(refused(tree.path()).starts_with("large: "), "{at}");
    }
}
