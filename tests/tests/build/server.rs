//! A server of a folder on a port of its own, for what a folder itself cannot
//! do: files that stop arriving in the middle.

use hatchery_transfer::Location;
use std::fs;
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::thread;

/// How files are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Manner {
    /// Whole.
    Whole,
    /// Packages end after half of the bytes that were announced.
    CutOff,
}

/// Serves until the test's process ends.
pub(super) fn serve(folder: &Path, manner: Manner) -> Location {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    let folder = folder.to_owned();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let folder = folder.clone();
            // A client that hangs up early is none of our business.
            thread::spawn(move || answer(stream, folder, manner).ok());
        }
    });
    at(address)
}

/// An address on which nobody listens.
pub(super) fn nobody() -> Location {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    at(listener.local_addr().unwrap())
}

fn at(address: SocketAddr) -> Location {
    Location::parse(&format!("http://{address}/")).unwrap()
}

fn answer(mut stream: TcpStream, folder: PathBuf, manner: Manner) -> io::Result<()> {
    let mut lines = BufReader::new(stream.try_clone()?).lines();
    let request = lines.next().unwrap_or(Ok(String::new()))?;
    for line in lines {
        if line?.is_empty() {
            break;
        }
    }
    let path = request.split(' ').nth(1).unwrap_or("/");
    let Ok(bytes) = fs::read(folder.join(path.trim_start_matches('/'))) else {
        return stream.write_all(
            b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
        );
    };
    let length = bytes.len();
    let cut = manner == Manner::CutOff && path.ends_with(".deb");
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n");
    stream.write_all(head.as_bytes())?;
    stream.write_all(if cut { &bytes[..length / 2] } else { &bytes })
}
