//! The network of a machine and its start, from flags: what `hatchery import`
//! takes so that one command makes a machine that others can reach.

use clap::Args;
use hatchery_image::settings::nspawn::{Bind, Interface, Port, PrivateUsers};
use hatchery_image::settings::{Host0, IpPrefix, Nspawn};
use hatchery_importer::{HostNetwork, NetworkRequest};
use std::net::IpAddr;
use std::str::FromStr as _;

/// How a machine is reached, and when it runs.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Network and start")]
pub(crate) struct Network {
    /// The bridge of this host that the machine joins, such as br0; `hatchery host bridge`
    /// makes one. Without it the machine has a link to this host alone
    #[arg(long, value_name = "BRIDGE", value_parser = Interface::from_str)]
    bridge: Option<Interface>,
    /// A fixed address of the machine with its prefix length, such as 172.23.0.2/24 or
    /// fd00::2/64, instead of DHCP; needs --bridge. May be given several times
    #[arg(long, value_name = "ADDRESS", value_parser = IpPrefix::from_str)]
    address: Vec<IpPrefix>,
    /// The gateway, one for IPv4 and one for IPv6 [default: the bridge's own address]
    #[arg(long, value_name = "IP", requires = "address")]
    gateway: Vec<IpAddr>,
    /// A DNS server that the machine asks; may be given several times
    #[arg(long, value_name = "IP")]
    dns: Vec<IpAddr>,
    /// A port of this host that leads into the machine: [tcp:|udp:][HOSTPORT:]PORT, such as
    /// tcp:8080:80; may be given several times
    #[arg(long, value_name = "PORT", value_parser = Port::from_str)]
    port: Vec<Port>,
    /// A file or folder to share with the machine: SOURCE[:TARGET[:ro]]; may be given several
    /// times
    #[arg(long, value_name = "PATHS", value_parser = Bind::from_str)]
    bind: Vec<Bind>,
    /// The machine's user ids on this host: pick (free ones), identity, no, or the first of
    /// 65536, such as 524288 [default: what the image suggests, or pick]
    #[arg(
        long,
        value_name = "IDS",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "pick",
        value_parser = PrivateUsers::from_str,
    )]
    private_users: Option<PrivateUsers>,
    /// Start the machine once it is imported, and wait until it runs
    #[arg(long)]
    start: bool,
    /// Start the machine whenever this host boots
    #[arg(long)]
    enable: bool,
}

impl Network {
    /// What goes into the machine's `.nspawn`.
    pub(crate) fn settings(&self) -> Nspawn {
        Nspawn {
            bridge: self.bridge.clone(),
            ports: self.port.clone(),
            binds: self.bind.clone(),
            private_users: self.private_users,
            ..Nspawn::default()
        }
    }

    /// The rest, and what this host has.
    pub(crate) fn request(&self) -> NetworkRequest {
        NetworkRequest {
            host0: Host0 {
                address: self.address.clone().into(),
                gateway: self.gateway.clone().into(),
                dns: self.dns.clone().into(),
                ..Host0::default()
            },
            start: self.start,
            enable: self.enable,
            host: HostNetwork::current(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Command {
        #[command(flatten)]
        network: Network,
    }

    fn network(arguments: &str) -> Result<Network, clap::Error> {
        let words = std::iter::once("test").chain(arguments.split_ascii_whitespace());
        Command::try_parse_from(words).map(|command| command.network)
    }

    #[test]
    fn flags_become_settings() {
        let lab = network(
            "--bridge br0 --address 172.23.0.2/24 --address fd00::2/64 --dns 9.9.9.9 \
             --port tcp:8080:80 --private-users --start",
        )
        .unwrap();
        assert_eq!(
            lab.settings().render(),
            "[Exec]\nPrivateUsers=pick\n\n[Network]\nBridge=br0\nPort=tcp:8080:80\n"
        );
        let request = lab.request();
        let text = request.host0.render().unwrap();
        assert!(text.contains("Address=172.23.0.2/24\nAddress=fd00::2/64\nDNS=9.9.9.9\n"));
        assert!(request.start && !request.enable);
        let ids = network("--private-users=524288").unwrap().settings();
        assert!(ids.render().contains("PrivateUsers=524288:65536\n"));
        assert!(network("").unwrap().settings().is_empty());
    }

    #[test]
    fn what_makes_no_sense_is_an_error_of_usage() {
        for bad in [
            "--gateway 172.23.0.1",
            "--address 172.23.0.2",
            "--bridge averyveryverylongname",
            "--private-users=maybe",
            "--port 0",
            "--dns dns.example.org",
        ] {
            assert!(network(bad).is_err(), "{bad}");
        }
    }
}
