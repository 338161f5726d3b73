//! A web server that hands out a store as badly as it is told to: it keeps
//! half of the archive back until it is let go, or knows no ranges.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::Duration;

/// How long an archive is kept back at most.
const PATIENCE: Duration = Duration::from_secs(30);

/// What it does badly.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Manner {
    /// Nothing.
    Plain,
    /// Keeps the second half of archives back.
    Slow,
    /// Hands out whole files only.
    NoRanges,
}

pub(super) struct Reluctant {
    address: SocketAddr,
    gate: Arc<Gate>,
}

#[derive(Default)]
struct Gate {
    open: Mutex<bool>,
    changed: Condvar,
}

impl Reluctant {
    pub(super) fn serve(store: PathBuf, manner: Manner) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let gate = Arc::new(Gate::default());
        let inner = Arc::clone(&gate);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (store, gate) = (store.clone(), Arc::clone(&inner));
                // A client that has gone away is no failure of the server.
                thread::spawn(move || drop(answer(stream, &store, manner, &gate)));
            }
        });
        Self { address, gate }
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}/", self.address)
    }

    /// Lets the rest of the archives go.
    pub(super) fn let_go(&self) {
        *self.gate.open.lock().unwrap() = true;
        self.gate.changed.notify_all();
    }
}

impl Gate {
    fn wait(&self) {
        let open = self.open.lock().unwrap();
        let waited = self
            .changed
            .wait_timeout_while(open, PATIENCE, |open| !*open);
        drop(waited.unwrap());
    }
}

fn answer(
    mut stream: TcpStream,
    store: &std::path::Path,
    manner: Manner,
    gate: &Gate,
) -> std::io::Result<()> {
    let mut lines = BufReader::new(stream.try_clone()?).lines();
    let first = lines.next().unwrap_or_else(|| Ok(String::new()))?;
    let path = first.split(' ').nth(1).unwrap_or("/").to_owned();
    let mut from = None;
    for line in lines {
        let line = line?.to_ascii_lowercase();
        if line.is_empty() {
            break;
        }
        if let Some(range) = line.strip_prefix("range: bytes=") {
            from = range
                .strip_suffix('-')
                .and_then(|n| n.parse::<usize>().ok());
        }
    }
    let Ok(bytes) = fs::read(store.join(path.trim_start_matches('/'))) else {
        return stream.write_all(
            b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
        );
    };
    let from = from.filter(|_| manner != Manner::NoRanges).unwrap_or(0);
    let (total, body) = (bytes.len(), &bytes[from..]);
    let status = match from {
        0 => "200 OK".to_owned(),
        _ => format!(
            "206 Partial Content\r\nContent-Range: bytes {from}-{}/{total}",
            total - 1
        ),
    };
    write!(
        stream,
        "HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    )?;
    let is_archive = path.ends_with(".tar.zst") && from < total / 2;
    if manner == Manner::Slow && is_archive {
        let (now, later) = body.split_at(total / 2 - from);
        stream.write_all(now)?;
        stream.flush()?;
        gate.wait();
        return stream.write_all(later);
    }
    stream.write_all(body)
}
