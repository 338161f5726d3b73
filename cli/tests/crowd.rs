//! `hatchery serve` among ten thousand clients that do nothing, or little.
//!
//! Figures: a good client's p99 at most twice that without the crowd, memory
//! under 200 MiB, and all of it over within 5 s of the crowd's leaving.

use crate::hatchery::{Home, command};
use hatchery_image::Sha256;
use hatchery_mirror::Store;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Barrier};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Clients that connect and say nothing, that say half a request and then a
/// byte a while, and that ask for the archive and take next to nothing of it.
const SILENT: usize = 4000;
const DRIPPING: usize = 4000;
const SLOW: usize = 2000;
/// Requests of the good client in each phase.
const REQUESTS: usize = 2000;
/// The server's memory, in KiB.
const MEMORY: u64 = 200 << 10;
/// What a request may take at most when the machine itself is busy.
const BUSY: Duration = Duration::from_millis(250);

/// A server process, stopped when dropped.
struct Served {
    child: Child,
    address: SocketAddr,
}

impl Served {
    fn start(home: &Path, store: &Path) -> Self {
        let mut child = command(home)
            .args(["-q", "serve", "--listen", "127.0.0.1:0", "--store"])
            .arg(store)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let stdout = child.stdout.take().unwrap();
        BufReader::new(stdout).read_line(&mut line).unwrap();
        let (_, url) = line.split_once("http://").expect(&line);
        let address = url.trim().trim_end_matches('/').parse().unwrap();
        Self { child, address }
    }

    /// A figure of `/proc/PID/status`, in KiB.
    fn status(&self, field: &str) -> u64 {
        let text = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = text.lines().find(|l| l.starts_with(field)).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    }

    fn descriptors(&self) -> usize {
        fs::read_dir(format!("/proc/{}/fd", self.child.id()))
            .unwrap()
            .count()
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn make_store(root: &Path) {
    let store = Store::create(root).unwrap();
    let version = root.join("images/lab/amd64/1");
    fs::create_dir_all(&version).unwrap();
    let archive = vec![7; 32 << 20];
    fs::write(version.join("lab.tar.xz"), &archive).unwrap();
    let sums = format!("{} *lab.tar.xz\n", Sha256::of(&archive));
    fs::write(version.join("SHA256SUMS"), sums).unwrap();
    drop(store);
}

/// How long each of many small requests took, on connections of their own,
/// sorted.
fn latencies(address: SocketAddr) -> Vec<Duration> {
    let request =
        b"GET /images/lab/amd64/1/SHA256SUMS HTTP/1.1\r\nHost: m\r\nConnection: close\r\n\r\n";
    let mut latencies: Vec<Duration> = (0..REQUESTS)
        .map(|_| {
            let begun = Instant::now();
            let mut stream = TcpStream::connect(address).unwrap();
            stream
                .set_read_timeout(Some(Duration::from_secs(30)))
                .unwrap();
            stream.write_all(request).unwrap();
            let mut answer = Vec::new();
            stream.read_to_end(&mut answer).unwrap();
            assert!(answer.starts_with(b"HTTP/1.1 200 "), "{answer:?}");
            begun.elapsed()
        })
        .collect();
    latencies.sort_unstable();
    latencies
}

fn percentile(latencies: &[Duration], of_100: usize) -> Duration {
    latencies[latencies.len() * of_100 / 100]
}

/// What a bad client does.
#[derive(Clone, Copy)]
enum Bad {
    Silent,
    Dripping,
    Slow,
}

impl Bad {
    fn connect(self, address: SocketAddr) -> std::io::Result<TcpStream> {
        let mut stream = TcpStream::connect(address)?;
        match self {
            Self::Silent => {}
            Self::Dripping => stream.write_all(b"GET /images/lab HTTP/1.1\r\nX-")?,
            Self::Slow => {
                // A small window, so that the kernel holds little for each.
                rustix::net::sockopt::set_socket_recv_buffer_size(&stream, 4096)?;
                stream
                    .write_all(b"GET /images/lab/amd64/1/lab.tar.xz HTTP/1.1\r\nHost: m\r\n\r\n")?;
            }
        }
        stream.set_nonblocking(true)?;
        Ok(stream)
    }

    /// Goes on being bad; whether the server still bears it.
    fn goes_on(self, stream: &mut TcpStream) -> bool {
        let (mut some, alive) = ([0; 64], |e: &std::io::Error| {
            e.kind() == std::io::ErrorKind::WouldBlock
        });
        let read = match stream.read(&mut some) {
            Ok(n) => n > 0,
            Err(e) => alive(&e),
        };
        read && match self {
            Self::Dripping => stream.write(b"a").is_ok_and(|n| n > 0),
            Self::Silent | Self::Slow => true,
        }
    }
}

/// Bad clients that come back when they are sent away.
struct Crowd {
    stop: Arc<AtomicBool>,
    there: Arc<Barrier>,
    threads: Vec<JoinHandle<()>>,
}

impl Crowd {
    fn gather(address: SocketAddr) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let kinds = [
            (Bad::Silent, SILENT),
            (Bad::Dripping, DRIPPING),
            (Bad::Slow, SLOW),
        ];
        let there = Arc::new(Barrier::new(kinds.len() + 1));
        let threads = kinds.map(|(bad, count)| {
            let (stop, there) = (Arc::clone(&stop), Arc::clone(&there));
            std::thread::spawn(move || {
                let connect = || bad.connect(address).unwrap();
                let mut streams: Vec<TcpStream> = (0..count).map(|_| connect()).collect();
                there.wait();
                while !stop.load(Ordering::Relaxed) {
                    for stream in &mut streams {
                        if !bad.goes_on(stream) {
                            *stream = connect();
                        }
                    }
                    std::thread::sleep(Duration::from_secs(2));
                }
            })
        });
        Self {
            stop,
            there,
            threads: threads.into(),
        }
    }

    fn leave(self) {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads {
            thread.join().unwrap();
        }
    }
}

#[test]
fn a_good_client_among_ten_thousand_bad_ones() {
    let home = Home::new();
    let root = home.path().join("store");
    make_store(&root);
    let served = Served::start(home.path(), &root);
    latencies(served.address);
    let alone = latencies(served.address);
    let before = served.descriptors();
    let crowd = Crowd::gather(served.address);
    crowd.there.wait();
    let among = latencies(served.address);
    let bad = served.descriptors() - before;
    let peak = served.status("VmHWM:");
    let figures = format!(
        "alone p50 {:?} p99 {:?}, among {bad} p50 {:?} p99 {:?}, peak {} MiB",
        percentile(&alone, 50),
        percentile(&alone, 99),
        percentile(&among, 50),
        percentile(&among, 99),
        peak >> 10,
    );
    println!("{figures}");
    // Some are always on their way back.
    assert!(bad > (SILENT + DRIPPING + SLOW) / 2, "{figures}");
    let limit = (2 * percentile(&alone, 99)).max(BUSY);
    assert!(percentile(&among, 99) <= limit, "{figures}");
    assert!(peak < MEMORY, "{figures}");
    crowd.leave();
    let left = Instant::now();
    while served.descriptors() > before + 8 {
        assert!(left.elapsed() < Duration::from_secs(5), "{figures}");
        std::thread::sleep(Duration::from_millis(20));
    }
    println!("over {:?} after the crowd left", left.elapsed());
    let after = latencies(served.address);
    let limit = (2 * percentile(&alone, 99)).max(BUSY);
    assert!(percentile(&after, 99) <= limit, "{figures}");
}
