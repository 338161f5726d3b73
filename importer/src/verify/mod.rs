//! `hatchery verify`: what was changed in a machine since its image was
//! signed.
//!
//! Machine and image are compared entry by entry, by the table of contents
//! and the skeleton that the import remembered ([`crate::tables`]) and that
//! are first compared with the digest in the machine's record. Neither the
//! tree nor the host is changed, and a machine that runs can be verified.
//!
//! Three things are told apart from what somebody did to a machine: what the
//! first boot of every machine writes ([`first_boot`]), which has a heading of
//! its own; what the import itself wrote, as long as it is unchanged; and user
//! ids that systemd-nspawn shifted as a whole. Of an archive without a table
//! (`.tar.xz` alone), the import listed what it unpacked ([`crate::listing`]).

mod error;
mod first_boot;
mod report;
mod written;

pub use error::VerifyError;
pub use report::{Difference, VerifyReport};

use crate::exchange::{self, TreeId};
use crate::machines::Machines;
use crate::places::Places;
use hatchery_image::MachineName;
use hatchery_image::archive::Listing;
use hatchery_image::archive::compare::{CompareOptions, compare};
use hatchery_image::progress::{Progress, Stage, Unit};
use written::Written;

/// How to verify.
#[derive(Clone, Copy, Debug)]
pub struct VerifyOptions {
    /// Whether modification times count.
    pub times: bool,
    /// Threads that digest files.
    pub threads: usize,
}

/// Verifies a machine.
///
/// # Errors
/// It was not imported, its image's table is not remembered, or the tree
/// cannot be read. What was changed is no error.
pub fn verify(
    name: &MachineName,
    places: &Places,
    options: VerifyOptions,
    progress: &Progress,
) -> Result<VerifyReport, VerifyError> {
    let machines = Machines::open(&places.machines)?;
    let path = machines.path(name);
    if !path.symlink_metadata().is_ok_and(|stat| stat.is_dir()) {
        return Err(VerifyError::NotFound { path });
    }
    let tree = TreeId::of(&path)?;
    let record = exchange::record_of(name, places)?.filter(|record| record.path == path);
    let record = record.ok_or_else(|| VerifyError::NotImported { name: name.clone() })?;
    let remembered = places.tables().find(record.manifest)?;
    let remembered = remembered.ok_or_else(|| VerifyError::Forgotten { name: name.clone() })?;
    let image = format!("{}@{}", record.image, record.version);
    let table = match record.listing {
        Some(listing) => {
            let found = places.tables().find_listing(listing)?;
            Some(found.ok_or_else(|| VerifyError::Forgotten { name: name.clone() })?)
        }
        None => remembered.table,
    };
    let (table, skeleton) = table.ok_or(VerifyError::NoTable { image })?;

    let total = Some(remembered.manifest.unpacked.bytes);
    let running = progress.begin(Stage::Verify, total, Unit::Bytes);
    let listing = Listing::new(&table, &skeleton).map_err(VerifyError::Compare)?;
    let written = Written::open(&path, &record.written)?;
    let options = CompareOptions {
        times: options.times,
        threads: options.threads,
        apart: written.paths(),
    };
    let compared = compare(&path, listing, &options, &running).map_err(VerifyError::Compare)?;
    // Record and tree are of two generations if it was replaced meanwhile.
    if TreeId::of(&path)? != tree {
        return Err(VerifyError::Replaced { name: name.clone() });
    }
    Ok(report::report(&record, &compared, &written))
}
