//! What of a host's firewall would keep machines behind a bridge from getting
//! an address or reaching anything, and how to open it. It is only read.
//!
//! ufw and firewalld are asked first: where one of them is in charge, its own
//! words open it. Otherwise the rules of nftables (which iptables' newer form
//! shares) and of the older iptables are looked at. A chain drops what comes
//! from the bridge if that is its policy or its last rule without a condition,
//! and no rule before lets everything from the bridge pass. Rules that lead
//! elsewhere are not followed; then it is said that it cannot be told.

use crate::run;
use serde::Serialize;
use serde_json::Value;
use std::fs;
use std::path::Path;
use std::time::Duration;

/// How long a program may take to list rules.
const LISTING: Duration = Duration::from_secs(10);

/// Something that may keep machines from the network.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What is in the way.
    pub what: String,
    /// Whether that is sure; a firewall that sends packets through chains of
    /// its own cannot be judged from outside.
    pub is_sure: bool,
    /// Commands that open it.
    pub open: Vec<String>,
}

/// Looks at the firewall of this host. `etc` is `/etc`, `proc` is `/proc`.
pub(super) fn check(bridge: &str, etc: &Path, proc: &Path) -> Vec<Finding> {
    if let Some(finding) = ufw(bridge, etc) {
        return vec![finding];
    }
    if let Some(finding) = firewalld(bridge) {
        return finding.into_iter().collect();
    }
    let mut found = Vec::new();
    if let Ok(rules) = run::run(&["nft", "-j", "list", "ruleset"], LISTING) {
        found.extend(nftables(&rules, bridge));
    }
    // Listing makes the kernel load the tables, so only where there are some.
    let tables = fs::read_to_string(proc.join("net/ip_tables_names")).unwrap_or_default();
    if tables.lines().any(|table| table == "filter")
        && let Ok(rules) = run::run(&["iptables-legacy", "-S"], LISTING)
    {
        found.extend(iptables(&rules, bridge));
    }
    found
}

/// What a chain is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Hook {
    /// DHCP and DNS that the host itself answers.
    Input,
    /// What goes through the host.
    Forward,
}

impl Hook {
    fn of(name: &str) -> Option<Self> {
        match name {
            "input" | "INPUT" => Some(Self::Input),
            "forward" | "FORWARD" => Some(Self::Forward),
            _ => None,
        }
    }

    const fn drops(self) -> &'static str {
        match self {
            Self::Input => "drops what machines ask of this host, DHCP first",
            Self::Forward => "drops what machines send through this host",
        }
    }
}

/// What becomes of a packet from the bridge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Passes,
    Dropped,
    Unknown,
}

fn ufw(bridge: &str, etc: &Path) -> Option<Finding> {
    let conf = fs::read_to_string(etc.join("ufw/ufw.conf")).ok()?;
    conf.lines()
        .any(|line| line.trim().eq_ignore_ascii_case("ENABLED=yes"))
        .then_some(())?;
    let rules = fs::read_to_string(etc.join("ufw/user.rules")).unwrap_or_default();
    let opened = |chain: &str| {
        let chain = format!("-A {chain} -i {bridge} ");
        rules
            .lines()
            .any(|line| line.starts_with(&chain) && line.contains("ACCEPT"))
    };
    let mut open = Vec::new();
    if !opened("ufw-user-input") {
        open.push(format!("ufw allow in on {bridge}"));
    }
    if !opened("ufw-user-forward") {
        open.push(format!("ufw route allow in on {bridge}"));
    }
    (!open.is_empty()).then(|| Finding {
        what: format!("ufw is on and has no rule that lets machines on {bridge} pass"),
        is_sure: false,
        open,
    })
}

/// None where firewalld does not run.
fn firewalld(bridge: &str) -> Option<Option<Finding>> {
    let state = run::run(&["firewall-cmd", "--state"], LISTING).ok()?;
    (state.trim() == "running").then_some(())?;
    let argument = format!("--get-zone-of-interface={bridge}");
    let zone = run::run(&["firewall-cmd", argument.as_str()], LISTING).unwrap_or_default();
    if zone.trim() == "trusted" {
        return Some(None);
    }
    Some(Some(Finding {
        what: format!("firewalld runs, and {bridge} is not in its zone trusted"),
        is_sure: false,
        open: vec![
            format!("firewall-cmd --permanent --zone=trusted --add-interface={bridge}"),
            "firewall-cmd --reload".to_owned(),
        ],
    }))
}

/// The findings in `nft -j list ruleset` (libnftables-json(5)).
fn nftables(listing: &str, bridge: &str) -> Vec<Finding> {
    let Ok(listing) = serde_json::from_str::<Value>(listing) else {
        return Vec::new();
    };
    let objects = listing["nftables"]
        .as_array()
        .map_or(&[][..], Vec::as_slice);
    let text = |value: &Value, key: &str| value[key].as_str().unwrap_or_default().to_owned();
    let has_docker = objects.iter().any(|o| o["chain"]["name"] == "DOCKER-USER");
    let mut found = Vec::new();
    for chain in objects.iter().map(|o| &o["chain"]) {
        let (family, table, name) = (
            text(chain, "family"),
            text(chain, "table"),
            text(chain, "name"),
        );
        let Some(hook) = Hook::of(&text(chain, "hook")) else {
            continue;
        };
        if !["ip", "inet"].contains(&family.as_str()) || chain["type"] != "filter" {
            continue;
        }
        let rules = objects.iter().map(|o| &o["rule"]).filter(|rule| {
            rule["family"] == family.as_str()
                && rule["table"] == table.as_str()
                && rule["chain"] == name.as_str()
        });
        let fate = nft_fate(rules, chain["policy"] == "drop", bridge);
        if fate == Fate::Passes {
            continue;
        }
        found.push(Finding {
            what: format!(
                "chain {name} of nftables' table {family} {table} {}",
                hook.drops()
            ),
            is_sure: fate == Fate::Dropped,
            open: match table.as_str() {
                "filter" if family == "ip" && name == name.to_uppercase() => {
                    iptables_open("iptables", hook, bridge, has_docker)
                }
                _ => nft_open(&format!("{family} {table} {name}"), hook, bridge),
            },
        });
    }
    found
}

