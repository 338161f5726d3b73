//! What Debian's scripts do and Arch's packages do otherwise: scriptlets,
//! hooks, users and links of the packages that a machine boots with.

use super::key::Key;
use super::member::{Kind, Member};
use super::package::Pkg;
use super::{VERSION, features, filesystem};
use std::collections::BTreeMap;

/// What `base` means.
const BASE: &str = "filesystem gcc-libs glibc bash coreutils file findutils gawk grep procps-ng sed tar gettext psmisc \
    shadow util-linux bzip2 gzip xz licenses pacman archlinux-keyring systemd systemd-sysvcompat iputils iproute2 \
    inetutils ca-certificates-mozilla";

/// What packages need besides what Debian's say.
const DEPENDS: [(&str, &str); 10] = [
    ("bash", "readline>=8 glibc"),
    ("ca-certificates-mozilla", "bash coreutils"),
    ("coreutils", "glibc>=2.36"),
    ("gcc-libs", "glibc>=2.36"),
    ("glibc", "tzdata filesystem gcc-libs"),
    ("gnupg", "pinentry"),
    (
        "pacman",
        "bash gnupg gawk grep coreutils sed pacman-mirrorlist gettext libarchive",
    ),
    ("pam", "pambase"),
    ("shadow", "pam filesystem bash"),
    (
        "systemd",
        "dbus kmod iana-etc shadow util-linux pambase bash",
    ),
];

/// Other lists of packages.
const LISTS: [(&str, &str, &str); 16] = [
    ("bash", "provides", "sh"),
    ("bash", "optdepend", "bash-completion: for tab completion"),
    ("diffutils", "group", "pocket-tools"),
    ("fakeroot", "group", "pocket-devel"),
    ("less", "group", "pocket-tools"),
    (
        "pacman",
        "optdepend",
        "perl-locale-gettext: translation support",
    ),
    ("procps-ng", "conflict", "procps"),
    ("procps-ng", "replaces", "procps"),
    ("procps-ng", "replaces", "sysvinit-tools"),
    ("psmisc", "group", "pocket-tools"),
    ("systemd", "conflict", "udev"),
    ("systemd", "provides", "udev=257"),
    ("systemd", "provides", "nss-myhostname"),
    ("systemd", "replaces", "udev"),
    ("systemd-sysvcompat", "conflict", "sysvinit"),
    ("systemd-sysvcompat", "provides", "sysvinit-compat"),
];

/// What the hooks of systemd run, by their first argument.
const DISPATCH: &str = r#"#!/bin/bash -e
live() { [[ -d /run/systemd/system && ! -L /run/systemd/system ]]; }
case $1 in
  sysusers) systemd-sysusers ;;
  tmpfiles) systemd-tmpfiles --create || [[ $? == 73 || $? == 65 ]] ;;
  hwdb) systemd-hwdb --usr update ;;
  catalog) journalctl --update-catalog ;;
  update) touch -c /usr ;;
  daemon-reload) ! live || systemctl --system daemon-reload ;;
  *) echo "unknown: $1" >&2; exit 1 ;;
esac
"#;

/// Hooks of systemd: name, target, what for, argument of the dispatcher.
const HOOKS: [(&str, &str, &str, &str); 6] = [
    (
        "20-systemd-sysusers",
        "usr/lib/sysusers.d/*.conf",
        "Creating system user accounts...",
        "sysusers",
    ),
    (
        "21-systemd-tmpfiles",
        "usr/lib/tmpfiles.d/*.conf",
        "Creating temporary files...",
        "tmpfiles",
    ),
    (
        "25-systemd-catalog",
        "usr/lib/systemd/catalog/*",
        "Updating journal message catalog...",
        "catalog",
    ),
    (
        "25-systemd-hwdb",
        "usr/lib/udev/hwdb.d/*.hwdb",
        "Updating udev hardware database...",
        "hwdb",
    ),
    (
        "30-systemd-daemon-reload",
        "usr/lib/systemd/system/*",
        "Reloading system manager configuration...",
        "daemon-reload",
    ),
    (
        "35-systemd-update",
        "usr/",
        "Arming ConditionNeedsUpdate...",
        "update",
    ),
];

