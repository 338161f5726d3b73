//! Process 1 of a check's namespaces: mounts a throw-away copy of the tree,
//! boots it with systemd-nspawn on a veth, serves DHCP and DNS at the veth's
//! host end, and looks.
//!
//! The host's file systems are read-only here, so that neither systemd-nspawn
//! nor anything that breaks out through an open file can change them; /run and
//! /tmp are empty ones. What the machine writes goes to memory.

use super::boot::{Boot, Word};
use super::examine::{self, Machine};
use super::guest::{self, Guest};
use super::processes::{failed, say};
use super::report::{CheckReport, What};
use super::{console::Console, mounts, network::Network};
use crate::run::{self, Stdio3};
use nix::sched::{CloneFlags, unshare};
use std::ffi::OsString;
use std::io::PipeWriter;
use std::process::{Child, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// The machine's name during a check: that of its veth is `ve-check`.
const NAME: &str = "check";

/// How often something that is to appear is looked for.
const LOOK: Duration = Duration::from_millis(100);

/// How long systemd-nspawn has to end after its machine was killed.
const END: Duration = Duration::from_secs(5);

/// Number of user ids of a machine in a user namespace.
const USERS: u32 = 65536;

pub(super) fn inside(boot: &Boot) -> Result<(), String> {
    let kill = rustix::process::Signal::KILL;
    rustix::process::set_parent_process_death_signal(Some(kill))
        .map_err(|e| failed("tie the check to its command")(e.into()))?;
    let flags = CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWNET | CloneFlags::CLONE_NEWIPC;
    unshare(flags).map_err(|e| failed("make namespaces")(e.into()))?;
    let root = mounts::prepare(&boot.root)?;

    let deadline = Instant::now() + Duration::from_secs(boot.seconds);
    let started = Instant::now();
    let (reader, writer) = std::io::pipe().map_err(failed("make a pipe"))?;
    let mut nspawn = start(boot, root.into(), writer)?;
    let console = Console::read(reader);
    say(&Word::Says("booting".to_owned()));
    let mut report = CheckReport::default();
    match come_up(&mut nspawn, deadline) {
        Ok((guest, network)) => {
            let machine = Machine {
                guest: &guest,
                network: &network,
                started,
                deadline,
            };
            examine::examine(&machine, &mut nspawn, &mut report);
            guest.kill();
        }
        Err(why) => report.add(What::Boot, false, why),
    }
    end(&mut nspawn);
    report.console = console.last_lines();
    say(&Word::Report(report));
    Ok(())
}

fn start(boot: &Boot, root: OsString, console: PipeWriter) -> Result<Child, String> {
    let mut argv: Vec<OsString> = ["systemd-nspawn", "--quiet", "--boot", "--directory"]
        .map(OsString::from)
        .to_vec();
    argv.push(root);
    argv.extend(
        [
            "--machine=check",
            // There may be no systemd on the host, and in these namespaces
            // machined could not make sense of our process ids.
            "--register=no",
            "--keep-unit",
            // The image is to be seen as it is, and the host left alone.
            "--settings=no",
            "--link-journal=no",
            "--resolv-conf=off",
            "--timezone=off",
            "--network-veth",
            "--console=pipe",
        ]
        .map(OsString::from),
    );
    if boot.shift > 0 {
        argv.push(format!("--private-users={}:{USERS}", boot.shift).into());
    }
    let mut environment = vec![("SYSTEMD_NSPAWN_LOCK", "0"), ("TERM", "dumb")];
    if boot.unified {
        environment.push(("SYSTEMD_NSPAWN_UNIFIED_HIERARCHY", "1"));
    }
    // Its own messages belong between the machine's lines.
    let both = console.try_clone().map_err(failed("copy a pipe"))?;
    let stdio = Stdio3 {
        stdin: Stdio::null(),
        stdout: both.into(),
        stderr: console.into(),
    };
    run::start(&argv, &environment, stdio).map_err(|e| e.to_string())
}

/// Waits until the machine's first process and its interface are there.
fn come_up(nspawn: &mut Child, deadline: Instant) -> Result<(Guest, Network), String> {
    let interface = format!("ve-{NAME}");
    let mut network = None;
    loop {
        if let Ok(Some(status)) = nspawn.try_wait() {
            return Err(format!("systemd-nspawn ended at once ({status})"));
        }
        if network.is_none() && Network::is_there(&interface) {
            let up = Network::new(&interface);
            network = Some(up.map_err(failed("set up the network of the check"))?);
        }
        if network.is_some()
            && let Some(guest) = guest::find(nspawn.id())
            && let Some(network) = network.take()
        {
            return Ok((guest, network));
        }
        if Instant::now() >= deadline {
            return Err("systemd-nspawn did not start the machine in time".to_owned());
        }
        thread::sleep(LOOK);
    }
}

/// Waits for systemd-nspawn, whose machine is dead, and kills it otherwise.
fn end(nspawn: &mut Child) {
    let deadline = Instant::now() + END;
    while Instant::now() < deadline {
        if !matches!(nspawn.try_wait(), Ok(None)) {
            return;
        }
        thread::sleep(LOOK);
    }
    let _ = nspawn.kill();
    let _ = nspawn.wait();
}
