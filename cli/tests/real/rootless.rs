//! An ordinary user builds the same bytes as root.

use super::desk::{Desk, EPOCH, NEEDS, digests};
use hatchery_tests::pocket::Pocket;
use hatchery_tests::run::run;
use hatchery_tests::{Need, require, tree};
use std::fs;
use std::path::{Path, PathBuf};

/// A user that exists for one test.
struct User {
    name: String,
    home: tempfile::TempDir,
}

impl User {
    /// With subordinate ids, as useradd gives them.
    fn new() -> Self {
        let name = format!("hatchery-{}", std::process::id());
        let home = tempfile::tempdir_in("/var/tmp").unwrap();
        let path = home.path().to_str().unwrap();
        run(&["useradd", "--no-create-home", "--home-dir", path, &name]).unwrap();
        run(&["chown", &name, path]).unwrap();
        Self { name, home }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    /// Runs the program in the user's home.
    fn hatchery(&self, arguments: &[&str]) -> Result<String, String> {
        // Where cargo puts it, the user may not be able to go.
        let program = self.path("hatchery");
        if !program.exists() {
            fs::copy(env!("CARGO_BIN_EXE_hatchery"), &program).unwrap();
        }
        let script = format!(
            "cd '{}' && exec ./hatchery \"$@\"",
            self.home.path().display()
        );
        let home = format!("HOME={}", self.home.path().display());
        let epoch = format!("SOURCE_DATE_EPOCH={EPOCH}");
        let become_user = [
            "setpriv",
            "--reuid",
            &self.name,
            "--regid",
            &self.name,
            "--init-groups",
        ];
        let environment = [
            "env",
            "-i",
            "PATH=/usr/bin:/bin",
            &home,
            &epoch,
            "sh",
            "-c",
            &script,
            "sh",
        ];
        run(&[&become_user[..], &environment, arguments].concat())
    }
}

impl Drop for User {
    fn drop(&mut self) {
        let _ = run(&["userdel", &self.name]);
    }
}

fn own(path: &Path, user: &str) {
    run(&["chown", "-R", user, path.to_str().unwrap()]).unwrap();
}

#[test]
fn an_ordinary_user_builds_the_same_bytes() {
    if !require(&NEEDS) || !require(&[Need::Program("newuidmap"), Need::Program("setpriv")]) {
        return;
    }
    let home = tempfile::tempdir_in("/dev/shm").unwrap();
    let desk = Desk::new(home.path(), "\"tar.zst\"", "");
    desk.fill_cache();
    let epoch = format!("source_date_epoch = {EPOCH}");
    desk.recipe("", &epoch);
    let ran = desk.run(&Desk::BUILD);
    assert_eq!(ran.code, Some(0), "{ran:?}");

    let user = User::new();
    desk.copy_to(user.home.path());
    let cache = user.path(".cache/hatchery");
    fs::create_dir_all(&cache).unwrap();
    let downloads = desk.path("cache/hatchery/sha256");
    run(&[
        "cp",
        "-r",
        downloads.to_str().unwrap(),
        cache.to_str().unwrap(),
    ])
    .unwrap();
    own(user.home.path(), &user.name);
    user.hatchery(&Desk::BUILD).unwrap();
    assert_eq!(digests(&user.path("images/real")), desk.image());
}

#[test]
fn a_user_without_subordinate_ids_is_told_how_to_get_some() {
    if !require(&NEEDS) || !require(&[Need::Program("setpriv")]) {
        return;
    }
    let user = User::new();
    run(&["usermod", "--del-subuids", "1-4294967294", &user.name]).unwrap();
    fs::write(user.path("x.toml"), "").unwrap();
    let error = user
        .hatchery(&["build", "x.toml", "--no-sign"])
        .unwrap_err();
    for part in ["exit status: 6", "subordinate ids", "usermod --add-subuids"] {
        assert!(error.contains(part), "{error}");
    }
}

/// Arch's packages bring file capabilities, setuid programs and many owners.
#[test]
fn an_ordinary_user_builds_the_same_arch() {
    if !require(&NEEDS) || !require(&[Need::Program("newuidmap"), Need::Program("setpriv")]) {
        return;
    }
    let user = User::new();
    let pocket = Pocket::repository(&Path::new(env!("CARGO_TARGET_TMPDIR")).join("pocket"));
    let key = pocket.key().public();
    tree::copy(pocket.path(), &user.path("pocket"));
    fs::write(user.path("pocket.pgp"), key).unwrap();
    let text = format!(
        "name = \"arch\"\ndistribution = \"arch\"\nkey = \"pocket.pgp\"\npackages = [\"base\", \"pocket-features\"]\n\
         mirrors = [\"file://{}/$repo/os/$arch\"]\nsource_date_epoch = {EPOCH}\n\
         archive = {{ formats = [\"tar.zst\"], zstd_level = 1 }}\n",
        user.path("pocket").display()
    );
    fs::write(user.path("arch.toml"), text).unwrap();
    let roots = tempfile::tempdir_in("/dev/shm").unwrap();
    for name in ["arch.toml", "pocket.pgp"] {
        fs::copy(user.path(name), roots.path().join(name)).unwrap();
    }
    let build = ["build", "arch.toml", "--no-sign"];
    let ran = crate::hatchery::run(roots.path(), &build);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    own(user.home.path(), &user.name);
    user.hatchery(&build).unwrap();
    let image = digests(&roots.path().join("images/arch"));
    assert_eq!(digests(&user.path("images/arch")), image);
    let archive = roots.path().join("images/arch/arch.tar.zst");
    let archive = archive.to_str().unwrap();
    let script = "zstd -dc \"$0\" | grep -c --text SCHILY.xattr.security.capability";
    assert_ne!(run(&["sh", "-c", script, archive]).unwrap(), "0\n");
}
