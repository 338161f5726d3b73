//! The network of a machine, as flags of an import ask for it: what goes into
//! its `.nspawn`, its static address inside, and whether the host can do it.
//!
//! Everything that can be refused is refused before the download: [`check`]
//! needs only the request, the host's state and what other machines claim.
//! [`write()`] adds one file of networkd to the hidden tree. Nothing here
//! changes the host: the `.nspawn` is installed with the tree by
//! [`crate::exchange`], and starting and enabling is [`crate::unit`]'s.

mod address;
mod claims;
mod error;
mod file;
mod host;
mod options;
mod plan;

pub use error::NetworkError;
pub use file::{FILE, write};
pub use host::{Fact, HostNetwork, Link, Listener};

pub(crate) use plan::announce;

use crate::machines::{MACHINES, Machines};
use crate::places::Places;
use hatchery_image::MachineName;
use hatchery_image::settings::nspawn::{Ownership, PrivateUsers};
use hatchery_image::settings::{Host0, Nspawn};
use std::path::Path;

/// What an import is asked to do about the machine's network and its start.
#[derive(Clone, Debug, Default)]
pub struct NetworkRequest {
    /// The network inside; plain DHCP is what an image does anyway, and
    /// nothing is written for it.
    pub host0: Host0,
    /// Start the machine once it is imported.
    pub start: bool,
    /// Start it whenever the host boots.
    pub enable: bool,
    /// What this host has.
    pub host: HostNetwork,
}

/// What is to be done, after it was found possible.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Plan {
    /// The network inside, with the gateway that was found.
    pub(crate) host0: Host0,
    /// What a user should know, one line each.
    pub(crate) warnings: Vec<String>,
}

/// The settings of an image and the administrator's own, which win.
pub(crate) fn merged(mut image: Nspawn, own: &Nspawn) -> Nspawn {
    image.ports.extend_from_slice(&own.ports);
    image.binds.extend_from_slice(&own.binds);
    if own.bridge.is_some() {
        image.bridge.clone_from(&own.bridge);
        image.zone = None;
    }
    if let Some(users) = own.private_users {
        image.private_users = Some(users);
        // With ids of the administrator's choice nspawn leaves the tree as
        // it is, and nothing in it would belong to the machine's root.
        image.private_users_ownership = match users {
            PrivateUsers::From { .. } => Some(Ownership::Auto),
            _ => own.private_users_ownership,
        };
    }
    image
}

/// Refuses what this host cannot do, or another machine has already.
/// `settings` are those that will be installed.
pub(crate) fn check(
    name: &MachineName,
    request: &NetworkRequest,
    settings: &Nspawn,
    (machines, places): (&Machines, &Places),
) -> Result<Plan, NetworkError> {
    let host = &request.host;
    options::check(settings, &host.systemd)?;
    check_unit(request, machines.root())?;
    check_bridge(request, settings)?;
    for bind in &settings.binds {
        let path = Path::new(bind.source.as_str());
        if let Err(source) = path.metadata() {
            let path = path.to_owned();
            return Err(NetworkError::Bind { path, source });
        }
    }
    claims::check(name, &settings.ports, &places.settings)?;
    let mut plan = Plan {
        host0: request.host0.clone(),
        warnings: claims::listened(&settings.ports, host),
    };
    address::check(name, &request.host0, settings, (host, &places.records()))?;
    if let Some(bridge) = settings.bridge.as_ref().and_then(|b| host.link(b.as_str())) {
        plan.host0.gateway = address::gateways(&request.host0, bridge);
    }
    if !plan.host0.address.is_empty() && plan.host0.gateway.is_empty() {
        let text = "the machine gets no gateway, so it reaches its own network only; \
                    --gateway names one";
        plan.warnings.push(text.to_owned());
    }
    plan.host0.check().map_err(NetworkError::Host0)?;
    Ok(plan)
}

fn check_unit(request: &NetworkRequest, root: &Path) -> Result<(), NetworkError> {
    let what = match (request.start, request.enable) {
        (false, false) => return Ok(()),
        (true, _) => "started",
        (false, true) => "enabled",
    };
    if !request.host.systemd_runs {
        return Err(NetworkError::NoSystemd { what });
    }
    // The unit knows the machine by its name only.
    if root != Path::new(MACHINES) {
        let root = root.to_owned();
        return Err(NetworkError::Elsewhere { what, root });
    }
    Ok(())
}

fn check_bridge(request: &NetworkRequest, settings: &Nspawn) -> Result<(), NetworkError> {
    let Some(bridge) = &settings.bridge else {
        return Ok(());
    };
    match request.host.link(bridge.as_str()) {
        Some(link) if link.is_bridge => Ok(()),
        Some(_) => Err(NetworkError::NotABridge {
            name: bridge.clone(),
        }),
        None => Err(NetworkError::NoBridge {
            name: bridge.clone(),
            address: address::of_bridge(&request.host0),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hatchery_image::settings::nspawn::Interface;

    fn nspawn(text: &str) -> Nspawn {
        Nspawn::parse(text).unwrap()
    }

    #[test]
    fn the_administrators_settings_win() {
        let image = nspawn("[Exec]\nBoot=yes\n[Network]\nZone=lan\nPort=tcp:1:1\n");
        let own =
            nspawn("[Exec]\nPrivateUsers=524288:65536\n[Network]\nBridge=br0\nPort=tcp:2:2\n");
        let merged = merged(image, &own);
        merged.check().unwrap();
        assert_eq!(
            merged.render(),
            "[Exec]\nBoot=yes\nPrivateUsers=524288:65536\n\n\
             [Files]\nPrivateUsersOwnership=auto\n\n\
             [Network]\nBridge=br0\nPort=tcp:1:1\nPort=tcp:2:2\n"
        );
    }

    #[test]
    fn a_bridge_that_is_none_is_told_apart_from_one_that_is_missing() {
        let link = |name: &str, is_bridge| Link {
            name: name.to_owned(),
            is_bridge,
            addresses: Vec::new(),
        };
        let mut request = NetworkRequest::default();
        request.host.links = vec![link("br0", true), link("eth0", false)];
        let check = |name: &str| {
            let bridge: Interface = name.parse().unwrap();
            let settings = Nspawn {
                bridge: Some(bridge),
                ..Nspawn::default()
            };
            check_bridge(&request, &settings)
        };
        check("br0").unwrap();
        assert!(matches!(
            check("eth0"),
            Err(NetworkError::NotABridge { .. })
        ));
        let text = check("br1").unwrap_err().to_string();
        assert!(
            text.contains("hatchery host bridge br1 172.23.0.1/24"),
            "{text}"
        );
    }

    #[test]
    fn nothing_is_started_where_systemd_does_not_run_or_would_not_find_it() {
        let mut request = NetworkRequest {
            start: true,
            ..NetworkRequest::default()
        };
        let check = |request: &NetworkRequest, root: &str| check_unit(request, Path::new(root));
        let text = check(&request, MACHINES).unwrap_err().to_string();
        assert!(text.contains("is not process 1"), "{text}");
        request.host.systemd_runs = true;
        check(&request, MACHINES).unwrap();
        assert!(matches!(
            check(&request, "/srv/machines"),
            Err(NetworkError::Elsewhere { .. })
        ));
    }
}
