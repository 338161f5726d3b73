//! HTTP/1.0, 1.1 and 2, and the access log that all share.

use super::client::Client;
use super::fixture::{ARCHIVE, Fixture, Log, VERSION};
use crate::Options;
use http_body_util::{BodyExt as _, Empty};
use hyper::http::{Request, Version};
use hyper_util::rt::{TokioExecutor, TokioIo};
use std::time::Duration;

#[test]
fn one_connection_many_requests() {
    let fixture = Fixture::new();
    let server = fixture.serve();
    let mut client = Client::connect(server.local_addr());
    for _ in 0..50 {
        assert_eq!(client.get("/catalog.json", &[]).status, 200);
        assert_eq!(client.get("/nothing", &[]).status, 404);
    }
    // Sent at once, answered in order.
    for target in ["/catalog.json", "/nothing", "/catalog.json"] {
        client.request("GET", target, &[]);
    }
    let statuses = [(); 3].map(|()| client.answer().status);
    assert_eq!(statuses, [200, 404, 200]);
    assert_eq!(
        client.get("/catalog.json", &["Connection: close"]).status,
        200
    );
    assert!(client.closed_within(Duration::from_secs(5)));
}

#[test]
fn http_1_0() {
    let fixture = Fixture::new();
    let server = fixture.serve();
    let mut client = Client::connect(server.local_addr());
    client.send("GET /catalog.json HTTP/1.0\r\n\r\n");
    assert_eq!(client.answer().status, 200);
    assert!(client.closed_within(Duration::from_secs(5)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn http_2_with_several_streams() {
    let fixture = Fixture::new();
    let log = Log::default();
    let server = fixture.serve_with(Options {
        access: log.sink(),
        ..Fixture::options()
    });
    let address = server.local_addr();
    let stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let (sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
            .await
            .unwrap();
    tokio::spawn(connection);
    let get = |path: String| {
        let mut sender = sender.clone();
        async move {
            let request = Request::get(format!("http://{address}{path}"))
                .body(Empty::<&[u8]>::new())
                .unwrap();
            let response = sender.send_request(request).await.unwrap();
            assert_eq!(response.version(), Version::HTTP_2);
            let status = response.status().as_u16();
            let body = response.into_body().collect().await.unwrap().to_bytes();
            (status, body)
        }
    };
    let archive = || get(format!("{VERSION}/debian.tar.xz"));
    let catalog = get("/catalog.json".to_owned());
    let nothing = get("/nothing".to_owned());
    let (one, two, catalog, nothing) = tokio::join!(archive(), archive(), catalog, nothing);
    for (status, body) in [one, two] {
        assert_eq!(status, 200);
        assert!(body == fixture.archive, "the body differs");
    }
    assert_eq!((catalog.0, nothing.0), (200, 404));
    let lines = log.lines(4);
    assert!(
        lines.iter().all(|line| line.contains("HTTP/2.0")),
        "{lines:?}"
    );
}

#[test]
fn the_access_log_tells_what_was_sent() {
    let fixture = Fixture::new();
    let log = Log::default();
    let server = fixture.serve_with(Options {
        access: log.sink(),
        ..Fixture::options()
    });
    let mut client = Client::connect(server.local_addr());
    client.get(
        &format!("{VERSION}/debian.nspawn?x"),
        &["User-Agent: a \"b\""],
    );
    let lines = log.lines(1);
    let expected = format!("127.0.0.1 \"GET {VERSION}/debian.nspawn?x HTTP/1.1\" 200 16 ");
    assert!(lines[0].starts_with(&expected), "{lines:?}");
    assert!(lines[0].ends_with(r#"s "a \"b\"""#), "{lines:?}");
    client.head(&format!("{VERSION}/debian.tar.xz"), &[]);
    assert!(
        log.lines(2)[1].contains("\" 200 0 0."),
        "{:?}",
        log.lines(2)
    );
    client.request("GET", &format!("{VERSION}/debian.tar.xz"), &[]);
    client.answer_head().unwrap();
    drop(client);
    let lines = log.lines(3);
    assert!(lines[2].contains(" incomplete "), "{lines:?}");
    let mut client = Client::connect(server.local_addr());
    client.get(&format!("{VERSION}/debian.tar.xz"), &[]);
    let lines = log.lines(4);
    let expected = format!("\" 200 {ARCHIVE} ");
    assert!(lines[3].contains(&expected), "{lines:?}");
}
