//! In what our trees may differ from mmdebstrap's, and why.

use crate::fidelity::allowed::Allowed;
use crate::fidelity::difference::What;

pub(super) const ALLOWED: [Allowed; 10] = [
    Allowed {
        because: "mmdebstrap configures the machine; a recipe does that here",
        what: &[What::Missing],
        paths: &[
            "etc/apt/sources.list",
            "etc/fstab",
            "etc/hostname",
            "etc/resolv.conf",
            "etc/.resolv.conf.systemd-resolved.bak",
        ],
        lines: None,
    },
    Allowed {
        because: "a machine's /dev and /run are file systems of their own, and so they are while \
                  scripts run here",
        what: &[What::Missing],
        paths: &["dev/*", "run/*"],
        lines: None,
    },
    Allowed {
        because: "apt has not run here; when it does, it makes these and gives them to its user",
        what: &[What::Missing, What::Mode, What::Owner],
        paths: &[
            "var/cache/apt/archives/lock",
            "var/cache/apt/archives/partial",
            "var/lib/apt/extended_states",
            "var/lib/apt/lists/lock",
            "var/lib/apt/lists/partial",
        ],
        lines: None,
    },
    Allowed {
        because: "a machine's identity, which is only removed once its settings are applied",
        what: &[What::Surplus, What::Mode, What::Content],
        paths: &[
            "etc/machine-id",
            "var/lib/dbus/machine-id",
            "etc/ssh/ssh_host_*",
        ],
        lines: None,
    },
    Allowed {
        because: "which script runs first, where either may, is up to dpkg here and to apt there",
        what: &[What::Order, What::Numbers],
        paths: &[
            "etc/group",
            "etc/gshadow",
            "etc/passwd",
            "etc/shadow",
            "etc/shells",
            "var/lib/dpkg/triggers/File",
        ],
        lines: None,
    },
    Allowed {
        because: "the same: one script asks for the host's name, which /etc/hosts tells it here, \
                  where another one that makes it ran before",
        what: &[What::Content],
        paths: &["var/cache/debconf/config.dat"],
        lines: Some(" fqdn = *"),
    },
    Allowed {
        because: "what was there before the last change, whichever was the last",
        what: &[What::Content, What::Order],
        paths: &[
            "etc/group-",
            "etc/gshadow-",
            "etc/passwd-",
            "etc/shadow-",
            "var/cache/debconf/config.dat-old",
            "var/lib/dpkg/diversions-old",
            "var/lib/dpkg/statoverride-old",
            "var/lib/dpkg/status-old",
        ],
        lines: None,
    },
    Allowed {
        because: "which constants python notes as shared depends on what it loaded before",
        what: &[What::Content],
        paths: &["usr/share/python3/debpython/__pycache__/*.pyc"],
        lines: None,
    },
    Allowed {
        because: "links that are made, not shipped; packages mean the directories behind them",
        what: &[What::Time],
        paths: &["bin", "lib", "lib64", "sbin", "var/lock", "var/run"],
        lines: None,
    },
    Allowed {
        because: "two names of one file, as the package has them and dpkg leaves them; \
                  mmdebstrap splits them when it merges /usr",
        what: &[What::Names],
        paths: &["usr/bin/gunzip", "usr/bin/uncompress"],
        lines: None,
    },
];
