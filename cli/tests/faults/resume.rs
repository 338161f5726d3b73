//! A download that is interrupted by a kill goes on where it ended: the next
//! run asks for the rest, and only if the content is still the same.

use super::NEEDS;
use super::host::{Host, Wish};
use super::repository::Repository;
use super::run::start;
use hatchery_tests::{Pool, require};
use std::fs;
use std::io::{self, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// Bytes of the archive that arrive before nothing more does.
const ARRIVING: usize = 40_000;
/// Longest wait for what takes a moment.
const PATIENCE: Duration = Duration::from_secs(60);
/// Longest request that is read, in bytes.
const REQUEST_MAX: usize = 16 << 10;

/// What is served, and what was asked for.
struct Desk {
    folder: PathBuf,
    /// Whether archives stall.
    stalls: AtomicBool,
    /// Set at the end of the test: those that stall hang up.
    over: AtomicBool,
    etag: Mutex<String>,
    /// Heads of the requests for archives, in lower case.
    asked: Mutex<Vec<String>>,
}

/// Serves the folder until the test ends; its address.
fn serve(folder: &Path) -> (String, Arc<Desk>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let desk = Arc::new(Desk {
        folder: folder.to_owned(),
        stalls: AtomicBool::new(true),
        over: AtomicBool::new(false),
        etag: Mutex::new("\"one\"".to_owned()),
        asked: Mutex::default(),
    });
    let shared = Arc::clone(&desk);
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let desk = Arc::clone(&shared);
            // A client that is killed hangs up.
            std::thread::spawn(move || drop(answer(stream, &desk)));
        }
    });
    (url, desk)
}

/// The value of a header of a head in lower case.
fn header<'h>(head: &'h str, name: &str) -> Option<&'h str> {
    let mut lines = head.lines();
    lines.find_map(|line| Some(line.strip_prefix(name)?.strip_prefix(':')?.trim()))
}

/// First byte that is asked for, and the one after the last.
fn range(head: &str, etag: &str, length: usize) -> Option<(usize, usize)> {
    if header(head, "if-range").is_some_and(|given| given != etag) {
        return None;
    }
    let (from, to) = header(head, "range")?
        .strip_prefix("bytes=")?
        .split_once('-')?;
    if from.is_empty() {
        return Some((length.saturating_sub(to.parse().ok()?), length));
    }
    let end = to
        .parse()
        .map_or(length, |last: usize| length.min(last + 1));
    Some((from.parse().ok()?, end))
}

fn answer(mut stream: TcpStream, desk: &Desk) -> io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    let (mut request, mut buffer) = (Vec::new(), [0; 1024]);
    while !request.windows(4).any(|w| w == b"\r\n\r\n") && request.len() < REQUEST_MAX {
        match stream.read(&mut buffer)? {
            0 => return Ok(()),
            length => request.extend_from_slice(&buffer[..length]),
        }
    }
    let head = String::from_utf8_lossy(&request).into_owned();
    let path = head.split(' ').nth(1).unwrap_or_default();
    let path = path.trim_start_matches('/').to_owned();
    let head = head.to_ascii_lowercase();
    let Ok(bytes) = fs::read(desk.folder.join(&path)) else {
        let text = "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
        return stream.write_all(text.as_bytes());
    };
    let etag = desk.etag.lock().unwrap().clone();
    let part = range(&head, &etag, bytes.len());
    let (from, to) = part.unwrap_or((0, bytes.len()));
    let status = match part {
        Some(_) => format!(
            "206 Partial Content\r\nContent-Range: bytes {from}-{}/{}",
            to - 1,
            bytes.len()
        ),
        None => "200 OK".to_owned(),
    };
    let said = format!(
        "HTTP/1.1 {status}\r\nContent-Length: {}\r\nETag: {etag}\r\n\
         Accept-Ranges: bytes\r\nConnection: close\r\n\r\n",
        to - from
    );
    stream.write_all(said.as_bytes())?;
    if !path.ends_with(".tar.zst") {
        return stream.write_all(&bytes[from..to]);
    }
    desk.asked.lock().unwrap().push(head);
    if !desk.stalls.load(Ordering::SeqCst) || from > 0 {
        return stream.write_all(&bytes[from..to]);
    }
    stream.write_all(&bytes[..ARRIVING])?;
    stream.flush()?;
    while !desk.over.load(Ordering::SeqCst) {
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}

/// Length of what has arrived of the archive.
fn arrived(host: &Host<'_>) -> u64 {
    let entries = fs::read_dir(host.path("cache/part")).into_iter().flatten();
    let files = entries
        .flatten()
        .filter(|entry| entry.path().extension().is_none());
    let lengths = files.filter_map(|entry| Some(entry.metadata().ok()?.len()));
    lengths.max().unwrap_or(0)
}

/// Runs an import from there until all that arrives has, and kills it.
fn killed_amid(host: &Host<'_>, import: &[String]) -> u64 {
    let log = host.path("log");
    let mut child = start(host.repository.home(), import, &log);
    let begun = Instant::now();
    while arrived(host) < ARRIVING as u64 {
        let ended = child.try_wait().unwrap();
        let said = || fs::read_to_string(&log).unwrap();
        assert!(ended.is_none(), "{ended:?}: {}", said());
        assert!(begun.elapsed() < PATIENCE, "{}: {}", arrived(host), said());
        std::thread::sleep(Duration::from_millis(20));
    }
    child.kill().unwrap();
    let status = child.wait().unwrap();
    assert_eq!(status.code(), None, "{status}");
    assert!(host.see().tree.is_none());
    arrived(host)
}

#[test]
fn a_download_that_was_killed_goes_on_where_it_ended() {
    if !require(&NEEDS) {
        return;
    }
    let repository = Repository::new();
    let memory = Pool::tmpfs(64 << 20);
    let wish = Wish {
        limit: false,
        settings: true,
    };
    let host = Host::new(&repository, memory.path(), wish);
    host.succeed(&host.import("1", false));
    let one = host.see();
    host.succeed(&host.remove());

    let (url, desk) = serve(&repository.store());
    let mut import = host.import("1", false);
    let at = import.iter().position(|word| word == "--mirror").unwrap();
    import[at + 1] = url;
    let length = killed_amid(&host, &import);
    desk.stalls.store(false, Ordering::SeqCst);
    desk.asked.lock().unwrap().clear();
    let ran = host.run(&import);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(host.see() == one);
    assert_eq!(host.leftovers(), [""; 0]);
    let rest = format!("bytes={length}-");
    let asked = desk.asked.lock().unwrap().clone();
    let goes_on = |head: &&String| {
        header(head, "range").is_some_and(|range| range.starts_with(&rest))
            && header(head, "if-range") == Some("\"one\"")
    };
    assert!(
        asked.iter().any(|head| goes_on(&head)),
        "{rest}: {asked:#?}"
    );
    let whole = asked.iter().filter(|head| header(head, "range").is_none());
    assert_eq!(whole.count(), 0, "nothing is asked for twice: {asked:#?}");

    // Content that changed meanwhile is fetched anew, and is right.
    host.succeed(&host.remove());
    desk.stalls.store(true, Ordering::SeqCst);
    killed_amid(&host, &import);
    desk.stalls.store(false, Ordering::SeqCst);
    *desk.etag.lock().unwrap() = "\"two\"".to_owned();
    let ran = host.run(&import);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(host.see() == one);
    assert_eq!(host.leftovers(), [""; 0]);
    desk.over.store(true, Ordering::SeqCst);
}
