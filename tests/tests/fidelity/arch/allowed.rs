//! In what trees may differ from pacstrap's, and why.

use crate::fidelity::allowed::Allowed;
use crate::fidelity::difference::What;

pub(super) const ALLOWED: [Allowed; 3] = [
    Allowed {
        because: "a machine's identity, which is only removed once its settings are applied",
        what: &[What::Content],
        paths: &["etc/machine-id"],
        lines: None,
    },
    Allowed {
        because: "ldconfig notes the inodes of libraries",
        what: &[What::Content],
        paths: &["var/cache/ldconfig/aux-cache"],
        lines: None,
    },
    Allowed {
        because: "a log says when",
        what: &[What::Content],
        paths: &["var/log/pacman.log"],
        lines: None,
    },
];
