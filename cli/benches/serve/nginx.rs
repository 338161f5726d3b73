//! nginx of the host's distribution, with its fastest documented settings.

use crate::process::{Kind, Scheme, Served, workers};
use crate::yard::Yard;
use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// How long it may take to begin.
const BEGIN: Duration = Duration::from_secs(10);

pub(crate) struct Nginx {
    program: PathBuf,
}

impl Nginx {
    /// Downloads the package and unpacks it.
    pub(crate) fn unpack(yard: &Yard) -> Self {
        let folder = yard.at("nginx");
        fs::create_dir(&folder).unwrap();
        let download = Command::new("apt-get")
            .args(["-q", "download", "nginx"])
            .current_dir(&folder)
            .output()
            .unwrap();
        assert!(download.status.success(), "cannot download nginx");
        let package = find(&folder, "deb");
        let unpacked = Command::new("dpkg-deb")
            .arg("-x")
            .args([&package, &folder])
            .status()
            .unwrap();
        assert!(unpacked.success(), "cannot unpack nginx");
        Self {
            program: folder.join("usr/sbin/nginx"),
        }
    }

    pub(crate) fn version(&self) -> String {
        let output = Command::new(&self.program).arg("-v").output().unwrap();
        let text = String::from_utf8(output.stderr).unwrap();
        text.trim().trim_start_matches("nginx version: ").to_owned()
    }

    pub(crate) fn start(&self, yard: &Yard) -> Served {
        let (http, https) = (free_port(), free_port());
        let folder = yard.at("nginx");
        let config = folder.join("nginx.conf");
        fs::write(&config, settings(yard, &folder, http, https)).unwrap();
        let child = Command::new(&self.program)
            .arg("-c")
            .arg(&config)
            .arg("-e")
            .arg(folder.join("error.log"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let end = Instant::now() + BEGIN;
        while TcpStream::connect(("127.0.0.1", https)).is_err() {
            assert!(Instant::now() < end, "nginx does not begin");
            std::thread::sleep(Duration::from_millis(20));
        }
        let url = |scheme, host, port| format!("{scheme}://{host}:{port}");
        Served::new(
            Kind::Nginx,
            child,
            url(Scheme::Http, "127.0.0.1", http),
            url(Scheme::Https, "localhost", https),
        )
    }
}

fn settings(yard: &Yard, folder: &Path, http: u16, https: u16) -> String {
    let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|kind| format!("  {kind}_temp_path {}/{kind};\n", folder.display()))
        .concat();
    format!(
        "daemon off;
user root;
worker_processes {workers};
pid {folder}/pid;
events {{ worker_connections 16384; }}
http {{
{temporary}  access_log off;
  default_type application/octet-stream;
  sendfile on;
  tcp_nopush on;
  tcp_nodelay on;
  open_file_cache max=10000 inactive=60s;
  open_file_cache_valid 60s;
  open_file_cache_min_uses 1;
  keepalive_requests 100000000;
  root {store};
  server {{ listen 127.0.0.1:{http} reuseport; }}
  server {{
    listen 127.0.0.1:{https} ssl reuseport;
    ssl_certificate {certificate};
    ssl_certificate_key {key};
    ssl_protocols TLSv1.2 TLSv1.3;
    ssl_session_cache shared:tls:10m;
    ssl_buffer_size 16k;
  }}
}}
",
        workers = workers(),
        folder = folder.display(),
        store = yard.store().display(),
        certificate = yard.certificate().display(),
        key = yard.key().display(),
    )
}

fn find(folder: &Path, extension: &str) -> PathBuf {
    let entries = fs::read_dir(folder).unwrap();
    let mut paths = entries.map(|entry| entry.unwrap().path());
    paths
        .find(|path| path.extension().is_some_and(|e| e == extension))
        .unwrap()
}

/// A port that was free a moment ago.
fn free_port() -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    listener.local_addr().unwrap().port()
}
