//! In what trees may differ from pacstrap's, and why.

use crate::fidelity::allowed::Allowed;
use crate::fidelity::difference::What;

pub(super) const ALLOWED: [Allowed; 5] = [
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
        because: "a log says when; ours has none",
        what: &[What::Content, What::Missing],
        paths: &["var/log/pacman.log"],
        lines: None,
    },
    Allowed {
        because: "the databases of repositories, which a machine fetches anew before it uses them",
        what: &[What::Missing],
        paths: &["var/lib/pacman/sync", "var/lib/pacman/sync/*"],
        lines: None,
    },
    Allowed {
        because: "accounts that are made while installing say on which day, and here \
                  SOURCE_DATE_EPOCH says which one that is",
        what: &[What::Content],
        paths: &["etc/shadow"],
        lines: Some("*:!*:*:::::*"),
    },
];
