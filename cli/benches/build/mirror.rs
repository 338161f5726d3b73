//! A local mirror: serves over HTTP on loopback what it has in a folder, and,
//! if it is one of Debian, fetches what it has not from the mirror in the
//! host's apt sources, once.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

/// Longest request head that is read, in lines.
const HEAD_LINES: usize = 100;

/// A running mirror; its threads end with the process.
pub(crate) struct Mirror {
    address: SocketAddr,
    state: Arc<State>,
}

struct State {
    folder: PathBuf,
    /// None: it has what it has.
    upstream: Option<String>,
    fetched: AtomicU64,
}

impl Mirror {
    /// Starts one of Debian on a free port.
    pub(crate) fn of_debian(folder: &Path) -> Self {
        fs::create_dir_all(folder).expect("the tmpfs is writable");
        let upstream = hatchery_tests::host::mirror();
        let upstream = upstream.expect("the host's apt sources name a Debian mirror");
        let upstream = upstream.trim_end_matches('/').to_owned();
        Self::start(folder, Some(upstream))
    }

    /// Starts one of what lies in a folder.
    pub(crate) fn of_folder(folder: &Path) -> Self {
        Self::start(folder, None)
    }

    fn start(folder: &Path, upstream: Option<String>) -> Self {
        let state = Arc::new(State {
            folder: folder.to_owned(),
            upstream,
            fetched: AtomicU64::new(0),
        });
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("loopback has free ports");
        let address = listener.local_addr().expect("it is bound");
        let shared = Arc::clone(&state);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let state = Arc::clone(&shared);
                thread::spawn(move || state.serve(stream));
            }
        });
        Self { address, state }
    }

    /// Where it is.
    pub(crate) fn url(&self) -> String {
        format!("http://{}/debian", self.address)
    }

    /// Bytes fetched from upstream so far.
    pub(crate) fn bytes_upstream(&self) -> u64 {
        self.state.fetched.load(Ordering::Relaxed)
    }
}

impl State {
    fn serve(&self, stream: TcpStream) -> Option<()> {
        stream.set_nodelay(true).ok()?;
        let mut reader = BufReader::new(stream.try_clone().ok()?);
        let mut writer = stream;
        loop {
            let mut line = String::new();
            reader.read_line(&mut line).ok().filter(|n| *n > 0)?;
            let path = line.split(' ').nth(1)?.strip_prefix("/debian/")?.to_owned();
            for _ in 0..HEAD_LINES {
                let mut header = String::new();
                reader.read_line(&mut header).ok()?;
                if header.trim().is_empty() {
                    break;
                }
            }
            match self.file(&path) {
                Some(bytes) => {
                    write!(
                        writer,
                        "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n",
                        bytes.len()
                    )
                    .ok()?;
                    writer.write_all(&bytes).ok()?;
                }
                None => {
                    writer
                        .write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
                        .ok()?;
                }
            }
        }
    }

    fn file(&self, path: &str) -> Option<Vec<u8>> {
        if path.split('/').any(|part| part == "..") {
            return None;
        }
        let local = self.folder.join(path);
        let Some(upstream) = &self.upstream else {
            // The one letter in names of packages that is not sent as it is.
            return fs::read(self.folder.join(path.replace("%2B", "+"))).ok();
        };
        let missing = self.folder.join(format!("{path}.missing"));
        if missing.exists() {
            return None;
        }
        if !local.exists() {
            fs::create_dir_all(local.parent()?).ok()?;
            let part = self.folder.join(format!("{path}.part"));
            let done = Command::new("curl")
                .args([
                    "--silent",
                    "--fail",
                    "--location",
                    "--max-time",
                    "120",
                    "--output",
                ])
                .arg(&part)
                .arg(format!("{upstream}/{path}"))
                .status()
                .ok()?;
            if !done.success() {
                fs::write(missing, "").ok()?;
                return None;
            }
            fs::rename(part, &local).ok()?;
            self.fetched
                .fetch_add(fs::metadata(&local).ok()?.len(), Ordering::Relaxed);
        }
        fs::read(local).ok()
    }
}
