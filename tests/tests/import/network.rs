//! The network of a machine as flags of an import ask for it: what is
//! installed and written, what is refused before the download, and that a
//! removal takes all of it back.

use super::fixture::{Street, chain, import};
use crate::wire::fixture::signing;
use hatchery_image::settings::host0::Host0;
use hatchery_image::settings::{IpPrefix, Nspawn, nspawn::PrivateUsers};
use hatchery_image::{Progress, Sha256};
use hatchery_importer::import::Kind;
use hatchery_importer::network::{FILE, Link, Listener, NetworkError};
use hatchery_importer::verify::{VerifyOptions, verify};
use hatchery_importer::{HostNetwork, ImportError, ImportRequest, import_asking, list, remove};
use hatchery_tests::lab::{NSPAWN, pack_tree};
use hatchery_tests::{Need, require};
use std::cell::RefCell;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::{Arc, Mutex};

const NEEDS: [Need; 2] = [Need::Root, Need::Program("gpg")];

/// A street whose image has networkd, enabled, and resolved, and what `edit`
/// does to its tree.
fn street(edit: impl FnOnce(&Path)) -> Street {
    let street = Street::empty();
    let rootfs = street.yard.path("network-rootfs");
    let lib = rootfs.join("usr/lib/systemd");
    let wants = rootfs.join("etc/systemd/system/multi-user.target.wants");
    for folder in [&lib, &wants] {
        fs::create_dir_all(folder).unwrap();
    }
    fs::write(lib.join("systemd-networkd"), "").unwrap();
    fs::write(lib.join("systemd-resolved"), "").unwrap();
    let unit = "/usr/lib/systemd/system/systemd-networkd.service";
    symlink(unit, wants.join("systemd-networkd.service")).unwrap();
    edit(&rootfs);
    let image = pack_tree(&rootfs, &street.yard.path("image"), "lab", "1", |_| ());
    street.publish_image(image, &signing());
    street
}

fn host0(json: &str) -> Host0 {
    serde_json::from_str(json).unwrap()
}

/// A host with br0 at 172.23.0.1 and systemd 252, which does not run.
fn host() -> HostNetwork {
    let link = |name: &str, is_bridge, address: &str| Link {
        name: name.to_owned(),
        is_bridge,
        addresses: vec![address.parse::<IpPrefix>().unwrap()],
    };
    HostNetwork {
        systemd: Some(252).into(),
        systemd_runs: false,
        links: vec![
            link("br0", true, "172.23.0.1/24"),
            link("eth0", false, "192.0.2.7/24"),
        ],
        listeners: Vec::new().into(),
    }
}

