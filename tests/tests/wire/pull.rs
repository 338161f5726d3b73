//! systemd's own client, `systemd-pull` from Debian's systemd-container,
//! against our server: what it fetches it has verified with gpg.

use super::fixture::Yard;
use hatchery_mirror::{Options, Running, Server};
use hatchery_tests::lab::{self, NOISE, NSPAWN};
use hatchery_tests::{Need, Pool, require, run};
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

const PULL: &str = "/lib/systemd/systemd-pull";
pub(super) const NEEDS: &[Need] = &[
    Need::Root,
    Need::Program(PULL),
    Need::Program("gpg"),
    Need::Program("unshare"),
];

/// A host that trusts one key, and a mirror.
pub(super) struct Lab {
    pub(super) yard: Yard,
    pub(super) images: Pool,
    pub(super) server: Running,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Lab {
    pub(super) fn new() -> Self {
        let yard = Yard::new();
        let etc = yard.path("etc");
        fs::create_dir(&etc).unwrap();
        let key = yard.signer.public_key().unwrap();
        fs::write(etc.join("import-pubring.gpg"), key).unwrap();
        let requests: Arc<Mutex<Vec<String>>> = Arc::default();
        let log = Arc::clone(&requests);
        let mut options = Options::new("127.0.0.1:0".parse().unwrap(), super::fixture::now);
        options.access = Arc::new(move |access| {
            let line = format!(
                "{} {} {}",
                access.request.method(),
                access.target(),
                access.status
            );
            log.lock().unwrap().push(line);
        });
        let server = Server::bind(yard.store(), options).unwrap().spawn();
        Self {
            yard,
            // Nothing that the client leaves immutable outlives this.
            images: Pool::tmpfs(256 << 20),
            server,
            requests,
        }
    }

    /// Pulls `path` as `name`; what the client said, and whether it succeeded.
    pub(super) fn pull(&self, path: &str, name: &str) -> Result<String, String> {
        let url = format!("http://{}/{path}", self.server.local_addr());
        let root = format!("--image-root={}", self.images.path().display());
        // The host's own keyring is not touched: the client sees another
        // /etc/systemd, in a mount namespace of its own.
        let script = "mount --bind \"$0\" /etc/systemd && exec timeout 60 \"$@\" 2>&1";
        let etc = self.yard.path("etc");
        run::run(&[
            "unshare",
            "--mount",
            "--propagation=private",
            "sh",
            "-c",
            script,
            etc.to_str().unwrap(),
            PULL,
            "--verify=signature",
            &root,
            "tar",
            &url,
            name,
        ])
    }

    /// Requests since the last call, sorted.
    pub(super) fn requests(&self) -> Vec<String> {
        let mut requests = std::mem::take(&mut *self.requests.lock().unwrap());
        requests.sort();
        requests
    }

    pub(super) fn tree(&self, name: &str) -> std::path::PathBuf {
        self.images.path().join(name)
    }
}

pub(super) fn check_tree(root: &Path, content: &str) {
    assert_eq!(
        fs::read_to_string(root.join("etc/content")).unwrap(),
        content
    );
    let tool = root.join("usr/bin/tool").metadata().unwrap();
    assert_eq!(tool.permissions().mode() & 0o7777, 0o4755);
    assert_eq!((tool.uid(), tool.gid()), (0, 0));
    assert_eq!(
        fs::read_link(root.join("bin")).unwrap(),
        Path::new("usr/bin")
    );
    assert_eq!(
        root.join("usr/noise").metadata().unwrap().len(),
        NOISE as u64
    );
}

#[test]
fn a_fresh_pull_and_one_that_finds_it_there() {
    if !require(NEEDS) {
        return;
    }
    let lab = Lab::new();
    lab.yard.publish(&lab.yard.image("1", "a")).unwrap();
    let base = "images/lab/amd64/1";
    let path = format!("{base}/lab.tar.xz");
    let said = lab.pull(&path, "one").unwrap();
    assert!(said.contains("Signature verification succeeded"), "{said}");
    check_tree(&lab.tree("one"), "a");
    assert_eq!(
        lab.requests(),
        [
            format!("GET /{base}/SHA256SUMS 200"),
            format!("GET /{base}/SHA256SUMS.gpg 200"),
            format!("GET /{base}/lab.nspawn 200"),
            format!("GET /{base}/lab.tar.xz 200"),
            format!("GET /{base}/lab.tar.xz.sha256 404"),
        ]
    );
    let settings = lab.images.path().join("one.nspawn");
    assert_eq!(fs::read_to_string(settings).unwrap(), NSPAWN);

    let said = lab.pull(&path, "two").unwrap();
    assert!(said.contains("already downloaded"), "{said}");
    assert!(!said.contains("File exists"), "{said}");
    check_tree(&lab.tree("two"), "a");
    let again = format!("GET /{base}/lab.tar.xz 304");
    assert!(lab.requests().contains(&again));
}

#[test]
fn through_a_channel_that_moves() {
    if !require(NEEDS) {
        return;
    }
    let lab = Lab::new();
    lab.yard.publish(&lab.yard.image("1", "a")).unwrap();
    let path = "images/lab/amd64/latest/lab.tar.xz";
    let said = lab.pull(path, "one").unwrap();
    assert!(said.contains("Signature verification succeeded"), "{said}");
    check_tree(&lab.tree("one"), "a");
    lab.yard.publish(&lab.yard.image("2", "b")).unwrap();
    lab.pull(path, "two").unwrap();
    check_tree(&lab.tree("two"), "b");
    lab.requests();
    let said = lab.pull(path, "three").unwrap();
    assert!(said.contains("already downloaded"), "{said}");
    check_tree(&lab.tree("three"), "b");
    let requests = lab.requests();
    for expected in [
        "/images/lab/amd64/latest/lab.tar.xz 302",
        "/images/lab/amd64/2/lab.tar.xz 304",
    ] {
        assert!(
            requests.contains(&format!("GET {expected}")),
            "{requests:?}"
        );
    }
}

#[test]
fn a_tampered_archive_is_refused() {
    if !require(NEEDS) {
        return;
    }
    let lab = Lab::new();
    let published = lab.yard.publish(&lab.yard.image("1", "a")).unwrap();
    let archive = published.directory.join("lab.tar.xz");
    let good = fs::read(&archive).unwrap();
    // Good as an archive, but of other content.
    let other = lab.yard.image("2", "b");
    fs::copy(other.directory().join("lab.tar.xz"), &archive).unwrap();
    let said = lab
        .pull("images/lab/amd64/1/lab.tar.xz", "one")
        .unwrap_err();
    assert!(said.contains("DOWNLOAD INVALID"), "{said}");
    assert!(!lab.tree("one").exists());
    // A digest that fits, but is not signed.
    let sums = published.directory.join("SHA256SUMS");
    let text = fs::read_to_string(&sums).unwrap();
    let digest = |bytes: &[u8]| hatchery_image::Sha256::of(bytes).to_string();
    let tampered = fs::read(&archive).unwrap();
    fs::write(&sums, text.replace(&digest(&good), &digest(&tampered))).unwrap();
    // What was found is remembered for a second: a version never changes.
    std::thread::sleep(Duration::from_millis(1100));
    let said = lab
        .pull("images/lab/amd64/1/lab.tar.xz", "one")
        .unwrap_err();
    assert!(said.contains("Signature verification failed"), "{said}");
    assert!(!lab.tree("one").exists());
    // And everything as it was.
    fs::write(&sums, text).unwrap();
    fs::write(&archive, good).unwrap();
    std::thread::sleep(Duration::from_millis(1100));
    lab.pull("images/lab/amd64/1/lab.tar.xz", "one").unwrap();
    check_tree(&lab.tree("one"), "a");
}

#[test]
fn a_key_that_the_host_does_not_trust_is_refused() {
    if !require(NEEDS) {
        return;
    }
    let lab = Lab::new();
    lab.yard.publish(&lab.yard.image("1", "a")).unwrap();
    let stranger = lab::key(&lab.yard.path("stranger"), "stranger@example.org");
    let ring = lab.yard.path("etc").join("import-pubring.gpg");
    fs::write(ring, stranger.public_key().unwrap()).unwrap();
    stranger.stop_agent().unwrap();
    let said = lab
        .pull("images/lab/amd64/1/lab.tar.xz", "one")
        .unwrap_err();
    assert!(said.contains("Signature verification failed"), "{said}");
    assert!(!lab.tree("one").exists());
}

/// systemd 252 hangs when several side files arrive in the same moment;
/// without the staggering, 6 to 13 of 40 such pulls did.
#[test]
fn twenty_small_pulls_none_hangs() {
    if !require(NEEDS) {
        return;
    }
    let lab = Lab::new();
    lab.yard.publish(&lab.yard.image("1", "a")).unwrap();
    for i in 0..20 {
        let name = format!("pull-{i}");
        let path = format!("images/lab/amd64/1/lab.tar.xz?{i}");
        lab.pull(&path, &name).unwrap();
        run::run(&[
            "sh",
            "-c",
            "chattr -R -i \"$0\"; rm -rf \"$0\"/* \"$0\"/.tar-*",
            lab.images.path().to_str().unwrap(),
        ])
        .unwrap();
    }
}
