//! Scripts, of packages and of recipes, run by a real Debian: how they fail,
//! what they see, and what they may not leave in an image.
//!
//! What runs them comes from the host's mirror; the packages whose scripts are
//! looked at, from a repository of their own. Both and the bootstraps are kept
//! for the next test.

use super::fixture::{ARCHIVE, build, days, now, refused, request, says};
use hatchery_builder::BuildRequest;
use hatchery_builder::recipe::Recipe;
use hatchery_image::Architecture;
use hatchery_tests::debs::Deb;
use hatchery_tests::repository::{Dates, Repository};
use hatchery_tests::{Need, host, lab, require};
use hatchery_transfer::Location;
use std::fs::{self, File};
use std::io::Read as _;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

const NEEDS: [Need; 3] = [Need::Root, Need::Network, Need::Program("gpg")];

/// What the repository holds. When it changes, so does its name.
const OWN: &str = "own-1";

/// What `leaky` makes when it is configured.
const KEY: &str = "/etc/ssl/private/leaky.key";

/// Lines of a recipe that let it be.
const LET_BE: &str = "[lint]\nallow = [\"/etc/ssl/private\"]\n";

/// A folder that is kept between runs.
fn kept(name: &str) -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(name)
}

/// The repository with the packages, made once, and its key beside it.
fn own() -> PathBuf {
    let folder = kept(OWN);
    let lock = File::create(kept(".own-lock")).unwrap();
    lock.lock().unwrap();
    if folder.exists() {
        return folder;
    }
    let home = tempfile::tempdir().unwrap();
    let signer = lab::key(&home.path().join("gnupg"), "own@example.org");
    let staging = kept(".new-own");
    let _ = fs::remove_dir_all(&staging);
    let mut repository = Repository::create(&staging, "own", &signer);
    let failing = "echo looking for a moon; echo 'there is none' >&2; exit 3";
    let make = format!(
        "set -e\nmkdir -p /etc/ssl/private\n\
         printf -- '-----BEGIN PRIVATE KEY-----\\nAAAA\\n' > {KEY}\nchmod 600 {KEY}"
    );
    for package in [
        Deb::new("leaky", "1").script("postinst", &make),
        Deb::new("late", "1").script("postinst", failing),
        Deb::new("early", "1").script("preinst", failing),
    ] {
        repository.add(&package);
    }
    repository.publish(Dates {
        made: days(-1),
        until: None,
    });
    fs::write(staging.join("own.pgp"), repository.key()).unwrap();
    fs::rename(&staging, &folder).unwrap();
    folder
}

/// A recipe with the essential packages, one of ours, and these lines, and
/// where its image goes.
struct Bench {
    _folder: TempDir,
    request: BuildRequest,
}

fn bench(package: &str, lines: &str) -> Bench {
    // Mounts of this thread are its own from here on.
    hatchery_builder::userns::enter().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let own = own();
    fs::copy(own.join("own.pgp"), folder.path().join("own.pgp")).unwrap();
    let text = format!(
        "name = \"scripts\"\ndistribution = \"debian\"\nrelease = \"trixie\"\n\
         variant = \"essential\"\nmirrors = [\"http://mirror.example/debian\"]\n\
         packages = [\"{package}\"]\n{ARCHIVE}\n{lines}\n\
         [[repository]]\nsuite = \"own\"\ncomponents = [\"main\"]\nkey = \"own.pgp\"\n\
         mirrors = \"file://{}\"\n",
        own.display()
    );
    let path = folder.path().join("scripts.toml");
    fs::write(&path, text).unwrap();
    let recipe = Recipe::load(&path, Architecture::host().unwrap()).unwrap();
    let mut request = request(recipe, &kept("cache"), &folder.path().join("output"));
    let mirror = host::mirror().unwrap();
    request.mirrors = vec![Location::parse(&mirror).unwrap()];
    request.now = now();
    Bench {
        _folder: folder,
        request,
    }
}

