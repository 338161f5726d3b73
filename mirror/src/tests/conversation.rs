//! How a connection goes on from one request to the next, and how it ends.

use super::client::Client;
use super::fixture::{ARCHIVE, Fixture, VERSION};
use crate::{Options, Patience};
use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

const SHORT: Duration = Duration::from_millis(400);
const LONG: Duration = Duration::from_secs(60);

fn archive() -> String {
    format!("{VERSION}/debian.tar.xz")
}

/// The statuses of everything that is answered until the connection ends.
fn statuses(client: &mut Client) -> Vec<u16> {
    let mut statuses = Vec::new();
    while let Some(head) = client.answer_head() {
        let length = head.header("content-length").unwrap().parse().unwrap();
        assert_eq!(client.read(length).unwrap().len(), length);
        statuses.push(head.status);
    }
    statuses
}

#[test]
fn what_is_odd_is_answered_in_its_turn() {
    let fixture = Fixture::new();
    let server = fixture.serve();
    let get = "GET /catalog.json HTTP/1.1\r\nHost: m\r\n";
    let odd = "GET /nothing HTTP/1.1\r\nHost: m\r\nContent-Length: 5\r\n\r\nHELLO";
    let post = "POST / HTTP/1.1\r\nHost: m\r\nContent-Length: 5\r\n\r\nGET /";
    let broken = "GET / HTTP/1.1\r\nHost : m\r\n\r\n";
    let close = "Connection: close\r\n";
    for (text, expected) in [
        (
            format!("{get}\r\n{get}\r\n{odd}{get}{close}\r\n"),
            vec![200, 200, 404, 200],
        ),
        (
            format!("{get}\r\n{post}{get}{close}\r\n"),
            vec![200, 405, 200],
        ),
        (format!("{get}\r\n{broken}{get}\r\n"), vec![200, 400]),
        // Empty lines before a request.
        (
            format!("\r\n\n{get}\r\n\r\n{get}{close}\r\n"),
            vec![200, 200],
        ),
        // Nothing is answered after the last.
        (format!("{get}{close}\r\n{get}\r\n"), vec![200]),
        (format!("GET /nothing HTTP/1.0\r\n\r\n{get}\r\n"), vec![404]),
    ] {
        let mut client = Client::connect(server.local_addr());
        client.send(&text);
        assert_eq!(statuses(&mut client), expected, "{text:?}");
        // However it is cut, also within what is handed on.
        for step in [1, 7, 64] {
            let mut client = Client::connect(server.local_addr());
            for piece in text.as_bytes().chunks(step) {
                // The server may have closed it meanwhile.
                if !client.sends(piece) {
                    break;
                }
            }
            assert_eq!(statuses(&mut client), expected, "{step}: {text:?}");
        }
    }
}

#[test]
fn the_last_answer_says_that_it_is() {
    let fixture = Fixture::new();
    let server = fixture.serve();
    let mut client = Client::connect(server.local_addr());
    for (line, expected) in [("X: y", None), ("Connection: close", Some("close"))] {
        let answer = client.get("/catalog.json", &[line]);
        assert_eq!(answer.header("connection"), expected);
        assert!(answer.header("date").unwrap().ends_with(" GMT"));
    }
    assert!(client.closed_within(Duration::from_secs(5)));
}

#[test]
fn a_client_that_says_nothing_more_is_answered_whole() {
    let fixture = Fixture::new();
    let server = fixture.serve();
    let paths = ["/catalog.json".to_owned(), archive()];
    // The second is for hyper.
    let lines = ["", "Expect: 100-continue\r\n"];
    for (path, line) in paths.iter().flat_map(|path| lines.map(|line| (path, line))) {
        let mut stream = TcpStream::connect(server.local_addr()).unwrap();
        stream.set_read_timeout(Some(LONG)).unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nHost: m\r\n{line}\r\n");
        stream.write_all(request.as_bytes()).unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        assert!(answer.starts_with(b"HTTP/1.1 200 OK\r\n"), "{path} {line}");
        let is_whole = *path != archive() || answer.ends_with(&fixture.archive);
        assert!(is_whole, "{line}: {} bytes", answer.len());
    }
}

#[test]
fn what_nobody_reads_takes_nothing_from_an_answer() {
    let fixture = Fixture::new();
    let server = fixture.serve();
    let get = format!("GET {} HTTP/1.1\r\nHost: m\r\n", archive());
    let smuggled = "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n";
    for (text, expected) in [
        (format!("{get}Connection: close\r\n\r\n"), vec![200]),
        (format!("{get}\r\nGET / x HTTP/1.1\r\n\r\n"), vec![200, 400]),
        (format!("{get}\r\n{get}{smuggled}"), vec![200, 200]),
    ] {
        let mut client = Client::narrow(server.local_addr());
        client.send(text.clone() + &"x".repeat(16_000));
        std::thread::sleep(SHORT / 4);
        assert_eq!(statuses(&mut client), expected, "{text:?}");
    }
}

