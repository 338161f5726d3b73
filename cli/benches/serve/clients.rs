//! Those who ask: `curl` for large files over TLS, a reader that throws away
//! what it gets for plain ones, `wrk` for small ones, and `hatchery import`.

use crate::process::Scheme;
use crate::yard::Yard;
use rustix::net::RecvFlags;
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::Instant;

/// Downloads at once.
const DOWNLOADS: usize = 4;
/// How often each is done over plain HTTP and over TLS.
const REPEATS: [usize; 2] = [8, 2];
/// Imports at once.
const IMPORTS: usize = 32;
/// Connections and seconds of `wrk`.
const WRK: [&str; 6] = ["-t1", "-c64", "-d4s", "--latency", "--timeout", "10s"];

/// Bytes that were downloaded, and the seconds that it took.
pub(crate) fn download(url: &str, scheme: Scheme) -> (u64, f64) {
    let begun = Instant::now();
    let bytes = std::thread::scope(|scope| {
        let each = || match scheme {
            Scheme::Http => (0..REPEATS[0]).map(|_| discard(url)).sum::<u64>(),
            Scheme::Https => (0..REPEATS[1]).map(|_| curl(url)).sum::<u64>(),
        };
        let all: Vec<_> = (0..DOWNLOADS).map(|_| scope.spawn(each)).collect();
        all.into_iter().map(|one| one.join().unwrap()).sum()
    });
    (bytes, begun.elapsed().as_secs_f64())
}

/// The length of a body, of which the kernel throws everything away, so that
/// the client costs next to nothing.
fn discard(url: &str) -> u64 {
    let (host, path) = url
        .strip_prefix("http://")
        .unwrap()
        .split_once('/')
        .unwrap();
    let mut stream = TcpStream::connect(host).unwrap();
    let request = format!("GET /{path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).unwrap().to_ascii_lowercase();
    assert!(head.starts_with("http/1.1 200"), "{head}");
    let (_, length) = head.split_once("content-length: ").unwrap();
    let length: u64 = length.split_once('\r').unwrap().0.parse().unwrap();
    let mut buffer = vec![0; 4 << 20];
    let mut taken = 0;
    while taken < length {
        let (_, count) = rustix::net::recv(&stream, &mut *buffer, RecvFlags::TRUNC).unwrap();
        assert!(count > 0, "cut after {taken} bytes of {length}");
        taken += count as u64;
    }
    length
}

fn curl(url: &str) -> u64 {
    let output = Command::new("curl")
        .args([
            "-sfk",
            "--http1.1",
            "-o",
            "/dev/null",
            "-w",
            "%{size_download}",
            url,
        ])
        .output()
        .unwrap();
    assert!(output.status.success(), "{url}");
    String::from_utf8(output.stdout).unwrap().parse().unwrap()
}

/// A run of `wrk`.
pub(crate) struct Wrk(String);

/// What came of it.
pub(crate) struct Ran {
    pub(crate) requests: f64,
    pub(crate) per_second: f64,
    pub(crate) p99_ms: f64,
}

impl Wrk {
    pub(crate) fn new(url: String) -> Self {
        Self(url)
    }

    /// Asks for all of it.
    pub(crate) fn run(&self) -> Ran {
        self.ask(&[])
    }

    /// Asks for it unless it is what it was.
    pub(crate) fn unless_changed(&self) -> Ran {
        let output = Command::new("curl")
            .args(["-sfkI", "--http1.1", &self.0])
            .output()
            .unwrap();
        let head = String::from_utf8(output.stdout).unwrap();
        let tag = head.lines().find_map(|line| {
            let (name, value) = line.split_once(": ")?;
            name.eq_ignore_ascii_case("etag").then(|| value.trim())
        });
        self.ask(&["-H", &format!("If-None-Match: {}", tag.unwrap())])
    }

    fn ask(&self, arguments: &[&str]) -> Ran {
        let output = Command::new("wrk")
            .args(WRK)
            .args(arguments)
            .arg(&self.0)
            .output()
            .unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let word = |name: &str| {
            let line = text.lines().find_map(|line| line.trim().strip_prefix(name));
            line.unwrap_or_else(|| panic!("{text}")).trim().to_owned()
        };
        // It counts what is neither 2xx nor 3xx, and what failed, in lines of
        // their own.
        let failed = ["Non-2xx", "Socket errors"]
            .iter()
            .any(|f| text.contains(f));
        assert!(!failed, "{text}");
        let requests = text
            .lines()
            .find_map(|line| line.split_once(" requests in "));
        Ran {
            requests: requests.unwrap().0.trim().parse().unwrap(),
            per_second: word("Requests/sec:").parse().unwrap(),
            p99_ms: milliseconds(&word("99%")),
        }
    }
}

/// `wrk`'s way to write a time.
fn milliseconds(text: &str) -> f64 {
    let units = [("us", 0.001), ("ms", 1.0), ("s", 1000.0)];
    let parsed = units.iter().find_map(|(unit, factor)| {
        let number: f64 = text.strip_suffix(unit)?.parse().ok()?;
        Some(number * factor)
    });
    parsed.unwrap_or_else(|| panic!("{text}"))
}

/// Seconds until as many hosts as there are imports have the image.
pub(crate) fn imports(yard: &Yard, mirror: &str) -> f64 {
    let hosts = yard.at("hosts");
    let begun = Instant::now();
    let all: Vec<Child> = (0..IMPORTS)
        .map(|n| {
            let host = hosts.join(n.to_string());
            fs::create_dir_all(&host).unwrap();
            let mut import = Command::new(env!("CARGO_BIN_EXE_hatchery"));
            import.args(["-q", "import", "lab", "--mirror", mirror]);
            import.arg("--key").arg(yard.at("key.pgp"));
            for (flag, name) in [
                ("--machines", "machines"),
                ("--cache-dir", "cache"),
                ("--state", "state"),
                ("--config", "no-config"),
            ] {
                import.arg(flag).arg(host.join(name));
            }
            import.env("SSL_CERT_FILE", yard.certificate());
            import
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::piped())
                .spawn()
                .unwrap()
        })
        .collect();
    for import in all {
        let output = import.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "an import failed:\n{said}");
    }
    let seconds = begun.elapsed().as_secs_f64();
    fs::remove_dir_all(&hosts).unwrap();
    seconds
}
