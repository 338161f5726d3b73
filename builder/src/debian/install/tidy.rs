//! Removes what installing packages leaves behind and no system needs: the
//! same logs and caches that mmdebstrap removes.

use crate::beneath;
use crate::debian::unpack::UnpackError;
use hatchery_image::place::Root;

const LEFT_BEHIND: [&str; 7] = [
    "var/cache/ldconfig/aux-cache",
    "var/log/alternatives.log",
    "var/log/apt/eipp.log.xz",
    "var/log/apt/history.log",
    "var/log/apt/term.log",
    "var/log/bootstrap.log",
    "var/log/dpkg.log",
];

pub(super) fn tidy(root: &Root) -> Result<(), UnpackError> {
    let mut placer = root.placer();
    for path in LEFT_BEHIND {
        if beneath::exists(root, path.as_bytes()) {
            placer
                .remove(path.as_bytes())
                .map_err(UnpackError::Database)?;
        }
    }
    Ok(())
}
