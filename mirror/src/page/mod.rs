//! Pages for people.

use crate::holdings::{Found, Holdings, HoldingsError};

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Wanted {}

/// Reads a whole path, of which nothing else made sense.
pub(crate) fn route(_parts: &[&str]) -> Option<Wanted> {
    None
}

/// What it leads to.
pub(crate) fn find(_holdings: &Holdings, wanted: &Wanted) -> Result<Found, HoldingsError> {
    match *wanted {}
}
