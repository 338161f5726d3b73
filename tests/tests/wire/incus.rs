//! incus' own client, of a tree of Debian trixie, against our server over TLS.

use super::fixture::{Yard, now};
use super::tls::Files;
use hatchery_image::Sha256;
use hatchery_image::files::ImageFiles;
use hatchery_image::manifest::Distribution;
use hatchery_mirror::{Listener, Options, Running, Server, TlsFiles};
use hatchery_tests::lab::pack_tree;
use hatchery_tests::tree::{self, Untouched};
use hatchery_tests::{Need, require, run};
use serde_json::Value;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

const NEEDS: &[Need] = &[
    Need::Root,
    Need::Program("gpg"),
    Need::Program("unshare"),
    Need::Program("mmdebstrap"),
    Need::Program("xz"),
    Need::Network,
];

/// A host with the client, which trusts one authority, and a mirror.
struct Lab {
    yard: Yard,
    root: PathBuf,
    server: Running,
}

impl Lab {
    fn new() -> Self {
        let root = tree::untouched(
            &Path::new(env!("CARGO_TARGET_TMPDIR")).join("trees"),
            &Untouched {
                name: "incus",
                release: "trixie",
                packages: "ca-certificates,incus-client",
                epoch: 0,
                state: "1",
            },
        );
        let yard = Yard::new();
        for folder in ["certs", "local", "home"] {
            fs::create_dir(yard.path(folder)).unwrap();
        }
        let files = Files::new(yard.folder.path());
        fs::copy(&files.authority, yard.path("local/mirror.crt")).unwrap();
        let anywhere: SocketAddr = "127.0.0.1:0".parse().unwrap();
        let mut options = Options::new(anywhere, now);
        let (certificate, key) = (files.certificate, files.key);
        options.listeners = vec![Listener::tls(anywhere, TlsFiles { certificate, key })];
        let server = Server::bind(yard.store(), options).unwrap().spawn();
        let lab = Self { server, root, yard };
        lab.run(&["update-ca-certificates"]).unwrap();
        lab
    }

    /// Runs a program of the tree, in which everything that is written lies
    /// in the yard: `home` at /mnt.
    fn run(&self, argv: &[&str]) -> Result<String, String> {
        let script = "set -e
            mount --bind \"$1/certs\" \"$0/etc/ssl/certs\"
            mount --bind \"$1/local\" \"$0/usr/local/share/ca-certificates\"
            mount --bind \"$1/home\" \"$0/mnt\"
            mount -t proc proc \"$0/proc\"
            mount --rbind /dev \"$0/dev\"
            root=$0
            shift
            exec timeout 60 chroot \"$root\" env -i HOME=/mnt LC_ALL=C.UTF-8 \
                PATH=/usr/sbin:/usr/bin:/sbin:/bin \"$@\" 2>&1";
        let folder = self.yard.folder.path().to_str().unwrap();
        let root = self.root.to_str().unwrap();
        let unshare = ["unshare", "--mount", "--propagation=private", "sh", "-c"];
        run::run(&[&unshare[..], &[script, root, folder], argv].concat())
    }

    fn incus(&self, arguments: &[&str]) -> Result<String, String> {
        self.run(&[&["incus"], arguments].concat())
    }

    fn add_remote(&self) -> Result<String, String> {
        let url = format!("https://{}", self.server.local_addr());
        self.incus(&["remote", "add", "lab", &url, "--protocol", "simplestreams"])
    }

    /// What `image list` says, the client's cache of five minutes aside.
    fn list(&self) -> Vec<Value> {
        let _ = fs::remove_dir_all(self.yard.path("home/.cache"));
        let text = self.incus(&["image", "list", "lab:", "--format", "json"]);
        serde_json::from_str(&text.unwrap()).unwrap()
    }

    /// The two files that `image export` writes.
    fn export(&self, image: &str) -> Result<(Vec<u8>, Vec<u8>), String> {
        self.incus(&["image", "export", image, "/mnt/out", "--quiet"])?;
        let read = |name: &str| fs::read(self.yard.path(name)).unwrap();
        Ok((read("home/out"), read("home/out.root")))
    }

    /// Publishes an image of the distribution Debian.
    fn publish_debian(&self, name: &str, version: &str, release: &str) -> ImageFiles {
        let rootfs = tempfile::tempdir().unwrap();
        fs::write(rootfs.path().join("release"), release).unwrap();
        let directory = self.yard.path(&format!("{name}-{version}"));
        let mut files = pack_tree(rootfs.path(), &directory, name, version, |manifest| {
            manifest.distribution = Distribution {
                id: "debian".into(),
                release: release.into(),
            };
        });
        files.sign(&self.yard.signer).unwrap();
        self.yard.publish(&files).unwrap();
        files
    }
}

/// The archive that every host with incus can unpack.
fn archive(files: &ImageFiles) -> Vec<u8> {
    fs::read(files.directory().join("debian.tar.xz")).unwrap()
}

