//! The end of a server.

use super::client::Client;
use super::fixture::{ARCHIVE, Fixture, VERSION};
use crate::Options;
use std::net::TcpStream;
use std::time::{Duration, Instant};

#[test]
fn what_is_under_way_is_finished_and_nothing_new_begun() {
    let fixture = Fixture::new();
    let server = fixture.serve();
    let address = server.local_addr();
    let mut idle = Client::connect(address);
    assert_eq!(idle.get("/catalog.json", &[]).status, 200);
    let mut busy = Client::connect(address);
    busy.request("GET", &format!("{VERSION}/debian.tar.xz"), &[]);
    busy.answer_head().unwrap();
    let stopped = std::thread::spawn(move || server.stop());
    assert!(idle.closed_within(Duration::from_secs(5)));
    let end = Instant::now() + Duration::from_secs(5);
    while TcpStream::connect(address).is_ok() {
        assert!(Instant::now() < end, "it still listens");
    }
    assert!(!stopped.is_finished());
    assert!(busy.read(ARCHIVE).unwrap() == fixture.archive);
    stopped.join().unwrap().unwrap();
}

#[test]
fn the_drain_has_an_end() {
    let fixture = Fixture::new();
    let server = fixture.serve_with(Options {
        drain: Duration::from_millis(300),
        ..Fixture::options()
    });
    let mut busy = Client::connect(server.local_addr());
    busy.request("GET", &format!("{VERSION}/debian.tar.xz"), &[]);
    busy.answer_head().unwrap();
    let begun = Instant::now();
    server.stop().unwrap();
    assert!(begun.elapsed() < Duration::from_secs(5));
    assert!(busy.read(ARCHIVE).unwrap_or_default().len() < ARCHIVE);
}

#[test]
fn a_taken_address_is_said() {
    let fixture = Fixture::new();
    let server = fixture.serve();
    let options = Options {
        listeners: vec![crate::Listener::plain(server.local_addr())],
        ..Fixture::options()
    };
    let error = crate::Server::bind(fixture.store(), options).unwrap_err();
    let expected = format!("cannot listen on {}", server.local_addr());
    assert_eq!(error.to_string(), expected);
}
