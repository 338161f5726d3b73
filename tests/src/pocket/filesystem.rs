//! `filesystem`, which every other package lies on, and two small ones of the
//! same kind: folders, links and files of /etc that no program comes with.

use super::VERSION;
use super::member::{Kind, Member};
use super::package::Pkg;
use std::fmt::Write as _;

/// Folders whose mode or group is not the usual one.
const FOLDERS: [(&str, u32, u32); 10] = [
    ("proc", 0o555, 0),
    ("root", 0o750, 0),
    ("srv/ftp", 0o555, 11),
    ("sys", 0o555, 0),
    ("tmp", 0o1777, 0),
    ("usr/share/pocket/terminals", 0o755, 5),
    ("var/games", 0o775, 50),
    ("var/spool/mail", 0o1777, 0),
    ("var/tmp", 0o1777, 0),
    ("var/lib/pocket", 0o755, 0),
];

/// Folders as usual.
const USUAL: &str = "boot dev etc etc/ld.so.conf.d etc/pacman.d etc/profile.d etc/skel home mnt opt run srv srv/http \
    usr usr/bin usr/include usr/lib usr/lib/sysusers.d usr/lib/tmpfiles.d usr/local usr/local/bin usr/share usr/src var \
    var/cache var/empty var/lib var/local var/log var/opt var/spool";

/// The links that merge /usr, and others.
const LINKS: [(&str, &str); 11] = [
    ("bin", "usr/bin"),
    ("etc/mtab", "../proc/self/mounts"),
    ("etc/os-release", "../usr/lib/os-release"),
    ("lib", "usr/lib"),
    ("lib64", "usr/lib"),
    ("sbin", "usr/bin"),
    ("usr/lib64", "lib"),
    ("usr/sbin", "bin"),
    ("var/lock", "../run/lock"),
    ("var/mail", "spool/mail"),
    ("var/run", "../run"),
];

/// User, number, group, home.
const USERS: [(&str, u32, u32, &str); 7] = [
    ("root", 0, 0, "/root"),
    ("bin", 1, 1, "/"),
    ("daemon", 2, 2, "/"),
    ("mail", 8, 12, "/var/spool/mail"),
    ("ftp", 14, 11, "/srv/ftp"),
    ("http", 33, 33, "/srv/http"),
    ("nobody", 65534, 65534, "/"),
];

/// Arch's groups.
const GROUPS: &str = "root:0 sys:3 mem:8 ftp:11 mail:12 log:19 smmsp:25 proc:26 games:50 lock:54 network:90 floppy:94 \
    scanner:96 power:98 adm:999 wheel:998 utmp:997 audio:996 disk:995 input:994 kmem:993 kvm:992 lp:991 optical:990 \
    render:989 sgx:988 storage:987 tty:5 uucp:986 video:985 users:984 rfkill:983 bin:1 daemon:2 http:33 nobody:65534";

/// Files of /etc that the administrator may change.
const FILES: [(&str, &str); 12] = [
    ("crypttab", "# crypttab\n"),
    ("fstab", "# fstab\n"),
    ("host.conf", "multi on\n"),
    ("hosts", "127.0.0.1 localhost\n::1 localhost\n"),
    ("issue", "Arch Linux \\r (\\l)\n\n"),
    ("ld.so.conf", "include /etc/ld.so.conf.d/*.conf\n"),
    ("motd", ""),
    (
        "nsswitch.conf",
        "passwd: files systemd\ngroup: files [SUCCESS=merge] systemd\nshadow: files\n\
         hosts: mymachines resolve [!UNAVAIL=return] files myhostname dns\nservices: files\n",
    ),
    (
        "profile",
        "umask 022\nexport PATH=/usr/local/sbin:/usr/local/bin:/usr/bin\n",
    ),
    ("resolv.conf", "# resolv.conf\n"),
    ("securetty", "console\ntty1\n"),
    ("shells", "/bin/sh\n/bin/bash\n/usr/bin/bash\n"),
];

