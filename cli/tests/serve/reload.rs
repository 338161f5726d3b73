//! SIGHUP: what changes, what stays, and that nobody notices.

use super::config::write;
use super::curl::{body, curl, tells};
use super::process::{Served, until};
use super::store;
use super::tls::Pair;
use crate::hatchery::Home;
use hatchery_tests::Need;
use hatchery_tests::need::require;
use rustix::process::Signal;
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

const READ: &str = "the configuration was read again";

/// A port of loopback that nobody has now.
fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

/// How often it has been read again.
fn reads(served: &Served) -> usize {
    served.stderr().matches(READ).count()
}

fn reload(served: &Served) {
    let before = reads(served);
    served.signal(Signal::HUP);
    until("reading again", || (reads(served) > before).then_some(()));
}

#[test]
fn listeners_come_and_go_and_others_stay() {
    if !require(&[Need::Program("curl")]) {
        return;
    }
    let home = Home::new();
    let (stays, goes, comes) = (free_port(), free_port(), free_port());
    let config = |ports: &[u16]| {
        let listen = |port| format!("[[listen]]\naddress = '127.0.0.1:{port}'\n");
        write(home.path(), &ports.iter().map(listen).collect::<String>())
    };
    let path = config(&[stays, goes]);
    let served = Served::start(home.path(), &["--config", &path], 2);
    let mut open = TcpStream::connect(("127.0.0.1", stays)).unwrap();
    config(&[comes, stays]);
    reload(&served);
    let code = |port: u16| {
        let url = format!("http://127.0.0.1:{port}{}", store::SUMS);
        curl(&["--fail", &url]).code
    };
    assert_eq!(code(comes), Some(0));
    assert_eq!(code(stays), Some(0));
    until("closing", || (code(goes) == Some(7)).then_some(()));
    // A connection from before goes on.
    let request = format!(
        "GET {} HTTP/1.1\r\nHost: m\r\nConnection: close\r\n\r\n",
        store::SUMS
    );
    open.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    open.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

#[test]
fn a_wrong_configuration_changes_nothing() {
    if !require(&[Need::Program("curl")]) {
        return;
    }
    let home = Home::new();
    let port = free_port();
    let listen = format!("[[listen]]\naddress = '127.0.0.1:{port}'\n");
    let path = write(home.path(), &listen);
    let served = Served::start(home.path(), &["--config", &path], 1);
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap();
    for (wrong, says) in [
        ("[limits]\nrange = 1\n".to_owned(), "unknown field `range`"),
        (
            format!("[[listen]]\naddress = '{taken}'\n"),
            "cannot listen on",
        ),
        (
            format!("{listen}[log]\nfile = '/nonexistent/log'\n"),
            "cannot open the access log",
        ),
        (
            format!(
                "{listen}[[listen]]\naddress = '127.0.0.1:0'\ncertificate = '/nonexistent'\nkey = '/nonexistent'\n"
            ),
            "cannot speak TLS",
        ),
    ] {
        write(home.path(), &wrong);
        served.signal(Signal::HUP);
        served.says(says);
        assert!(body(&[&served.url(store::SUMS)]).contains("lab"), "{wrong}");
    }
    assert_eq!(served.stderr().matches("nothing was changed").count(), 4);
    assert_eq!(reads(&served), 0);
}

#[test]
fn limits_and_tls_change() {
    if !require(&[Need::Program("curl")]) {
        return;
    }
    let home = Home::new();
    let pair = Pair::write(home.path());
    let authority = pair.authority("authority.pem");
    let port = free_port();
    let listen = format!("[[listen]]\naddress = '127.0.0.1:{port}'\n");
    let path = write(home.path(), &listen);
    let served = Served::start(home.path(), &["--config", &path], 1);
    assert_eq!(tells("%{http_code}", &[&served.url(store::SUMS)]), "200");
    let tls = format!(
        "{listen}certificate = '{}'\nkey = '{}'\n[limits]\nranges = 1\n",
        pair.certificate.display(),
        pair.key.display()
    );
    write(home.path(), &tls);
    reload(&served);
    let url = format!("https://localhost:{port}{}", store::ARCHIVE);
    let ranges = ["--cacert", &authority, "--range", "0-1,4-5", &url];
    assert_eq!(tells("%{http_code}", &ranges), "200");
    write(home.path(), &tls.replace("ranges = 1", "ranges = 2"));
    reload(&served);
    assert_eq!(tells("%{http_code}", &ranges), "206");
}

/// Asks again and again, half of the time on a connection of its own, until
/// told to stop; how often that worked.
fn ask_on(port: u16, stop: &AtomicBool, asked: &AtomicUsize) {
    let request = |end: &str| format!("GET {} HTTP/1.1\r\nHost: m\r\n{end}\r\n", store::SUMS);
    while !stop.load(Ordering::Relaxed) {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        let patience = Some(Duration::from_secs(30));
        stream.set_read_timeout(patience).unwrap();
        for end in ["", "", "Connection: close\r\n"] {
            stream.write_all(request(end).as_bytes()).unwrap();
        }
        let mut answers = String::new();
        stream.read_to_string(&mut answers).unwrap();
        assert_eq!(answers.matches("HTTP/1.1 200 ").count(), 3, "{answers}");
        asked.fetch_add(3, Ordering::Relaxed);
    }
}

#[test]
fn no_request_is_lost_while_it_changes() {
    let home = Home::new();
    let port = free_port();
    let config = |connections: usize| {
        let text = format!(
            "[[listen]]\naddress = '127.0.0.1:{port}'\n\
             [limits]\nconnections = {connections}\n[log]\naccess = 'off'\n"
        );
        write(home.path(), &text)
    };
    let path = config(100);
    let served = Served::start(home.path(), &["--config", &path], 1);
    let (stop, asked) = (Arc::<AtomicBool>::default(), Arc::<AtomicUsize>::default());
    let clients: Vec<_> = (0..4)
        .map(|_| {
            let (stop, asked) = (Arc::clone(&stop), Arc::clone(&asked));
            std::thread::spawn(move || ask_on(port, &stop, &asked))
        })
        .collect();
    for round in 0..20 {
        config(50 + round);
        let before = asked.load(Ordering::Relaxed);
        reload(&served);
        until("answers", || {
            (asked.load(Ordering::Relaxed) > before + 12).then_some(())
        });
    }
    stop.store(true, Ordering::Relaxed);
    for client in clients {
        client.join().unwrap();
    }
    assert_eq!(reads(&served), 20);
}

#[test]
fn what_is_under_way_is_finished_after_sigterm() {
    let home = Home::new();
    let root = store::make(home.path());
    let arguments = ["--store", root.to_str().unwrap(), "--listen", "127.0.0.1:0"];
    let mut served = Served::start(home.path(), &arguments, 1);
    let address = served.addresses[0].trim_start_matches("http://").to_owned();
    let mut stream = TcpStream::connect(&address).unwrap();
    let request = format!("GET {} HTTP/1.1\r\nHost: m\r\n\r\n", store::ARCHIVE);
    stream.write_all(request.as_bytes()).unwrap();
    let mut some = [0; 1000];
    stream.read_exact(&mut some).unwrap();
    served.signal(Signal::TERM);
    until("closing", || {
        TcpStream::connect(&address).is_err().then_some(())
    });
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).unwrap();
    assert!(rest.len() + some.len() > store::LENGTH, "{}", rest.len());
    assert!(served.ends().success());
    let log = fs::read_to_string(home.path().join("stderr")).unwrap();
    assert!(!log.contains("incomplete"), "{log}");
}
