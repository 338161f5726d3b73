//! Small packages in which everything occurs that real ones have only now and
//! then. `pocket-features` needs them all; `pocket-user` and `pocket-init-b`
//! are for whoever installs more.

use super::VERSION;
use super::compression::Compression;
use super::member::{Kind, Member};
use super::package::Pkg;

/// Where hooks and scriptlets note what they saw.
const NOTES: &str = "/var/lib/pocket";

/// A path that ustar's header cannot hold.
const LONG: &str = "usr/share/pocket/a-name-that-is-long/and-another-one-below-it/and-one-more-so-that-the-header-has-no-room/\
                    for-all-of-it";

const USER_SCRIPT: &str = "pre_install() {\n  echo \"pre_install $1 in $PWD\" >>var/lib/pocket/user\n}\n\
    post_install() {\n  echo \"post_install $1, umask $(umask)\" >>var/lib/pocket/user\n}\n\
    pre_upgrade() {\n  echo \"pre_upgrade $1 from $2\"\n}\npost_remove() {\n  echo \"post_remove $1\"\n}\n";

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

/// Hooks of every kind, each of which notes that it ran, and a package that
/// switches one off and puts another one in a third's place.
fn hooks() -> [Pkg; 2] {
    let note = |name: &str| format!("Exec = /bin/sh -c 'echo ran >>{NOTES}/{name}'\n");
    let hook = |trigger: &str, action: &str| {
        format!("[Trigger]\n{trigger}\n[Action]\nDescription = A hook of the pocket\n{action}")
    };
    let path = "Type = Path\nOperation = Install\n";
    let package = "Type = Package\nOperation = Install\n";
    let post = "When = PostTransaction\n";
    let negated = format!("{path}Target = usr/share/pocket/*\nTarget = !usr/share/pocket/*first\n");
    let targets = format!("NeedsTargets\nExec = /bin/sh -c 'cat >{NOTES}/targets'\n");
    let names = format!("NeedsTargets\nExec = /bin/sh -c 'cat >{NOTES}/names'\n");
    let first = format!("{post}Depends = bash\n{}", note("package"));
    let absent = format!("{post}Depends = pocket-absent\n{}", note("absent"));
    let hooks = Pkg::new("pocket-hooks", "1-1")
        .depends("bash")
        .depends("coreutils")
        .depends("pocket-switch")
        .hook(
            "50-pocket-package.hook",
            &hook(&format!("{package}Target = pocket-*\n"), &first),
        )
        .hook(
            "51-pocket-absent.hook",
            &hook(&format!("{package}Target = *\n"), &absent),
        )
        .hook(
            "52-pocket-targets.hook",
            &hook(&negated, &format!("{post}{targets}")),
        )
        .hook(
            "53-pocket-names.hook",
            &hook(
                &format!("{package}Target = *\nTarget = !pocket-*\n"),
                &format!("{post}{names}"),
            ),
        )
        .hook(
            "54-pocket-upgrade.hook",
            &hook(
                "Type = Package\nOperation = Upgrade\nOperation = Remove\nTarget = *\n",
                &format!("{post}{}", note("upgrade")),
            ),
        )
        .hook(
            "55-pocket-failing.hook",
            &hook(
                &format!("{package}Target = pocket-hooks\n"),
                &format!("{post}Exec = /bin/false\n"),
            ),
        )
        .hook(
            "56-pocket-off.hook",
            &hook(
                &format!("{package}Target = *\n"),
                &format!("{post}{}", note("off")),
            ),
        )
        .hook(
            "57-pocket-replaced.hook",
            &hook(
                &format!("{package}Target = *\n"),
                &format!("{post}{}", note("replaced")),
            ),
        )
        .hook(
            "00-pocket-before.hook",
            &hook(
                &format!("{path}Target = usr/bin/pacman\n"),
                &format!("When = PreTransaction\nAbortOnFail\n{}", note("before")),
            ),
        );
    let replacing = hook(
        &format!("{package}Target = *\n"),
        &format!("{post}{}", note("replacing")),
    );
    let switch = Pkg::new("pocket-switch", VERSION)
        .link("etc/pacman.d/hooks/56-pocket-off.hook", "/dev/null")
        .file(
            "etc/pacman.d/hooks/57-pocket-replaced.hook",
            replacing.as_bytes(),
        );
    [hooks, switch]
}
