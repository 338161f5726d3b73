//! Limits that a configuration sets, by what a client notices of them.

use super::config::write;
use super::curl::tells;
use super::process::Served;
use super::store;
use crate::hatchery::Home;
use hatchery_tests::Need;
use hatchery_tests::need::require;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

const LISTEN: &str = "[[listen]]\naddress = '127.0.0.1:0'\n";

fn serve(home: &Home, rest: &str) -> Served {
    let config = write(home.path(), &format!("{LISTEN}{rest}"));
    Served::start(home.path(), &["--config", &config], 1)
}

fn connect(served: &Served) -> TcpStream {
    let address = served.addresses[0].trim_start_matches("http://");
    let stream = TcpStream::connect(address).unwrap();
    let patience = Some(Duration::from_secs(30));
    stream.set_read_timeout(patience).unwrap();
    stream
}

fn ask(stream: &mut TcpStream, target: &str) {
    let request = format!("GET {target} HTTP/1.1\r\nHost: m\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
}

/// Whether the server answers on this connection; otherwise it closed it.
fn is_answered(stream: &mut TcpStream) -> bool {
    let mut some = [0; 12];
    let read = stream.read(&mut some).unwrap_or(0);
    read > 0
}

#[test]
fn who_asks_too_quickly_is_told_when_to_come_back() {
    if !require(&[Need::Program("curl")]) {
        return;
    }
    let home = Home::new();
    let limits = "[per_client]\nrequests_per_second = 1\nburst = 3\nlocal = true\n";
    let served = serve(&home, limits);
    let url = served.url(store::SUMS);
    let told = "%{http_code} %header{retry-after}\n";
    let got: Vec<String> = (0..5).map(|_| tells(told, &[&url])).collect();
    assert!(got[..3].iter().all(|g| g == "200 \n"), "{got:?}");
    assert!(got[3..].contains(&"429 1\n".to_owned()), "{got:?}");
    // It comes back when it was told to.
    std::thread::sleep(Duration::from_secs(2));
    assert_eq!(tells(told, &[&url]), "200 \n");
}

#[test]
fn this_host_is_not_limited_unless_asked_for() {
    if !require(&[Need::Program("curl")]) {
        return;
    }
    let home = Home::new();
    let limits = "[per_client]\nrequests_per_second = 1\nburst = 1\nconnections = 1\n";
    let served = serve(&home, limits);
    let _idle = [connect(&served), connect(&served)];
    let url = served.url(store::SUMS);
    for _ in 0..5 {
        assert_eq!(tells("%{http_code}", &[&url]), "200");
    }
}

#[test]
fn a_client_has_so_many_connections_and_no_more() {
    let home = Home::new();
    let served = serve(&home, "[per_client]\nconnections = 2\nlocal = true\n");
    let mut two = [connect(&served), connect(&served)];
    for stream in &mut two {
        ask(stream, store::SUMS);
        assert!(is_answered(stream));
    }
    let mut third = connect(&served);
    assert!(!is_answered(&mut third));
    drop(two);
    let begun = Instant::now();
    loop {
        let mut next = connect(&served);
        let asked = next.write_all(b"GET / HTTP/1.1\r\nHost: m\r\n\r\n");
        if asked.is_ok() && is_answered(&mut next) {
            break;
        }
        assert!(begun.elapsed() < Duration::from_secs(30), "for ever");
    }
}

#[test]
fn heads_may_be_longer_where_that_is_wanted() {
    if !require(&[Need::Program("curl")]) {
        return;
    }
    let long = format!("X-Long: {}", "a".repeat(12_000));
    for (limits, expected) in [("", "431"), ("[limits]\nhead_bytes = 16384\n", "200")] {
        let home = Home::new();
        let served = serve(&home, limits);
        let told = tells(
            "%{http_code}",
            &["--header", &long, &served.url(store::SUMS)],
        );
        assert_eq!(told, expected, "{limits}");
    }
}

#[test]
fn ranges_are_counted() {
    if !require(&[Need::Program("curl")]) {
        return;
    }
    let home = Home::new();
    let served = serve(&home, "[limits]\nranges = 2\n");
    let url = served.url(store::ARCHIVE);
    for (ranges, expected) in [("0-1,4-5", "206"), ("0-1,4-5,8-9", "200")] {
        let told = tells("%{http_code}", &["--range", ranges, &url]);
        assert_eq!(told, expected, "{ranges}");
    }
}

#[test]
fn time_is_limited_for_heads_handshakes_and_who_takes_nothing() {
    let home = Home::new();
    let pair = super::tls::Pair::write(home.path());
    let limits = format!(
        "certificate = '{}'\nkey = '{}'\n{LISTEN}\
         [limits]\nhead_seconds = 1\nstalled_seconds = 1\nhandshake_seconds = 1\n",
        pair.certificate.display(),
        pair.key.display()
    );
    let config = write(home.path(), &format!("{LISTEN}{limits}"));
    let served = Served::start(home.path(), &["--config", &config], 2);
    let connect = |at: usize| {
        let (_, address) = served.addresses[at].split_once("://").unwrap();
        let stream = TcpStream::connect(address).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(30)))
            .unwrap();
        stream
    };
    let mut silent_in_tls = connect(0);
    assert!(!is_answered(&mut silent_in_tls), "no handshake");
    let mut half_a_head = connect(1);
    half_a_head.write_all(b"GET / HT").unwrap();
    let mut answer = Vec::new();
    let _ = half_a_head.read_to_end(&mut answer);
    assert!(!answer.starts_with(b"HTTP/1.1 200"));
    // With a small window so that the answer does not fit into buffers.
    let mut stalled = connect(1);
    rustix::net::sockopt::set_socket_recv_buffer_size(&stalled, 4096).unwrap();
    ask(&mut stalled, store::ARCHIVE);
    std::thread::sleep(Duration::from_secs(8));
    let mut taken = Vec::new();
    let _ = stalled.read_to_end(&mut taken);
    assert!(taken.len() < store::LENGTH, "{}", taken.len());
}

#[test]
fn connections_together_are_limited_and_the_next_one_waits() {
    let home = Home::new();
    let served = serve(&home, "[limits]\nconnections = 1\nhead_seconds = 2\n");
    let mut first = connect(&served);
    ask(&mut first, store::SUMS);
    assert!(is_answered(&mut first));
    let mut second = connect(&served);
    ask(&mut second, store::SUMS);
    let pause = Some(Duration::from_millis(300));
    second.set_read_timeout(pause).unwrap();
    assert!(!is_answered(&mut second), "two at once");
    drop(first);
    let patience = Some(Duration::from_secs(30));
    second.set_read_timeout(patience).unwrap();
    assert!(is_answered(&mut second));
}
