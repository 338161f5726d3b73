//! Every key, and every mistake with its line.

use super::*;
use crate::{HEAD_MAX, RANGES_MAX};
use std::time::Duration;

fn parse(text: &str) -> Result<Config, ConfigError> {
    Config::parse(text, Path::new("/etc/hatchery/mirror.toml"))
}

fn now() -> Timestamp {
    "2026-11-22T00:00:00Z".parse().unwrap()
}

#[test]
fn every_key_reaches_the_server() {
    let text = r#"
        store = "/srv/images"
        public_url = "https://images.example.org/hatchery"
        drain_seconds = 7
        [[listen]]
        address = "0.0.0.0:80"
        [[listen]]
        address = "[::]:443"
        certificate = "/tls/chain.pem"
        key = "/tls/key.pem"
        metrics = true
        [limits]
        connections = 100
        head_bytes = 16384
        head_seconds = 11
        head_seconds_crowded = 3
        stalled_seconds = 12
        stalled_seconds_crowded = 4
        handshake_seconds = 5
        ranges = 2
        [per_client]
        connections = 9
        requests_per_second = 20
        burst = 50
        local = true
        [log]
        access = "json"
        file = "/var/log/access.log"
    "#;
    let config = parse(text).unwrap();
    assert_eq!(config.store.as_deref(), Some(Path::new("/srv/images")));
    assert_eq!(config.log.access, Some(AccessFormat::Json));
    assert_eq!(
        config.log.file.as_deref(),
        Some(Path::new("/var/log/access.log"))
    );
    let options = config.options(&[], now).unwrap();
    let seconds = Duration::from_secs;
    assert_eq!(options.drain, seconds(7));
    let url = options.public_url.map(|url| url.to_string());
    assert_eq!(url.as_deref(), Some("https://images.example.org/hatchery/"));
    assert_eq!(options.listeners.len(), 2);
    assert_eq!(options.listeners[0].address.to_string(), "0.0.0.0:80");
    assert!(options.listeners[0].tls.is_none());
    let tls = options.listeners[1].tls.as_ref().unwrap();
    assert_eq!(tls.certificate, Path::new("/tls/chain.pem"));
    assert_eq!(tls.key, Path::new("/tls/key.pem"));
    let metrics: Vec<_> = options.listeners.iter().map(|l| l.metrics).collect();
    assert_eq!(metrics, [None, Some(true)]);
    assert_eq!(options.connections, 100);
    assert_eq!(options.head, 16384);
    assert_eq!(options.patience.head, seconds(11));
    assert_eq!(options.patience.head_when_crowded, seconds(3));
    assert_eq!(options.patience.stalled, seconds(12));
    assert_eq!(options.patience.stalled_when_crowded, seconds(4));
    assert_eq!(options.handshake, seconds(5));
    assert_eq!(options.ranges.get(), 2);
    let number = |n| NonZeroU32::new(n).unwrap();
    let expected = PerClient {
        connections: Some(number(9)),
        rate: Some(Rate {
            per_second: number(20),
            burst: number(50),
        }),
        local: true,
    };
    assert_eq!(options.per_client, expected);
}

#[test]
fn an_empty_one_changes_nothing() {
    let options = parse("").unwrap().options(&[], now).unwrap();
    let usual = Options::new(sockets::DEFAULT, now);
    assert_eq!(format!("{options:?}"), format!("{usual:?}"));
    assert_eq!((options.head, options.ranges), (HEAD_MAX, RANGES_MAX));
}

#[test]
fn a_crowd_is_no_reason_for_more_patience() {
    let config = parse("[limits]\nhead_seconds = 2\nstalled_seconds = 3").unwrap();
    let patience = config.options(&[], now).unwrap().patience;
    assert_eq!(patience.head_when_crowded, Duration::from_secs(2));
    assert_eq!(patience.stalled_when_crowded, Duration::from_secs(3));
}

#[test]
fn a_rate_alone_has_ten_seconds_of_burst() {
    let config = parse("[per_client]\nrequests_per_second = 5").unwrap();
    let rate = config.options(&[], now).unwrap().per_client.rate.unwrap();
    assert_eq!(rate.burst.get(), 50);
}

#[test]
fn mistakes_name_the_file_the_line_and_what_to_do() {
    for (text, line, says) in [
        ("store = '/s'\nstores = '/t'", 2, "unknown field `stores`"),
        ("store = '/s'\n\nstore = '/t'", 3, "duplicate key"),
        ("[limits]\nconnections = 0", 2, "nonzero"),
        ("[limits]\nhead_seconds = 0", 2, "write 1 to 86400 seconds"),
        ("[limits]\nhead_bytes = 9", 2, "write 8192 to 1048576 bytes"),
        ("[limits]\nrange = 3", 2, "expected one of"),
        ("[per_client]\nrequests_per_second = -1", 2, "nonzero"),
        (
            "[log]\naccess = 'xml'",
            2,
            "expected one of `off`, `plain`, `json`",
        ),
        (
            "[[listen]]\naddress = '80'",
            2,
            "write one such as 0.0.0.0:8080",
        ),
        ("[[listen]]\naddress = 'systemd:'", 2, "names no socket"),
        (
            "\n[[listen]]\ncertificate = '/c'",
            2,
            "missing field `address`",
        ),
        (
            "\n[[listen]]\naddress = '[::]:443'\ncertificate = '/c'",
            2,
            "there is a certificate and no key; TLS needs both",
        ),
        (
            "[[listen]]\naddress = '[::]:443'\ncertificate = 'c'\nkey = '/k'",
            1,
            "certificate: c is not an absolute path",
        ),
    ] {
        let error = parse(text).unwrap_err().to_string();
        assert!(error.starts_with("/etc/hatchery/mirror.toml: "), "{error}");
        assert!(error.contains(&format!("line {line},")), "{text}: {error}");
        assert!(error.contains(says), "{text}: {error}");
    }
    let relative = parse("store = 'images'").unwrap_err().to_string();
    assert!(relative.contains("store: images is not an absolute path"));
    let many = "[[listen]]\naddress = '[::1]:0'\n".repeat(LISTENERS_MAX + 1);
    assert!(matches!(parse(&many), Err(ConfigError::Listeners { .. })));
}
