//! Why an import failed, and of what kind that is.

use super::ImportRequest;
use crate::Reference;
use crate::exchange::ExchangeError;
use crate::hold::HoldError;
use crate::host::Unsuitable;
use crate::image::ImageError;
use crate::limit::LimitError;
use crate::lock::LockError;
use crate::machines::MachinesError;
use crate::network::NetworkError;
use crate::record::RecordError;
use crate::repository::RepositoryError;
use crate::settings::SettingsError;
use crate::space::SpaceError;
use crate::tables::TablesError;
use crate::unit::UnitError;
use crate::unpack::{Failure, UnpackError};
use hatchery_image::MachineName;
use hatchery_image::archive::ArchiveError;
use hatchery_image::catalog::LookupError;
use hatchery_image::durable::DurableError;
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
    /// A file or a link of the name is there, which is never replaced.
    #[error("{path} is no machine's tree; move it away, or take another name")]
    NotATree {
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
    /// The network cannot be as it was asked for.
    #[error(transparent)]
    Network(#[from] NetworkError),
    /// It was imported, and is not enabled or not started.
    #[error(transparent)]
    Unit(#[from] UnitError),
    /// The hidden tree cannot be made.
    #[error("cannot make the machine's tree")]
    Staging(#[source] DurableError),
    /// The archive cannot be unpacked.
    #[error("cannot unpack {image}")]
    Unpack {
        /// The image.
        image: Reference,
        /// Which entry, and why.
        #[source]
        source: UnpackError,
    },
    /// What arrived is another archive.
    #[error("what arrived is not the archive of {image} that its manifest names")]
    OtherBytes {
        /// The image.
        image: Reference,
    },
    /// Its files take more than they may.
    #[error("{image} does not fit into its disk limit of {limit} bytes; take a larger one")]
    OverLimit {
        /// The image.
        image: Reference,
        /// The limit.
        limit: u64,
        /// Which entry, and why.
        #[source]
        source: UnpackError,
    },
    /// What was unpacked cannot be listed.
    #[error("cannot list what was unpacked")]
    List(#[source] ArchiveError),
    /// The record cannot be read or written.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// What is remembered of the image cannot be written.
    #[error(transparent)]
    Tables(#[from] TablesError),
    /// The state folder cannot be locked.
    #[error(transparent)]
    Hold(#[from] HoldError),
    /// The finished tree cannot be shown, or what was begun before not be
    /// finished.
    #[error(transparent)]
    Exchange(#[from] ExchangeError),
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
    pub(super) fn of_unpacking(failure: Failure, request: &ImportRequest) -> Self {
        let image = request.reference.clone();
        match failure {
            Failure::Fetch(error) => error.into(),
            Failure::Unpack(UnpackError::Interrupted(interrupted)) => {
                Self::Interrupted(interrupted)
            }
            Failure::Unpack(source) => Self::Unpack { image, source },
            Failure::OtherBytes => Self::OtherBytes { image },
        }
    }

    /// What kind of failure it is.
    #[must_use]
    pub fn kind(&self) -> Kind {
        match self {
            Self::Repository(error) => error.kind(),
            Self::Image(error) => of_image(error),
            Self::OtherBytes { .. }
            | Self::Unpack {
                source: UnpackError::Differs { .. },
                ..
            } => Kind::Trust,
            Self::Exists { .. }
            | Self::DiskImage { .. }
            | Self::NotATree { .. }
            | Self::Elsewhere { .. }
            | Self::Underway { .. }
            | Self::Lock(LockError::Busy { .. })
            | Self::Contradiction(_)
            | Self::Settings(SettingsError::Exist { .. }) => Kind::Conflict,
            Self::Network(error) if error.is_conflict() => Kind::Conflict,
            Self::Network(_)
            | Self::Unit(_)
            | Self::Unsuitable { .. }
            | Self::Space(_)
            | Self::OverLimit { .. }
            | Self::Unpack {
                source: UnpackError::NotConfined { .. },
                ..
            } => Kind::Host,
            Self::Limit(LimitError::Interrupted(_)) | Self::Interrupted(_) => Kind::Interrupted,
            Self::Limit(_) => Kind::Host,
            _ => Kind::Other,
        }
    }
}

impl RepositoryError {
    /// What kind of failure it is.
    #[must_use]
    pub fn kind(&self) -> Kind {
        match self {
            Self::NoKey | Self::FirstContact { .. } | Self::Refused { .. } => Kind::Trust,
            Self::Fetch(TransferError::Interrupted(_)) => Kind::Interrupted,
            Self::Fetch(error) if error.is_distrusted() => Kind::Trust,
            Self::NoMirror | Self::Fetch(_) => Kind::Network,
            Self::State(_) | Self::Keys(_) => Kind::Other,
        }
    }
}

fn of_image(error: &ImageError) -> Kind {
    match error {
        ImageError::Lookup(LookupError::Dangling { .. }) => Kind::Trust,
        ImageError::Lookup(_) => Kind::Conflict,
        ImageError::Mixed { .. } => Kind::Trust,
        ImageError::Fetch { source, .. } => match source {
            TransferError::Interrupted(_) => Kind::Interrupted,
            error if error.is_distrusted() => Kind::Trust,
            TransferError::OverLimit { .. } => Kind::Trust,
            TransferError::Host { .. } => Kind::Host,
            _ => Kind::Network,
        },
        _ => Kind::Other,
    }
}