fn nft_fate<'v>(rules: impl Iterator<Item = &'v Value>, drops: bool, bridge: &str) -> Fate {
    let mut unknown = false;
    for rule in rules {
        let parts = rule["expr"].as_array().map_or(&[][..], Vec::as_slice);
        let verdict = |name: &str| parts.iter().any(|part| part.get(name).is_some());
        let mut conditions = parts.iter().filter(|part| part.get("match").is_some());
        let is_plain = parts.iter().all(|part| {
            [
                "match", "counter", "accept", "drop", "reject", "log", "comment",
            ]
            .iter()
            .any(|key| part.get(key).is_some())
        });
        let from_bridge = |part: &Value| {
            let about = &part["match"];
            about["left"]["meta"]["key"] == "iifname"
                && about["op"] == "=="
                && names(&about["right"], bridge)
        };
        if !is_plain {
            unknown |= verdict("jump") || verdict("goto") || verdict("vmap") || verdict("xt");
        } else if verdict("accept") && conditions.all(from_bridge) {
            return Fate::Passes;
        } else if (verdict("drop") || verdict("reject")) && conditions.next().is_none() {
            return if unknown {
                Fate::Unknown
            } else {
                Fate::Dropped
            };
        }
    }
    match (drops, unknown) {
        (false, _) => Fate::Passes,
        (true, true) => Fate::Unknown,
        (true, false) => Fate::Dropped,
    }
}

/// Whether a value of nftables is this name: itself, a pattern, or in a set.
fn names(value: &Value, name: &str) -> bool {
    match value {
        Value::String(text) => match text.strip_suffix('*') {
            Some(start) => name.starts_with(start),
            None => text == name,
        },
        Value::Object(map) => map
            .get("set")
            .and_then(Value::as_array)
            .is_some_and(|set| set.iter().any(|value| names(value, name))),
        _ => false,
    }
}

/// The findings in `iptables-legacy -S`.
fn iptables(listing: &str, bridge: &str) -> Vec<Finding> {
    let has_docker = listing.lines().any(|line| line == "-N DOCKER-USER");
    let chains = ["INPUT", "FORWARD"].into_iter();
    let fates = chains.map(|chain| (chain, iptables_fate(listing, chain, bridge)));
    let blocked = fates.filter(|(_, fate)| *fate != Fate::Passes);
    blocked
        .filter_map(|(chain, fate)| {
            let hook = Hook::of(chain)?;
            Some(Finding {
                what: format!("chain {chain} of iptables {}", hook.drops()),
                is_sure: fate == Fate::Dropped,
                open: iptables_open("iptables-legacy", hook, bridge, has_docker),
            })
        })
        .collect()
}

fn iptables_fate(listing: &str, chain: &str, bridge: &str) -> Fate {
    let rule_of = format!("-A {chain} ");
    let mut unknown = false;
    for rule in listing
        .lines()
        .filter_map(|line| line.strip_prefix(&rule_of))
    {
        match rule {
            "-j ACCEPT" => return Fate::Passes,
            _ if rule == format!("-i {bridge} -j ACCEPT") => return Fate::Passes,
            _ if rule == "-j DROP" || rule.starts_with("-j REJECT") => {
                return if unknown {
                    Fate::Unknown
                } else {
                    Fate::Dropped
                };
            }
            _ => {
                let target = rule.split_once("-j ").map_or("", |(_, target)| target);
                let ends = ["ACCEPT", "DROP", "REJECT", "LOG", "RETURN"];
                unknown |= !ends.iter().any(|end| target.starts_with(end));
            }
        }
    }
    match (
        listing.lines().any(|l| l == format!("-P {chain} DROP")),
        unknown,
    ) {
        (false, _) => Fate::Passes,
        (true, true) => Fate::Unknown,
        (true, false) => Fate::Dropped,
    }
}

fn iptables_open(program: &str, hook: Hook, bridge: &str, has_docker: bool) -> Vec<String> {
    match hook {
        Hook::Input => vec![format!("{program} -I INPUT -i {bridge} -j ACCEPT")],
        Hook::Forward => {
            let chain = if has_docker { "DOCKER-USER" } else { "FORWARD" };
            vec![
                format!("{program} -I {chain} -i {bridge} -j ACCEPT"),
                format!("{program} -I {chain} -o {bridge} -j ACCEPT"),
            ]
        }
    }
}

fn nft_open(chain: &str, hook: Hook, bridge: &str) -> Vec<String> {
    let rule = |link: &str| format!("nft insert rule {chain} {link} {bridge} accept");
    match hook {
        Hook::Input => vec![rule("iifname")],
        Hook::Forward => vec![rule("iifname"), rule("oifname")],
    }
}

#[cfg(test)]
mod tests;
