//! Gives the build its own mount namespace and, where the caller is not root,
//! a user namespace in which it is.
//! (Skeleton.)

/// What [`enter`] did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entered {
    /// The process is root only inside a user namespace.
    pub user_namespace: bool,
}

/// Placeholder; refined soon.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct UsernsError(pub String);

/// Moves the calling process into its own mount namespace, and before that,
/// unless it is root, into a user namespace in which it is root and the
/// user's subordinate ids are 1 to 65535. Must be called while the process
/// has one thread; everything after it is the same code for root and users.
///
/// # Errors
/// What is missing on this host, and how to get it.
pub fn enter() -> Result<Entered, UsernsError> {
    todo!("lands soon")
}