#[test]
fn who_has_everything_holds_up_nobody() {
    let fixture = Fixture::new();
    let server = fixture.serve();
    let mut client = Client::connect(server.local_addr());
    assert_eq!(client.get(&archive(), &["Connection: close"]).status, 200);
    let mut other = Client::connect(server.local_addr());
    other.request("GET", &archive(), &[]);
    other.answer_head().unwrap();
    let stopped = std::thread::spawn(move || server.stop());
    assert_eq!(other.read(ARCHIVE).unwrap().len(), ARCHIVE);
    // Neither closes its side.
    let begun = Instant::now();
    stopped.join().unwrap().unwrap();
    assert!(begun.elapsed() < Duration::from_secs(5));
}

#[test]
fn http_2_begins_a_connection_or_not_at_all() {
    let fixture = Fixture::new();
    let server = fixture.serve();
    let preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
    let mut client = Client::connect(server.local_addr());
    client.send(preface);
    // The head of a frame of settings.
    assert_eq!(client.read(4).unwrap()[3], 4);
    let mut client = Client::connect(server.local_addr());
    assert_eq!(client.get("/catalog.json", &[]).status, 200);
    client.send(preface);
    assert!(client.answer_head().is_none());
}

#[test]
fn a_stop_takes_nothing_from_an_answer() {
    let fixture = Fixture::new();
    let server = fixture.serve();
    let mut client = Client::narrow(server.local_addr());
    client.request("GET", &archive(), &[]);
    client.answer_head().unwrap();
    // This one is not read by the server before it stops.
    client.request("GET", "/catalog.json", &[]);
    let stopped = std::thread::spawn(move || server.stop());
    let mut body = Vec::new();
    while body.len() < ARCHIVE {
        std::thread::sleep(Duration::from_millis(2));
        let more = client.read((1 << 17).min(ARCHIVE - body.len())).unwrap();
        assert!(!more.is_empty(), "cut after {} bytes", body.len());
        body.extend(more);
    }
    assert!(body == fixture.archive, "the body differs");
    drop(client);
    stopped.join().unwrap().unwrap();
}

#[test]
fn who_asks_without_end_is_told_to_stop() {
    let fixture = Fixture::new();
    let server = fixture.serve();
    let stream = TcpStream::connect(server.local_addr()).unwrap();
    let (mut asks, mut takes) = (stream.try_clone().unwrap(), stream);
    let asking = std::thread::spawn(move || {
        let many = "HEAD /catalog.json HTTP/1.1\r\nHost: m\r\n\r\n".repeat(500);
        while asks.write_all(many.as_bytes()).is_ok() {}
    });
    let taking = std::thread::spawn(move || {
        let mut some = vec![0; 1 << 20];
        while takes.read(&mut some).is_ok_and(|count| count > 0) {}
    });
    std::thread::sleep(SHORT);
    assert!(!asking.is_finished());
    let begun = Instant::now();
    server.stop().unwrap();
    // Before it is cut, which is after the drain.
    assert!(begun.elapsed() < crate::DRAIN / 2, "{:?}", begun.elapsed());
    taking.join().unwrap();
    asking.join().unwrap();
}

#[test]
fn what_the_kernel_holds_at_the_end_must_be_taken_too() {
    let fixture = Fixture::new();
    let server = fixture.serve_with(Options {
        patience: Patience {
            head: LONG,
            head_when_crowded: LONG,
            stalled: 2 * SHORT,
            stalled_when_crowded: 2 * SHORT,
        },
        ..Fixture::options()
    });
    const LENGTH: usize = 700_000;
    let begin = || {
        let mut client = Client::narrow(server.local_addr());
        let range = format!("Range: bytes=0-{}", LENGTH - 1);
        client.request("GET", &archive(), &[&range, "Connection: close"]);
        assert_eq!(client.answer_head().unwrap().status, 206);
        client
    };
    let (mut stalled, mut slow) = (begin(), begin());
    let begun = Instant::now();
    let mut body = Vec::new();
    while body.len() < LENGTH {
        std::thread::sleep(SHORT / 4);
        let more = slow.read((32 << 10).min(LENGTH - body.len())).unwrap();
        assert!(!more.is_empty(), "cut after {} bytes", body.len());
        body.extend(more);
    }
    assert!(body == fixture.archive[..LENGTH], "the body differs");
    assert!(begun.elapsed() > 4 * SHORT, "{:?}", begun.elapsed());
    assert!(slow.closed_within(Duration::from_secs(5)));
    let rest = stalled.read(LENGTH).unwrap_or_default();
    assert!(rest.len() < LENGTH, "{} bytes", rest.len());
}
