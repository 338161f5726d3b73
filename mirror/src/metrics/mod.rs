//! What is counted, as Prometheus asks for it: OpenMetrics text 1.0.
//!
//! Counters are made at the start, so that each is there from the first
//! scrape, and cost a request a few additions. What has a value of its own (how
//! many connections are open, what the catalog says, what the process takes)
//! is looked at when somebody scrapes. No label holds anything that a client
//! sent.

mod scrape;

pub(crate) use scrape::Now;

use crate::access::Access;
use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};
use scrape::Scraped;
use std::fmt;

/// The media type of the text.
pub(crate) const MEDIA_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
/// Bounds of the times of answers, in seconds: from a small file to an image
/// over a slow line.
const SECONDS: [f64; 12] = [
    0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0,
];

/// The families of paths, by what the label calls them.
const PROTOCOLS: [&str; 7] = [
    "catalog",
    "images",
    "hub",
    "oci",
    "streams",
    "operation",
    "page",
];
/// The hundreds of statuses.
const CLASSES: [&str; 4] = ["2xx", "3xx", "4xx", "5xx"];

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    protocol: &'static str,
    status: &'static str,
}

/// Why somebody was not served.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Reason {
    reason: &'static str,
}

/// What is counted while it happens, and what is looked at by a scrape.
#[derive(Debug)]
pub(crate) struct Metrics {
    registry: Registry,
    /// A counter for each protocol and class, in the order of the lists.
    requests: Vec<Counter>,
    sent: Counter,
    seconds: Histogram,
    pub(crate) accepted: Counter,
    /// Connections of clients that have too many.
    pub(crate) refused: Counter,
    /// Requests of clients that ask too quickly.
    pub(crate) limited: Counter,
    /// Requests that came to nobody, because their heads cannot be read.
    pub(crate) malformed: Counter,
    pub(crate) handshakes_failed: Counter,
    pub(crate) handshakes_late: Counter,
    scraped: Scraped,
}

impl Metrics {
    pub(crate) fn new() -> Self {
        let mut registry = Registry::default();
        let requests = Family::<RequestLabels, Counter>::default();
        let help = "Requests that were answered";
        registry.register("hatchery_requests", help, requests.clone());
        let each = PROTOCOLS
            .into_iter()
            .flat_map(|protocol| CLASSES.map(|status| RequestLabels { protocol, status }));
        let seconds = Histogram::new(SECONDS);
        let (name, help) = (
            "hatchery_answer_duration",
            "From a request's head to the end of its answer's body",
        );
        registry.register_with_unit(name, help, Unit::Seconds, seconds.clone());
        let sent = Counter::default();
        let help = "Of bodies, handed to connections";
        registry.register_with_unit("hatchery_sent", help, Unit::Bytes, sent.clone());
        let refused = reasons(
            &mut registry,
            "hatchery_connections_refused",
            "Connections that were closed at once",
        );
        let handshakes = reasons(
            &mut registry,
            "hatchery_tls_handshake_errors",
            "TLS handshakes that came to nothing",
        );
        let why = |family: &Family<Reason, Counter>, reason| {
            family.get_or_create_owned(&Reason { reason })
        };
        Self {
            requests: each.map(|l| requests.get_or_create_owned(&l)).collect(),
            sent,
            seconds,
            accepted: counter(
                &mut registry,
                "hatchery_connections_accepted",
                "Connections that were taken",
            ),
            refused: why(&refused, "per_client"),
            limited: counter(
                &mut registry,
                "hatchery_requests_limited",
                "Requests of clients that asked too quickly",
            ),
            malformed: counter(
                &mut registry,
                "hatchery_requests_malformed",
                "Requests whose heads were too long or could not be read",
            ),
            handshakes_failed: why(&handshakes, "failed"),
            handshakes_late: why(&handshakes, "timeout"),
            scraped: Scraped::new(&mut registry),
            registry,
        }
    }

    /// Bytes were handed to a connection.
    pub(crate) fn sent(&self, bytes: u64) {
        self.sent.inc_by(bytes);
    }

    /// An answer ended.
    pub(crate) fn answered(&self, access: &Access) {
        let at = protocol(access.request.uri().path()) * CLASSES.len() + class(access.status);
        if let Some(counter) = self.requests.get(at) {
            counter.inc();
        }
        self.seconds.observe(access.duration.as_secs_f64());
    }

    /// All of it, as text. Looks at `/proc/self`.
    ///
    /// # Errors
    /// None that a `String` gives.
    pub(crate) fn text(&self, now: &Now) -> Result<String, fmt::Error> {
        self.scraped.set(now);
        let mut text = String::new();
        text::encode(&mut text, &self.registry)?;
        Ok(text)
    }
}

fn counter(registry: &mut Registry, name: &str, help: &str) -> Counter {
    let counter = Counter::default();
    registry.register(name, help, counter.clone());
    counter
}

fn reasons(registry: &mut Registry, name: &str, help: &str) -> Family<Reason, Counter> {
    let family = Family::default();
    registry.register(name, help, Family::clone(&family));
    family
}

/// Where the family of a path is in [`PROTOCOLS`], whether or not anything
/// is there.
fn protocol(path: &str) -> usize {
    let first = path.strip_prefix('/').unwrap_or_default().split('/').next();
    match first.unwrap_or_default() {
        "catalog.json" | "keys.pgp" | "keys.json" => 0,
        "images" => 1,
        "storage" => 2,
        "v2" => 3,
        "streams" => 4,
        "healthz" | "metrics" => 5,
        _ => 6,
    }
}

/// Where the hundred of a status is in [`CLASSES`].
fn class(status: u16) -> usize {
    match status {
        ..300 => 0,
        300..400 => 1,
        400..500 => 2,
        _ => 3,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_have_families_and_statuses_hundreds() {
        for (target, expected) in [
            ("/catalog.json", "catalog"),
            ("/images/lab/amd64/1/SHA256SUMS", "images"),
            ("/storage/debian", "hub"),
            ("/v2/", "oci"),
            ("/streams/v1/index.json", "streams"),
            ("/healthz", "operation"),
            ("/", "page"),
            ("*", "page"),
        ] {
            assert_eq!(PROTOCOLS[protocol(target)], expected, "{target}");
        }
        for (status, expected) in [(206, "2xx"), (304, "3xx"), (404, "4xx"), (503, "5xx")] {
            assert_eq!(CLASSES[class(status)], expected);
        }
    }
}
