//! Builds that fail: what a script learns from the exit code, and a user from
//! the text, and that nothing is left of the image.

use crate::hatchery::{Ran, run};
use hatchery_tests::debs::{self, Deb};
use hatchery_tests::repository::{Dates, Repository};
use hatchery_tests::{Need, Pool, host, lab, require};
use jiff::Timestamp;
use std::fs;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

const NEEDS: [Need; 2] = [Need::Root, Need::Program("gpg")];

/// A home with a recipe and a repository, whose key no recipe can make the
/// archive's own.
struct Desk {
    home: TempDir,
    repository: Repository,
    hello: Deb,
}

impl Desk {
    fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        let signer = lab::key(&home.path().join("gnupg"), "archive@example.org");
        let folder = home.path().join("repository");
        let mut repository = Repository::create(&folder, "trixie", &signer);
        let hello = Deb::new("hello", "1").file("usr/share/hello", &lab::noise(2 << 20));
        repository.add(&debs::base());
        repository.add(&hello);
        repository.publish(Dates {
            made: now(),
            until: None,
        });
        let desk = Self {
            home,
            repository,
            hello,
        };
        desk.recipe("");
        let lock = desk.repository.lock(&["hello"], now());
        fs::write(desk.path("small.lock"), lock).unwrap();
        desk
    }

    fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    /// Writes the recipe with these lines besides the usual ones.
    fn recipe(&self, lines: &str) {
        let text = format!(
            "name = \"small\"\ndistribution = \"debian\"\nrelease = \"trixie\"\n\
             variant = \"essential\"\nmirrors = [\"file://{}\"]\npackages = [\"hello\"]\n\
             archive = {{ formats = [\"tar.zst\"], zstd_level = 1 }}\n{lines}",
            self.repository.folder().display()
        );
        fs::write(self.path("small.toml"), text).unwrap();
    }

    /// Builds it with these arguments besides the usual ones.
    fn build(&self, arguments: &[&str]) -> Ran {
        let usual = ["build", "small.toml", "--no-sign", "--no-host-mirrors"];
        run(self.home.path(), &[&usual[..], arguments].concat())
    }

    /// Builds what must fail; nothing may be left of it.
    #[track_caller]
    fn fails(&self, arguments: &[&str], code: i32, parts: &[&str]) {
        let before = names(&self.path("images"));
        let ran = self.build(arguments);
        assert_eq!((ran.code, ran.stdout.as_str()), (Some(code), ""), "{ran:?}");
        for part in parts {
            assert!(ran.stderr.contains(part), "no {part:?} in\n{}", ran.stderr);
        }
        assert_eq!(names(&self.path("images")), before, "{ran:?}");
        for folder in ["work", "base"] {
            let mut left = names(&self.path("cache/hatchery").join(folder));
            left.retain(|name| name.starts_with(".#"));
            assert!(left.is_empty(), "{folder} holds {left:?} after {ran:?}");
        }
    }
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten();
    entries
        .map(|e| e.unwrap().file_name().into_string().unwrap())
        .collect()
}

#[expect(
    clippy::disallowed_methods,
    reason = "signatures are made by the clock"
)]
fn now() -> Timestamp {
    Timestamp::now()
}

#[test]
fn a_wrong_recipe_or_a_lock_of_another_one_exits_with_3() {
    if !require(&NEEDS) {
        return;
    }
    let desk = Desk::new();
    desk.recipe("pakages = [\"nano\"]\n");
    let wrong = "small.toml:8:1: unknown key \"pakages\"; did you mean \"packages\"?";
    desk.fails(&[], 3, &[wrong]);
    desk.recipe("recommends = true\n");
    desk.fails(&["--locked"], 3, &["cannot build small from its lock"]);
}

