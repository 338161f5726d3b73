//! A layer above a tree: reads like the tree, and never changes it.

use hatchery_builder::layer::Layer;
use hatchery_tests::{Need, require};
use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};

#[test]
fn what_is_written_to_a_layer_leaves_the_tree_alone() {
    if !require(&[Need::Root]) {
        return;
    }
    // Mounts of this thread are its own from here on.
    hatchery_builder::userns::enter().unwrap();

    let dir = tempfile::tempdir().unwrap();
    // Commas and colons would end a path in overlay's options.
    let tree = dir.path().join("a,b:c");
    fs::create_dir(&tree).unwrap();
    fs::set_permissions(&tree, fs::Permissions::from_mode(0o751)).unwrap();
    fs::write(tree.join("old"), "old").unwrap();
    fs::write(tree.join("gone"), "gone").unwrap();
    let work = dir.path().join("work");
    fs::create_dir(&work).unwrap();

    let layer = Layer::mount(&tree, &work, false).unwrap();
    let root = layer.root().to_owned();
    assert_eq!(fs::metadata(&root).unwrap().mode() & 0o7777, 0o751);
    fs::write(root.join("old"), "new").unwrap();
    fs::write(root.join("more"), "more").unwrap();
    fs::remove_file(root.join("gone")).unwrap();
    let mut names: Vec<_> = fs::read_dir(&root)
        .unwrap()
        .map(|e| e.unwrap().file_name())
        .collect();
    names.sort();
    assert_eq!(names, ["more", "old"]);
    drop(layer);

    assert_eq!(fs::read_to_string(tree.join("old")).unwrap(), "old");
    assert!(tree.join("gone").exists() && !tree.join("more").exists());
    assert!(!root.join("old").exists(), "the layer is still mounted");
}
