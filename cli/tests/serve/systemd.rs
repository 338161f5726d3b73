//! Sockets from systemd, and what it hears of the service.

use super::config::write;
use super::curl::{body, tells};
use super::process::{Served, until};
use super::store;
use super::tls::Pair;
use crate::hatchery::{Home, command, shell};
use hatchery_tests::Need;
use hatchery_tests::need::require;
use rustix::process::Signal;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

/// The program, started by systemd-socket-activate with these sockets.
fn activated(home: &Path, sockets: &[(&str, u16)], arguments: &[&str]) -> Command {
    let program = command(home).get_program().to_owned();
    let mut activate = shell("exec systemd-socket-activate \"$@\"");
    activate.arg("systemd-socket-activate").current_dir(home);
    for (_, port) in sockets {
        activate.arg(format!("--listen=127.0.0.1:{port}"));
    }
    let names: Vec<&str> = sockets.iter().map(|(name, _)| *name).collect();
    activate.arg(format!("--fdname={}", names.join(":")));
    activate.arg(program).arg("serve").args(arguments);
    activate
}

fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

#[test]
fn sockets_that_are_handed_over_are_served_by_their_names() {
    if !require(&[
        Need::Program("curl"),
        Need::Program("systemd-socket-activate"),
    ]) {
        return;
    }
    let home = Home::new();
    let pair = Pair::write(home.path());
    let authority = pair.authority("authority.pem");
    let config = write(
        home.path(),
        &format!(
            "[[listen]]\naddress = 'systemd:https'\ncertificate = '{}'\nkey = '{}'\n",
            pair.certificate.display(),
            pair.key.display()
        ),
    );
    let (http, https) = (free_port(), free_port());
    let sockets = [("http", http), ("https", https)];
    let activate = activated(home.path(), &sockets, &["--config", &config]);
    // It is started by the first client, and asked until it is there.
    let plain = format!("http://127.0.0.1:{http}{}", store::SUMS);
    let first = std::thread::spawn(move || {
        let again = ["--retry", "30", "--retry-connrefused", "--retry-delay", "1"];
        body(&[&again[..], &[&plain]].concat())
    });
    let served = Served::run(home.path(), activate, 2);
    assert!(first.join().unwrap().contains("lab.tar.xz"));
    assert_eq!(served.addresses[0], format!("http://127.0.0.1:{http}"));
    assert_eq!(served.addresses[1], format!("https://127.0.0.1:{https}"));
    let tls = format!("https://localhost:{https}{}", store::SUMS);
    let ask = || tells("%{http_code}", &["--cacert", &authority, &tls]);
    assert_eq!(ask(), "200");
    // They stay when the configuration is read again.
    served.signal(Signal::HUP);
    served.says("the configuration was read again");
    assert_eq!(ask(), "200");
}

#[test]
fn a_socket_for_tls_without_a_certificate_is_an_error() {
    if !require(&[Need::Program("systemd-socket-activate")]) {
        return;
    }
    let home = Home::new();
    let root = store::make(home.path());
    let port = free_port();
    let arguments = ["--store", root.to_str().unwrap()];
    let mut activate = activated(home.path(), &[("https", port)], &arguments);
    let knock = std::thread::spawn(move || {
        until("a knock", || {
            std::net::TcpStream::connect(("127.0.0.1", port)).ok()
        })
    });
    let ran = crate::hatchery::ran(&activate.output().unwrap());
    knock.join().unwrap();
    assert_eq!(ran.code, Some(3), "{ran:?}");
    assert!(ran.stderr.contains("systemd:https"), "{ran:?}");
}

/// Where a service manager listens.
struct Heard {
    socket: UnixDatagram,
    said: Vec<String>,
}

impl Heard {
    fn at(address: &SocketAddr) -> Self {
        let socket = UnixDatagram::bind_addr(address).unwrap();
        let patience = Some(Duration::from_secs(30));
        socket.set_read_timeout(patience).unwrap();
        Self {
            socket,
            said: Vec::new(),
        }
    }

    /// The next datagram that says something of this kind.
    fn next(&mut self, line: &str) -> String {
        loop {
            let mut bytes = [0; 4096];
            let length = self.socket.recv(&mut bytes).expect(line);
            let text = String::from_utf8(bytes[..length].to_vec()).unwrap();
            self.said.push(text.clone());
            if text.lines().any(|l| l == line) {
                return text;
            }
        }
    }
}

fn is_heard(home: &Home, variable: &str, address: &SocketAddr) {
    let mut heard = Heard::at(address);
    let config = write(home.path(), "[[listen]]\naddress = '127.0.0.1:0'\n");
    let mut serve = command(home.path());
    serve.args(["serve", "--config", &config]);
    serve.env("NOTIFY_SOCKET", variable);
    serve.env("WATCHDOG_USEC", "400000");
    let mut served = Served::run(home.path(), serve, 1);
    let ready = heard.next("READY=1");
    assert!(ready.contains("STATUS=Serving "), "{ready}");
    heard.next("WATCHDOG=1");
    heard.next("WATCHDOG=1");
    served.signal(Signal::HUP);
    let reloading = heard.next("RELOADING=1");
    let time = reloading
        .lines()
        .find_map(|l| l.strip_prefix("MONOTONIC_USEC="));
    assert!(time.unwrap().parse::<u64>().unwrap() > 0, "{reloading}");
    heard.next("READY=1");
    write(home.path(), "nonsense = 1\n");
    served.signal(Signal::HUP);
    heard.next("RELOADING=1");
    let ready = heard.next("READY=1");
    assert!(ready.contains("nothing was changed"), "{ready}");
    served.signal(Signal::TERM);
    heard.next("STOPPING=1");
    assert!(served.ends().success());
    let firsts = heard.said.iter().filter(|said| said.contains("READY=1"));
    assert_eq!(firsts.count(), 3, "{:?}", heard.said);
}

#[test]
fn the_service_manager_hears_of_everything() {
    let home = Home::new();
    let path = home.path().join("notify");
    let address = SocketAddr::from_pathname(&path).unwrap();
    is_heard(&home, path.to_str().unwrap(), &address);
    let name = format!("hatchery-serve-test-{}", std::process::id());
    let address = SocketAddr::from_abstract_name(&name).unwrap();
    is_heard(&home, &format!("@{name}"), &address);
}