/// To import it into the bridge, with an address.
fn request(street: &Street) -> ImportRequest {
    let mut request = street.request();
    request.own_settings = Nspawn::parse("[Network]\nBridge=br0\nPort=tcp:8080:80\n").unwrap();
    request.network.host0 = host0(r#"{"address": "172.23.0.2/24", "dns": "9.9.9.9"}"#);
    request.network.host = host();
    request
}

fn network_error(error: &ImportError) -> &NetworkError {
    match error {
        ImportError::Network(error) => error,
        error => panic!("{}", chain(error)),
    }
}

#[test]
fn a_machine_in_a_bridge_with_an_address_and_all_of_it_goes_again() {
    if !require(&NEEDS) {
        return;
    }
    let street = street(|_| ());
    let shared = tempfile::tempdir().unwrap();
    let mut request = request(&street);
    let bind = format!("{}:/srv/share:ro", shared.path().display());
    request.own_settings.binds = vec![bind.parse().unwrap()];
    request.own_settings.private_users = Some(PrivateUsers::Pick);
    let said = Arc::new(Mutex::new(Vec::new()));
    let progress = {
        let said = Arc::clone(&said);
        Progress::new(move |event| said.lock().unwrap().push(format!("{event:?}")))
    };
    let imported = hatchery_importer::import(&request, &progress).unwrap();

    let settings = fs::read_to_string(street.places().settings.join("m.nspawn")).unwrap();
    assert_eq!(
        settings,
        format!(
            "[Exec]\nPrivateUsers=pick\n\n[Files]\nBindReadOnly={}:/srv/share\n\n\
             [Network]\nBridge=br0\nPort=tcp:8080:80\n",
            shared.path().display()
        )
    );
    // The bridge is the gateway, because no other was given.
    let tree = street.places().machines.join("m");
    let text = fs::read_to_string(tree.join(FILE)).unwrap();
    for line in [
        "Name=host0",
        "Address=172.23.0.2/24",
        "Gateway=172.23.0.1",
        "DNS=9.9.9.9",
    ] {
        assert!(text.lines().any(|l| l == line), "{text}");
    }
    assert!(!text.contains("DHCP=yes"), "{text}");
    let gateways: Vec<_> = imported.network.unwrap().gateway.iter().copied().collect();
    assert_eq!(
        gateways,
        ["172.23.0.1".parse::<std::net::IpAddr>().unwrap()]
    );

    // Remembered, and no difference to whoever verifies the machine.
    let record = list(&street.places()).unwrap().remove(0).record.unwrap();
    assert_eq!(record.written.len(), 1);
    assert_eq!(record.written[0].path.as_str(), FILE);
    assert_eq!(record.written[0].sha256, Sha256::of(text.as_bytes()));
    assert!(!record.enabled);
    let name = "m".parse().unwrap();
    let options = VerifyOptions {
        times: false,
        threads: 2,
    };
    let report = verify(&name, &street.places(), options, &Progress::silent()).unwrap();
    assert!(report.differences.is_empty(), "{:?}", report.differences);

    // Said before it was done.
    let said = said.lock().unwrap();
    let at = |text: &str| said.iter().position(|line| line.contains(text)).unwrap();
    assert!(at("will install") < at("Download"), "{said:?}");
    assert!(at("address 172.23.0.2/24, gateway 172.23.0.1") < at("Download"));

    remove(&name, &street.places(), &Progress::silent()).unwrap();
    street.assert_nothing_left();
}

/// What an import is asked for in a case, and the error that is expected.
type Case = (
    &'static str,
    fn(&mut ImportRequest),
    fn(&NetworkError) -> bool,
);

#[test]
fn whatever_the_host_cannot_do_is_refused_before_the_download() {
    use NetworkError as E;
    if !require(&NEEDS) {
        return;
    }
    let street = street(|_| ());
    fs::remove_file(street.published("1", "lab.tar.zst")).unwrap();
    let cases: [Case; 13] = [
        (
            "no bridge",
            |r| r.own_settings.bridge = Some("br1".parse().unwrap()),
            |e| {
                matches!(e, E::NoBridge { .. })
                    && e.to_string().ends_with("host bridge br1 172.23.0.1/24")
            },
        ),
        (
            "a link that is none",
            |r| r.own_settings.bridge = Some("eth0".parse().unwrap()),
            |e| matches!(e, E::NotABridge { .. }),
        ),
        (
            "an address on a link without a bridge",
            |r| r.own_settings.bridge = None,
            |e| matches!(e, E::NoBridgeGiven),
        ),
        (
            "the address of the network",
            |r| r.network.host0 = host0(r#"{"address": "172.23.0.0/24"}"#),
            |e| matches!(e, E::NotAHost { .. }),
        ),
        (
            "the address of the host",
            |r| r.network.host0 = host0(r#"{"address": "172.23.0.1/24"}"#),
            |e| matches!(e, E::HostsAddress { .. }),
        ),
        (
            "a gateway elsewhere",
            |r| r.network.host0 = host0(r#"{"address": "172.23.0.2/24", "gateway": "10.0.0.1"}"#),
            |e| matches!(e, E::Host0(_)),
        ),
        (
            "itself as gateway",
            |r| r.network.host0 = host0(r#"{"address": "172.23.0.2/24", "gateway": "172.23.0.2"}"#),
            |e| matches!(e, E::OwnGateway { .. }),
        ),
        (
            "a folder that is not there",
            |r| r.own_settings.binds = vec!["/nonexistent/folder".parse().unwrap()],
            |e| matches!(e, E::Bind { .. }),
        ),
        (
            "a systemd without the setting",
            |r| {
                r.network.host.systemd = Some(247).into();
                r.own_settings.private_users = Some(PrivateUsers::Identity);
            },
            |e| {
                matches!(
                    e,
                    E::Unknown {
                        since: 252,
                        version: 247,
                        ..
                    }
                )
            },
        ),
        (
            "a systemd without .nspawn files",
            |r| r.network.host.systemd = Some(219).into(),
            |e| matches!(e, E::Unknown { .. }),
        ),
        (
            "start without systemd",
            |r| r.network.start = true,
            |e| matches!(e, E::NoSystemd { what: "started" }),
        ),
        (
            "enable without systemd",
            |r| r.network.enable = true,
            |e| matches!(e, E::NoSystemd { what: "enabled" }),
        ),
        (
            "start where systemd does not look",
            |r| {
                r.network.host.systemd_runs = true;
                r.network.start = true;
            },
            |e| matches!(e, E::Elsewhere { .. }),
        ),
    ];
    for (what, edit, wanted) in cases {
        let mut request = request(&street);
        edit(&mut request);
        let error = import(&request).unwrap_err();
        assert!(wanted(network_error(&error)), "{what}: {}", chain(&error));
        assert!(
            matches!(error.kind(), Kind::Conflict | Kind::Host),
            "{what}"
        );
        street.assert_nothing_left();
    }
}

#[test]
fn an_address_and_a_port_belong_to_one_machine() {
    if !require(&NEEDS) {
        return;
    }
    let street = street(|_| ());
    let first = request(&street);
    import(&first).unwrap();
    let archive = street.published("1", "lab.tar.zst");
    fs::rename(&archive, street.yard.path("kept")).unwrap();

    let mut second = request(&street);
    second.machine = "second".parse().unwrap();
    let error = import(&second).unwrap_err();
    assert!(matches!(
        network_error(&error),
        NetworkError::PortTaken { .. }
    ));
    assert!(error.to_string().contains("m.nspawn"), "{error}");
    second.own_settings.ports = vec!["8081:80".parse().unwrap()];
    let error = import(&second).unwrap_err();
    let taken = matches!(
        network_error(&error),
        NetworkError::AddressTaken { machine, .. } if machine.as_str() == "m"
    );
    assert!(taken, "{error}");
    assert_eq!(error.kind(), Kind::Conflict);

    // Others are free, and so is a machine's own when it is replaced.
    fs::rename(street.yard.path("kept"), &archive).unwrap();
    second.network.host0 = host0(r#"{"address": "172.23.0.3/24"}"#);
    import(&second).unwrap();
    let mut again = first;
    again.force = true;
    import(&again).unwrap();
    remove(&"m".parse().unwrap(), &street.places(), &Progress::silent()).unwrap();
    second.machine = "third".parse().unwrap();
    second.own_settings.ports = vec!["8080:80".parse().unwrap()];
    second.network.host0 = host0(r#"{"address": "172.23.0.2/24"}"#);
    import(&second).unwrap();
}

#[test]
fn a_port_on_which_the_host_listens_is_a_warning() {
    if !require(&NEEDS) {
        return;
    }
    let street = street(|_| ());
    let mut request = request(&street);
    request.network.host.listeners = vec![Listener {
        protocol: hatchery_image::settings::nspawn::Protocol::Tcp,
        port: 8080,
    }]
    .into();
    let said = Arc::new(Mutex::new(Vec::new()));
    let progress = {
        let said = Arc::clone(&said);
        Progress::new(move |event| said.lock().unwrap().push(format!("{event:?}")))
    };
    hatchery_importer::import(&request, &progress).unwrap();
    let said = said.lock().unwrap();
    let is_it = |line: &String| line.starts_with("Warning") && line.contains("port tcp:8080");
    assert!(said.iter().any(is_it), "{said:?}");
}

#[test]
fn an_image_without_networkd_gets_no_address() {
    if !require(&NEEDS) {
        return;
    }
    let street =
        street(|root| fs::remove_file(root.join("usr/lib/systemd/systemd-networkd")).unwrap());
    let error = import(&request(&street)).unwrap_err();
    assert!(matches!(network_error(&error), NetworkError::NoNetworkd));
    street.assert_nothing_left();
    // By DHCP in the bridge it is imported as it is.
    let mut request = request(&street);
    request.network.host0 = Host0::default();
    import(&request).unwrap();
    assert!(!street.places().machines.join("m").join(FILE).exists());
}

#[test]
fn links_in_an_image_lead_its_network_nowhere() {
    if !require(&NEEDS) {
        return;
    }
    let outside = tempfile::tempdir().unwrap();
    let target = outside.path().to_owned();
    for part in ["etc/systemd", "etc/systemd/network", FILE] {
        let street = street(|root| {
            let link = root.join(part);
            let _ = fs::remove_dir_all(&link);
            fs::create_dir_all(link.parent().unwrap()).unwrap();
            let to = if part == FILE {
                target.join("file")
            } else {
                target.clone()
            };
            symlink(to, link).unwrap();
        });
        let error = import(&request(&street)).unwrap_err();
        let refused = matches!(
            network_error(&error),
            NetworkError::Place(_) | NetworkError::InTheWay { .. }
        );
        assert!(refused, "{part}: {}", chain(&error));
        street.assert_nothing_left();
        assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 0, "{part}");
    }
    // A plain file of that name is the image's own and is replaced.
    let street = street(|root| {
        fs::create_dir_all(root.join("etc/systemd/network")).unwrap();
        fs::write(root.join(FILE), "[Match]\nName=host0\n").unwrap();
    });
    import(&request(&street)).unwrap();
    let text = fs::read_to_string(street.places().machines.join("m").join(FILE)).unwrap();
    assert!(text.contains("Address=172.23.0.2/24"), "{text}");
}

#[test]
fn an_images_settings_are_asked_for_before_the_download() {
    if !require(&NEEDS) {
        return;
    }
    let street = street(|_| ());
    let archive = street.published("1", "lab.tar.zst");
    fs::rename(&archive, street.yard.path("kept")).unwrap();
    let asked = RefCell::new(Vec::new());
    let answering = |answer: bool, request: &ImportRequest| {
        let consent = |text: &str| {
            asked.borrow_mut().push(text.to_owned());
            answer
        };
        import_asking(request, &consent, &Progress::silent())
    };
    let error = answering(true, &street.request()).unwrap_err();
    assert_eq!(error.kind(), Kind::Network, "{}", chain(&error));
    assert_eq!(asked.take(), [NSPAWN]);
    street.assert_nothing_left();

    fs::rename(street.yard.path("kept"), &archive).unwrap();
    let imported = answering(false, &street.request()).unwrap();
    assert_eq!(imported.settings.unwrap().installed, None);
    assert!(!street.places().settings.exists());
    let mut request = street.request();
    request.force = true;
    let imported = answering(true, &request).unwrap();
    assert_eq!(imported.settings.unwrap().text, NSPAWN);
    assert_eq!(asked.take().len(), 2);
    // Who said so beforehand is not asked.
    request.accept_settings = true;
    answering(false, &request).unwrap();
    assert!(asked.take().is_empty());
    assert!(street.places().settings.join("m.nspawn").exists());
}
