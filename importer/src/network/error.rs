//! Why a machine's network cannot be as it was asked for, and the way out.

use crate::record::RecordError;
use hatchery_image::MachineName;
use hatchery_image::place::PlaceError;
use hatchery_image::settings::IpPrefix;
use hatchery_image::settings::host0::Host0Error;
use hatchery_image::settings::nspawn::{Interface, Port};
use std::io;
use std::net::IpAddr;
use std::path::PathBuf;

/// What was asked for cannot be done on this host, or not with this image.
#[derive(Debug, thiserror::Error)]
pub enum NetworkError {
    /// Addresses, gateways and servers do not go together.
    #[error("the machine's network makes no sense: {0}")]
    Host0(Host0Error),
    /// An address that no machine can have.
    #[error(
        "{address} is no address that a machine can have: it is that of the network itself, \
         of everybody in it, or of no network at all; take one in between"
    )]
    NotAHost {
        /// The address.
        address: IpPrefix,
    },
    /// The machine would be its own gateway.
    #[error(
        "{address} is given as the machine's address and as its gateway; the gateway is the host's or a router's"
    )]
    OwnGateway {
        /// The address.
        address: IpAddr,
    },
    /// The host itself has it.
    #[error("{address} is this host's own, on {link}; take another one of that network")]
    HostsAddress {
        /// The address.
        address: IpAddr,
        /// The interface that has it.
        link: String,
    },
    /// Another machine has it.
    #[error("the machine {machine} has the address {address} already; take another one")]
    AddressTaken {
        /// The address.
        address: IpAddr,
        /// The machine.
        machine: MachineName,
    },
    /// Two of one.
    #[error("the address {address} is given twice")]
    AddressTwice {
        /// The address.
        address: IpAddr,
    },
    /// A static address on a link whose other end knows nothing of it.
    #[error(
        "a static address needs a bridge to be in: the link that a machine has otherwise \
         gets its addresses from this host by DHCP; add --bridge NAME, or leave --address away"
    )]
    NoBridgeGiven,
    /// The bridge is not there.
    #[error("this host has no bridge {name}; make it first: hatchery host bridge {name} {address}")]
    NoBridge {
        /// Its name.
        name: Interface,
        /// An address that it could have.
        address: IpPrefix,
    },
    /// The interface is something else.
    #[error("{name} is an interface of this host, but no bridge; take another name")]
    NotABridge {
        /// Its name.
        name: Interface,
    },
    /// What is to be shared is not there.
    #[error("{path} is to be shared with the machine and cannot be found; make it first")]
    Bind {
        /// The source on the host.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// Another machine's settings have the port.
    #[error("the host's port {}:{} belongs to another machine already, by {path}; take another one, or take it away there", .port.protocol, .port.host)]
    PortTaken {
        /// The port.
        port: Port,
        /// The other's settings.
        path: PathBuf,
    },
    /// The settings of other machines cannot be read.
    #[error("cannot {doing} {path}")]
    Settings {
        /// What was being done.
        doing: &'static str,
        /// To which path.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The host's systemd would ignore a setting.
    #[error(
        "this host's systemd {version} does not know {setting}, which came with {since}; \
         update systemd, or leave it away"
    )]
    Unknown {
        /// The setting.
        setting: &'static str,
        /// The first version that knows it.
        since: u32,
        /// The host's.
        version: u32,
    },
    /// Nobody is there to start or enable it.
    #[error(
        "a machine can only be {what} where systemd runs, and it is not process 1 here; \
         import without --start and --enable, and run it with systemd-nspawn"
    )]
    NoSystemd {
        /// What was asked for.
        what: &'static str,
    },
    /// The unit would not find it.
    #[error(
        "a machine in {root} cannot be {what} by systemd, which looks in /var/lib/machines; \
         import it there, or without --start and --enable"
    )]
    Elsewhere {
        /// What was asked for.
        what: &'static str,
        /// The folder of machines.
        root: PathBuf,
    },
    /// Nobody in the machine would read the file.
    #[error(
        "the image has no systemd-networkd, which would give host0 its address; \
         take an image that has it, or import without --address, --gateway and --dns \
         and configure the network in the machine"
    )]
    NoNetworkd,
    /// Something is in the way of the file.
    #[error("the image has something else than a file at {path}, which is not replaced")]
    InTheWay {
        /// The path in the tree.
        path: &'static str,
    },
    /// The file cannot be written into the tree.
    #[error("cannot write the network of host0 into the machine's tree")]
    Place(#[source] PlaceError),
    /// The tree cannot be looked into.
    #[error("cannot look for {path} in the machine's tree")]
    Tree {
        /// The path in the tree.
        path: String,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The records of other machines cannot be read.
    #[error(transparent)]
    Record(#[from] RecordError),
}

impl NetworkError {
    /// Whether it is a clash with something that is there, and no lack.
    #[must_use]
    pub fn is_conflict(&self) -> bool {
        !matches!(
            self,
            Self::Unknown { .. }
                | Self::NoSystemd { .. }
                | Self::NoBridge { .. }
                | Self::Settings { .. }
                | Self::Place(_)
                | Self::Tree { .. }
                | Self::Record(_)
        )
    }
}
