//! Clients of OCI registries against our server: skopeo, umoci and podman of
//! the host, and systemd's `pull-oci` of a tree of Debian forky.

use super::fixture::{Yard, now};
use hatchery_image::files::ImageFiles;
use hatchery_image::manifest::ArchiveFormat;
use hatchery_image::{Progress, Sha256};
use hatchery_mirror::{
    DeriveError, Derived, Options, Outcome, Running, Selection, Server, derive_gzip, remove_gzip,
};
use hatchery_tests::lab::{noise, pack_tree};
use hatchery_tests::tree::{self, Untouched};
use hatchery_tests::{Need, Pool, require, run};
use serde_json::Value;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

const NEEDS: &[Need] = &[Need::Root, Need::Program("gpg"), Need::Program("zstd")];
const LAYOUTS: &[Need] = &[Need::Program("skopeo"), Need::Program("umoci")];

/// More than what is answered from memory.
const NOISE: usize = 3 << 20;

/// A mirror, and what clients make of it.
struct Lab {
    yard: Yard,
    server: Running,
}

impl Lab {
    fn new() -> Self {
        let yard = Yard::new();
        let options = Options::new("127.0.0.1:0".parse().unwrap(), now);
        let server = Server::bind(yard.store(), options).unwrap().spawn();
        Self { yard, server }
    }

    /// Publishes a version of `lab`, in which there is a systemd.
    fn publish(&self, version: &str) -> ImageFiles {
        let rootfs = tempfile::tempdir().unwrap();
        make_rootfs(rootfs.path(), version);
        let directory = self.yard.path(&format!("image-{version}"));
        let mut files = pack_tree(rootfs.path(), &directory, "lab", version, |manifest| {
            manifest.requires.systemd = Some(257);
        });
        files.sign(&self.yard.signer).unwrap();
        self.yard.publish(&files).unwrap();
        files
    }

    fn derive(&self, selection: &str) -> Result<Vec<Derived>, DeriveError> {
        let selection: Selection = selection.parse().unwrap();
        derive_gzip(&self.yard.store(), &[selection], &Progress::silent())
    }

    /// `lab` at the mirror, as the clients write it.
    fn reference(&self, tag: &str) -> String {
        format!("{}/lab:{tag}", self.server.local_addr())
    }

    fn skopeo(&self, arguments: &[&str]) -> Result<String, String> {
        run::run(&[&["skopeo", "--insecure-policy"], arguments].concat())
    }

    fn inspect(&self, tag: &str, more: &[&str]) -> Value {
        let image = format!("docker://{}", self.reference(tag));
        let argv = [&["inspect", "--tls-verify=false"], more, &[&image]].concat();
        serde_json::from_str(&self.skopeo(&argv).unwrap()).unwrap()
    }

    /// Copies a tag to a new layout of OCI's.
    fn copy(&self, tag: &str, to: &str, more: &[&str]) -> PathBuf {
        let layout = self.yard.path(to);
        let from = format!("docker://{}", self.reference(tag));
        let to = format!("oci:{}:{tag}", layout.display());
        let argv = [&["copy", "--src-tls-verify=false"], more, &[&from, &to]];
        self.skopeo(&argv.concat()).unwrap();
        layout
    }

    /// What umoci makes of a tag of a layout.
    fn unpack(&self, layout: &Path, tag: &str, to: &str) -> PathBuf {
        let bundle = self.yard.path(to);
        let image = format!("{}:{tag}", layout.display());
        let to = bundle.to_str().unwrap();
        run::run(&["umoci", "unpack", "--image", &image, to]).unwrap();
        bundle.join("rootfs")
    }

    /// What GNU tar makes of an image's archive.
    fn expected(&self, files: &ImageFiles) -> String {
        let folder = tempfile::tempdir().unwrap();
        let archive = files.directory().join("lab.tar.zst");
        let argv = ["tar", "--zstd", "-xpf", archive.to_str().unwrap(), "-C"];
        run::run(&[&argv[..], &[folder.path().to_str().unwrap()]].concat()).unwrap();
        described(folder.path())
    }
}