const SYSTEMD_SCRIPT: &str = "post_common() {\n  systemd-sysusers\n  journalctl --update-catalog\n}\n\
    post_install() {\n  systemd-machine-id-setup\n  post_common \"$@\"\n  \
    systemctl enable getty@tty1.service remote-fs.target\n  echo \":: systemd $1 installed\"\n}\n\
    post_upgrade() {\n  post_common \"$@\"\n}\n";

const KEYRING_SCRIPT: &str = "post_upgrade() {\n  if usr/bin/pacman-key -l >/dev/null 2>&1; then\n    \
    usr/bin/pacman-key --populate archlinux\n  fi\n}\n\
    post_install() {\n  if [ -x usr/bin/pacman-key ]; then\n    post_upgrade\n  fi\n}\n";

const PACMAN_CONF: &str = "[options]\nHoldPkg = pacman glibc\nArchitecture = x86_64\nCheckSpace\n\
    SigLevel = Required DatabaseOptional\nLocalFileSigLevel = Optional\n\n\
    [core]\nInclude = /etc/pacman.d/mirrorlist\n\n[extra]\nInclude = /etc/pacman.d/mirrorlist\n";

const UPDATE_TRUST: &str = "#!/bin/bash\nmkdir -p /etc/ssl/certs\n\
    cat /usr/share/ca-certificates/mozilla/*.crt >/etc/ssl/certs/ca-certificates.crt\n";

/// `cap_net_raw=ep`, as the kernel keeps it: capabilities(7), version 2.
const CAP_NET_RAW: [u8; 20] = [
    1, 0, 0, 2, 0, 0x20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
];

/// Completes Debian's packages to a set that boots.
pub(super) fn complete(packages: &mut BTreeMap<String, Pkg>, key: &Key) {
    for own in own_packages(key) {
        packages.insert(own.name.clone(), own);
    }
    for (name, change) in CHANGES {
        let package = packages.remove(name);
        let package = package.unwrap_or_else(|| panic!("{name} is one of Debian's"));
        packages.insert(name.to_owned(), change(package).sorted());
    }
    for (name, needs) in DEPENDS {
        let package = packages.get_mut(name).expect("one of them");
        for needed in needs.split_whitespace() {
            package.push("depend", needed);
        }
    }
    for (name, list, value) in LISTS {
        let package = packages.get_mut(name).expect("one of them");
        package.push(list, value);
    }
    for own in features::packages() {
        packages.insert(own.name.clone(), own);
    }
}

/// What is done to a package.
type Change = fn(Pkg) -> Pkg;

const CHANGES: [(&str, Change); 10] = [
    ("bash", |p| p.link("usr/bin/sh", "bash")),
    ("ca-certificates-mozilla", certificates),
    ("dbus", dbus),
    ("gawk", |p| p.link("usr/bin/awk", "gawk")),
    ("glibc", |mut p| {
        // It is `filesystem`'s.
        p.remove("etc/ld.so.conf");
        p.unlist("backup", "etc/ld.so.conf");
        p
    }),
    ("iputils", iputils),
    ("pacman", pacman),
    ("pinentry", |p| {
        p.link("usr/bin/pinentry", "pinentry-curses")
    }),
    ("shadow", |p| {
        p.script("post_install() {\n  touch var/log/lastlog\n}\n")
    }),
    ("systemd", systemd),
];

