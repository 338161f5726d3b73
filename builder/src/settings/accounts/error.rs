//! Accounts that cannot be made.

/// Why an account cannot be made, or an owner is not known.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AccountsError {
    /// The name is taken by a package of the tree.
    #[error("the {what} {name} is in the tree already; choose another name")]
    Taken {
        /// `user` or `group`.
        what: &'static str,
        /// Which.
        name: String,
    },
    /// The number is taken.
    #[error("the user or group id {id} of {name} belongs to {holder} in the tree already")]
    IdTaken {
        /// Which number.
        id: u32,
        /// For whom.
        name: String,
        /// Whose it is.
        holder: String,
    },
    /// No number is left.
    #[error("no user id from 1000 to 60000 is free for {0}")]
    NoIdLeft(String),
    /// No such user or group.
    #[error("there is no {what} {name} in the tree{}", near(.nearest))]
    Unknown {
        /// `user` or `group`.
        what: &'static str,
        /// Which.
        name: String,
        /// The name that was probably meant.
        nearest: Option<String>,
    },
}

fn near(nearest: &Option<String>) -> String {
    match nearest {
        Some(name) => format!("; did you mean {name}?"),
        None => String::new(),
    }
}
