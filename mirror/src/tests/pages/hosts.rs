//! Where the commands of a page lead: to the host that was asked, or to the
//! one that the configuration names.

use super::super::client::Client;
use super::super::fixture::Fixture;
use super::super::images::Images;
use super::{DEBIANS, assert_shows, at_host, page, text};
use crate::Options;

#[test]
fn commands_name_the_host_that_was_asked() {
    let images = Images::new(&DEBIANS);
    let server = images.serve();
    for (host, url) in [
        ("images.example.org", "http://images.example.org/"),
        ("Images.Example.org:80", "http://images.example.org/"),
        ("10.0.0.1:8080", "http://10.0.0.1:8080/"),
        ("[2001:db8::1]:8080", "http://[2001:db8::1]:8080/"),
    ] {
        let answer = at_host(server.local_addr(), "/images/debian/", host);
        assert_eq!(answer.status, 200, "{host}");
        let html = String::from_utf8(answer.body).unwrap();
        assert_shows(&html, &[&format!("BASEURL={url}storage")]);
    }
}

#[test]
fn a_host_that_is_none_gets_no_page() {
    let images = Images::new(&DEBIANS);
    let server = images.serve();
    for host in [
        "a;id", "$(id)", "`id`", "a'b", "a\"b", "<script>", "a/b", "user@a", "a:x", "a:99999", "",
    ] {
        let answer = at_host(server.local_addr(), "/", host);
        assert_eq!(answer.status, 400, "{host}");
        // What does not speak of it is answered as ever.
        let answer = at_host(server.local_addr(), "/catalog.json", host);
        assert_eq!(answer.status, 200, "{host}");
    }
    let mut client = Client::connect(server.local_addr());
    client.send("GET /images/debian/ HTTP/1.0\r\n\r\n");
    let html = String::from_utf8(client.answer().body).unwrap();
    assert_shows(&html, &["BASEURL=http://MIRROR/storage"]);
}

#[test]
fn behind_a_proxy_the_configuration_says_where() {
    let images = Images::new(&DEBIANS);
    let options = |url: &str| Options {
        public_url: Some(url.parse().unwrap()),
        ..Fixture::options()
    };
    let server = images.serve_with(options("https://images.example.org"));
    let html = page(server.local_addr(), "/images/debian/");
    assert_shows(
        &html,
        &[
            "incus remote add hatchery https://images.example.org/ --protocol simplestreams",
            "podman pull images.example.org/debian:latest",
            "sudo importctl pull-oci images.example.org/debian:latest debian",
            "BASEURL=https://images.example.org/storage",
        ],
    );
    let server = images.serve_with(options("http://example.org/mirror/"));
    let html = page(server.local_addr(), "/images/debian/");
    assert_shows(
        &html,
        &["http://example.org/mirror/images/debian/amd64/latest/debian.tar.xz"],
    );
    // A registry is at the root of its host.
    assert!(!text(&html).contains("podman"), "{html}");
}
