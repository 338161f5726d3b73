//! Scriptlets and hooks: what runs, what is told when it fails, and what only
//! a hook may stop.

use super::fixture::{Bench, NEEDS, shell, with_file};
use crate::build::fixture::says;
use hatchery_tests::pocket::Pkg;
use hatchery_tests::require;

/// A hook that runs a command when anything is installed.
fn hook(when: &str, command: &str, more: &str) -> String {
    format!(
        "[Trigger]\nType = Package\nOperation = Install\nTarget = *\n\
         [Action]\nWhen = {when}\nExec = {command}\n{more}"
    )
}

/// A hook as the recipe's own file.
fn recipe_file(name: &str, text: &str) -> String {
    format!("[[file]]\npath = \"/etc/pacman.d/hooks/{name}\"\ncontent = '''\n{text}'''\n")
}

fn after_shell(name: &str) -> Pkg {
    with_file(name).depends("bash")
}

#[test]
fn a_scriptlet_that_fails_is_told_and_the_rest_goes_on() {
    if !require(&NEEDS) {
        return;
    }
    let one = after_shell("one")
        .script("post_install() {\n  echo looking for $1\n  echo 'no luck' >&2\n  return 7\n}\n");
    let two = with_file("two").depends("one");
    let built = Bench::with(&[shell(), one, two]).builds(&["two"], "");
    built.warned_once(&[
        "the post_install scriptlet of the package one failed with exit status 7",
        "looking for 1-1\n",
        "no luck",
    ]);
    assert_eq!(built.installed(), ["bash-1-1", "one-1-1", "two-1-1"]);
    assert!(built.has("etc/one") && built.has("etc/two"));
}

#[test]
fn a_scriptlet_that_fails_before_its_package_is_told_and_the_package_is_there() {
    if !require(&NEEDS) {
        return;
    }
    let script = "pre_install() {\n  echo 'not ready'\n  false\n}\npost_install() {\n  echo \
                  >etc/after\n}\n";
    let built = Bench::with(&[shell(), after_shell("one").script(script)]).builds(&["one"], "");
    built.warned_once(&[
        "the pre_install scriptlet of the package one failed",
        "not ready",
    ]);
    assert!(built.has("etc/one") && built.has("etc/after"));
    assert!(!built.has("var/lib/pacman/.INSTALL"));
}

#[test]
fn a_scriptlet_before_there_is_a_shell_is_told() {
    if !require(&NEEDS) {
        return;
    }
    let one = with_file("one").script("pre_install() { :; }\n");
    let built = Bench::with(&[one]).builds(&["one"], "");
    built.warned_once(&[
        "the pre_install scriptlet of the package one did not run: there is no shell",
    ]);
    assert!(built.has("etc/one"));
}

#[test]
fn a_scriptlet_that_only_mentions_a_function_does_not_run() {
    if !require(&NEEDS) {
        return;
    }
    let script = "# no post_install is needed\npost_upgrade() {\n  : # nor pre_install\n}\n";
    let built = Bench::with(&[shell(), after_shell("one").script(script)]).builds(&["one"], "");
    assert_eq!(built.warnings, [""; 0]);
}

#[test]
fn a_hook_that_fails_is_told_and_the_others_run() {
    if !require(&NEEDS) {
        return;
    }
    let post = |command| hook("PostTransaction", command, "NeedsTargets\n");
    let hooks = after_shell("hooks")
        .hook("10-first.hook", &post("/bin/sh -c 'echo first >>/etc/ran'"))
        .hook(
            "20-failing.hook",
            &post("/bin/sh -c 'echo no luck; exit 3'"),
        )
        .hook("30-absent.hook", &post("/usr/bin/absent"))
        .hook(
            "40-last.hook",
            &post("/bin/sh -c 'while read name; do echo $name >>/etc/ran; done'"),
        );
    let built = Bench::with(&[shell(), hooks]).builds(&["hooks"], "");
    let [failing, absent] = built.warnings.as_slice() else {
        panic!("{:#?}", built.warnings);
    };
    says(failing, &["the hook 20-failing failed", "no luck"]);
    says(absent, &["the hook 30-absent failed", "/usr/bin/absent"]);
    assert_eq!(built.read("etc/ran"), "first\nbash\nhooks\n");
}