fn make_rootfs(root: &Path, content: &str) {
    for folder in ["etc", "usr/bin", "usr/lib/systemd", "tmp"] {
        fs::create_dir_all(root.join(folder)).unwrap();
    }
    let mode = |path: &str, mode| {
        fs::set_permissions(root.join(path), fs::Permissions::from_mode(mode)).unwrap();
    };
    mode("tmp", 0o1777);
    fs::write(root.join("etc/os-release"), "ID=lab\n").unwrap();
    fs::write(root.join("etc/content"), content).unwrap();
    fs::write(root.join("etc/shadow"), "root:*:::::::\n").unwrap();
    mode("etc/shadow", 0o640);
    std::os::unix::fs::chown(root.join("etc/shadow"), Some(0), Some(42)).unwrap();
    fs::write(root.join("usr/bin/tool"), "#!/bin/sh\n").unwrap();
    mode("usr/bin/tool", 0o4755);
    fs::hard_link(root.join("usr/bin/tool"), root.join("usr/bin/same")).unwrap();
    fs::write(root.join("usr/lib/systemd/systemd"), noise(NOISE)).unwrap();
    symlink("usr/lib", root.join("lib")).unwrap();
    symlink("usr/bin", root.join("bin")).unwrap();
}

/// Every path beneath a folder: type, mode, owner, time, links and content.
fn described(root: &Path) -> String {
    let script = "cd \"$0\"
        find . -mindepth 1 -printf '%p %y %m %U:%G %Ts %l\\n' | sort
        find . -type f -printf '%n %p\\n' | sort
        find . -type f -exec sha256sum {} + | sort";
    run::run(&["sh", "-ec", script, root.to_str().unwrap()]).unwrap()
}

/// The bytes of an archive, as a layout holds them by their digest.
fn blob_of(layout: &Path, files: &ImageFiles) -> PathBuf {
    let archive = files.manifest().archive(ArchiveFormat::TarZst).unwrap();
    layout.join(format!("blobs/sha256/{}", archive.sha256))
}

#[test]
fn skopeo_inspects_and_copies_the_archive_itself() {
    if !(require(NEEDS) && require(LAYOUTS)) {
        return;
    }
    let lab = Lab::new();
    lab.publish("1");
    let files = lab.publish("2");
    let about = lab.inspect("latest", &[]);
    assert_eq!(about["RepoTags"], serde_json::json!(["1", "2", "latest"]));
    assert_eq!(about["Architecture"], "amd64");
    let config = lab.inspect("2", &["--config"]);
    assert_eq!(config["config"]["Cmd"][0], "/lib/systemd/systemd");
    let tar = format!("sha256:{}", files.manifest().tar.sha256);
    assert_eq!(config["rootfs"]["diff_ids"][0], tar);
    let layout = lab.copy("latest", "layout", &[]);
    let copied = fs::read(blob_of(&layout, &files)).unwrap();
    let archive = fs::read(files.directory().join("lab.tar.zst")).unwrap();
    assert!(copied == archive, "the layer is another archive");
    // umoci reads no zstd in every version; skopeo has compressed it anew.
    let again = ["--dest-compress-format", "gzip", "--dest-compress"];
    let layout = lab.copy("latest", "again", &again);
    let rootfs = lab.unpack(&layout, "latest", "bundle");
    assert_eq!(described(&rootfs), lab.expected(&files));
    let missing = lab.skopeo(&[
        "inspect",
        "--tls-verify=false",
        &format!("docker://{}", lab.reference("none")),
    ]);
    assert!(missing.unwrap_err().contains("manifest unknown"));
}

