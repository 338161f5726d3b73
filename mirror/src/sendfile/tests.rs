//! What arrives is the file, or the connection ends.

use super::*;
use crate::activity::{Activity, Patience, Verdict};
use crate::tests::noise;
use std::io::Write as _;
use std::time::Duration;
use tempfile::NamedTempFile;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

const LENGTH: usize = 3 * BLOCK_SENT + 17;

async fn pair() -> (FileStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).await;
    let (server, _) = listener.accept().await.unwrap();
    (FileStream::new(server), client.unwrap())
}

fn file(bytes: &[u8]) -> (NamedTempFile, Arc<File>) {
    let mut named = NamedTempFile::new().unwrap();
    named.write_all(bytes).unwrap();
    let opened = Arc::new(File::open(named.path()).unwrap());
    (named, opened)
}

fn span(offset: usize, length: usize) -> Span {
    Span {
        offset: offset as u64,
        length: length as u64,
    }
}

/// Writes as hyper does: what is left of everything, until nothing is.
async fn write_all(stream: &mut FileStream, parts: &[&[u8]]) -> io::Result<()> {
    let mut left: VecDeque<&[u8]> = parts.iter().copied().collect();
    while !left.is_empty() {
        let buffers: Vec<IoSlice<'_>> = left.iter().map(|part| IoSlice::new(part)).collect();
        let mut written = stream.write_vectored(&buffers).await?;
        while let Some(first) = left.front_mut().filter(|_| written > 0) {
            let taken = written.min(first.len());
            written -= taken;
            *first = &first[taken..];
            if first.is_empty() {
                left.pop_front();
            }
        }
    }
    Ok(())
}

#[tokio::test]
async fn heads_and_blocks_arrive_in_their_order() {
    let bytes = noise(LENGTH);
    let (_named, file) = file(&bytes);
    let (mut stream, mut client) = pair().await;
    let outbox = stream.outbox();
    // A client that is slow, so that blocks are sent in pieces.
    let received = tokio::spawn(async move {
        let (mut all, mut some) = (Vec::new(), vec![0; 70_000]);
        loop {
            match client.read(&mut some).await.unwrap() {
                0 => return all,
                count => all.extend_from_slice(&some[..count]),
            }
            tokio::task::yield_now().await;
        }
    });
    let mut expected = Vec::new();
    for offset in (0..LENGTH).step_by(BLOCK_SENT) {
        let length = BLOCK_SENT.min(LENGTH - offset);
        let block = outbox.post(&file, span(offset, length), None);
        let next = outbox.post(&file, span(1, 5), None);
        write_all(&mut stream, &[b"head", &block, b"", b"more", &next])
            .await
            .unwrap();
        assert!(outbox.is_empty());
        expected.extend_from_slice(b"head");
        expected.extend_from_slice(&bytes[offset..offset + length]);
        expected.extend_from_slice(b"more");
        expected.extend_from_slice(&bytes[1..6]);
    }
    stream.shutdown().await.unwrap();
    assert!(received.await.unwrap() == expected, "the bytes differ");
}

#[tokio::test]
async fn zeros_are_never_sent_for_a_file() {
    let (_named, file) = file(&noise(1000));
    let (mut stream, mut client) = pair().await;
    let outbox = stream.outbox();

    let block = outbox.post(&file, span(0, 1000), None);
    let copied = vec![0; 1000];
    // Not from its beginning, not to its end, copied, or left out.
    for wrong in [&block[1..], &block[..999], &copied, b"head"] {
        assert!(write_all(&mut stream, &[wrong]).await.is_err());
    }
    write_all(&mut stream, &[&block]).await.unwrap();
    // A second time.
    assert!(write_all(&mut stream, &[&block]).await.is_err());
    drop((stream, outbox));
    let mut received = Vec::new();
    client.read_to_end(&mut received).await.unwrap();
    assert!(received == noise(1000));
}

#[tokio::test]
async fn stand_ins_of_another_connection_are_refused() {
    let (_named, file) = file(&noise(1000));
    let ((mut first, _a), (second, _b)) = (pair().await, pair().await);
    let block = second.outbox().post(&file, span(0, 1000), None);
    assert!(write_all(&mut first, &[&block]).await.is_err());
}

#[tokio::test]
async fn a_file_that_lost_its_end_is_noticed() {
    let (named, file) = file(&noise(1000));
    let (mut stream, _client) = pair().await;
    let block = stream.outbox().post(&file, span(0, 1000), None);
    named.as_file().set_len(400).unwrap();
    let error = write_all(&mut stream, &[&block]).await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
}

#[tokio::test]
async fn a_request_is_under_way_until_its_last_block_was_taken() {
    let (_named, file) = file(&noise(1000));
    let (mut stream, _client) = pair().await;
    let activity = Activity::new();
    let flight = Some(Arc::new(activity.begin()));
    let block = stream.outbox().post(&file, span(0, 1000), flight.clone());
    // hyper lets go of the body as soon as it has its last buffer.
    drop(flight);
    let hurry = Patience {
        head: Duration::ZERO,
        stalled: Duration::ZERO,
        ..Patience::default()
    };
    assert_eq!(activity.verdict(&hurry, false), Verdict::Stalled);
    write_all(&mut stream, &[&block]).await.unwrap();
    assert_eq!(activity.verdict(&hurry, false), Verdict::Idle);
}