/// The names of an image's aliases.
fn aliases(image: &Value) -> Vec<&str> {
    let aliases = image["aliases"].as_array();
    let names = aliases.into_iter().flatten().map(|a| &a["name"]);
    names.map(|name| name.as_str().unwrap()).collect()
}

#[test]
fn an_image_is_listed_described_and_exported() {
    if !require(NEEDS) {
        return;
    }
    let lab = Lab::new();
    lab.publish_debian("debian", "20261122.1", "trixie");
    let files = lab.publish_debian("debian", "20261123.2", "trixie");
    lab.publish_debian("web", "1", "trixie");
    lab.add_remote().unwrap();
    let list = lab.list();
    let listed: Vec<_> = list.iter().map(aliases).collect();
    let debian = [
        "debian",
        "debian/amd64",
        "debian/trixie",
        "debian/trixie/amd64",
    ];
    assert_eq!(listed, [&debian[..], &[], &["web", "web/amd64"]]);
    let info = lab.incus(&["image", "info", "lab:debian/trixie"]).unwrap();
    let fingerprint = list[0]["fingerprint"].as_str().unwrap();
    for line in [
        &format!("Fingerprint: {fingerprint}\n"),
        "Architecture: x86_64\n",
        "    os: debian\n",
        "    release: trixie\n",
        "_20261123.2\n",
    ] {
        assert!(info.contains(line), "{line} is not in {info}");
    }
    let (metadata, root) = lab.export("lab:debian/trixie").unwrap();
    assert!(root == archive(&files), "the root is another archive");
    let both = Sha256::of(&[metadata, root].concat()).to_string();
    assert_eq!(both, fingerprint);
    let exported = lab.yard.path("home/out");
    let exported = exported.to_str().unwrap();
    let yaml = run::run(&["tar", "-xJOf", exported, "metadata.yaml"]).unwrap();
    assert!(yaml.contains("  version: \"20261123.2\"\n"), "{yaml}");
    // An older version, by its fingerprint.
    let older = list[1]["fingerprint"].as_str().unwrap();
    let (metadata, root) = lab.export(&format!("lab:{older}")).unwrap();
    assert_eq!(Sha256::of(&[metadata, root].concat()).to_string(), older);
}

#[test]
fn a_store_without_images_is_a_remote_and_an_update_is_seen() {
    if !require(NEEDS) {
        return;
    }
    let lab = Lab::new();
    lab.add_remote().unwrap();
    assert_eq!(lab.list(), [Value::Null; 0]);
    let error = lab.incus(&["image", "info", "lab:debian"]).unwrap_err();
    assert!(error.contains("couldn't be found"), "{error}");
    let first = lab.publish_debian("debian", "1", "trixie");
    assert_eq!(lab.list().len(), 1);
    assert!(lab.export("lab:debian").unwrap().1 == archive(&first));
    let second = lab.publish_debian("debian", "2", "forky");
    assert_eq!(lab.list().len(), 2);
    assert!(lab.export("lab:debian").unwrap().1 == archive(&second));
    let error = lab.export("lab:debian/trixie").unwrap_err();
    assert!(error.contains("couldn't be found"), "{error}");
}

#[test]
fn publishing_keeps_the_fingerprint_that_the_server_shows() {
    if !require(NEEDS) {
        return;
    }
    let lab = Lab::new();
    let files = lab.publish_debian("debian", "1", "trixie");
    let folder = lab.yard.path("store/derived/streams");
    let kept = || -> Vec<_> {
        let entries = fs::read_dir(&folder).unwrap();
        entries.map(|entry| entry.unwrap().path()).collect()
    };
    let file = kept().remove(0);
    lab.add_remote().unwrap();
    let fingerprint = lab.list()[0]["fingerprint"].as_str().unwrap().to_owned();
    let content = fs::read_to_string(&file).unwrap();
    assert_eq!(content, format!("{fingerprint}\n"));
    // Publishing again heals it, and removes what killed writers left.
    fs::write(&file, "damaged").unwrap();
    fs::write(folder.join(".#hatchery-0123456789abcdef"), "half").unwrap();
    lab.yard.publish(&files).unwrap();
    assert_eq!(kept(), std::slice::from_ref(&file));
    assert_eq!(fs::read_to_string(&file).unwrap(), content);
}

#[test]
fn a_tampered_archive_is_refused() {
    if !require(NEEDS) {
        return;
    }
    let lab = Lab::new();
    let files = lab.publish_debian("debian", "1", "trixie");
    lab.add_remote().unwrap();
    let path = lab.yard.path("store/images/debian/amd64/1/debian.tar.xz");
    let mut bytes = archive(&files);
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(path, bytes).unwrap();
    let error = lab.export("lab:debian").unwrap_err();
    assert!(error.contains("Hash mismatch"), "{error}");
}