/// The release, as os-release(5) says it.
const OS_RELEASE: &str = "NAME=\"Arch Linux\"\nPRETTY_NAME=\"Arch Linux\"\nID=arch\nBUILD_ID=rolling\n\
    HOME_URL=\"https://localhost/\"\n";

/// The package.
pub(super) fn package() -> Pkg {
    let mut package = Pkg::new("filesystem", VERSION)
        .description("Base Arch Linux files")
        .license("0BSD")
        .depends("iana-etc")
        .script("post_upgrade() {\n  [ -d var/empty ] || install -d -m755 var/empty\n}\n");
    for folder in USUAL.split_whitespace() {
        package.place(Member::new(folder, Kind::Folder));
    }
    for (folder, mode, group) in FOLDERS {
        let mut member = Member::new(folder, Kind::Folder);
        (member.mode, member.group) = (mode, group);
        package.place(member);
    }
    for (link, target) in LINKS {
        package.place(Member::new(link, Kind::Link(target.to_owned())));
    }
    for (name, text) in FILES {
        config(&mut package, name, text, 0o644);
    }
    accounts(&mut package);
    package
        .file("etc/arch-release", b"")
        .file("usr/lib/os-release", OS_RELEASE.as_bytes())
        .file(
            "usr/lib/tmpfiles.d/arch.conf",
            b"d /var/lib/private 0700 root root -\n",
        )
        .sorted()
}

fn config(package: &mut Pkg, name: &str, text: &str, mode: u32) {
    let path = format!("etc/{name}");
    let mut member = Member::new(&path, Kind::File(text.as_bytes().to_vec()));
    member.mode = mode;
    package.place(member);
    package.push("backup", &path);
}

fn accounts(package: &mut Pkg) {
    let (mut passwd, mut shadow) = (String::new(), String::new());
    for (user, number, group, home) in USERS {
        let (shell, password) = match user {
            "root" => ("/bin/bash", ""),
            _ => ("/usr/bin/nologin", "!*"),
        };
        let _ = writeln!(passwd, "{user}:x:{number}:{group}::{home}:{shell}");
        let _ = writeln!(shadow, "{user}:{password}:14871::::::");
    }
    let (mut group, mut gshadow) = (String::new(), String::new());
    for (name, number) in GROUPS.split_whitespace().filter_map(|g| g.split_once(':')) {
        let members = if name == "root" { "root" } else { "" };
        let _ = writeln!(group, "{name}:x:{number}:{members}");
        let _ = writeln!(gshadow, "{name}:::{members}");
    }
    config(package, "passwd", &passwd, 0o644);
    config(package, "shadow", &shadow, 0o600);
    config(package, "group", &group, 0o644);
    config(package, "gshadow", &gshadow, 0o600);
}

/// `pambase`: what is common to the programs that ask for passwords, by
/// Arch's names and by those that Debian's programs include.
pub(super) fn pambase() -> Pkg {
    let unix = "pam_unix.so try_first_pass nullok";
    let texts = [
        (
            "system-auth",
            format!(
                "auth required {unix}\naccount required pam_unix.so\npassword required {unix} \
                 shadow\nsession required pam_unix.so\n"
            ),
        ),
        ("common-auth", format!("auth required {unix}\n")),
        (
            "common-account",
            "account required pam_unix.so\n".to_owned(),
        ),
        (
            "common-password",
            format!("password required {unix} shadow\n"),
        ),
        (
            "common-session",
            "session required pam_unix.so\nsession optional pam_systemd.so\n".to_owned(),
        ),
        (
            "common-session-noninteractive",
            "session required pam_unix.so\n".to_owned(),
        ),
        (
            "other",
            "auth required pam_deny.so\naccount required pam_deny.so\n".to_owned(),
        ),
    ];
    let mut package = Pkg::new("pambase", VERSION).license("0BSD");
    for (name, text) in texts {
        config(&mut package, &format!("pam.d/{name}"), &text, 0o644);
    }
    package
}
