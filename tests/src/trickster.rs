//! An HTTP server on loopback that serves a folder, but lies about some of its
//! files.

use std::collections::HashMap;
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

/// Longest request that is read, in bytes.
const REQUEST_MAX: usize = 16 << 10;
/// Most bytes of what never ends: far more than anybody should take.
const ENDLESS: usize = 256 << 20;
/// Longest wait for the other end.
const PATIENCE: Duration = Duration::from_secs(10);

/// What is answered instead of the file.
#[derive(Clone, Debug)]
pub enum Trick {
    /// These bytes, with these headers.
    Bytes(Vec<u8>, Vec<(&'static str, String)>),
    /// A redirect.
    Redirect(String),
    /// Zeros that never end, of no announced length.
    Endless,
    /// All is announced and half is sent.
    Half,
}

/// The server; it stops when dropped.
#[derive(Debug)]
pub struct Trickster {
    address: SocketAddr,
    stopped: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Trickster {
    /// Serves `folder`, with a trick for each of these paths, such as
    /// `catalog.json`.
    ///
    /// # Panics
    /// When it cannot listen.
    #[must_use]
    pub fn serve(folder: &Path, tricks: &[(&str, Trick)]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let stopped = Arc::new(AtomicBool::new(false));
        let tricks: HashMap<String, Trick> = tricks
            .iter()
            .map(|(path, trick)| ((*path).to_owned(), trick.clone()))
            .collect();
        let desk = Arc::new((folder.to_owned(), tricks));
        let seen = Arc::clone(&stopped);
        let thread = std::thread::spawn(move || {
            for stream in listener.incoming() {
                if seen.load(Ordering::Relaxed) {
                    break;
                }
                let (Ok(stream), desk) = (stream, Arc::clone(&desk)) else {
                    break;
                };
                std::thread::spawn(move || {
                    // A client that hangs up has got what it wanted.
                    let _ = answer(stream, &desk.0, &desk.1);
                });
            }
        });
        Self {
            address,
            stopped,
            thread: Some(thread),
        }
    }

    /// Where it listens.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}/", self.address)
    }
}

impl Drop for Trickster {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::Relaxed);
        let _ = TcpStream::connect_timeout(&self.address, PATIENCE);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn answer(
    mut stream: TcpStream,
    folder: &Path,
    tricks: &HashMap<String, Trick>,
) -> std::io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let mut request = Vec::new();
    let mut buffer = [0; 1024];
    while !request.windows(4).any(|w| w == b"\r\n\r\n") && request.len() < REQUEST_MAX {
        match stream.read(&mut buffer)? {
            0 => return Ok(()),
            length => request.extend_from_slice(&buffer[..length]),
        }
    }
    let request = String::from_utf8_lossy(&request).into_owned();
    let path = request.split(' ').nth(1).unwrap_or_default();
    let path = path.trim_start_matches('/').to_owned();
    let file = || fs::read(folder.join(&path));
    match tricks.get(&path) {
        Some(Trick::Bytes(bytes, headers)) => send(&mut stream, bytes, bytes.len(), headers),
        Some(Trick::Redirect(to)) => {
            let head = format!(
                "HTTP/1.1 302 Found\r\nLocation: {to}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
            );
            stream.write_all(head.as_bytes())
        }
        Some(Trick::Endless) => {
            stream.write_all(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")?;
            let chunk = vec![b' '; 64 << 10];
            for _ in 0..ENDLESS / chunk.len() {
                stream.write_all(&chunk)?;
            }
            Ok(())
        }
        Some(Trick::Half) => {
            let bytes = file()?;
            send(&mut stream, &bytes[..bytes.len() / 2], bytes.len(), &[])
        }
        None => match file() {
            Ok(bytes) => send(&mut stream, &bytes, bytes.len(), &[]),
            Err(_) => stream.write_all(
                b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
            ),
        },
    }
}

fn send(
    stream: &mut TcpStream,
    bytes: &[u8],
    length: usize,
    headers: &[(&'static str, String)],
) -> std::io::Result<()> {
    let mut head = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\nConnection: close\r\n");
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str("\r\n");
    stream.write_all(head.as_bytes())?;
    stream.write_all(bytes)
}