#[test]
fn a_layer_of_gzip_is_for_clients_that_read_no_zstd() {
    if !(require(NEEDS) && require(LAYOUTS)) {
        return;
    }
    let lab = Lab::new();
    let files = lab.publish("1");
    let plain = lab.inspect("latest", &["--raw"]);
    let made = lab.derive("lab:latest").unwrap();
    assert_eq!((made.len(), made[0].outcome), (1, Outcome::Made));
    let index = lab.inspect("latest", &["--raw"]);
    assert_eq!(index["manifests"].as_array().unwrap().len(), 2);
    // umoci's of old unpacks what skopeo got for it.
    let layout = lab.copy("latest", "layout", &["--multi-arch", "system"]);
    assert!(
        layout
            .join(format!("blobs/sha256/{}", made[0].sha256))
            .exists()
    );
    let rootfs = lab.unpack(&layout, "latest", "bundle");
    assert_eq!(described(&rootfs), lab.expected(&files));
    // A whole copy has both layers, under the digest that the tag has here.
    let layout = lab.copy("latest", "whole", &["--multi-arch", "all"]);
    assert!(blob_of(&layout, &files).exists());
    let copied = fs::read_to_string(layout.join("index.json")).unwrap();
    let copied: Value = serde_json::from_str(&copied).unwrap();
    let digest = lab.inspect("latest", &[])["Digest"].clone();
    assert_eq!(copied["manifests"][0]["digest"], digest);
    // Once more makes the same, and nothing is made twice.
    let folder = lab.yard.path("store/derived/gzip");
    let layer = folder.join(format!("{}.tar.gz", made[0].sha256));
    let bytes = fs::read(&layer).unwrap();
    assert_eq!(Sha256::of(&bytes), made[0].sha256);
    assert_eq!(lab.derive("lab").unwrap()[0].outcome, Outcome::WasThere);
    fs::remove_file(&layer).unwrap();
    fs::write(folder.join(".#hatchery-0123456789abcdef"), "half").unwrap();
    let again = lab.derive("lab").unwrap();
    assert_eq!(
        (again[0].sha256, again[0].outcome),
        (made[0].sha256, Outcome::Made)
    );
    assert!(fs::read(&layer).unwrap() == bytes);
    // What is as long and something else is no layer.
    fs::write(&layer, vec![0; bytes.len()]).unwrap();
    assert_eq!(lab.derive("lab").unwrap()[0].outcome, Outcome::Made);
    assert!(fs::read(&layer).unwrap() == bytes);
    // One member, as old readers want it.
    let mut one = flate2::read::GzDecoder::new(&bytes[..]);
    let tar = Sha256::of_reader(&mut one).unwrap();
    let expected = &files.manifest().tar;
    assert_eq!(tar, (expected.sha256, expected.size));
    assert!(one.into_inner().is_empty());

    let removed = remove_gzip(&lab.yard.store(), &[]).unwrap();
    assert_eq!(removed.layers.len(), 1);
    assert_eq!(lab.inspect("latest", &["--raw"]), plain);
    let left: Vec<_> = fs::read_dir(&folder).unwrap().collect();
    assert_eq!(left.len(), 1, "{left:?}");
}

#[test]
fn a_damaged_archive_becomes_no_layer() {
    if !require(&[Need::Program("gpg")]) {
        return;
    }
    let lab = Lab::new();
    lab.publish("1");
    let other = lab.publish("2");
    let archive = "store/images/lab/amd64/1/lab.tar.zst";
    fs::copy(
        other.directory().join("lab.tar.zst"),
        lab.yard.path(archive),
    )
    .unwrap();
    let error = lab.derive("lab:1").unwrap_err();
    assert!(matches!(error, DeriveError::Damaged { .. }), "{error}");
    let folder = lab.yard.path("store/derived/gzip");
    assert_eq!(fs::read_dir(folder).unwrap().count(), 0);
    for unknown in ["lab:3", "other", "lab:2x"] {
        let error = lab.derive(unknown).unwrap_err();
        assert!(matches!(error, DeriveError::Unknown(_)), "{error}");
    }
}

