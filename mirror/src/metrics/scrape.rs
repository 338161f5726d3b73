//! What is looked at when somebody scrapes.

use crate::holdings::CatalogFacts;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use std::sync::atomic::Ordering;

/// What is known at that moment.
pub(crate) struct Now {
    pub(crate) connections: usize,
    pub(crate) connections_limit: usize,
    /// Lines of the access log that were left out.
    pub(crate) lost_lines: u64,
    /// None if the catalog cannot be read or understood.
    pub(crate) catalog: Option<CatalogFacts>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Build {
    version: &'static str,
}

#[derive(Debug)]
pub(super) struct Scraped {
    connections: Gauge,
    connections_limit: Gauge,
    lost_lines: Counter,
    readable: Gauge,
    version: Gauge,
    created: Gauge,
    expires: Gauge,
    images: Gauge,
    versions: Gauge,
    memory: Gauge,
    files: Gauge,
    files_limit: Gauge,
}

impl Scraped {
    pub(super) fn new(registry: &mut Registry) -> Self {
        let build = Family::<Build, Gauge>::default();
        let version = env!("CARGO_PKG_VERSION");
        build.get_or_create(&Build { version }).set(1);
        registry.register("hatchery_build", "Which program this is", build);
        let lost_lines = Counter::default();
        let help = "Lines of the access log that were left out";
        registry.register("hatchery_log_lines_lost", help, lost_lines.clone());
        let mut gauge = |name: &str, help: &str| {
            let gauge = Gauge::default();
            registry.register(name, help, Gauge::clone(&gauge));
            gauge
        };
        Self {
            lost_lines,
            connections: gauge("hatchery_connections_open", "Connections that are open"),
            connections_limit: gauge("hatchery_connections_limit", "Most connections at once"),
            readable: gauge(
                "hatchery_catalog_readable",
                "Whether the catalog can be read and understood",
            ),
            version: gauge("hatchery_catalog_version", "The version of the catalog"),
            created: gauge(
                "hatchery_catalog_created_timestamp_seconds",
                "When the catalog was signed",
            ),
            expires: gauge(
                "hatchery_catalog_expires_timestamp_seconds",
                "When importers begin to refuse the catalog",
            ),
            images: gauge(
                "hatchery_images",
                "Images of the catalog, each architecture by itself",
            ),
            versions: gauge("hatchery_versions", "Versions of these images"),
            // These two have the names that dashboards know.
            memory: gauge("process_resident_memory_bytes", "Memory of the process"),
            files: gauge("process_open_fds", "Files that the process has open"),
            files_limit: gauge("process_max_fds", "Files that it may have open"),
        }
    }

    pub(super) fn set(&self, now: &Now) {
        self.connections.set(number(now.connections));
        self.connections_limit.set(number(now.connections_limit));
        let lost_lines = self.lost_lines.inner();
        lost_lines.store(now.lost_lines, Ordering::Relaxed);
        self.readable.set(i64::from(now.catalog.is_some()));
        // What was known before stays when the catalog cannot be read.
        if let Some(catalog) = &now.catalog {
            self.version.set(number(catalog.version));
            self.created.set(catalog.created.as_second());
            self.expires.set(catalog.expires.as_second());
            self.images.set(number(catalog.images));
            self.versions.set(number(catalog.versions));
        }
        self.memory.set(number(memory().unwrap_or(0)));
        let files = std::fs::read_dir("/proc/self/fd").map_or(0, Iterator::count);
        self.files.set(number(files));
        let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
        self.files_limit.set(number(limit.current.unwrap_or(0)));
    }
}

fn number(n: impl TryInto<i64>) -> i64 {
    n.try_into().unwrap_or(i64::MAX)
}

/// Memory of this process, in bytes.
fn memory() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/self/statm").ok()?;
    let pages: u64 = text.split_whitespace().nth(1)?.parse().ok()?;
    Some(pages * rustix::param::page_size() as u64)
}
