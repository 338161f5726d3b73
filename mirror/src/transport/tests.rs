//! What arrives is the file, or the connection ends.

use super::*;
use crate::tests::noise;
use std::future::poll_fn;
use std::io::Write as _;
use std::time::Duration;
use tempfile::NamedTempFile;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

const LENGTH: usize = 9_000_017;

async fn pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).await;
    let (server, _) = listener.accept().await.unwrap();
    (server, client.unwrap())
}

fn file(bytes: &[u8]) -> (NamedTempFile, File) {
    let mut named = NamedTempFile::new().unwrap();
    named.write_all(bytes).unwrap();
    let opened = File::open(named.path()).unwrap();
    (named, opened)
}

/// Sends all of a span, and says in how many pieces.
async fn send(stream: &mut TcpStream, file: &File, mut span: Span) -> io::Result<usize> {
    let mut pieces = 0;
    while span.length > 0 {
        let sent = poll_fn(|cx| stream.poll_send_file(cx, file, span)).await?;
        span.offset += sent as u64;
        span.length -= sent as u64;
        pieces += 1;
    }
    Ok(pieces)
}

async fn send_bytes(stream: &mut TcpStream, mut bytes: &[u8], more: bool) {
    while !bytes.is_empty() {
        let sent = poll_fn(|cx| stream.poll_send(cx, &[IoSlice::new(bytes)], more));
        bytes = &bytes[sent.await.unwrap()..];
    }
}

/// A client that is slow, so that what is sent is taken in pieces.
async fn receive(mut client: TcpStream) -> Vec<u8> {
    let (mut all, mut some) = (Vec::new(), vec![0; 300_000]);
    loop {
        match client.read(&mut some).await.unwrap() {
            0 => return all,
            count => all.extend_from_slice(&some[..count]),
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

#[tokio::test]
async fn bytes_and_files_arrive_in_their_order_whatever_the_kernel_holds() {
    let bytes = noise(LENGTH);
    let (_named, file) = file(&bytes);
    for most in [16 << 10, 128 << 10, 1 << 20, u32::MAX] {
        let (mut stream, client) = pair().await;
        limit_unsent(stream.socket(), most).unwrap();
        let received = tokio::spawn(receive(client));
        send_bytes(&mut stream, b"head", true).await;
        let (offset, length) = (5, LENGTH as u64 - 6);
        let pieces = send(&mut stream, &file, Span { offset, length }).await;
        assert!(pieces.unwrap() > 1);
        // More than a socket takes at once, too.
        send_bytes(&mut stream, &bytes, false).await;
        stream.shutdown().await.unwrap();
        let expected = [b"head", &bytes[5..LENGTH - 1], &bytes].concat();
        assert!(received.await.unwrap() == expected, "the bytes differ");
    }
}

#[tokio::test]
async fn a_file_that_lost_its_end_is_noticed() {
    let (named, file) = file(&noise(1000));
    let (mut stream, _client) = pair().await;
    named.as_file().set_len(400).unwrap();
    let (offset, length) = (0, 1000);
    let sent = send(&mut stream, &file, Span { offset, length });
    let error = sent.await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
}

#[tokio::test]
async fn what_waits_for_a_client_is_known() {
    let (mut stream, mut client) = pair().await;
    assert_eq!(on_the_way(stream.socket()), Some(0));
    let (_named, file) = file(&noise(LENGTH));
    let (offset, length) = (0, LENGTH as u64);
    let all = send(&mut stream, &file, Span { offset, length });
    assert!(
        tokio::time::timeout(Duration::from_millis(200), all)
            .await
            .is_err()
    );
    let waits = on_the_way(stream.socket()).unwrap();
    assert!(waits > 0);
    let mut some = vec![0; 1 << 20];
    while on_the_way(stream.socket()).unwrap() > waits / 2 {
        assert!(client.read(&mut some).await.unwrap() > 0);
    }
}

#[tokio::test]
async fn what_was_read_ahead_comes_first_and_once() {
    let (stream, mut client) = pair().await;
    client.write_all(b"third").await.unwrap();
    client.shutdown().await.unwrap();
    let mut rewound = Rewound::new(b"first second ".to_vec(), stream);
    let mut first = [0; 6];
    rewound.read_exact(&mut first).await.unwrap();
    let mut rest = String::new();
    rewound.read_to_string(&mut rest).await.unwrap();
    assert_eq!((&first, rest.as_str()), (b"first ", "second third"));
}
