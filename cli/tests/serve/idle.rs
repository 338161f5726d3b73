//! Ten thousand clients that spoke TLS, got an answer, and do nothing more.
//!
//! Each has keys and a record's buffer, about 13 KiB, and nothing that HTTP
//! needs, so that all take less than the 200 MiB that hold without TLS, too (see
//! `crowd`).

use super::process::Served;
use super::store;
use super::tls::Pair;
use crate::hatchery::Home;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, ClientConnection, RootCertStore, Stream};
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::sync::Arc;

const CLIENTS: usize = 10_000;
/// Threads that connect them.
const THREADS: usize = 4;
/// The server's memory, in KiB.
const MEMORY: u64 = 200 << 10;

fn trusting(certificate: &Path) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots
        .add(CertificateDer::from_pem_file(certificate).unwrap())
        .unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    Arc::new(config)
}

/// A connection over which something was asked and answered.
fn use_once(address: &str, config: &Arc<ClientConfig>) -> TcpStream {
    let mut tcp = TcpStream::connect(address).unwrap();
    let name = "localhost".try_into().unwrap();
    let mut tls = ClientConnection::new(Arc::clone(config), name).unwrap();
    let mut stream = Stream::new(&mut tls, &mut tcp);
    let request = format!("GET {} HTTP/1.1\r\nHost: localhost\r\n\r\n", store::SUMS);
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"HTTP/1.1 200");
    tcp
}

fn status(pid: u32, field: &str) -> u64 {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = text.lines().find(|line| line.starts_with(field)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[test]
fn ten_thousand_idle_clients_of_tls() {
    let home = Home::new();
    let root = store::make(home.path());
    let pair = Pair::write(home.path());
    let text = |path: &Path| path.to_str().unwrap().to_owned();
    let arguments = [
        "-q".to_owned(),
        "--access-log=off".to_owned(),
        "--listen-tls=127.0.0.1:0".to_owned(),
        format!("--store={}", text(&root)),
        format!("--certificate={}", text(&pair.certificate)),
        format!("--key={}", text(&pair.key)),
    ];
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let served = Served::start(home.path(), &arguments, 1);
    let address = served.addresses[0].trim_start_matches("https://");
    let config = trusting(&pair.certificate);
    let before = status(served.pid(), "VmRSS:");
    let clients: Vec<TcpStream> = std::thread::scope(|scope| {
        let each = || -> Vec<TcpStream> {
            let all = (0..CLIENTS / THREADS).map(|_| use_once(address, &config));
            all.collect()
        };
        let threads: Vec<_> = (0..THREADS).map(|_| scope.spawn(each)).collect();
        let joined = threads.into_iter().map(|thread| thread.join().unwrap());
        joined.flatten().collect()
    });
    let open = fs::read_dir(format!("/proc/{}/fd", served.pid())).unwrap();
    let open = open.count();
    let peak = status(served.pid(), "VmHWM:");
    println!(
        "{} used, {open} descriptors open at the end, peak {} MiB, at first {} MiB",
        clients.len(),
        peak >> 10,
        before >> 10
    );
    assert!(peak < MEMORY, "{} MiB", peak >> 10);
    // And a new one is answered.
    use_once(address, &config);
}