impl Bench {
    /// Builds; the text of a file of the image, if it is there.
    fn file(&self, path: &str) -> Option<String> {
        let directory = self.request.output.join("scripts");
        if !directory.exists() {
            build(&self.request).unwrap_or_else(|e| panic!("{e}"));
        }
        let archive = File::open(directory.join("scripts.tar.zst")).unwrap();
        let decoder = zstd::stream::read::Decoder::new(archive).unwrap();
        let mut tar = tar::Archive::new(decoder);
        for entry in tar.entries().unwrap() {
            let mut entry = entry.unwrap();
            let found = entry.path().unwrap().into_owned();
            if found.strip_prefix("./").unwrap_or(&found) == Path::new(path) {
                let mut text = String::new();
                entry.read_to_string(&mut text).unwrap();
                return Some(text);
            }
        }
        None
    }
}

#[test]
fn a_postinst_that_fails_is_named_with_its_package_and_last_lines() {
    if !require(&NEEDS) {
        return;
    }
    let error = refused(&bench("late", "").request);
    says(
        &error,
        &[
            "cannot bootstrap scripts",
            "the postinst script of the package late failed; its last lines:",
            "looking for a moon",
            "there is none",
        ],
    );
}

#[test]
fn a_preinst_that_fails_is_named_with_its_package_and_last_lines() {
    if !require(&NEEDS) {
        return;
    }
    let error = refused(&bench("early", "").request);
    says(
        &error,
        &[
            "cannot bootstrap scripts",
            "the preinst script of the package early failed; its last lines:",
            "looking for a moon\nthere is none",
        ],
    );
}

#[test]
fn a_private_key_that_a_package_made_keeps_the_image_from_being_packed() {
    if !require(&NEEDS) {
        return;
    }
    let error = refused(&bench("leaky", "").request);
    says(
        &error,
        &[
            "cannot pack scripts",
            &format!("{KEY}: a credential"),
            &format!("[lint] allow = [\"{KEY}\"]"),
        ],
    );
    let allowed = bench("leaky", LET_BE);
    assert!(allowed.file(&KEY[1..]).unwrap().contains("PRIVATE KEY"));
    let removed = bench("leaky", &format!("[post_install]\nscript = \"rm {KEY}\""));
    assert_eq!(removed.file(&KEY[1..]), None);
}

#[test]
fn a_post_install_script_that_fails_shows_its_last_lines() {
    if !require(&NEEDS) {
        return;
    }
    let script = "[post_install]\nscript = \"\"\"\necho painting it\necho no paint left >&2\nfalse\n\"\"\"\n";
    let error = refused(&bench("leaky", &format!("{LET_BE}{script}")).request);
    says(
        &error,
        &[
            "cannot apply the settings of scripts",
            "cannot run the post_install script",
            "exit status 1; its last lines:\npainting it\nno paint left",
        ],
    );
}

#[test]
fn a_post_install_script_has_no_network_unless_it_asks_for_it() {
    if !require(&NEEDS) {
        return;
    }
    let look = "mkdir -p /srv; cat /proc/net/dev > /srv/net; \
                ! test -e /etc/resolv.conf || cat /etc/resolv.conf > /srv/resolv";
    let interfaces = |text: &str| -> Vec<String> {
        let lines = text.lines().filter_map(|line| line.split_once(':'));
        let mut names: Vec<String> = lines.map(|(name, _)| name.trim().to_owned()).collect();
        names.sort();
        names
    };
    let script = format!("{LET_BE}[post_install]\nscript = \"{look}\"\n");
    let alone = bench("leaky", &script);
    assert_eq!(interfaces(&alone.file("srv/net").unwrap()), ["lo"]);
    assert_eq!(alone.file("srv/resolv"), None);
    assert_eq!(alone.file("etc/resolv.conf"), None);

    let online = bench("leaky", &format!("{script}network = true\n"));
    let hosts = fs::read_to_string("/proc/net/dev").unwrap();
    assert_eq!(
        interfaces(&online.file("srv/net").unwrap()),
        interfaces(&hosts)
    );
    assert_eq!(
        online.file("srv/resolv"),
        fs::read_to_string("/etc/resolv.conf").ok()
    );
    assert_eq!(online.file("etc/resolv.conf"), None);
    assert_eq!(online.file(".post-install"), None);
}
