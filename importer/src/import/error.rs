//! Why an import failed, and of what kind that is.

use crate::Reference;
use crate::host::Unsuitable;
use crate::image::ImageError;
use crate::limit::LimitError;
use crate::lock::LockError;
use crate::machines::MachinesError;
use crate::pending::PendingError;
use crate::record::RecordError;
use crate::remove::RemoveError;
use crate::repository::RepositoryError;
use crate::settings::SettingsError;
use crate::space::SpaceError;
use hatchery_image::MachineName;
use hatchery_image::archive::ArchiveError;
use hatchery_image::durable::DurableError;
use hatchery_image::place::PlaceError;
use hatchery_image::progress::Interrupted;
use hatchery_image::settings::nspawn::{Contradiction, NspawnError};
use hatchery_transfer::TransferError;
use std::path::PathBuf;

/// Why nothing was imported.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The machines directory cannot be used.
    #[error(transparent)]
    Machines(#[from] MachinesError),
    /// The client or its cache cannot be set up.
    #[error("cannot prepare the download")]
    Client(#[source] TransferError),
    /// There is no catalog to believe.
    #[error(transparent)]
    Repository(#[from] RepositoryError),
    /// The image cannot be had.
    #[error(transparent)]
    Image(#[from] ImageError),
    /// The name is taken.
    #[error("{path} exists already; take another name, or replace it with --force")]
    Exists {
        /// What is there.
        path: PathBuf,
    },
    /// A disk image of the name is there, which is never replaced.
    #[error("{path} exists already, and a machine and a disk image cannot share a name")]
    DiskImage {
        /// What is there.
        path: PathBuf,
    },
    /// The name is that of a machine elsewhere.
    #[error("a machine of this name was imported to {path}; names are unique on a host")]
    Elsewhere {
        /// Its tree.
        path: PathBuf,
    },
    /// Another process imports it.
    #[error("another import of {name} is under way")]
    Underway {
        /// The machine.
        name: MachineName,
    },
    /// It is running, or cannot be locked.
    #[error(transparent)]
    Lock(LockError),
    /// The host cannot boot it.
    #[error("{image} cannot be booted on this host: {source}")]
    Unsuitable {
        /// The image.
        image: Reference,
        /// Why not, and a way out.
        source: Unsuitable,
    },
    /// There is no room.
    #[error(transparent)]
    Space(#[from] SpaceError),
    /// The limit cannot be set.
    #[error(transparent)]
    Limit(#[from] LimitError),
    /// The settings cannot be installed.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// The administrator's settings and the image's do not go together.
    #[error("the settings do not go together with those of the image: {0}")]
    Contradiction(Contradiction),
    /// The image's settings cannot be read again.
    #[error("cannot read the settings of the image")]
    Nspawn(#[from] NspawnError),
    /// The hidden tree cannot be made.
    #[error("cannot make the machine's tree")]
    Staging(#[source] DurableError),
    /// The hidden tree cannot be written to.
    #[error("cannot open the machine's tree")]
    Root(#[source] PlaceError),
    /// The archive cannot be unpacked.
    #[error("cannot unpack {image}")]
    Unpack {
        /// The image.
        image: Reference,
        /// Which entry, and why.
        #[source]
        source: ArchiveError,
    },
    /// The finished tree cannot be shown.
    #[error("cannot put the machine into its place")]
    Publish(#[source] DurableError),
    /// The record cannot be read or written.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// A machine that could not be recorded could not be taken back either.
    #[error("the machine {path} could not be recorded, and not be removed again")]
    Remains {
        /// Its tree.
        path: PathBuf,
        /// What the system said to its removal.
        #[source]
        source: Box<RemoveError>,
    },
    /// A machine was replaced, and the new one could not be recorded.
    #[error(
        "{path} was replaced, but that cannot be recorded; \
         the next import or removal of it does"
    )]
    Unrecorded {
        /// Its tree.
        path: PathBuf,
        /// Why not.
        #[source]
        source: RecordError,
    },
    /// What is about to be shown cannot be written down, or what an import
    /// that was killed has shown cannot be settled.
    #[error(transparent)]
    Pending(#[from] PendingError),
    /// The user asked to stop.
    #[error("the import was stopped")]
    Interrupted(#[source] Interrupted),
}

/// What kind of failure it is, for exit codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A signature, digest or age that is not to be trusted.
    Trust,
    /// No mirror has it or answers.
    Network,
    /// The name is taken or in use, or the image is not there.
    Conflict,
    /// The host lacks space, a file system or a kernel.
    Host,
    /// The user asked to stop.
    Interrupted,
    /// Anything else.
    Other,
}

impl ImportError {
    /// What kind of failure it is.
    #[must_use]
    pub fn kind(&self) -> Kind {
        match self {
            Self::Repository(error) => of_repository(error),
            Self::Image(error) => of_image(error),
            Self::Exists { .. }
            | Self::DiskImage { .. }
            | Self::Elsewhere { .. }
            | Self::Underway { .. }
            | Self::Lock(LockError::Busy { .. })
            | Self::Contradiction(_)
            | Self::Settings(SettingsError::Exist { .. }) => Kind::Conflict,
            Self::Unsuitable { .. } | Self::Space(_) => Kind::Host,
            Self::Limit(LimitError::Interrupted(_)) | Self::Interrupted(_) => Kind::Interrupted,
            Self::Limit(_) => Kind::Host,
            _ => Kind::Other,
        }
    }
}

fn of_repository(error: &RepositoryError) -> Kind {
    match error {
        RepositoryError::NoKey | RepositoryError::Refused { .. } => Kind::Trust,
        RepositoryError::Fetch(TransferError::Interrupted(_)) => Kind::Interrupted,
        RepositoryError::Fetch(error) if error.is_distrusted() => Kind::Trust,
        RepositoryError::NoMirror | RepositoryError::Fetch(_) => Kind::Network,
        RepositoryError::State(_) => Kind::Other,
    }
}

fn of_image(error: &ImageError) -> Kind {
    match error {
        ImageError::Lookup(_) => Kind::Conflict,
        ImageError::Mixed { .. } => Kind::Trust,
        ImageError::Fetch { source, .. } => match source {
            TransferError::Interrupted(_) => Kind::Interrupted,
            error if error.is_distrusted() => Kind::Trust,
            TransferError::Host { .. } => Kind::Host,
            _ => Kind::Network,
        },
        _ => Kind::Other,
    }
}
