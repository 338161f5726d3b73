//! Where servers may lead us.

use crate::server::{Server, content, hasty, wanted};
use hatchery_image::Progress;
use hatchery_transfer::{Location, TransferError};
use std::net::{IpAddr, UdpSocket};

/// A path segment that makes the server redirect to `target`.
fn to(server: &Server, target: &str) -> Location {
    let segment = target.replace('/', "%2F").replace('?', "%3F");
    Location::parse(&format!("http://{}/to/{segment}", server.address)).unwrap()
}

fn get(location: Location) -> Result<Vec<u8>, TransferError> {
    hasty().get(&wanted(&[location], "small"), &Progress::silent())
}

#[test]
fn a_redirect_to_another_server_is_followed() {
    let (first, second) = (Server::start(), Server::start());
    let location = to(&first, &format!("http://{}/good", second.address));
    assert!(get(location).unwrap() == content("small"));
    assert_eq!(second.asked()[0].path, "/good/small");
}

#[test]
fn a_redirect_to_another_scheme_is_not() {
    let server = Server::start();
    for target in ["file:///etc", "ftp://127.0.0.1/pub", "data:,x"] {
        let error = get(to(&server, target)).unwrap_err().to_string();
        assert!(error.contains("neither http nor https"), "{error}");
    }
}

#[test]
fn loops_end() {
    let server = Server::start();
    let error = get(server.behaving("loops")).unwrap_err().to_string();
    assert!(error.contains("too many"), "{error}");
    assert_eq!(server.asked().len(), 6);
}

/// An address of this host that is not loopback, if it has one. Connecting a
/// UDP socket sends nothing.
fn outward_address() -> Option<IpAddr> {
    let socket = UdpSocket::bind("0.0.0.0:0").ok()?;
    socket.connect("192.0.2.1:9").ok()?;
    let address = socket.local_addr().ok()?.ip();
    (!address.is_loopback() && !address.is_unspecified()).then_some(address)
}

#[test]
fn a_server_elsewhere_cannot_lead_us_to_this_host() {
    let Some(address) = outward_address() else {
        // The same decision is tested by address in web.rs.
        eprintln!("skipped: this host has only a loopback address");
        return;
    };
    let (inner, outer) = (Server::start(), Server::on(address));
    let port = inner.address.port();
    for host in [
        format!("127.0.0.1:{port}"),
        format!("localhost:{port}"),
        format!("a.localhost:{port}"),
        format!("[::ffff:127.0.0.1]:{port}"),
        format!("0.0.0.0:{port}"),
        format!("2130706433:{port}"),
        "169.254.169.254".to_owned(),
    ] {
        let error = get(to(&outer, &format!("http://{host}/good"))).unwrap_err();
        assert!(
            error.to_string().contains("on this host or link"),
            "{error}"
        );
    }
    assert!(inner.asked().is_empty());
    // To itself it may.
    let location = to(&outer, &format!("http://{}/good", outer.address));
    assert!(get(location).is_ok());
}
