//! The one mapping of failures to exit codes.

use super::{Code, Failure};
use hatchery_image::archive::ArchiveError;
use hatchery_image::files::ImageFilesError;
use hatchery_image::keyring::KeyringError;
use hatchery_image::progress::Interrupted;
#[cfg(feature = "sign")]
use hatchery_image::signer::SignerError;
use hatchery_transfer::TransferError;
use std::error::Error;
use std::io;

/// What one cause means; none if it only says that something failed.
pub(super) fn code(cause: &(dyn Error + 'static)) -> Option<Code> {
    if let Some(failure) = cause.downcast_ref::<Failure>() {
        return Some(failure.code);
    }
    if cause.is::<Interrupted>() {
        return Some(Code::Interrupted);
    }
    #[cfg(feature = "sign")]
    if let Some(error) = cause.downcast_ref::<SignerError>() {
        return of_signer(error);
    }
    None.or_else(|| cause.downcast_ref().and_then(of_keyring))
        .or_else(|| cause.downcast_ref().and_then(of_transfer))
        .or_else(|| cause.downcast_ref().and_then(of_image))
        .or_else(|| cause.downcast_ref().and_then(of_archive))
        .or_else(|| of_builder(cause))
        .or_else(|| of_mirror(cause))
        .or_else(|| of_importer(cause))
        .or_else(|| cause.downcast_ref().and_then(of_io))
}

/// A cause of this type, or a box with one, which is a type of its own.
#[cfg(any(feature = "build", feature = "serve"))]
fn unboxed<'e, E: Error + 'static>(cause: &'e (dyn Error + 'static)) -> Option<&'e E> {
    let boxed = || cause.downcast_ref::<Box<E>>().map(|inside| &**inside);
    cause.downcast_ref().or_else(boxed)
}

fn of_keyring(error: &KeyringError) -> Option<Code> {
    match error {
        KeyringError::Read { .. }
        | KeyringError::Data(_)
        | KeyringError::Make { .. }
        | KeyringError::Write(_) => None,
        _ => Some(Code::Trust),
    }
}

fn of_image(error: &ImageFilesError) -> Option<Code> {
    use ImageFilesError as E;
    match error {
        E::Listing { .. } | E::Size { .. } | E::Digest { .. } => Some(Code::Trust),
        _ => None,
    }
}

fn of_archive(error: &ArchiveError) -> Option<Code> {
    matches!(error, ArchiveError::Trace { .. }).then_some(Code::Check)
}

