//! The machine that is being checked, from the outside: its first process,
//! programs that are run inside it, and what the kernel tells of its network.

use super::link;
use crate::run::{self, Output, RunError};
use rustix::fs::{CWD, Mode, OFlags};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use std::fs;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

/// How long a program inside the machine may take.
const COMMAND: Duration = Duration::from_secs(15);

/// The machine's end of the veth.
const HOST0: &str = "host0";

/// A running machine.
#[derive(Debug)]
pub(super) struct Guest {
    leader: u32,
}

/// The first process of the machine that a systemd-nspawn has started: its
/// child in another PID namespace.
pub(super) fn find(nspawn: u32) -> Option<Guest> {
    let own = fs::read_link("/proc/self/ns/pid").ok()?;
    let processes = fs::read_dir("/proc").ok()?.flatten();
    let pids = processes.filter_map(|e| e.file_name().to_str()?.parse::<u32>().ok());
    for pid in pids {
        let other = fs::read_link(format!("/proc/{pid}/ns/pid")).is_ok_and(|ns| ns != own);
        if other && parent(pid) == Some(nspawn) {
            return Some(Guest { leader: pid });
        }
    }
    None
}

fn parent(pid: u32) -> Option<u32> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|l| l.strip_prefix("PPid:"))?;
    line.trim().parse().ok()
}

impl Guest {
    /// Runs a program inside the machine, to its end.
    pub(super) fn run(&self, argv: &[&str]) -> Result<Output, RunError> {
        let target = self.leader.to_string();
        let mut whole = vec![
            "nsenter", "--target", &target, "--all", "--root", "--wd", "--",
        ];
        whole.extend(argv);
        run::output(&whole, COMMAND)
    }

    /// The first line that a program inside the machine prints; empty if it
    /// prints none or cannot be run.
    pub(super) fn line(&self, argv: &[&str]) -> String {
        let output = self.run(argv).map(|o| o.stdout).unwrap_or_default();
        output.lines().next().unwrap_or_default().trim().to_owned()
    }

    /// Kills the machine.
    pub(super) fn kill(&self) {
        let pid = i32::try_from(self.leader).ok();
        if let Some(pid) = pid.and_then(rustix::process::Pid::from_raw) {
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
        }
    }

    fn proc(&self, name: &str) -> PathBuf {
        format!("/proc/{}/{name}", self.leader).into()
    }

    /// host0's IPv4 address and mask, if it has them.
    pub(super) fn address(&self) -> io::Result<Option<(Ipv4Addr, Ipv4Addr)>> {
        let flags = OFlags::RDONLY | OFlags::CLOEXEC;
        let namespace = rustix::fs::openat(CWD, self.proc("ns/net"), flags, Mode::empty())?;
        // Only a thread changes its namespace, and it ends with it.
        let look = move || {
            use rustix::fd::AsFd as _;
            let network = Some(LinkNameSpaceType::Network);
            move_into_link_name_space(namespace.as_fd(), network)?;
            link::address(HOST0)
        };
        let thread = thread::spawn(look);
        thread
            .join()
            .unwrap_or_else(|_| Err(io::Error::other("a thread failed")))
    }

    /// host0's IPv6 addresses that are good beyond the link.
    pub(super) fn ipv6_addresses(&self) -> Vec<Ipv6Addr> {
        let table = fs::read_to_string(self.proc("net/if_inet6")).unwrap_or_default();
        table.lines().filter_map(global_address).collect()
    }

    /// The IPv4 default gateway.
    pub(super) fn gateway(&self) -> Option<Ipv4Addr> {
        let table = fs::read_to_string(self.proc("net/route")).ok()?;
        table.lines().find_map(default_gateway)
    }
}

/// The gateway of a line of `/proc/net/route`, if it is host0's default route.
fn default_gateway(line: &str) -> Option<Ipv4Addr> {
    let fields: Vec<_> = line.split_whitespace().collect();
    let [interface, destination, gateway, ..] = fields[..] else {
        return None;
    };
    if interface != HOST0 || destination != "00000000" {
        return None;
    }
    // The number is printed as the machine holds it.
    let number = u32::from_str_radix(gateway, 16).ok()?;
    Some(Ipv4Addr::from(number.to_ne_bytes()))
}

/// The address of a line of `/proc/net/if_inet6`, if it is host0's and global.
fn global_address(line: &str) -> Option<Ipv6Addr> {
    let fields: Vec<_> = line.split_whitespace().collect();
    let [address, _, _, scope, _, interface] = fields[..] else {
        return None;
    };
    let global = scope == "00" && interface == HOST0;
    let number = u128::from_str_radix(address, 16).ok()?;
    global.then(|| Ipv6Addr::from(number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_tables_are_read() {
        let line = "host0\t00000000\t010200C0\t0003\t0\t0\t1024\t00000000\t0\t0\t0";
        if cfg!(target_endian = "little") {
            assert_eq!(default_gateway(line), Some(Ipv4Addr::new(192, 0, 2, 1)));
        }
        assert_eq!(default_gateway("Iface\tDestination\tGateway"), None);
        let global = "20010db8000000000000000000000001 02 40 00 80    host0";
        assert_eq!(global_address(global), Some("2001:db8::1".parse().unwrap()));
        let local = "fe800000000000009875adfffe112450 02 40 20 80    host0";
        assert_eq!(global_address(local), None);
    }
}