#[test]
fn a_hook_that_cannot_be_read_is_told_and_the_others_run() {
    if !require(&NEEDS) {
        return;
    }
    let good = hook("PostTransaction", "/bin/sh -c 'echo >/etc/ran'", "");
    let hooks = after_shell("hooks")
        .hook("10-odd.hook", "[Trigger]\nType = Shape\n")
        .hook("20-good.hook", &good);
    let built = Bench::with(&[shell(), hooks]).builds(&["hooks"], "");
    built.warned_once(&["the hook /usr/share/libalpm/hooks/10-odd.hook cannot be used: line 2"]);
    assert!(built.has("etc/ran"));
}

#[test]
fn a_hook_of_the_recipe_that_cannot_be_read_stops_everything() {
    if !require(&NEEDS) {
        return;
    }
    let bench = Bench::with(&[with_file("one")]);
    says(
        &bench.refused(
            &["one"],
            &recipe_file("10-odd.hook", "[Trigger]\nType = Shape\n"),
        ),
        &["the hook /etc/pacman.d/hooks/10-odd.hook cannot be used: line 2"],
    );
}

#[test]
fn a_hook_of_the_recipe_stops_everything_before_the_first_package() {
    if !require(&NEEDS) {
        return;
    }
    let bench = Bench::with(&[with_file("one")]);
    let hook = hook("PreTransaction", "/usr/bin/false", "AbortOnFail\n");
    says(
        &bench.refused(&["one"], &recipe_file("10-stop.hook", &hook)),
        &[
            "cannot install the packages",
            "the hook 10-stop failed, and it says that nothing is installed then",
        ],
    );
}

#[test]
fn a_hook_of_the_recipe_that_may_fail_does() {
    if !require(&NEEDS) {
        return;
    }
    let bench = Bench::with(&[with_file("one")]);
    let hook = hook("PreTransaction", "/usr/bin/false", "");
    let built = bench.builds(&["one"], &recipe_file("10-try.hook", &hook));
    built.warned_once(&["the hook 10-try failed"]);
    assert!(built.has("etc/one"));
}

#[test]
fn a_hook_of_the_recipe_for_something_else_does_not_run() {
    if !require(&NEEDS) {
        return;
    }
    let bench = Bench::with(&[with_file("one")]);
    let hook = hook("PreTransaction", "/usr/bin/false", "AbortOnFail\n");
    let hook = hook.replace("Target = *", "Target = linux*");
    let built = bench.builds(&["one"], &recipe_file("10-stop.hook", &hook));
    assert_eq!(built.warnings, [""; 0]);
}

#[test]
fn an_empty_hook_of_the_recipe_switches_off_that_of_a_package() {
    if !require(&NEEDS) {
        return;
    }
    let post = hook("PostTransaction", "/bin/sh -c 'echo >>/etc/ran'", "");
    let hooks = after_shell("hooks").hook("10-off.hook", &post);
    let bench = Bench::with(&[shell(), hooks]);
    let off = "[[file]]\npath = \"/etc/pacman.d/hooks/10-off.hook\"\ncontent = \"\"\n";
    let built = bench.builds(&["hooks"], off);
    assert!(!built.has("etc/ran"));
    assert_eq!(built.warnings, [""; 0]);
}

#[test]
fn a_hook_that_needs_what_is_not_installed_is_told() {
    if !require(&NEEDS) {
        return;
    }
    let post = hook(
        "PostTransaction",
        "/bin/sh -c 'echo >>/etc/ran'",
        "Depends = absent\n",
    );
    let hooks = after_shell("hooks").hook("10-needy.hook", &post);
    let built = Bench::with(&[shell(), hooks]).builds(&["hooks"], "");
    built.warned_once(&["the hook 10-needy did not run: it needs absent"]);
    assert!(!built.has("etc/ran"));
}
