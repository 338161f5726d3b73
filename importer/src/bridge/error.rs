//! Why a bridge could not be made or taken away.

use crate::run::RunError;
use hatchery_image::durable::DurableError;
use std::io;
use std::path::PathBuf;

/// Why nothing, or not all, was done.
#[derive(Debug, thiserror::Error)]
pub enum BridgeError {
    /// The address is none that a host can have.
    #[error(
        "{0} is no address of a host: it is that of the network itself or of all its hosts; \
         take another one of it, such as the first"
    )]
    Address(String),
    /// The network has no room for machines.
    #[error("the network of {0} has no room for a machine beside this host")]
    Small(String),
    /// The addresses are in use.
    #[error(
        "{address} overlaps with {route}, which this host reaches through {link}; take another network"
    )]
    Overlap {
        /// What was asked for.
        address: String,
        /// What is there.
        route: String,
        /// Through which link.
        link: String,
    },
    /// A link of this name is somebody else's.
    #[error(
        "there is a link {0} already, which hatchery did not make; take another name, or use it as it is"
    )]
    Foreign(String),
    /// A file of this name is somebody else's.
    #[error("{path} exists already and says something else; remove it, or take another name")]
    Exists {
        /// Which.
        path: PathBuf,
    },
    /// The bridge is there with another address.
    #[error(
        "{name} is there already with {address}; take it away first: hatchery host bridge {name} --remove"
    )]
    Other {
        /// The bridge.
        name: String,
        /// Its address.
        address: String,
    },
    /// There is no such bridge of ours.
    #[error("hatchery made no bridge {0}")]
    NotFound(String),
    /// Machines use it.
    #[error("{name} is used by {}; remove these machines or their settings first", .machines.join(", "))]
    Used {
        /// The bridge.
        name: String,
        /// The machines whose settings name it.
        machines: Vec<String>,
    },
    /// There is no systemd.
    #[error("the version of this host's systemd cannot be found out; is systemd installed?")]
    NoSystemd,
    /// A step on a file failed.
    #[error("cannot {doing} {path}")]
    Failed {
        /// What was being done.
        doing: &'static str,
        /// To which path.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A file could not be written.
    #[error("cannot write for the bridge")]
    Write(#[source] DurableError),
    /// A program failed.
    #[error("cannot {doing}")]
    Run {
        /// What was being done.
        doing: &'static str,
        /// How it failed.
        #[source]
        source: RunError,
    },
}
