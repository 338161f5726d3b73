//! What needs nothing but the program: help, usage, man pages, completions.

use crate::hatchery::run;

#[test]
fn help_teaches_with_examples_and_lists_the_exit_codes() {
    let home = tempfile::tempdir().unwrap();
    let help = run(home.path(), &["--help"]);
    assert_eq!(help.code, Some(0));
    for text in ["Examples:", "hatchery build debian", "Exit codes:", "130"] {
        assert!(help.stdout.contains(text), "{}", help.stdout);
    }
}

#[test]
fn a_wrong_command_line_exits_with_2() {
    let home = tempfile::tempdir().unwrap();
    for arguments in [&["frobnicate"][..], &["--quiet", "--verbose"], &[]] {
        let ran = run(home.path(), arguments);
        assert_eq!((ran.code, ran.stdout.as_str()), (Some(2), ""), "{ran:?}");
    }
}

#[test]
fn there_is_a_man_page_for_the_program() {
    let home = tempfile::tempdir().unwrap();
    let ran = run(home.path(), &["man", "."]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let page = std::fs::read_to_string(home.path().join("hatchery.1")).unwrap();
    assert!(page.contains(".TH hatchery 1"), "{page}");
}

#[test]
fn completions_know_the_subcommands() {
    let home = tempfile::tempdir().unwrap();
    for shell in ["bash", "zsh", "fish"] {
        let ran = run(home.path(), &["completions", shell]);
        assert_eq!(ran.code, Some(0));
        assert!(
            ran.stdout.contains("--quiet") || ran.stdout.contains("quiet"),
            "{shell}"
        );
    }
}

#[test]
fn errors_are_json_too() {
    let home = tempfile::tempdir().unwrap();
    let ran = run(home.path(), &["--json", "man", "/no/such/folder"]);
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(1), ""), "{ran:?}");
    let line: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(
        (&line["event"], &line["code"]),
        (&"error".into(), &1.into())
    );
    assert!(
        line["message"]
            .as_str()
            .unwrap()
            .contains("/no/such/folder")
    );
}

#[test]
fn the_readme_shows_the_exit_codes_of_the_help() {
    let home = tempfile::tempdir().unwrap();
    let help = run(home.path(), &["--help"]).stdout;
    let table = &help[help.find("Exit codes:").unwrap()..help.find("Environment:").unwrap()];
    let readme = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../README.md"));
    assert!(readme.unwrap().contains(table.trim()), "{table}");
}

#[test]
fn what_is_not_there_is_neither_verified_nor_rolled_back_and_leaves_nothing_to_collect() {
    let home = tempfile::tempdir().unwrap();
    let (machines, state) = (home.path().join("m"), home.path().join("s"));
    let places = ["--machines", machines.to_str().unwrap()];
    let state = ["--state", state.to_str().unwrap()];
    for command in ["verify", "rollback"] {
        let ran = run(
            home.path(),
            &[&[command, "web"], &places[..], &state].concat(),
        );
        assert_eq!(ran.code, Some(8), "{ran:?}");
    }
    let gc = ["gc", "--dry-run", "--json"];
    let ran = run(home.path(), &[&gc[..], &places, &state].concat());
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(ran.stdout.contains("\"removed\":[]"), "{ran:?}");
}
