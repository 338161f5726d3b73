//! What is still needed of what is remembered.

use super::GcError;
use crate::exchange;
use crate::places::Places;
use crate::record::Record;
use hatchery_image::{MachineName, Sha256};
use std::collections::BTreeSet;

/// Manifests of the images that machines are of, and lists of what was unpacked
/// of them, whether their trees are there
/// or not, and of those of the previous generations that stay: all but `going`.
///
/// # Errors
/// A record cannot be read: then nobody knows, and nothing may be removed.
pub(super) fn images(
    places: &Places,
    going: &BTreeSet<MachineName>,
) -> Result<BTreeSet<Sha256>, GcError> {
    let mut used = BTreeSet::new();
    let mut add = |record: Option<&Record>| {
        used.extend(record.map(|record| record.manifest));
        used.extend(record.and_then(|record| record.listing));
    };
    let records = places.records();
    for name in records.names()? {
        add(records.find(&name)?.as_ref());
    }
    for record in exchange::records_begun(places)? {
        add(Some(&record));
    }
    for record in exchange::records_kept(places, going)? {
        add(Some(&record));
    }
    Ok(used)
}