#[test]
fn podman_pulls_either_layer() {
    if !(require(NEEDS) && require(&[Need::Program("podman"), Need::Program("unshare")])) {
        return;
    }
    let lab = Lab::new();
    let files = lab.publish("1");
    let policy = lab.yard.path("policy.json");
    fs::write(
        &policy,
        r#"{"default": [{"type": "insecureAcceptAnything"}]}"#,
    )
    .unwrap();
    let reference = lab.reference("latest");
    for storage in ["zstd", "gzip"] {
        if storage == "gzip" {
            lab.derive("lab").unwrap();
        }
        // What it mounts is gone with its namespace.
        let script = "podman() { command podman --root \"$0/storage\" --runroot \"$0/run\" \
                --storage-driver vfs \"$@\"; }
            podman pull --quiet --tls-verify=false --signature-policy \"$1\" \"$2\" >&2
            cp -a \"$(podman image mount \"$2\")\" \"$0/tree\"
            podman image inspect --format '{{.Config.StopSignal}} {{.Config.Cmd}}' \"$2\"";
        let folder = lab.yard.path(storage);
        fs::create_dir(&folder).unwrap();
        let said = run::run(&[
            "unshare",
            "--mount",
            "--propagation=private",
            "sh",
            "-ec",
            script,
            folder.to_str().unwrap(),
            policy.to_str().unwrap(),
            &reference,
        ]);
        assert_eq!(said.unwrap(), "SIGRTMIN+3 [/lib/systemd/systemd]\n");
        assert_eq!(described(&folder.join("tree")), lab.expected(&files));
    }
}

/// A host of systemd's newest version.
fn forky() -> PathBuf {
    tree::untouched(
        &Path::new(env!("CARGO_TARGET_TMPDIR")).join("trees"),
        &Untouched {
            name: "oci",
            release: "forky",
            packages: "systemd-container,libarchive13t64,libcurl4t64",
            epoch: 0,
            state: "1",
        },
    )
}

#[test]
fn systemd_pulls_either_layer() {
    let forkys = [
        Need::Program("unshare"),
        Need::Program("mmdebstrap"),
        Need::Network,
    ];
    if !(require(NEEDS) && require(&forkys)) {
        return;
    }
    let root = forky();
    let lab = Lab::new();
    let files = lab.publish("1");
    let registries = lab.yard.path("etc/oci-registry");
    fs::create_dir_all(&registries).unwrap();
    let port = lab.server.local_addr().port();
    let registry = format!("registry.127.0.0.1%3a{port}.oci-registry");
    let plain = r#"{"defaultProtocol": "http"}"#;
    fs::write(registries.join(registry), plain).unwrap();
    let reference = lab.reference("latest");
    for layer in ["zstd", "gzip"] {
        if layer == "gzip" {
            lab.derive("lab").unwrap();
        }
        // What it leaves immutable is gone with the file system.
        let images = Pool::tmpfs(64 << 20);
        let script = "set -e
            mount --bind \"$1\" \"$0/etc/systemd\"
            mount --bind \"$2\" \"$0/mnt\"
            mount -t proc proc \"$0/proc\"
            mount --rbind /dev \"$0/dev\"
            exec timeout 60 chroot \"$0\" env -i PATH=/usr/sbin:/usr/bin LC_ALL=C.UTF-8 \
                /usr/lib/systemd/systemd-pull --image-root=/mnt oci \"$3\" machine 2>&1";
        let said = run::run(&[
            "unshare",
            "--mount",
            "--propagation=private",
            "sh",
            "-c",
            script,
            root.to_str().unwrap(),
            lab.yard.path("etc").to_str().unwrap(),
            images.path().to_str().unwrap(),
            &reference,
        ]);
        said.unwrap();
        let stack = images.path().join("machine.mstack/layer@0");
        assert_eq!(
            described(&stack.canonicalize().unwrap()),
            lab.expected(&files)
        );
        let settings = fs::read_to_string(images.path().join("machine.nspawn")).unwrap();
        assert!(settings.contains("KillSignal=RTMIN+3\n"), "{settings}");
        assert!(
            settings.contains("Parameters=/lib/systemd/systemd\n"),
            "{settings}"
        );
    }
}
