//! The questions of a check, asked of a machine that is booting.

use super::console::plain;
use super::dns;
use super::guest::Guest;
use super::network::Network;
use super::report::{CheckReport, What};
use std::net::Ipv4Addr;
use std::process::Child;
use std::thread;
use std::time::{Duration, Instant};

/// How often the machine is asked whether it is up.
const ASK: Duration = Duration::from_millis(200);

/// How long after it is up host0 may take to get its address.
const ADDRESS: Duration = Duration::from_secs(20);

/// How long after that a name may take to resolve.
const RESOLVE: Duration = Duration::from_secs(10);

/// Failed units of which the journal is shown, and how much of it.
const SHOWN_UNITS: usize = 5;
const SHOWN_LINES: &str = "4";

/// Texts of `/etc/resolv.conf` links that lead to systemd-resolved.
const RESOLVED_FILES: [&str; 3] = [
    "run/systemd/resolve/stub-resolv.conf",
    "run/systemd/resolve/resolv.conf",
    "usr/lib/systemd/resolv.conf",
];

/// The machine, and until when it may be asked.
pub(super) struct Machine<'m> {
    pub(super) guest: &'m Guest,
    pub(super) network: &'m Network,
    pub(super) started: Instant,
    pub(super) deadline: Instant,
}

/// Asks everything. One answer that is bad does not keep the others from being asked.
pub(super) fn examine(machine: &Machine<'_>, nspawn: &mut Child, report: &mut CheckReport) {
    if !boot(machine, nspawn, report) {
        return;
    }
    units(machine, report);
    identity(machine, report);
    let has_address = address(machine, report);
    resolved(machine, report);
    resolv_conf(machine, report);
    if has_address {
        name(machine, report);
    }
}

/// Whether it comes up, and to what state.
fn boot(machine: &Machine<'_>, nspawn: &mut Child, report: &mut CheckReport) -> bool {
    let mut state = String::new();
    loop {
        if let Ok(Some(status)) = nspawn.try_wait() {
            let seen = format!("systemd-nspawn ended ({status}) while the machine was {state:?}");
            report.add(What::Boot, false, seen);
            return false;
        }
        let line = machine.guest.line(&["systemctl", "is-system-running"]);
        if !line.is_empty() {
            state = plain(&line);
        }
        match state.as_str() {
            "running" | "degraded" => break,
            "maintenance" | "stopping" => {
                report.add(What::Boot, false, format!("its state is {state}"));
                return true;
            }
            _ => (),
        }
        if Instant::now() >= machine.deadline {
            let jobs = printed(machine, &["systemctl", "list-jobs", "--no-legend"]);
            let seen = format!("after {} s it was still {state:?}{jobs}", seconds(machine));
            report.add(What::Boot, false, seen);
            return true;
        }
        thread::sleep(ASK);
    }
    report.boot_milliseconds = u64::try_from(machine.started.elapsed().as_millis()).ok();
    let target = ["systemctl", "is-active", "multi-user.target"];
    let active = machine.guest.line(&target);
    let seen = format!(
        "{state}, multi-user.target is {}, after {} s",
        plain(&active),
        seconds(machine)
    );
    report.add(What::Boot, active == "active", seen);
    true
}

fn seconds(machine: &Machine<'_>) -> String {
    format!("{:.1}", machine.started.elapsed().as_secs_f32())
}

/// What a program inside prints, a line each, indented.
fn printed(machine: &Machine<'_>, argv: &[&str]) -> String {
    let output = machine
        .guest
        .run(argv)
        .map(|o| o.stdout)
        .unwrap_or_default();
    output
        .lines()
        .map(|l| format!("\n  {}", plain(l)))
        .collect()
}

fn units(machine: &Machine<'_>, report: &mut CheckReport) {
    let list = [
        "systemctl",
        "list-units",
        "--state=failed",
        "--plain",
        "--no-legend",
    ];
    let output = match machine.guest.run(&list) {
        Ok(output) if output.status.success() => output.stdout,
        Ok(output) => return report.add(What::Units, false, plain(&output.stderr)),
        Err(error) => return report.add(What::Units, false, error.to_string()),
    };
    let failed: Vec<_> = output
        .lines()
        .filter_map(|line| line.split_whitespace().next())
        .map(plain)
        .collect();
    let mut seen = if failed.is_empty() {
        "none".to_owned()
    } else {
        failed.join(", ")
    };
    for unit in failed.iter().take(SHOWN_UNITS) {
        let journal = [
            "journalctl",
            "-q",
            "-n",
            SHOWN_LINES,
            "-o",
            "cat",
            "-u",
            unit,
        ];
        seen.push_str(&printed(machine, &journal));
    }
    report.add(What::Units, failed.is_empty(), seen);
}

fn identity(machine: &Machine<'_>, report: &mut CheckReport) {
    let id = machine.guest.line(&["cat", "/etc/machine-id"]);
    let is_set = id.len() == 32 && id.bytes().all(|b| b.is_ascii_hexdigit());
    let seen = if id.is_empty() { "unset" } else { &id };
    report.add(What::MachineIdSet, is_set, plain(seen));
}

