//! `/metrics`, read by a strict parser, and `/healthz`.

use super::config::write;
use super::curl::{body, curl, tells};
use super::openmetrics::{self, Scrape};
use super::process::{Served, until};
use super::store;
use super::tls::Pair;
use crate::hatchery::Home;
use hatchery_tests::Need;
use hatchery_tests::need::require;
use std::fs;

fn scrape(served: &Served) -> Scrape {
    openmetrics::read(&body(&[&served.url("/metrics")]))
}

#[test]
fn what_happens_is_counted() {
    if !require(&[Need::Program("curl")]) {
        return;
    }
    let home = Home::new();
    let pair = Pair::write(home.path());
    let config = write(
        home.path(),
        &format!(
            "[[listen]]\naddress = '127.0.0.1:0'\n\
             [[listen]]\naddress = '127.0.0.1:0'\ncertificate = '{}'\nkey = '{}'\n\
             [per_client]\nrequests_per_second = 1\nburst = 20\nconnections = 3\nlocal = true\n",
            pair.certificate.display(),
            pair.key.display()
        ),
    );
    let served = Served::start(home.path(), &["--config", &config], 2);
    let before = scrape(&served);
    assert_eq!(before.get("hatchery_catalog_readable"), 1.0);
    assert_eq!(before.get("hatchery_catalog_version"), 7.0);
    let expires = "2027-01-01T00:00:00Z".parse::<jiff::Timestamp>().unwrap();
    let found = before.get("hatchery_catalog_expires_timestamp_seconds");
    assert_eq!(found, expires.as_second() as f64);
    assert_eq!(before.get("hatchery_images"), 1.0);
    assert_eq!(before.get("hatchery_versions"), 1.0);
    assert_eq!(before.get("hatchery_connections_limit"), 16384.0);
    assert_eq!(before.get("hatchery_log_lines_lost_total"), 0.0);
    assert!(before.get("process_resident_memory_bytes") > 1e6);
    assert!(before.get("process_open_fds") > 3.0);
    let images =
        |class: &str| format!("hatchery_requests_total{{protocol=\"images\",status=\"{class}\"}}");
    assert_eq!(before.get(&images("2xx")), 0.0);
    curl(&[&served.url(store::ARCHIVE)]);
    curl(&[&served.url("/images/none")]);
    curl(&[&served.addresses[1].replace("https", "http")]);
    let idle = std::net::TcpStream::connect(served.addresses[0].trim_start_matches("http://"));
    let after = until("counting", || {
        let after = scrape(&served);
        (after.get("hatchery_connections_open") >= 2.0).then_some(after)
    });
    drop(idle);
    assert_eq!(after.get(&images("2xx")), 1.0);
    assert_eq!(after.get(&images("4xx")), 1.0);
    assert!(after.get("hatchery_sent_bytes_total") > store::LENGTH as f64);
    assert!(after.get("hatchery_answer_duration_seconds_count") >= 3.0);
    let failed = "hatchery_tls_handshake_errors_total{reason=\"failed\"}";
    assert_eq!(after.get(failed), 1.0);
    let codes: Vec<String> = (0..30)
        .map(|_| tells("%{http_code}", &[&served.url(store::SUMS)]))
        .collect();
    assert!(codes.contains(&"429".to_owned()), "{codes:?}");
    let limited = until("a scrape that is not limited itself", || {
        let ran = curl(&["--fail", &served.url("/metrics")]);
        (ran.code == Some(0)).then(|| openmetrics::read(&ran.stdout))
    });
    assert!(limited.get("hatchery_requests_limited_total") >= 1.0);
}

#[test]
fn connections_that_are_sent_away_are_counted() {
    if !require(&[Need::Program("curl")]) {
        return;
    }
    let home = Home::new();
    let socket = home.path().join("serve.sock");
    let listen = format!("unix:{}", socket.display());
    let config = write(
        home.path(),
        &format!(
            "[[listen]]\naddress = '127.0.0.1:0'\n[[listen]]\naddress = '{listen}'\n\
             [per_client]\nconnections = 1\nlocal = true\n"
        ),
    );
    let served = Served::start(home.path(), &["--config", &config], 2);
    let address = served.addresses[0].trim_start_matches("http://");
    let connections: Vec<_> = (0..3)
        .map(|_| std::net::TcpStream::connect(address).unwrap())
        .collect();
    // The Unix socket is another client.
    let path = socket.to_str().unwrap();
    until("three connections", || {
        let text = body(&["--unix-socket", path, "http://m/metrics"]);
        let refused = "hatchery_connections_refused_total{reason=\"per_client\"}";
        (openmetrics::read(&text).get(refused) == 2.0).then_some(())
    });
    drop(connections);
}

#[test]
fn metrics_are_shown_where_only_this_host_comes_in_or_where_it_is_said() {
    if !require(&[Need::Program("curl")]) {
        return;
    }
    for (address, metrics, expected) in [
        ("127.0.0.1:0", "", "200"),
        ("[::1]:0", "", "200"),
        ("0.0.0.0:0", "", "404"),
        ("[::]:0", "", "404"),
        ("0.0.0.0:0", "metrics = true\n", "200"),
        ("127.0.0.1:0", "metrics = false\n", "404"),
    ] {
        let home = Home::new();
        let listen = format!("[[listen]]\naddress = '{address}'\n{metrics}");
        let config = write(home.path(), &listen);
        let served = Served::start(home.path(), &["--config", &config], 1);
        let url = served.url("/metrics").replace("0.0.0.0", "127.0.0.1");
        let url = url.replace("[::]", "[::1]");
        assert_eq!(tells("%{http_code}", &[&url]), expected, "{listen}");
        let health = url.replace("/metrics", "/healthz");
        assert_eq!(tells("%{http_code}", &[&health]), "200", "{listen}");
    }
}

#[test]
fn the_media_type_is_that_of_openmetrics() {
    if !require(&[Need::Program("curl")]) {
        return;
    }
    let home = Home::new();
    let config = write(home.path(), "[[listen]]\naddress = '127.0.0.1:0'\n");
    let served = Served::start(home.path(), &["--config", &config], 1);
    let told = tells("%{content_type}", &[&served.url("/metrics")]);
    let expected = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    assert_eq!(told, expected);
    let posted = tells("%{http_code}", &["--data", "x", &served.url("/metrics")]);
    assert_eq!(posted, "405");
}

#[test]
fn health_is_that_of_the_catalog() {
    if !require(&[Need::Program("curl")]) {
        return;
    }
    let home = Home::new();
    let config = write(home.path(), "[[listen]]\naddress = '127.0.0.1:0'\n");
    let served = Served::start(home.path(), &["--config", &config], 1);
    let health = || tells("%{http_code}", &[&served.url("/healthz")]);
    assert_eq!(body(&[&served.url("/healthz")]), "ok\n");
    assert_eq!(scrape(&served).get("hatchery_catalog_version"), 7.0);
    let root = home.path().join("store");
    let catalog = hatchery_mirror::Store::open(&root).unwrap().catalog();
    fs::write(&catalog, "{}").unwrap();
    assert_eq!(health(), "503");
    assert_eq!(scrape(&served).get("hatchery_catalog_readable"), 0.0);
    // What was known stays, so that no alarm speaks of version 0.
    assert_eq!(scrape(&served).get("hatchery_catalog_version"), 7.0);
    fs::remove_file(&catalog).unwrap();
    assert_eq!(health(), "503");
    store::write_catalog(&root, 8);
    assert_eq!(health(), "200");
    assert_eq!(scrape(&served).get("hatchery_catalog_version"), 8.0);
}
