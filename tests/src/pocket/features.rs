//! Small packages in which everything occurs that real ones have only now and
//! then. `pocket-features` needs them all; `pocket-user` and `pocket-init-b`
//! are for whoever installs more.

use super::VERSION;
use super::compression::Compression;
use super::member::{Kind, Member};
use super::package::Pkg;

/// A path that ustar's header cannot hold.
const LONG: &str = "usr/share/pocket/a-name-that-is-long/and-another-one-below-it/and-one-more-so-that-the-header-has-no-room/\
                    for-all-of-it";

const USER_SCRIPT: &str = "pre_install() {\n  echo \"pre_install $1 in $PWD\" >>var/lib/pocket/user\n}\n\
    post_install() {\n  echo \"post_install $1, umask $(umask)\" >>var/lib/pocket/user\n}\n\
    pre_upgrade() {\n  echo \"pre_upgrade $1 from $2\"\n}\npost_remove() {\n  echo \"post_remove $1\"\n}\n";

/// Hooks: name, trigger, action. They note what they saw in /var/lib/pocket.
const HOOKS: [(&str, &str, &str); 9] = [
    (
        // Nothing of it is there yet when it would run.
        "00-pocket-before",
        "Type = Path\nOperation = Install\nTarget = usr/bin/pacman",
        "When = PreTransaction\nAbortOnFail\nExec = /bin/sh -c 'echo ran >>/var/lib/pocket/before'",
    ),
    (
        "50-pocket-package",
        "Type = Package\nOperation = Install\nTarget = pocket-*",
        "When = PostTransaction\nDepends = bash\nExec = /bin/sh -c 'echo ran >>/var/lib/pocket/package'",
    ),
    (
        "51-pocket-absent",
        "Type = Package\nOperation = Install\nTarget = *",
        "When = PostTransaction\nDepends = pocket-absent\nExec = /bin/sh -c 'echo ran >>/var/lib/pocket/absent'",
    ),
    (
        "52-pocket-targets",
        "Type = Path\nOperation = Install\nTarget = usr/share/pocket/*\nTarget = !usr/share/pocket/*first",
        "When = PostTransaction\nNeedsTargets\nExec = /bin/sh -c 'cat >/var/lib/pocket/targets'",
    ),
    (
        "53-pocket-names",
        "Type = Package\nOperation = Install\nTarget = *\nTarget = !pocket-*",
        "When = PostTransaction\nNeedsTargets\nExec = /bin/sh -c 'cat >/var/lib/pocket/names'",
    ),
    (
        "54-pocket-upgrade",
        "Type = Package\nOperation = Upgrade\nOperation = Remove\nTarget = *",
        "When = PostTransaction\nExec = /bin/sh -c 'echo ran >>/var/lib/pocket/upgrade'",
    ),
    (
        "55-pocket-failing",
        "Type = Package\nOperation = Install\nTarget = pocket-hooks",
        "When = PostTransaction\nExec = /bin/false",
    ),
    (
        "56-pocket-off",
        "Type = Package\nOperation = Install\nTarget = *",
        "When = PostTransaction\nExec = /bin/sh -c 'echo ran >>/var/lib/pocket/off'",
    ),
    (
        "57-pocket-replaced",
        "Type = Package\nOperation = Install\nTarget = *",
        "When = PostTransaction\nExec = /bin/sh -c 'echo ran >>/var/lib/pocket/replaced'",
    ),
];

/// All of them.
pub(super) fn packages() -> Vec<Pkg> {
    let mut all = vec![odd(), early(), late(), user(), library(), library_user()];
    all.extend(providers());
    all.extend(ring());
    all.extend(hooks());
    let mut features = Pkg::new("pocket-features", "1-1").description("Everything that occurs");
    for needed in [
        "pocket-hooks",
        "pocket-init",
        "pocket-late",
        "pocket-library-user",
        "pocket-odd",
        "pocket-ring-a",
    ] {
        features.push("depend", needed);
    }
    all.push(features);
    all
}

