//! The access log, read by a parser.

use super::curl::curl;
use super::process::{Served, until};
use super::store;
use crate::hatchery::Home;
use hatchery_tests::Need;
use hatchery_tests::need::require;
use rustix::process::Signal;
use std::fs;
use std::path::Path;

fn lines(path: &Path, count: usize) -> Vec<String> {
    until(&format!("{count} lines"), || {
        let text = fs::read_to_string(path).unwrap_or_default();
        let lines: Vec<String> = text.lines().map(str::to_owned).collect();
        (lines.len() >= count).then_some(lines)
    })
}

#[test]
fn json_lines_are_json_whatever_a_client_sends() {
    if !require(&[Need::Program("curl")]) {
        return;
    }
    let home = Home::new();
    let root = store::make(home.path());
    let log = home.path().join("access.log");
    let arguments = [
        "--store",
        root.to_str().unwrap(),
        "--listen",
        "127.0.0.1:0",
        "--access-log",
        "json",
        "--log-file",
        log.to_str().unwrap(),
    ];
    let served = Served::start(home.path(), &arguments, 1);
    curl(&[&served.url(store::SUMS)]);
    curl(&["--user-agent", "a\"b\\c\u{9b}2J", &served.url("/no?x='y")]);
    curl(&[
        "--head",
        "--http2-prior-knowledge",
        &served.url(store::ARCHIVE),
    ]);
    let lines = lines(&log, 3);
    let values: Vec<serde_json::Value> = lines
        .iter()
        .map(|line| serde_json::from_str(line).expect(line))
        .collect();
    assert_eq!(values[0]["status"], 200);
    assert_eq!(values[0]["method"], "GET");
    assert_eq!(values[0]["target"], store::SUMS);
    assert_eq!(values[0]["remote"], "127.0.0.1");
    assert_eq!(values[0]["complete"], true);
    assert!(values[0]["bytes"].as_u64().unwrap() > 64);
    assert!(values[0]["seconds"].as_f64().unwrap() >= 0.0);
    let time = values[0]["time"].as_str().unwrap();
    assert!(time.parse::<jiff::Timestamp>().is_ok(), "{time}");
    assert_eq!(values[1]["status"], 404);
    assert_eq!(values[1]["agent"], "a\"b\\c\u{9b}2J");
    assert_eq!(values[2]["protocol"], "HTTP/2.0");
    assert_eq!(values[2]["bytes"], 0);
    for line in &lines {
        assert!(!line.contains(char::is_control), "{line:?}");
    }
}

#[test]
fn a_file_that_was_moved_away_is_made_again_and_nothing_is_lost() {
    if !require(&[Need::Program("curl")]) {
        return;
    }
    let home = Home::new();
    let root = store::make(home.path());
    let log = home.path().join("access.log");
    let arguments = [
        "--store",
        root.to_str().unwrap(),
        "--listen",
        "127.0.0.1:0",
        "--log-file",
        log.to_str().unwrap(),
    ];
    let mut served = Served::start(home.path(), &arguments, 1);
    curl(&[&served.url("/first")]);
    lines(&log, 1);
    let moved = home.path().join("access.log.1");
    fs::rename(&log, &moved).unwrap();
    served.signal(Signal::HUP);
    until("the new file", || log.exists().then_some(()));
    served.says("the configuration was read again");
    curl(&[&served.url("/second")]);
    served.signal(Signal::TERM);
    assert!(served.ends().success());
    assert!(lines(&moved, 1)[0].contains("\"GET /first HTTP/1.1\" 404"));
    assert!(lines(&log, 1)[0].contains("\"GET /second HTTP/1.1\" 404"));
}

#[test]
fn it_can_be_off() {
    if !require(&[Need::Program("curl")]) {
        return;
    }
    let home = Home::new();
    let root = store::make(home.path());
    let store = root.to_str().unwrap();
    let listen = ["--store", store, "--listen", "127.0.0.1:0"];
    let mut said = Vec::new();
    for log in ["off", "plain"] {
        let arguments = [&listen[..], &["--access-log", log]].concat();
        let mut served = Served::start(home.path(), &arguments, 1);
        curl(&[&served.url(store::SUMS)]);
        served.signal(Signal::TERM);
        served.ends();
        said.push(served.stderr().contains("\"GET /images"));
    }
    assert_eq!(said, [false, true]);
}
