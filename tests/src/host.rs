//! The host's own package sources, which tests build from: no address of a
//! mirror is written into a test.

use hatchery_builder::host;
use std::path::Path;

/// The Debian archive that the host uses, with a final `/`.
#[must_use]
pub fn mirror() -> Option<String> {
    find(false)
}

/// The archive of security updates that the host uses, with a final `/`.
#[must_use]
pub fn security_mirror() -> Option<String> {
    find(true)
}

fn find(security: bool) -> Option<String> {
    host::sources(Path::new("/etc"), "debian")
        .into_iter()
        .find(|s| s.is_security() == security)
        .map(|s| s.uri)
}
