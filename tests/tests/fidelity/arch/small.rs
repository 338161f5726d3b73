//! Small trees, judged by pacstrap: what the pocket does not have.

use super::fixture::{Ours, install, request};
use super::{NEEDS, same_tree};
use crate::arch::fixture::{pkg, shell};
use crate::fidelity::scratch;
use hatchery_builder::arch::Request;
use hatchery_builder::recipe::SigLevel;
use hatchery_tests::pacstrap::Pacstrap;
use hatchery_tests::pocket::{Key, Listed, Pkg, PkgRepository};
use hatchery_tests::{Need, require};
use std::fs;
use std::path::PathBuf;
use tempfile::TempDir;

/// The name of the package that everything else is needed by.
const ALL: &str = "all";

/// What pacstrap has made, and we.
struct Both {
    folder: TempDir,
    theirs: Result<PathBuf, String>,
    ours: Result<Ours, String>,
}

fn can_run() -> bool {
    let needs = NEEDS.iter().filter(|need| **need != Need::Network);
    require(&needs.copied().collect::<Vec<_>>())
}

fn key() -> Key {
    Key::new("Small <small@localhost>")
}

/// Without which no tree can be compared.
fn accounts() -> Pkg {
    pkg("filesystem")
        .file("etc/passwd", b"root:x:0:0::/root:/bin/sh\n")
        .file("etc/group", b"root:x:0:\n")
}

/// Has these packages and one that needs them all installed by both. `options` and `change` say the same to either.
fn both(packages: &[Listed], key: &Key, options: &[&str], change: impl Fn(&mut Request)) -> Both {
    let folder = scratch();
    let top = folder.path().join("repositories");
    let mut repository = PkgRepository::create(&top, "core", key);
    for package in packages {
        repository.put(package.clone());
    }
    let mut all = pkg(ALL);
    for package in packages {
        let (name, _) = package.folder.split_once("-1-1").unwrap();
        all = all.depends(name);
    }
    repository.add(&all);
    repository.publish();
    let mut pacstrap = Pacstrap::from_one(&top, &repository);
    pacstrap.options = options.iter().map(ToString::to_string).collect();
    let root = folder.path().join("theirs");
    let theirs = pacstrap.run(&root, &[ALL]).map(|_| root);
    let mut request = request(&pacstrap, &[ALL]);
    change(&mut request);
    let ours = install(&request);
    Both {
        folder,
        theirs,
        ours,
    }
}

/// The same of packages as they should be, and accounts.
fn both_of(packages: &[Pkg], options: &[&str], change: impl Fn(&mut Request)) -> Both {
    let (key, accounts) = (key(), accounts());
    let all: Vec<Listed> = std::iter::once(&accounts)
        .chain(packages)
        .map(|package| Listed::new(package, &key))
        .collect();
    both(&all, &key, options, change)
}

impl Both {
    /// Asserts that the trees are the same; ours.
    fn same(self) -> Ours {
        let (theirs, ours) = (self.theirs.unwrap(), self.ours.unwrap());
        same_tree(&ours.root, &theirs);
        drop(self.folder);
        ours
    }
}

#[test]
fn what_is_not_to_be_extracted_is_listed_and_not_there() {
    if !can_run() {
        return;
    }
    let package = pkg("one")
        .file("usr/share/doc/one/README", b"no\n")
        .file("usr/share/doc/keep", b"yes\n")
        .folder("usr/share/doc/empty")
        .folder("usr/share/man")
        .file("usr/share/info/x", b"yes\n")
        .file("usr/share/locale/de/x", b"yes\n")
        .file("usr/share/locale/fr/x", b"no\n")
        .file("usr/lib/libx.so.1", b"yes\n")
        .link("usr/lib/libx.so", "libx.so.1")
        .file("usr/bin/first", b"yes\n")
        .hard_link("usr/bin/second", "usr/bin/first")
        .hard_link("usr/bin/third", "usr/bin/first")
        .file("etc/skip.conf", b"no\n")
        .file("etc/kept.conf", b"yes\n")
        .backup("etc/kept.conf")
        .backup("etc/skip.conf")
        .backup("etc/absent.conf");
    let patterns = [
        "usr/share/doc/*",
        "!usr/share/doc/keep",
        "usr/share/man",
        "usr/share/info/",
        "usr/share/locale/*",
        "!*locale/de/*",
        "usr/lib/*.so",
        "usr/bin/second",
        "etc/skip.conf",
    ];
    let options = patterns.map(|pattern| format!("NoExtract = {pattern}"));
    let options = options.each_ref().map(String::as_str);
    let ours = both_of(&[package], &options, |request| {
        request.pacman.no_extract = patterns.map(|p| p.parse().unwrap()).to_vec();
    })
    .same();
    let local = ours.root.join("var/lib/pacman/local/one-1-1/files");
    let files = fs::read_to_string(local).unwrap();
    assert!(files.contains("\nusr/share/doc/one/README\n"), "{files}");
    assert!(files.contains("\netc/skip.conf\t(null)\n"), "{files}");
    assert!(!ours.root.join("usr/share/doc/empty").exists());
    assert!(ours.root.join("usr/share/man").exists());
}

