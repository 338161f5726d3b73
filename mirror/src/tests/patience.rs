//! Clients that are slow, idle, or too many.

use super::client::Client;
use super::fixture::{ARCHIVE, Fixture, VERSION};
use crate::{Options, Patience};
use std::time::{Duration, Instant};

const SHORT: Duration = Duration::from_millis(400);
const LONG: Duration = Duration::from_secs(60);

fn options(patience: Patience) -> Options {
    Options {
        patience,
        ..Fixture::options()
    }
}

#[test]
fn a_head_that_never_ends_is_not_waited_for() {
    let fixture = Fixture::new();
    let server = fixture.serve_with(options(Patience {
        head: SHORT,
        head_when_crowded: SHORT,
        stalled: LONG,
        stalled_when_crowded: LONG,
    }));
    // Nothing at all, half a line, half the HTTP/2 preface, and a second
    // request that does not come.
    for begin in ["", "GET /cat", "PRI * HTTP/2.0\r\n\r\nSM"] {
        let mut client = Client::connect(server.local_addr());
        client.send(begin);
        assert!(client.closed_within(Duration::from_secs(5)), "{begin:?}");
    }
    let mut client = Client::connect(server.local_addr());
    assert_eq!(client.get("/catalog.json", &[]).status, 200);
    assert!(client.closed_within(Duration::from_secs(5)));
}

#[test]
fn who_takes_nothing_of_an_answer_is_cut_and_who_takes_little_is_not() {
    let fixture = Fixture::new();
    let server = fixture.serve_with(options(Patience {
        head: LONG,
        head_when_crowded: LONG,
        stalled: SHORT,
        stalled_when_crowded: SHORT,
    }));
    let path = format!("{VERSION}/debian.tar.xz");
    let mut stalled = Client::connect(server.local_addr());
    stalled.request("GET", &path, &[]);
    let mut slow = Client::connect(server.local_addr());
    slow.request("GET", &path, &[]);
    slow.answer_head().unwrap();
    let begun = Instant::now();
    let mut body = Vec::new();
    while body.len() < ARCHIVE {
        body.extend(slow.read((1 << 20).min(ARCHIVE - body.len())).unwrap());
        std::thread::sleep(SHORT / 4);
    }
    assert!(body == fixture.archive, "the body differs");
    assert!(begun.elapsed() > 4 * SHORT);
    stalled.answer_head().unwrap();
    let rest = stalled.read(ARCHIVE).unwrap_or_default();
    assert!(rest.len() < ARCHIVE, "{} bytes", rest.len());
}

/// What the first of a body's blocks come to while each is taken quickly: from 32
/// KiB on, each twice the one before it.
const BLOCKS: usize = (32 + 64 + 128 + 256 + 512) << 10;

#[test]
fn the_end_of_an_answer_may_be_taken_slowly_in_a_crowd_but_must_be_taken() {
    let fixture = Fixture::new();
    let patience = 2 * SHORT;
    // The patience with heads says how often connections are looked at.
    let server = fixture.serve_with(Options {
        connections: 4,
        ..options(Patience {
            head: SHORT,
            head_when_crowded: LONG,
            stalled: LONG,
            stalled_when_crowded: patience,
        })
    });
    // Two of four connections are a crowd, and remain when one is cut.
    let _idle = Client::connect(server.local_addr());
    let begin = || {
        let mut client = Client::narrow(server.local_addr());
        let range = format!("Range: bytes=0-{}", BLOCKS - 1);
        client.request("GET", &format!("{VERSION}/debian.tar.xz"), &[&range]);
        assert_eq!(client.answer_head().unwrap().status, 206);
        // Then the last block is what the server has left.
        let body = client.read(BLOCKS / 2).unwrap();
        (client, body)
    };
    let (mut stalled, part) = begin();
    let (mut slow, mut body) = begin();
    let begun = Instant::now();
    while body.len() < BLOCKS {
        std::thread::sleep(SHORT / 4);
        let more = slow.read((24 << 10).min(BLOCKS - body.len())).unwrap();
        assert!(!more.is_empty(), "cut after {} bytes", body.len());
        body.extend(more);
    }
    assert!(begun.elapsed() > 2 * patience, "{:?}", begun.elapsed());
    assert!(body == fixture.archive[..BLOCKS], "the body differs");
    let rest = stalled.read(BLOCKS).unwrap_or_default();
    assert!(part.len() + rest.len() < BLOCKS, "{} bytes", rest.len());
}

#[test]
fn the_number_of_connections_is_limited_and_idle_ones_give_way() {
    let fixture = Fixture::new();
    let server = fixture.serve_with(Options {
        connections: 4,
        ..options(Patience {
            head: LONG,
            head_when_crowded: SHORT,
            stalled: LONG,
            stalled_when_crowded: LONG,
        })
    });
    let mut first: Vec<Client> = (0..4)
        .map(|_| Client::connect(server.local_addr()))
        .collect();
    for client in &mut first {
        assert_eq!(client.get("/catalog.json", &[]).status, 200);
    }
    // Full; the next one is answered when an idle one was sent away.
    let begun = Instant::now();
    let mut fifth = Client::connect(server.local_addr());
    assert_eq!(fifth.get("/catalog.json", &[]).status, 200);
    assert!(begun.elapsed() > SHORT / 2, "{:?}", begun.elapsed());
}