fn address(machine: &Machine<'_>, report: &mut CheckReport) -> bool {
    let deadline = Instant::now() + ADDRESS;
    loop {
        let found = machine.guest.address();
        if let Ok(Some((address, mask))) = found
            && !address.is_link_local()
        {
            let how = if machine.network.has_leased() {
                "by DHCP"
            } else {
                "static"
            };
            let gateway = machine.guest.gateway();
            let way_out = gateway.map_or("no default route".to_owned(), |g| format!("via {g}"));
            let seen = format!("{address}/{} {how}, {way_out}", prefix(mask));
            report.add(What::Address, gateway.is_some(), seen);
            return true;
        }
        let ipv6 = machine.guest.ipv6_addresses();
        if let Some(address) = ipv6.first() {
            report.add(What::Address, true, format!("{address}"));
            return false;
        }
        if Instant::now() >= deadline {
            let seen = match found {
                Err(error) => format!("host0: {error}"),
                Ok(Some((address, _))) => {
                    format!("only {address}, which is good on the link alone")
                }
                Ok(None) => format!("none within {} s", ADDRESS.as_secs()),
            };
            report.add(What::Address, false, seen);
            return false;
        }
        thread::sleep(ASK);
    }
}

fn prefix(mask: Ipv4Addr) -> u32 {
    u32::from(mask).count_ones()
}

fn resolved(machine: &Machine<'_>, report: &mut CheckReport) {
    let unit = ["systemctl", "is-active", "systemd-resolved.service"];
    let state = machine.guest.line(&unit);
    report.add(What::Resolved, state == "active", plain(&state));
}

fn resolv_conf(machine: &Machine<'_>, report: &mut CheckReport) {
    let link = machine.guest.line(&["readlink", "/etc/resolv.conf"]);
    if !link.is_empty() {
        let plain_link = plain(&link);
        let passed = leads_to_resolved(&link);
        return report.add(What::ResolvConf, passed, format!("a link to {plain_link}"));
    }
    let text = machine.guest.run(&["cat", "/etc/resolv.conf"]);
    let text = text.map(|o| o.stdout).unwrap_or_default();
    let servers: Vec<_> = text
        .lines()
        .filter_map(|line| line.trim().strip_prefix("nameserver"))
        .map(|server| plain(server.trim()))
        .collect();
    let stub = |server: &String| server == "127.0.0.53" || server == "127.0.0.54";
    let passed = !servers.is_empty() && servers.iter().all(stub);
    let seen = match servers.len() {
        0 => "no link, and it names no server".to_owned(),
        _ => format!("no link; it names {}", servers.join(", ")),
    };
    report.add(What::ResolvConf, passed, seen);
}

/// Whether a link at `/etc/resolv.conf` leads to a file of systemd-resolved.
fn leads_to_resolved(link: &str) -> bool {
    let mut parts: Vec<&str> = if link.starts_with('/') {
        Vec::new()
    } else {
        vec!["etc"]
    };
    for part in link.split('/') {
        match part {
            "" | "." => (),
            ".." => drop(parts.pop()),
            _ => parts.push(part),
        }
    }
    RESOLVED_FILES.contains(&parts.join("/").as_str())
}

fn name(machine: &Machine<'_>, report: &mut CheckReport) {
    if !machine.network.has_leased()
        && let Ok(Some(address)) = machine.guest.address()
    {
        // Nobody but us can be the servers that a static machine names.
        let servers = dns_servers(
            &machine
                .guest
                .run(&["resolvectl", "dns"])
                .map_or_else(|_| String::new(), |output| output.stdout),
        );
        if servers.is_empty() {
            return report.add(What::Name, false, "no DNS server is configured");
        }
        let gateway = machine.guest.gateway();
        if let Err(error) = machine.network.impersonate(address, gateway, &servers) {
            let seen = format!("cannot play its DNS servers: {error}");
            return report.add(What::Name, false, seen);
        }
    }
    let deadline = Instant::now() + RESOLVE;
    let ask = ["getent", "ahostsv4", dns::NAME];
    let wanted = dns::ADDRESS.to_string();
    loop {
        let line = machine.guest.line(&ask);
        let answer = line.split_whitespace().next().unwrap_or_default();
        let passed = answer == wanted;
        if passed || Instant::now() >= deadline {
            let seen = match plain(answer).as_str() {
                "" => "no answer".to_owned(),
                answer => answer.to_owned(),
            };
            return report.add(What::Name, passed, format!("{}: {seen}", dns::NAME));
        }
        thread::sleep(ASK);
    }
}

/// IPv4 addresses in the output of `resolvectl dns`, where a server can also
/// be written as `ADDRESS:PORT#NAME`.
fn dns_servers(text: &str) -> Vec<Ipv4Addr> {
    text.split_whitespace()
        .filter_map(|word| word.split(['#', '%']).next()?.parse().ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_to_resolved_are_known_in_every_spelling() {
        for link in [
            "/run/systemd/resolve/stub-resolv.conf",
            "../run/systemd/resolve/stub-resolv.conf",
            "../usr/lib/systemd/resolv.conf",
        ] {
            assert!(leads_to_resolved(link), "{link}");
        }
        for link in [
            "/etc/resolv.conf.d/x",
            "../run/resolvconf/resolv.conf",
            "..",
        ] {
            assert!(!leads_to_resolved(link), "{link}");
        }
    }

    #[test]
    fn servers_are_read_from_resolvectl() {
        let text = "Global: 9.9.9.9#dns.quad9.net 2620:fe::fe\nLink 2 (host0): 172.23.0.1\n";
        let servers = dns_servers(text);
        assert_eq!(
            servers,
            [Ipv4Addr::new(9, 9, 9, 9), Ipv4Addr::new(172, 23, 0, 1)]
        );
    }
}
