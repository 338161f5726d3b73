//! The last steps: what is remembered of the image, then settings, tree and
//! record in one exchange.

use super::error::ImportError;
use super::request::ImportRequest;
use crate::exchange::{self, ExchangeError, Generation, Journal, PreviousOnes, TreeId, kept_name};
use crate::hold::Hold;
use crate::image::Image;
use crate::listing::Listing;
use crate::machines::Machines;
use crate::record::Record;
use crate::settings;
use crate::unpack::Signed;
use hatchery_image::Sha256;
use hatchery_image::archive::{self, ArchiveError};
use hatchery_image::durable::{Existing, Staging};
use hatchery_image::progress::Progress;
use std::io;
use std::path::Path;

/// What a machine is compared with later.
pub(super) enum Table {
    /// Table of contents and skeleton of the archive.
    Signed(Signed),
    /// The list of the tree, where the archive has none.
    Made(Listing),
    /// Nothing: it would be too large.
    None,
}

impl Table {
    /// Of the archive, or else of the tree that was unpacked from it and that
    /// nothing was written to since.
    pub(super) fn of(
        signed: Option<Signed>,
        tree: &Path,
        progress: &Progress,
    ) -> Result<Self, ImportError> {
        if let Some(table) = signed {
            return Ok(Self::Signed(table));
        }
        match archive::list(tree, progress) {
            Ok((table, skeleton)) => Ok(Self::Made(Listing::new(table, &skeleton))),
            // No worse imported for it: without /proc, say, attributes of
            // devices cannot be read.
            Err(
                error @ (ArchiveError::TooMuch { .. }
                | ArchiveError::Unpackable { .. }
                | ArchiveError::Read { .. }),
            ) => {
                progress.warn(format!(
                    "what was unpacked cannot be listed, so the machine cannot be verified: {error}"
                ));
                Ok(Self::None)
            }
            Err(ArchiveError::Interrupted(error)) => Err(ImportError::Interrupted(error)),
            Err(error) => Err(ImportError::List(error)),
        }
    }

    /// Digest of the list, if one was made.
    pub(super) fn made(&self) -> Option<Sha256> {
        match self {
            Self::Made(listing) => Some(listing.sha256),
            Self::Signed(_) | Self::None => None,
        }
    }
}

/// Remembers the manifest, and the table. Nobody removes them while the state
/// folder is held.
pub(super) fn remember(
    image: &Image,
    table: &Table,
    request: &ImportRequest,
) -> Result<Hold, ImportError> {
    let places = &request.places;
    let held = Hold::shared(&places.state)?;
    let tables = places.tables();
    let signed = match table {
        Table::Signed(table) => Some(table),
        Table::Made(_) | Table::None => None,
    };
    tables.write(image.digest, &image.bytes, signed, &held)?;
    if let Table::Made(listing) = table {
        tables.write_listing(listing, &held)?;
    }
    Ok(held)
}

/// Puts the tree into its place, with settings of this text, and its record;
/// whether another tree was there. That one is kept.
pub(super) fn show(
    staging: Staging,
    mut record: Record,
    text: Option<&str>,
    machines: &Machines,
    request: &ImportRequest,
    held: &Hold,
) -> Result<bool, ImportError> {
    let (name, places) = (&request.machine, &request.places);
    let target = machines.path(name);
    let path = places.settings_of(name);
    let goes = Generation {
        tree: TreeId::of(&target)?,
        record: places.records().find(name)?.filter(|r| r.path == target),
        settings: settings::text(&path)?,
    };
    let replaces = goes.tree.is_some();
    if replaces && !request.force {
        return Err(ImportError::Exists { path: target });
    }
    let installed = text.map(|text| settings::installed(&path, text));
    // Settings of the machine that is replaced are still ours to remove.
    let before = goes.record.as_ref().and_then(|r| r.settings.clone());
    record.settings = installed.or(before.filter(|_| replaces));
    // So is its unit, whichever generation enabled it.
    record.enabled |= goes.record.as_ref().is_some_and(|r| r.enabled);
    let comes = Generation {
        tree: TreeId::of(staging.path())?,
        record: Some(record),
        settings: text.map(str::to_owned).or_else(|| goes.settings.clone()),
    };
    let previous = PreviousOnes::beneath(&places.state).find(name)?;
    let hidden = kept_name(&target, name);
    let journal = Journal::new(
        (target.clone(), hidden),
        true,
        (goes, comes),
        previous,
        request.now,
    );
    let bring = |hidden: &std::path::Path| {
        let published = staging.publish(hidden, Existing::Keep);
        published.map_err(ExchangeError::Publish)
    };
    match exchange::exchange(name, &journal, places, held, bring) {
        Err(ExchangeError::Failed { source, .. })
            if source.kind() == io::ErrorKind::AlreadyExists =>
        {
            Err(ImportError::Exists { path: target })
        }
        result => Ok(result.map(|()| replaces)?),
    }
}
