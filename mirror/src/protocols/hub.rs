//! nspawn.org's layout, for its `nspawn` script:
//! `storage/<distribution>/<release>/tar/image.tar.xz` and what systemd asks
//! for beside it, `storage/list.txt` and `storage/masterkey.pgp`.

use crate::holdings::{Found, Holdings, HoldingsError};

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Wanted {}

/// Reads what follows `storage/`.
pub(crate) fn route(_parts: &[&str]) -> Option<Wanted> {
    None
}

/// What it leads to.
pub(crate) fn find(_holdings: &Holdings, wanted: &Wanted) -> Result<Found, HoldingsError> {
    match *wanted {}
}
