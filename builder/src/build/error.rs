//! Why nothing was built.

use crate::base::BaseError;
use crate::family::{BootstrapError, PlanError, RepositoryKeyError};
use crate::foreign::ForeignError;
use crate::identity;
use crate::layer::LayerError;
use crate::lint::LintError;
use crate::pack::PackError;
use crate::plan::LockError;
use crate::settings::SettingsError;
use hatchery_image::durable::DurableError;
use jiff::Timestamp;
use std::io;
use std::path::PathBuf;

/// Why nothing was built.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// A folder could not be made.
    #[error("cannot make the folder {} for a build", .path.display())]
    Folder {
        /// Which.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// What is made while building would be older than that.
    #[error(
        "cannot build {name}: its newest time is to be {epoch}, which is later than this host's \
         clock ({now}): set the clock, or SOURCE_DATE_EPOCH to an earlier time"
    )]
    Epoch {
        /// The image.
        name: String,
        /// The time.
        epoch: Timestamp,
        /// The clock.
        now: Timestamp,
    },
    /// Scripts of the packages cannot be run on this host.
    #[error("cannot build {name}")]
    Foreign {
        /// The image.
        name: String,
        /// Why not.
        #[source]
        source: ForeignError,
    },
    /// The packages could not be planned.
    #[error("cannot plan the packages of {name}")]
    Plan {
        /// The image.
        name: String,
        /// Why.
        #[source]
        source: PlanError,
    },
    /// The lock does not fit the recipe.
    #[error("cannot build {name} from its lock")]
    Lock {
        /// The image.
        name: String,
        /// What drifted.
        #[source]
        source: LockError,
    },
    /// A key of the recipe.
    #[error(transparent)]
    Key(#[from] RepositoryKeyError),
    /// The packages could not be installed.
    #[error("cannot bootstrap {name}")]
    Bootstrap {
        /// The image.
        name: String,
        /// Why.
        #[source]
        source: Box<BootstrapError>,
    },
    /// The cache of finished bootstraps.
    #[error(transparent)]
    Base(#[from] BaseError),
    /// The writable layer.
    #[error(transparent)]
    Layer(#[from] LayerError),
    /// The recipe's settings could not be applied.
    #[error("cannot apply the settings of {name}")]
    Settings {
        /// The image.
        name: String,
        /// Which and why.
        #[source]
        source: SettingsError,
    },
    /// What marks one machine could not be removed.
    #[error(transparent)]
    Identity(#[from] identity::IdentityError),
    /// The tree holds what no image may hold.
    #[error("cannot pack {name}")]
    Lint {
        /// The image.
        name: String,
        /// What.
        #[source]
        source: LintError,
    },
    /// The image could not be packed or signed.
    #[error("cannot pack {name}")]
    Pack {
        /// The image.
        name: String,
        /// Why.
        #[source]
        source: PackError,
    },
    /// Staging failed.
    #[error(transparent)]
    Durable(#[from] DurableError),
}
