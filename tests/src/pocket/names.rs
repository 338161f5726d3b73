//! What Debian's packages are called here, and what of them is left out.

/// What is needed, with everything that it needs.
pub(super) const ROOTS: [&str; 53] = [
    "bash",
    "bash-completion",
    "bsdutils",
    "bzip2",
    "ca-certificates",
    "coreutils",
    "dbus",
    "diffutils",
    "dirmngr",
    "fakeroot",
    "file",
    "findutils",
    "gawk",
    "gettext-base",
    "gpg",
    "gpg-agent",
    "gpgconf",
    "gpgsm",
    "gpgv",
    "grep",
    "gzip",
    "hostname",
    "iproute2",
    "iputils-ping",
    "kmod",
    "less",
    "libarchive-tools",
    "libc-bin",
    "libcap2-bin",
    "libnss-myhostname",
    "libnss-resolve",
    "libpam-modules",
    "libpam-systemd",
    "login",
    "makepkg",
    "mount",
    "nano",
    "ncurses-base",
    "ncurses-bin",
    "netbase",
    "pacman-package-manager",
    "passwd",
    "pinentry-curses",
    "procps",
    "psmisc",
    "sed",
    "systemd-resolved",
    "systemd-sysv",
    "tar",
    "tzdata",
    "udev",
    "util-linux",
    "xz-utils",
];

/// Debian's own machinery, which has no place here.
pub(super) const SKIPPED: [&str; 21] = [
    "adduser",
    "base-files",
    "base-passwd",
    "dash",
    "debconf",
    "debianutils",
    "debugedit",
    "dpkg",
    "gcc-14-base",
    "gnupg-l10n",
    "init-system-helpers",
    "libpam-runtime",
    "patch",
    "perl",
    "perl-base",
    "pkgconf",
    "readline-common",
    "sensible-utils",
    "sysvinit-utils",
    "texinfo",
    "ucf",
];

/// Debian's package, and what has its files here. All others go by their
/// source: Debian splits about as Arch does.
const PACKAGES: [(&str, &str); 11] = [
    ("libalpm15", "pacman"),
    ("libblkid1", "util-linux-libs"),
    ("libfdisk1", "util-linux-libs"),
    ("liblastlog2-2", "util-linux-libs"),
    ("libmount1", "util-linux-libs"),
    ("libsmartcols1", "util-linux-libs"),
    ("libsystemd-shared", "systemd-libs"),
    ("libsystemd0", "systemd-libs"),
    ("libudev1", "systemd-libs"),
    ("libuuid1", "util-linux-libs"),
    ("systemd-sysv", "systemd-sysvcompat"),
];

/// Debian's source, and Arch's name for it.
const SOURCES: [(&str, &str); 20] = [
    ("ca-certificates", "ca-certificates-mozilla"),
    ("cyrus-sasl2", "libsasl"),
    ("gcc-14", "gcc-libs"),
    ("gnupg2", "gnupg"),
    ("gnutls28", "gnutls"),
    ("gpgme1.0", "gpgme"),
    ("hostname", "inetutils"),
    ("libcap2", "libcap"),
    ("libgcrypt20", "libgcrypt"),
    ("libtasn1-6", "libtasn1"),
    ("libzstd", "zstd"),
    ("mpfr4", "mpfr"),
    ("nghttp2", "libnghttp2"),
    ("nghttp3", "libnghttp3"),
    ("netbase", "iana-etc"),
    ("openldap", "libldap"),
    ("pacman-package-manager", "pacman"),
    ("procps", "procps-ng"),
    ("sqlite3", "sqlite"),
    ("xz-utils", "xz"),
];

/// Packages of the repository `extra`; all others are in `core`. As in
/// Arch's, `base` needs some of them.
const EXTRA: [&str; 6] = ["fakeroot", "less", "libpsl", "libssh2", "lz4", "psmisc"];

/// Folders whose contents are left out: nobody reads them here.
const DROPPED: [&str; 19] = [
    "etc/X11",
    "etc/cron.daily",
    "etc/default",
    "etc/init.d",
    "etc/logcheck",
    "etc/logrotate.d",
    "run",
    "usr/share/bash-completion",
    "usr/share/bug",
    "usr/share/doc",
    "usr/share/doc-base",
    "usr/share/info",
    "usr/share/initramfs-tools",
    "usr/share/lintian",
    "usr/share/locale",
    "usr/share/man",
    "usr/share/polkit-1",
    "usr/share/reportbug",
    "usr/share/zsh",
];

