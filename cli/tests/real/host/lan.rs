//! The network that a booted host is in: a namespace that holds the other end
//! of its link, and nothing that leads any further.

use hatchery_tests::run::run;
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use std::fs::File;
use std::io::{Read as _, Write as _};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsFd as _;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// Longest answer that is read, in bytes.
const ANSWER_MAX: u64 = 64 << 10;

/// Another machine of the LAN. Its network is TEST-NET-2 of RFC 5737.
#[derive(Debug)]
pub(super) struct Lan(File);

impl Lan {
    /// The host's address there.
    pub(super) const HOST: &str = "198.51.100.1";
    /// The address of this machine.
    pub(super) const OTHER: &str = "198.51.100.2";

    /// The LAN of a process, once that has left this process's own network.
    pub(super) fn of(process: u32) -> Option<Self> {
        let path = format!("/proc/{process}/ns/net");
        let own = std::fs::read_link("/proc/self/ns/net").ok()?;
        if std::fs::read_link(&path).ok()? == own {
            return None;
        }
        File::open(Path::new(&path)).ok().map(Self)
    }

    /// Gives this machine its address, on the link to the host.
    pub(super) fn join(&self, link: &str) -> Result<(), String> {
        self.within(|| {
            let address = format!("{}/24", Self::OTHER);
            run(&["ip", "address", "replace", &address, "dev", link])?;
            run(&["ip", "link", "set", link, "up"]).map(drop)
        })
    }

    /// What an HTTP server says that is asked from the LAN.
    pub(super) fn get(&self, address: &str, path: &str) -> Result<String, String> {
        self.within(|| ask(address, path).map_err(|e| format!("{address}: {e}")))
    }

    /// Serves this text at a port of the LAN while `work` is done; who asked
    /// for it.
    pub(super) fn serve(&self, port: u16, text: &str, work: impl FnOnce()) -> Vec<IpAddr> {
        let listener = self.within(|| TcpListener::bind((Self::OTHER, port)).unwrap());
        listener.set_nonblocking(true).unwrap();
        let is_done = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let server = scope.spawn(|| {
                let mut callers = Vec::new();
                while !is_done.load(Ordering::Relaxed) {
                    match listener.accept() {
                        Ok((stream, caller)) => {
                            callers.push(caller.ip());
                            answer(stream, text).unwrap();
                        }
                        Err(_) => std::thread::sleep(Duration::from_millis(20)),
                    }
                }
                callers
            });
            // Also when the work panics, or the server would never end.
            let done = Done(&is_done);
            work();
            drop(done);
            server.join().unwrap()
        })
    }

    /// Does something in the LAN.
    fn within<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        let enter = || {
            let kind = Some(LinkNameSpaceType::Network);
            move_into_link_name_space(self.0.as_fd(), kind).unwrap();
            work()
        };
        std::thread::scope(|scope| scope.spawn(enter).join().unwrap())
    }
}

fn ask(address: &str, path: &str) -> std::io::Result<String> {
    let address: SocketAddr = address.parse().map_err(std::io::Error::other)?;
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    write!(stream, "GET {path} HTTP/1.0\r\n\r\n")?;
    let mut answer = String::new();
    stream.take(ANSWER_MAX).read_to_string(&mut answer)?;
    Ok(answer)
}

fn answer(mut stream: TcpStream, text: &str) -> std::io::Result<()> {
    stream.set_nonblocking(false)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    // The request is short, and one segment: all are answered alike.
    let mut request = [0; 4096];
    let _ = stream.read(&mut request)?;
    write!(stream, "HTTP/1.0 200 OK\r\n\r\n{text}")
}

/// Sets a flag when dropped.
struct Done<'a>(&'a AtomicBool);

impl Drop for Done<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