#[test]
fn an_unknown_package_or_component_exits_with_3() {
    if !require(&[Need::Root, Need::Network, Need::Program("gpg")]) {
        return;
    }
    let desk = Desk::new();
    let recipe = fs::read_to_string(desk.path("small.toml")).unwrap();
    let recipe = recipe.replace("\"hello\"", "\"opensh-server\"");
    fs::write(desk.path("small.toml"), recipe).unwrap();
    let mirror = host::mirror().unwrap();
    let wanted = "there is no package opensh-server in trixie; did you mean openssh-server";
    desk.fails(&["--mirror", &mirror], 3, &[wanted]);
    desk.recipe("components = [\"mian\"]\n");
    let wanted = "it has no component mian; it has main";
    desk.fails(&["--mirror", &mirror], 3, &[wanted]);
    let key = fs::read(desk.path("small.lock")).unwrap();
    fs::write(desk.path("own.pgp"), key).unwrap();
    desk.recipe("[[repository]]\nsuite = \"own\"\nkey = \"own.pgp\"\n");
    let wanted = "cannot read own.pgp, the key of the repository own";
    desk.fails(&["--mirror", &mirror], 3, &[wanted]);
}

#[test]
fn what_cannot_be_trusted_exits_with_4() {
    if !require(&NEEDS) {
        return;
    }
    let desk = Desk::new();
    let folder = desk.repository.folder().to_str().unwrap();
    let untrusted = ["trixie/InRelease: ", "is not a trusted key"];
    desk.fails(&[], 4, &untrusted);
    desk.fails(&["--mirror", folder], 4, &untrusted);
    let file = desk.repository.file(&desk.hello);
    let mut bytes = fs::read(&file).unwrap();
    bytes[100_000] ^= 1;
    fs::write(&file, bytes).unwrap();
    desk.fails(&["--locked"], 4, &["hello_1_all.deb: its SHA-256 is"]);
}

#[test]
fn mirrors_that_are_down_exit_with_5() {
    if !require(&NEEDS) {
        return;
    }
    let desk = Desk::new();
    fs::remove_dir_all(desk.repository.folder()).unwrap();
    let down = ["--mirror", "http://127.0.0.1:1/"];
    desk.fails(
        &down,
        5,
        &[
            "http://127.0.0.1:1/dists/trixie/InRelease: ",
            "cannot read it",
        ],
    );
    desk.fails(&["--locked"], 5, &["_1_all.deb: cannot read it"]);
}

#[test]
fn a_full_disk_exits_with_6_and_says_what_to_do() {
    if !require(&NEEDS) {
        return;
    }
    let desk = Desk::new();
    let pool = Pool::tmpfs(1 << 20);
    let output = pool.path().join("images");
    let full = ["--locked", "--output", output.to_str().unwrap()];
    let wanted = [
        "small.tar.zst",
        "No space left",
        "free some space, or point --cache-dir",
    ];
    desk.fails(&full, 6, &wanted);
    assert!(names(&output).is_empty());
}

#[test]
fn what_no_image_may_hold_exits_with_7() {
    if !require(&NEEDS) {
        return;
    }
    let desk = Desk::new();
    desk.recipe(
        "[[file]]\npath = \"/etc/ssl/private/own.key\"\n\
         content = \"-----BEGIN PRIVATE KEY-----\"\n",
    );
    desk.fails(
        &["--locked"],
        7,
        &["/etc/ssl/private/own.key: a credential"],
    );
    let trace = desk.path("cache/hatchery/work/.#hatchery-0");
    let trace = trace.display();
    desk.recipe(&format!(
        "[[file]]\npath = \"/etc/trace\"\ncontent = \"{trace}\"\n"
    ));
    desk.fails(
        &["--locked"],
        7,
        &["etc/trace: it holds", "a path of this host"],
    );

    desk.recipe("");
    let ran = desk.build(&["--locked"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
}

#[test]
fn a_newest_time_that_is_still_to_come_is_refused() {
    if !require(&NEEDS) {
        return;
    }
    let desk = Desk::new();
    desk.recipe("source_date_epoch = 4102444800");
    let ran = run(
        desk.home.path(),
        &["build", "small.toml", "--locked", "--no-sign"],
    );
    assert_eq!(ran.code, Some(6), "{ran:?}");
    assert!(ran.stderr.contains("2100-01-01T00:00:00Z"), "{ran:?}");
    assert!(!desk.path("images/small").exists());
}
