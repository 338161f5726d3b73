//! The import-only binary in a folder that holds nothing else: no library, no
//! `/proc`, no `/dev`, no name service, no certificates.
//!
//! The test command builds it and hands its path in as `HATCHERY_IMPORT_ONLY`.
//! Server and name server run in a network namespace of the test's own.

use crate::hatchery::{Home, command};
use hatchery_tests::{Need, lab, need, require};
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::net::UdpSocket;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Output, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;

const NEEDS: [Need; 4] = [
    Need::Root,
    Need::Program("gpg"),
    Need::Program("ip"),
    Need::Program("ldd"),
];

/// The only name that the name server knows; `mirror` leads to it through the
/// search domain.
const NAME: &str = "mirror.yard.test";
const RESOLV_CONF: &str = "nameserver 127.0.0.1\nsearch yard.test\noptions timeout:2\n";

#[test]
fn it_imports_from_a_folder_and_by_name_in_an_empty_chroot() {
    let Some(yard) = Yard::new() else { return };
    let from_folder = yard.import("/store", "folder");
    assert!(from_folder.status.success(), "{from_folder:?}");
    yard.check("folder");

    nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNET).unwrap();
    assert!(program("ip", &["link", "set", "lo", "up"]).status.success());
    let asked = answer_names();
    let server = Server::start(&yard);
    let url = format!("http://mirror:{}/", server.port);
    let nameless = yard.import(&url, "nameless");
    let said = String::from_utf8_lossy(&nameless.stderr).into_owned();
    assert_eq!(nameless.status.code(), Some(5), "{said}");
    assert!(said.contains("/etc/resolv.conf names no server"), "{said}");

    fs::create_dir_all(yard.chroot().join("etc")).unwrap();
    fs::write(yard.chroot().join("etc/resolv.conf"), RESOLV_CONF).unwrap();
    let by_name = yard.import(&url, "named");
    assert!(by_name.status.success(), "{by_name:?}");
    yard.check("named");
    assert!(asked.try_iter().any(|name| name == NAME));

    let untrusting = yard.import("https://mirror/", "https");
    let said = String::from_utf8_lossy(&untrusting.stderr).into_owned();
    assert_eq!(untrusting.status.code(), Some(5), "{said}");
    assert!(said.contains("install ca-certificates"), "{said}");
}

#[test]
fn it_is_linked_to_nothing() {
    let Some(binary) = binary() else { return };
    if !require(&NEEDS[3..]) {
        return;
    }
    let ldd = program("ldd", &[binary.to_str().unwrap()]);
    let said = String::from_utf8_lossy(&[ldd.stdout, ldd.stderr].concat()).into_owned();
    let is_static = said.contains("statically linked") || said.contains("not a dynamic executable");
    assert!(is_static, "{said}");
}

/// The binary, if the test command made one.
#[expect(clippy::disallowed_methods, reason = "a test run is configured so")]
fn binary() -> Option<PathBuf> {
    if let Ok(path) = std::env::var("HATCHERY_IMPORT_ONLY") {
        return Some(path.into());
    }
    let ci = std::env::var("CI").is_ok_and(|ci| ci == "true");
    assert!(!ci, "HATCHERY_IMPORT_ONLY does not name the binary");
    need::skip("make test builds the import-only binary and names it in HATCHERY_IMPORT_ONLY");
    None
}

/// An image in a store in a folder that else holds only the binary and a key.
struct Yard(Home);

impl Yard {
    fn new() -> Option<Self> {
        let binary = binary()?;
        if !require(&NEEDS) {
            return None;
        }
        let yard = Self(Home::new());
        let home = yard.0.path();
        let signer = lab::key(&home.join("gnupg"), "alone <alone@localhost>");
        let _ = lab::image(&home.join("image"), "1", "one", &signer);
        fs::create_dir(yard.chroot()).unwrap();
        let published = command(home)
            .args(["publish", "image", "--store", "chroot/store"])
            .output()
            .unwrap();
        assert!(published.status.success(), "{published:?}");
        fs::write(yard.chroot().join("key.pgp"), signer.public_key().unwrap()).unwrap();
        fs::copy(binary, yard.chroot().join("hatchery")).unwrap();
        Some(yard)
    }

