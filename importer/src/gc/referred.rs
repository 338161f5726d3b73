//! What is still needed of what is remembered.

use super::GcError;
use crate::exchange;
use crate::places::Places;
use crate::record::Record;
use hatchery_image::Sha256;
use std::collections::BTreeSet;

/// Manifests of the images that machines are of, whether their trees are there
/// or not, and of those of the previous generations, if these stay.
///
/// # Errors
/// A record cannot be read: then nobody knows, and nothing may be removed.
pub(super) fn images(places: &Places, with_previous: bool) -> Result<BTreeSet<Sha256>, GcError> {
    let mut used = BTreeSet::new();
    let mut add = |record: Option<&Record>| used.extend(record.map(|record| record.manifest));
    let records = places.records();
    for name in records.names()? {
        add(records.find(&name)?.as_ref());
    }
    for record in exchange::records_begun(places)? {
        add(Some(&record));
    }
    if with_previous {
        for record in exchange::records_kept(places)? {
            add(Some(&record));
        }
    }
    Ok(used)
}
