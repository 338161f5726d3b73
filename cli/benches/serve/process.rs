//! A server that runs: where it is, and what it takes.

use crate::yard::Yard;
use std::fmt;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// How HTTP is spoken.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scheme {
    Http,
    Https,
}

impl fmt::Display for Scheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Http => "http",
            Self::Https => "https",
        })
    }
}

/// Whose server it is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Ours,
    Nginx,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ours => "ours",
            Self::Nginx => "nginx",
        })
    }
}

/// Processors, for each of which both have a thread or a process.
pub(crate) fn workers() -> usize {
    std::thread::available_parallelism().map_or(1, Into::into)
}

/// Seconds of processor time.
#[derive(Clone, Copy)]
pub(crate) struct Cost {
    pub(crate) program: f64,
    pub(crate) kernel: f64,
}

impl Cost {
    pub(crate) fn all(self) -> f64 {
        self.program + self.kernel
    }

    /// Of one of so many.
    pub(crate) fn of_each(self, count: f64) -> Self {
        Self {
            program: self.program / count,
            kernel: self.kernel / count,
        }
    }
}

/// A server, which ends with the bench.
pub(crate) struct Served {
    kind: Kind,
    child: Child,
    http: String,
    https: String,
}

impl Served {
    pub(crate) fn new(kind: Kind, child: Child, http: String, https: String) -> Self {
        Self {
            kind,
            child,
            http,
            https,
        }
    }

    pub(crate) fn ours(yard: &Yard) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_hatchery"))
            .args(["-q", "serve", "--access-log", "off"])
            .args(["--listen", "127.0.0.1:0", "--listen-tls", "127.0.0.1:0"])
            .arg("--certificate")
            .arg(yard.certificate())
            .arg("--key")
            .arg(yard.key())
            .arg("--store")
            .arg(yard.store())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut address = || {
            let line = lines.next().unwrap().unwrap();
            let url = line.split_whitespace().find(|word| word.contains("://"));
            url.unwrap().trim_end_matches('/').to_owned()
        };
        let (http, https) = (address(), address());
        // The certificate names localhost.
        let https = https.replace("127.0.0.1", "localhost");
        Self::new(Kind::Ours, child, http, https)
    }

    pub(crate) fn kind(&self) -> Kind {
        self.kind
    }

    pub(crate) fn url(&self, scheme: Scheme, path: &str) -> String {
        let base = match scheme {
            Scheme::Http => &self.http,
            Scheme::Https => &self.https,
        };
        format!("{base}{path}")
    }

    /// The processor time that it takes for this, with its children.
    pub(crate) fn cost<T>(&self, work: impl FnOnce() -> T) -> (T, Cost) {
        let before = self.cost_so_far();
        let done = work();
        let after = self.cost_so_far();
        let cost = Cost {
            program: after.program - before.program,
            kernel: after.kernel - before.kernel,
        };
        (done, cost)
    }

    fn cost_so_far(&self) -> Cost {
        let second = rustix::param::clock_ticks_per_second() as f64;
        let ticks = self.processes().into_iter().map(ticks);
        let (program, kernel) = ticks.fold((0, 0), |a, b| (a.0 + b.0, a.1 + b.1));
        Cost {
            program: program as f64 / second,
            kernel: kernel as f64 / second,
        }
    }

    /// The most memory that it took at a time, with its children, in MiB.
    pub(crate) fn memory_peak(&self) -> f64 {
        let kib: f64 = self.processes().iter().map(|&pid| peak_kib(pid)).sum();
        kib / 1024.0
    }

    fn processes(&self) -> Vec<u32> {
        let pid = self.child.id();
        let children = format!("/proc/{pid}/task/{pid}/children");
        let children = fs::read_to_string(children).unwrap();
        let children = children.split_whitespace().map(|pid| pid.parse().unwrap());
        children.chain([pid]).collect()
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let pid = rustix::process::Pid::from_child(&self.child);
        // nginx' workers end with their master if it may say so.
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        std::thread::sleep(Duration::from_millis(300));
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// User and system time of a process, in ticks.
fn ticks(pid: u32) -> (u64, u64) {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let (_, fields) = stat.rsplit_once(')').unwrap();
    let mut ticks = fields.split_whitespace().skip(11);
    let mut next = || ticks.next().unwrap().parse().unwrap();
    (next(), next())
}

fn peak_kib(pid: u32) -> f64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.unwrap().trim().trim_end_matches(" kB");
    kib.parse().unwrap()
}