/// Where files move when /usr and its programs are merged.
const MERGED: [(&str, &str); 6] = [
    ("bin", "usr/bin"),
    ("sbin", "usr/bin"),
    ("usr/sbin", "usr/bin"),
    ("lib64", "usr/lib"),
    ("usr/lib64", "usr/lib"),
    ("lib", "usr/lib"),
];

/// What has the files of one of Debian's packages.
pub(super) fn package<'a>(binary: &'a str, source: &'a str) -> &'a str {
    find(&PACKAGES, binary).unwrap_or_else(|| self::source(source))
}

/// Arch's name of one of Debian's sources.
pub(super) fn source(source: &str) -> &str {
    find(&SOURCES, source).unwrap_or(source)
}

/// In which repository a package is.
pub(super) fn repository(package: &str) -> &'static str {
    let is_extra = EXTRA.contains(&package) || package.starts_with("pocket-");
    if is_extra { "extra" } else { "core" }
}

/// Debian's version as pacman's: epoch, version, release. What its rebuilds
/// and updates add is left out.
pub(super) fn version(debian: &str) -> String {
    let (epoch, rest) = match debian.split_once(':') {
        Some((epoch, rest)) => (format!("{epoch}:"), rest),
        None => (String::new(), debian),
    };
    let (upstream, revision) = rest.rsplit_once('-').unwrap_or((rest, "1"));
    let upstream = ["+dfsg", "+ds", "+really", "+repack"]
        .iter()
        .fold(upstream, |text, mark| {
            text.split(mark).next().unwrap_or(text)
        });
    let upstream = upstream.replace(['-', '~'], "_");
    let is_number = |c: char| c.is_ascii_digit() || c == '.';
    let release: String = revision.chars().take_while(|&c| is_number(c)).collect();
    let release = match release.trim_end_matches('.') {
        "" => "1",
        release => release,
    };
    format!("{epoch}{upstream}-{release}")
}

/// Where a path of Debian's lies here; none, if it is left out.
pub(super) fn path(debian: &str) -> Option<String> {
    let path = debian.trim_start_matches("./").trim_end_matches('/');
    let is_within = |folder: &str| {
        let rest = path.strip_prefix(folder);
        rest.filter(|r| r.is_empty() || r.starts_with('/'))
    };
    if path.is_empty() || path == "." || DROPPED.iter().any(|f| is_within(f).is_some()) {
        return None;
    }
    let moved = MERGED
        .iter()
        .find_map(|(from, to)| Some((is_within(from)?, *to)));
    match moved {
        // The folder itself is a link.
        Some(("", _)) => None,
        Some((rest, to)) => Some(format!("{to}{rest}")),
        None => Some(path.to_owned()),
    }
}

fn find(table: &[(&str, &'static str)], name: &str) -> Option<&'static str> {
    let found = table.iter().find(|(from, _)| *from == name);
    found.map(|(_, to)| *to)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_become_pacmans() {
        let expected = [
            ("5.2.37-2+b10", "5.2.37-2"),
            ("1:4.16.0-2+really2.41.5-0+deb13u1", "1:4.16.0_2-0"),
            ("2:6.3.0+dfsg-3", "2:6.3.0-3"),
            ("0~20260420-1~deb13u1", "0_20260420-1"),
            ("3.25", "3.25-1"),
            ("0.21.2-1.1+b1", "0.21.2-1.1"),
        ];
        for (debian, ours) in expected {
            assert_eq!(version(debian), ours);
        }
    }

    #[test]
    fn usr_is_merged() {
        let path = |p| path(p).unwrap_or_default();
        assert_eq!(path("./usr/sbin/ldconfig"), "usr/bin/ldconfig");
        assert_eq!(path("./usr/lib64/ld.so"), "usr/lib/ld.so");
        assert_eq!(path("./lib/x/"), "usr/lib/x");
        assert_eq!(path("./usr/sbin/"), "");
        assert_eq!(path("./usr/share/doc/a"), "");
        assert_eq!(path("./usr/share/docs"), "usr/share/docs");
        assert_eq!(path("./"), "");
    }
}