#[test]
fn another_name_of_what_is_not_extracted_is_not_there_either() {
    if !can_run() {
        return;
    }
    let package = pkg("one")
        .file("usr/bin/first", b"no\n")
        .hard_link("usr/bin/second", "usr/bin/first")
        .file("usr/bin/third", b"yes\n");
    let ours = both_of(&[package], &["NoExtract = usr/bin/first"], |request| {
        request.pacman.no_extract = vec!["usr/bin/first".parse().unwrap()];
    })
    .same();
    let second = "/usr/bin/second of the package one is another name of /usr/bin/first";
    assert!(ours.warnings[0].starts_with(second), "{:?}", ours.warnings);
}

#[test]
fn what_was_verified_is_noted_in_the_same_words() {
    if !can_run() {
        return;
    }
    let (key, accounts) = (key(), accounts());
    for (option, level, signed_word) in [
        (
            "SigLevel = Required DatabaseOptional",
            SigLevel::Required,
            "pgp",
        ),
        ("SigLevel = Optional", SigLevel::Optional, "pgp"),
        ("SigLevel = Never", SigLevel::Never, "sha256"),
    ] {
        let mut unsigned = Listed::new(&accounts, &key);
        if level != SigLevel::Required {
            unsigned.unsign();
        }
        let signed = Listed::new(&pkg("signed"), &key);
        let ours = both(&[unsigned, signed], &key, &[option], |request| {
            request.repositories[0].sig_level = level;
        })
        .same();
        let desc = ours.root.join("var/lib/pacman/local/signed-1-1/desc");
        let desc = fs::read_to_string(desc).unwrap();
        assert!(
            desc.contains(&format!("%VALIDATION%\n{signed_word}\n")),
            "{desc}"
        );
    }
}

#[test]
fn commands_of_hooks_are_split_in_the_same_way() {
    if !can_run() {
        return;
    }
    let commands = [
        r"/bin/sh -c 'printf %s\n x >/etc/1'",
        r#"/bin/sh -c 'printf "<%s>" "$@" >/etc/2' x a\ b "c d"e 'f' ''"#,
        r#"/bin/sh -c 'printf "<%s>" "$@" >/etc/3' x 'a \' b' \'c \"d \e \\f"#,
        r#"/bin/sh -c 'printf "<%s>" "$@" >/etc/4' x "a \" \\ \' 'b'" g"#,
        // Without a path, it is not looked for.
        "sh -c 'echo ran >/etc/5'",
        "/bin/absent",
        "/bin/sh -c 'echo last >/etc/6'",
    ];
    let mut hooks = pkg("hooks");
    for (number, command) in commands.iter().enumerate() {
        let text = format!(
            "[Trigger]\nType = Package\nOperation = Install\nTarget = hooks\n\
             [Action]\nWhen = PostTransaction\nExec = {command}\n"
        );
        hooks = hooks.hook(&format!("{number}.hook"), &text);
    }
    let ours = both_of(&[shell(), hooks], &[], |_| ()).same();
    assert!(ours.root.join("etc/6").exists());
}

#[test]
fn scriptlets_run_in_the_same_cases() {
    if !can_run() {
        return;
    }
    let note = |name: &str| format!("  echo \"$1 $# $PWD $(umask)\" >>/etc/{name}\n");
    let packages = [
        shell(),
        pkg("plain").script(&format!("post_install() {{\n{}}}\n", note("plain"))),
        pkg("comment").script("# post_install\nfalse # pre_install\n"),
        pkg("both").script(&format!(
            "pre_install() {{\n{0}}}\npost_install() {{\n{0}  exit 3\n}}\n",
            note("both")
        )),
        // The name is looked for, and not the function.
        pkg("mention").script("echo loaded >>/etc/mention\nx='post_install'\n"),
        pkg("upgrade").script("echo loaded >>/etc/upgrade\npost_upgrade() {\n  :\n}\n"),
        pkg("broken").script("post_install() {\n"),
    ];
    let ours = both_of(&packages, &[], |_| ()).same();
    assert!(ours.root.join("etc/mention").exists() && !ours.root.join("etc/upgrade").exists());
}

#[test]
fn what_a_scriptlet_has_made_gives_way_as_with_pacman() {
    if !can_run() {
        return;
    }
    let early = pkg("early").depends("bash").folder("etc/early").script(
        "post_install() {\n  cd /etc/early\n  for name in file same other; do \
             echo $name >$name; done\n}\n",
    );
    let late = pkg("late")
        .depends("early")
        .file("etc/early/file", b"package\n")
        .file("etc/early/same", b"same\n")
        .file("etc/early/other", b"package\n")
        .backup("etc/early/same")
        .backup("etc/early/other");
    let ours = both_of(&[shell(), early, late], &[], |_| ()).same();
    let read = |name: &str| fs::read_to_string(ours.root.join("etc/early").join(name)).unwrap();
    assert_eq!(read("file"), "package\n");
    assert_eq!(read("other"), "other\n");
    assert_eq!(read("other.pacnew"), "package\n");
}