fn own_packages(key: &Key) -> Vec<Pkg> {
    let keyrings = "usr/share/pacman/keyrings/archlinux";
    let trusted = format!("{}:4:\n", key.fingerprint());
    let keyring = Pkg::new("archlinux-keyring", "20250615-1")
        .depends("pacman")
        .file(&format!("{keyrings}.gpg"), &key.public())
        .file(&format!("{keyrings}-revoked"), b"")
        .file(&format!("{keyrings}-trusted"), trusted.as_bytes())
        .script(KEYRING_SCRIPT);
    let mirrors = Pkg::new("pacman-mirrorlist", VERSION)
        .file(
            "etc/pacman.d/mirrorlist",
            b"#Server = https://localhost/$repo/os/$arch\n",
        )
        .backup("etc/pacman.d/mirrorlist");
    let licenses = Pkg::new("licenses", VERSION).file(
        "usr/share/licenses/common/CC0/license.txt",
        b"CC0 1.0 Universal\n",
    );
    let mut base = Pkg::new("base", "3-2")
        .description("Minimal package set to define a basic Arch Linux installation")
        .optdepends("linux: bare metal support");
    for needed in BASE.split_whitespace() {
        base.push("depend", needed);
    }
    vec![
        filesystem::package(),
        filesystem::pambase(),
        keyring,
        mirrors,
        licenses,
        base,
    ]
}

/// A hook that runs a command after any of these paths was installed,
/// changed or removed.
fn after(target: &str, description: &str, command: &str, more: &str) -> String {
    format!(
        "[Trigger]\nType = Path\nOperation = Install\nOperation = Upgrade\nOperation = Remove\n\
         Target = {target}\n\n[Action]\nDescription = {description}\nWhen = PostTransaction\n\
         Exec = {command}\n{more}"
    )
}

fn systemd(mut package: Pkg) -> Pkg {
    let dispatcher = "usr/share/libalpm/scripts/systemd-hook";
    for (name, target, description, argument) in HOOKS {
        let command = format!("/{dispatcher} {argument}");
        let text = after(target, description, &command, "");
        package = package.hook(&format!("{name}.hook"), &text);
    }
    // Users, groups and folders that only Debian has.
    for file in ["sysusers.d/basic.conf", "tmpfiles.d/debian.conf"] {
        package.remove(&format!("usr/lib/{file}"));
    }
    // As tmpfiles would have them.
    for folder in ["etc/credstore", "etc/credstore.encrypted"] {
        package.find(folder).expect("a folder for secrets").mode = 0o700;
    }
    package
        .program(dispatcher, DISPATCH.as_bytes())
        .script(SYSTEMD_SCRIPT)
}

fn dbus(mut package: Pkg) -> Pkg {
    let helper = package.find("usr/lib/dbus-1.0/dbus-daemon-launch-helper");
    let helper = helper.expect("the helper that starts services");
    (helper.mode, helper.group) = (0o4750, 81);
    let reload = "/usr/share/libalpm/scripts/systemd-hook daemon-reload";
    let text = after(
        "usr/share/dbus-1/system.d/*",
        "Reloading system bus configuration...",
        reload,
        "Depends = systemd\n",
    );
    package
        .file(
            "usr/lib/sysusers.d/dbus.conf",
            b"u messagebus 81 \"System Message Bus\" -\n",
        )
        .hook("dbus-reload.hook", &text)
}

fn iputils(mut package: Pkg) -> Pkg {
    let ping = package.find("usr/bin/ping").expect("ping");
    ping.xattrs = vec![("security.capability".to_owned(), CAP_NET_RAW.to_vec())];
    package
}

fn certificates(mut package: Pkg) -> Pkg {
    package.remove("usr/bin/update-ca-certificates");
    let text = after(
        "usr/share/ca-certificates/mozilla/*",
        "Rebuilding certificate stores...",
        "/usr/bin/update-ca-trust",
        "",
    );
    package
        .program("usr/bin/update-ca-trust", UPDATE_TRUST.as_bytes())
        .hook("40-update-ca-trust.hook", &text)
}

fn pacman(mut package: Pkg) -> Pkg {
    // Debian has it look for keyrings among its own.
    let script = package.find("usr/bin/pacman-key").expect("pacman-key");
    if let Kind::File(bytes) = &mut script.kind {
        let text = String::from_utf8(std::mem::take(bytes)).expect("a script");
        *bytes = text
            .replace("/usr/share/keyrings", "/usr/share/pacman/keyrings")
            .into_bytes();
    }
    let mut conf = Member::new("etc/pacman.conf", Kind::File(PACMAN_CONF.into()));
    conf.mode = 0o644;
    package.placed(conf).backup("etc/pacman.conf")
}