    fn chroot(&self) -> PathBuf {
        self.0.path().join("chroot")
    }

    fn import(&self, mirror: &str, machine: &str) -> Output {
        let root = self.chroot();
        program(
            "chroot",
            &[
                root.to_str().unwrap(),
                "/hatchery",
                "import",
                "lab",
                "--as",
                machine,
                "--architecture",
                "amd64",
                "--accept-unsuitable",
                "--mirror",
                mirror,
                "--key",
                "/key.pgp",
            ],
        )
    }

    fn check(&self, machine: &str) {
        let root = self.chroot().join("var/lib/machines").join(machine);
        assert_eq!(fs::read_to_string(root.join("etc/content")).unwrap(), "one");
        let mode = fs::metadata(root.join("usr/bin/tool"))
            .unwrap()
            .permissions();
        assert_eq!(mode.mode() & 0o7777, 0o4755);
        assert_eq!(
            fs::read_link(root.join("bin")).unwrap(),
            Path::new("usr/bin")
        );
        assert_eq!(
            fs::metadata(root.join("usr/noise")).unwrap().len(),
            lab::NOISE as u64
        );
    }
}

/// `hatchery serve`, of the full program.
struct Server {
    child: Child,
    port: u16,
}

impl Server {
    fn start(yard: &Yard) -> Self {
        let mut child = command(yard.0.path())
            .args([
                "serve",
                "--listen",
                "127.0.0.1:0",
                "--store",
                "chroot/store",
            ])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let stdout = child.stdout.take().unwrap();
        BufReader::new(stdout).read_line(&mut line).unwrap();
        let rest = line.split("http://127.0.0.1:").nth(1).unwrap();
        let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
        let port = digits.parse().unwrap();
        Self { child, port }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Answers questions for [`NAME`] with 127.0.0.1 until the process ends; the
/// names that it was asked for.
fn answer_names() -> Receiver<String> {
    let socket = UdpSocket::bind("127.0.0.1:53").unwrap();
    let (told, asked) = channel();
    thread::spawn(move || {
        let mut query = [0; 512];
        while let Ok((length, from)) = socket.recv_from(&mut query) {
            let Some((name, end)) = question(&query[..length]) else {
                continue;
            };
            let known = name == NAME;
            let kind = u16::from_be_bytes([query[end], query[end + 1]]);
            let answers = u8::from(known && kind == 1);
            let mut reply = query[..2].to_vec();
            // An answer, recursion both desired and available; 3: no such name.
            reply.extend([0x81, if known { 0x80 } else { 0x83 }]);
            reply.extend([0, 1, 0, answers, 0, 0, 0, 0]);
            reply.extend(&query[12..end + 4]);
            if answers == 1 {
                // The name of the question, A, IN, 60 seconds, four bytes.
                reply.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 127, 0, 0, 1]);
            }
            let _ = socket.send_to(&reply, from);
            let _ = told.send(name);
        }
    });
    asked
}

/// The name in the question of a query, and where its type stands.
fn question(query: &[u8]) -> Option<(String, usize)> {
    let mut labels = Vec::new();
    let mut at = 12;
    loop {
        let length = usize::from(*query.get(at)?);
        at += 1;
        if length == 0 {
            break;
        }
        let label = query.get(at..at + length)?;
        labels.push(String::from_utf8_lossy(label).to_ascii_lowercase());
        at += length;
    }
    query.get(at..at + 4)?;
    Some((labels.join("."), at))
}

#[expect(
    clippy::disallowed_methods,
    reason = "other programs than ours are run too"
)]
fn program(name: &str, arguments: &[&str]) -> Output {
    let mut command = std::process::Command::new(name);
    command.args(arguments).env_clear();
    command.env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
    command.output().unwrap()
}