#[cfg(feature = "serve")]
fn of_mirror(cause: &(dyn Error + 'static)) -> Option<Code> {
    use hatchery_mirror::{CatalogError as C, PublishError as P, StoreError as S};
    use hatchery_mirror::{DeriveError as D, SucceedError};
    if cause.is::<hatchery_mirror::config::ConfigError>()
        || cause.is::<hatchery_mirror::config::HandedError>()
    {
        return Some(Code::Recipe);
    }
    let store = |error: &S| match error {
        S::NotAStore { .. } | S::NotEmpty { .. } => Some(Code::Conflict),
        _ => None,
    };
    let publish = |error: &P| match error {
        P::Taken { .. } | P::Ambiguous { .. } => Some(Code::Conflict),
        P::Damaged { .. } | P::Changed { .. } => Some(Code::Trust),
        _ => None,
    };
    let catalog = |error: &C| match error {
        C::None { .. } => Some(Code::Conflict),
        C::NotListed { .. } | C::Clock { .. } | C::Repository { .. } => Some(Code::Trust),
        C::Envelope { .. } | C::Payload { .. } => Some(Code::Trust),
        _ => None,
    };
    let succeed = |error: &SucceedError| match error {
        SucceedError::Same(_) => Some(Code::Usage),
        SucceedError::Already { .. } | SucceedError::Back(_) => Some(Code::Conflict),
        SucceedError::Catalog(error) => catalog(error),
        _ => None,
    };
    let derive = |error: &D| match error {
        D::Unknown(_) | D::NoArchive { .. } => Some(Code::Conflict),
        D::Damaged { .. } => Some(Code::Trust),
        _ => None,
    };
    None.or_else(|| unboxed(cause).and_then(store))
        .or_else(|| cause.downcast_ref().and_then(derive))
        .or_else(|| cause.downcast_ref().and_then(publish))
        .or_else(|| unboxed(cause).and_then(catalog))
        .or_else(|| cause.downcast_ref().and_then(succeed))
}

#[cfg(not(feature = "serve"))]
fn of_mirror(_: &(dyn Error + 'static)) -> Option<Code> {
    None
}

#[cfg(feature = "build")]
fn of_builder(cause: &(dyn Error + 'static)) -> Option<Code> {
    use hatchery_builder::BuildError;
    use hatchery_builder::arch;
    use hatchery_builder::arch::{InstallError, PackageError};
    use hatchery_builder::debian::{PlanError, RepositoryError as R};
    use hatchery_builder::family;
    use hatchery_builder::foreign::ForeignError;
    use hatchery_builder::lint::LintError;
    use hatchery_builder::plan::LockError;
    use hatchery_builder::recipe::RecipeError;
    use hatchery_builder::settings::{AccountsError, SettingsError};
    use hatchery_builder::userns::UsernsError;
    // Some of the causes stand in for the one that they hold, and it is not
    // in the chain itself.
    let is_recipes = cause.is::<RecipeError>()
        || cause.is::<LockError>()
        || cause.is::<AccountsError>()
        || matches!(cause.downcast_ref(), Some(BuildError::Key(_)))
        || matches!(
            cause.downcast_ref(),
            Some(PlanError::Resolve(_) | PlanError::NoRepository)
        )
        || matches!(
            cause.downcast_ref(),
            Some(family::PlanError::Debian(
                PlanError::Resolve(_) | PlanError::NoRepository
            ))
        )
        || matches!(
            cause.downcast_ref(),
            Some(family::PlanError::Arch(
                arch::PlanError::Resolve(_) | arch::PlanError::NoSnapshots(_)
            ))
        )
        || matches!(cause.downcast_ref(), Some(SettingsError::Missing { .. }))
        || matches!(
            unboxed(cause),
            Some(R::Suite(_) | R::Component { .. } | R::Architecture { .. })
        );
    if is_recipes {
        return Some(Code::Recipe);
    }
    let is_distrust = matches!(
        cause.downcast_ref(),
        Some(
            PackageError::Unsigned { .. }
                | PackageError::Changed { .. }
                | PackageError::Other { .. }
        )
    ) || matches!(unboxed(cause), Some(arch::RepositoryError::Unsigned { .. }));
    if is_distrust {
        return Some(Code::Trust);
    }
    if let Some(InstallError::Hook { .. }) = cause.downcast_ref() {
        return Some(Code::Recipe);
    }
    if cause.is::<ForeignError>() || matches!(cause.downcast_ref(), Some(BuildError::Epoch { .. }))
    {
        return Some(Code::Host);
    }
    match (cause.downcast_ref(), cause.downcast_ref()) {
        (Some(LintError::Found(_)), _) => Some(Code::Check),
        (_, Some(UsernsError::System { .. })) | (_, None) => None,
        (_, Some(_)) => Some(Code::Host),
    }
}

#[cfg(not(feature = "build"))]
fn of_builder(_: &(dyn Error + 'static)) -> Option<Code> {
    None
}

#[cfg(feature = "import")]
fn of_importer(cause: &(dyn Error + 'static)) -> Option<Code> {
    use hatchery_importer::bridge::BridgeError as B;
    use hatchery_importer::check::CheckError;
    use hatchery_importer::config::ConfigError;
    use hatchery_importer::import::Kind;
    use hatchery_importer::limit::LimitError as L;
    use hatchery_importer::lock::LockError;
    use hatchery_importer::pool::PoolError as P;
    use hatchery_importer::remote::RemoteError;
    use hatchery_importer::repository::RepositoryError;
    use hatchery_importer::status::StatusError;
    use hatchery_importer::tables::TablesError;
    use hatchery_importer::unit::UnitError;
    use hatchery_importer::{ImportError, RemoveError, RollbackError, VerifyError};
    let of_kind = |kind: Kind| match kind {
        Kind::Trust => Some(Code::Trust),
        Kind::Network => Some(Code::Network),
        Kind::Conflict => Some(Code::Conflict),
        Kind::Host => Some(Code::Host),
        Kind::Interrupted => Some(Code::Interrupted),
        Kind::Other => None,
    };
    let unit = |error: &UnitError| match error {
        UnitError::StillRunning { .. } => Some(Code::Conflict),
        UnitError::Machines(_) => None,
        _ => Some(Code::Host),
    };
    let remove = |error: &RemoveError| match error {
        RemoveError::NotFound { .. }
        | RemoveError::NotATree { .. }
        | RemoveError::Running { .. }
        | RemoveError::Lock(LockError::Busy { .. }) => Some(Code::Conflict),
        _ => None,
    };
    let config = |error: &ConfigError| match error {
        ConfigError::Read { .. } => None,
        _ => Some(Code::Recipe),
    };
    let rollback = |error: &RollbackError| match error {
        RollbackError::Running { .. }
        | RollbackError::Lock(LockError::Busy { .. })
        | RollbackError::NoPrevious { .. }
        | RollbackError::Gone { .. }
        | RollbackError::NotATree { .. } => Some(Code::Conflict),
        _ => None,
    };
    let verify = |error: &VerifyError| match error {
        VerifyError::NotFound { .. }
        | VerifyError::NotImported { .. }
        | VerifyError::Forgotten { .. }
        | VerifyError::Replaced { .. }
        | VerifyError::NoTable { .. } => Some(Code::Conflict),
        // It stands in for the one that it holds.
        VerifyError::Tables(TablesError::Changed { .. }) => Some(Code::Trust),
        _ => None,
    };
    let check = |error: &CheckError| matches!(error, CheckError::NotRoot).then_some(Code::Host);
    let import = |error: &ImportError| of_kind(error.kind());
    let repository = |error: &RepositoryError| of_kind(error.kind());
    let remote = |error: &RemoteError| match error {
        RemoteError::Repository(error) => repository(error),
        RemoteError::Client(_) => None,
    };
    let limit = |error: &L| match error {
        L::NotFound { .. } | L::BelowUse { .. } => Some(Code::Conflict),
        L::Interrupted(_) => Some(Code::Interrupted),
        L::Failed { .. } | L::Machines(_) | L::Record(_) | L::Hold(_) | L::Exchange(_) => None,
        _ => Some(Code::Host),
    };
    let bridge = |error: &B| match error {
        B::Address(_) | B::Small(_) => Some(Code::Usage),
        B::Overlap { .. } | B::Foreign(_) | B::Exists { .. } | B::Other { .. } => {
            Some(Code::Conflict)
        }
        B::NotFound(_) | B::Used { .. } => Some(Code::Conflict),
        B::NoSystemd | B::Run { .. } => Some(Code::Host),
        B::Failed { .. } | B::Write(_) => None,
    };
    let pool = |error: &P| match error {
        P::TooSmall(_) | P::Path(_) => Some(Code::Usage),
        P::Failed { .. } | P::Unit(_) | P::Machines(_) => None,
        P::Mkfs(_) | P::Mount(_) | P::Grow(_) => Some(Code::Host),
        _ => Some(Code::Conflict),
    };
    let status = |error: &StatusError| {
        matches!(error, StatusError::NotFound { .. }).then_some(Code::Conflict)
    };
    None.or_else(|| cause.downcast_ref().and_then(import))
        .or_else(|| cause.downcast_ref().and_then(remote))
        .or_else(|| cause.downcast_ref().and_then(repository))
        .or_else(|| cause.downcast_ref().and_then(limit))
        .or_else(|| cause.downcast_ref().and_then(bridge))
        .or_else(|| cause.downcast_ref().and_then(pool))
        .or_else(|| cause.downcast_ref().and_then(status))
        .or_else(|| cause.downcast_ref().and_then(remove))
        .or_else(|| cause.downcast_ref().and_then(unit))
        .or_else(|| cause.downcast_ref().and_then(rollback))
        .or_else(|| cause.downcast_ref().and_then(verify))
        .or_else(|| cause.downcast_ref().and_then(config))
        .or_else(|| cause.downcast_ref().and_then(check))
}

#[cfg(not(feature = "import"))]
fn of_importer(_: &(dyn Error + 'static)) -> Option<Code> {
    None
}

#[cfg(feature = "sign")]
fn of_signer(error: &SignerError) -> Option<Code> {
    match error {
        SignerError::NoGpg(_) => Some(Code::Host),
        SignerError::Text(_) => Some(Code::Usage),
        SignerError::NoKey { .. } => Some(Code::Conflict),
        _ => None,
    }
}

fn of_transfer(error: &TransferError) -> Option<Code> {
    match error {
        error if error.is_distrusted() => Some(Code::Trust),
        TransferError::Everywhere { .. } | TransferError::NoLocation { .. } => Some(Code::Network),
        TransferError::OverLimit { .. } => Some(Code::Trust),
        _ => None,
    }
}

fn of_io(error: &io::Error) -> Option<Code> {
    use io::ErrorKind as Kind;
    match error.kind() {
        Kind::PermissionDenied
        | Kind::StorageFull
        | Kind::QuotaExceeded
        | Kind::FileTooLarge
        | Kind::ReadOnlyFilesystem => Some(Code::Host),
        Kind::ConnectionRefused
        | Kind::ConnectionReset
        | Kind::ConnectionAborted
        | Kind::HostUnreachable
        | Kind::NetworkUnreachable
        | Kind::NetworkDown
        | Kind::TimedOut => Some(Code::Network),
        Kind::AddrInUse => Some(Code::Conflict),
        _ => None,
    }
}