/// Metadata in another order, a file that `.MTREE` has not, flags, hard
/// links, odd names, an unknown packager, and a scriptlet that fails.
fn odd() -> Pkg {
    let mut unlisted = Member::new("usr/share/pocket/unlisted", Kind::File(b"skipped\n".into()));
    unlisted.listed = false;
    let mut flagged = Member::new("usr/share/pocket/flagged", Kind::File(b"flagged\n".into()));
    flagged.flags = Some("nodump".to_owned());
    let mut setuid = Member::new("usr/share/pocket/setuid", Kind::File(b"#!/bin/sh\n".into()));
    (setuid.mode, setuid.group) = (0o6755, 50);
    let mut capable = Member::new(
        "usr/share/pocket/capable",
        Kind::File(b"#!/bin/sh\n".into()),
    );
    capable.mode = 0o755;
    let capability = [1, 0, 0, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    capable.xattrs = vec![("security.capability".to_owned(), capability.to_vec())];
    Pkg::new("pocket-odd", "2:1.0.r3.gabcdef-2.1")
        .packager("Unknown Packager")
        .license("GPL-2.0-or-later")
        .license("LicenseRef-odd")
        .depends("bash")
        .placed(setuid)
        .placed(flagged)
        .placed(capable)
        .placed(unlisted)
        .file("usr/share/pocket/first", b"one file, three names\n")
        .hard_link("usr/share/pocket/second", "usr/share/pocket/first")
        .hard_link("usr/share/pocket/third", "usr/share/pocket/first")
        .file("usr/share/pocket/with space, # and = and \\", b"odd\n")
        .file("usr/share/pocket/Főtanúsítvány", b"not ASCII\n")
        .file(LONG, b"long\n")
        .link("usr/share/pocket/dangling", "nowhere/at all")
        .line("xdata = pocket=odd")
        .makedepends("gcc>=1")
        .script("post_install() {\n  echo odd >/var/lib/pocket/odd\n  return 7\n}\n")
        .metadata_order(&[".PKGINFO", ".INSTALL", ".MTREE", ".BUILDINFO"])
        .compressed(Compression::Xz)
}

/// Its scriptlet makes a file that is another package's to keep.
fn early() -> Pkg {
    Pkg::new("pocket-early", "1-1")
        .depends("bash")
        .depends("coreutils")
        .folder("etc/pocket")
        .script("post_install() {\n  echo early >etc/pocket/late.conf\n}\n")
}

/// Finds its own file there already.
fn late() -> Pkg {
    Pkg::new("pocket-late", "1-1")
        .depends("pocket-early")
        .file("etc/pocket/late.conf", b"late\n")
        .file("etc/pocket/other.conf", b"other\n")
        .backup("etc/pocket/other.conf")
        .backup("etc/pocket/late.conf")
}

/// Needs a virtual package, takes the place of an old one.
fn user() -> Pkg {
    Pkg::new("pocket-user", "2:1.0-3")
        .depends("pocket-init>=1")
        .depends("bash>4")
        .optdepends("less: paging")
        .conflicts("pocket-old")
        .replaces("pocket-old")
        .group("pocket-tools")
        .file("etc/pocket.conf", b"a=1\n")
        .backup("etc/pocket.conf")
        .script(USER_SCRIPT)
}

/// Two that provide the same and cannot be beside one another.
fn providers() -> [Pkg; 2] {
    ["pocket-init-a", "pocket-init-b"].map(|name| {
        Pkg::new(name, "1-1")
            .provides("pocket-init=1")
            .conflicts("pocket-init")
            .file(&format!("usr/share/{name}/README"), name.as_bytes())
    })
}

/// Provides a library by its own name, under another epoch.
fn library() -> Pkg {
    Pkg::new("pocket-library", "1:2.3-1")
        .provides("libpocket.so=1-64")
        .provides("pocket-api=2.3")
        .file("usr/lib/libpocket.so.1.0", b"not a library\n")
        .link("usr/lib/libpocket.so.1", "libpocket.so.1.0")
        .compressed(Compression::Gzip)
}

fn library_user() -> Pkg {
    Pkg::new("pocket-library-user", "1-1")
        .depends("libpocket.so=1-64")
        .depends("pocket-api>=2")
        .depends("pocket-api<3")
        .depends("pocket-library>1:2")
        .depends("sh")
}

/// Two that need one another.
fn ring() -> [Pkg; 2] {
    let one = |name: &str, other: &str| {
        Pkg::new(name, "1-1")
            .depends(other)
            .file(&format!("usr/share/pocket/{name}"), name.as_bytes())
    };
    [
        one("pocket-ring-a", "pocket-ring-b"),
        one("pocket-ring-b", "pocket-ring-a"),
    ]
}

/// Hooks of every kind, most of which note that they ran, and a package that
/// switches one off and puts another one in a third's place.
fn hooks() -> [Pkg; 2] {
    let mut hooks = Pkg::new("pocket-hooks", "1-1")
        .depends("bash")
        .depends("coreutils")
        .depends("pocket-switch");
    for (name, trigger, action) in HOOKS {
        hooks = hooks.hook(&format!("{name}.hook"), &hook(trigger, action));
    }
    let replacing = hook(
        "Type = Package\nOperation = Install\nTarget = *",
        "When = PostTransaction\nExec = /bin/sh -c 'echo ran >>/var/lib/pocket/replacing'",
    );
    let switch = Pkg::new("pocket-switch", VERSION)
        .link("etc/pacman.d/hooks/56-pocket-off.hook", "/dev/null")
        .file(
            "etc/pacman.d/hooks/57-pocket-replaced.hook",
            replacing.as_bytes(),
        );
    [hooks, switch]
}

fn hook(trigger: &str, action: &str) -> String {
    format!("[Trigger]\n{trigger}\n\n[Action]\nDescription = A hook of the pocket\n{action}\n")
}
