//! Archives as programs write them.

use super::trees;
use hatchery_image::manifest::ArchiveFormat;
use hatchery_tests::run::run;
use std::fs;
use std::path::{Path, PathBuf};

/// Whose unpacking is believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Judge {
    Gnu,
    Bsd,
}

/// An archive.
#[derive(Debug)]
pub(super) struct Made {
    pub(super) name: String,
    pub(super) path: PathBuf,
    pub(super) format: ArchiveFormat,
    pub(super) judge: Judge,
}

/// Makes archives in a folder.
struct Shop<'a> {
    folder: &'a Path,
    made: Vec<Made>,
}

/// How `sh` compresses a tar to what is unpacked.
const ZSTD: &str = "zstd -q -1 -c";

impl Shop<'_> {
    fn tree(&self, name: &str, make: trees::Make) -> String {
        let path = self.folder.join(name);
        fs::create_dir(&path).unwrap();
        make(&path);
        path.to_str().unwrap().to_owned()
    }

    /// Runs a line of `sh` in the folder, which writes a tar to `$1`, and
    /// compresses that with `compress`.
    fn by(&mut self, name: &str, judge: Judge, line: &str, compress: &str) {
        let xz = compress.starts_with("xz");
        let format = if xz {
            ArchiveFormat::TarXz
        } else {
            ArchiveFormat::TarZst
        };
        let tar = self.folder.join(format!("{}.tar", self.made.len()));
        let path = tar.with_extension(if xz { "tar.xz" } else { "tar.zst" });
        let script =
            format!("cd \"$0\" && {line} && {{ {compress}; }} <\"$1\" >\"$2\" && rm -f \"$1\"");
        let words = [self.folder, &tar, &path].map(|p| p.to_str().unwrap());
        run(&["sh", "-ec", &script, words[0], words[1], words[2]])
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        let name = name.to_owned();
        self.made.push(Made {
            name,
            path,
            format,
            judge,
        });
    }

    fn gnu(&mut self, name: &str, options: &str, tree: &str) {
        self.by(
            &format!("GNU tar {name}"),
            Judge::Gnu,
            &format!("tar {options} -cf \"$1\" -C {tree} ."),
            ZSTD,
        );
    }

    fn bsd(&mut self, name: &str, options: &str, tree: &str) {
        self.by(
            &format!("bsdtar {name}"),
            Judge::Bsd,
            &format!("bsdtar {options} -cf \"$1\" -C {tree} ."),
            ZSTD,
        );
    }
}

/// All of them, made in a folder.
pub(super) fn all(folder: &Path) -> Vec<Made> {
    let mut shop = Shop {
        folder,
        made: Vec::new(),
    };
    let plain = shop.tree("plain", trees::plain);
    let rich = shop.tree("rich", trees::rich);
    let finest = shop.tree("finest", trees::finest);
    let escaped = shop.tree("escaped", trees::escaped);
    let no_text = shop.tree("no-text", trees::no_text);
    let holes = shop.tree("holes", trees::holes);
    let huge = shop.tree("huge", trees::huge);
    let attributes = shop.tree("attributes", trees::attributes);
    for format in ["v7", "oldgnu", "gnu", "ustar", "posix"] {
        shop.gnu(
            &format!("{format} plain"),
            &format!("--format={format}"),
            &plain,
        );
    }
    for format in ["oldgnu", "gnu", "posix"] {
        shop.gnu(
            &format!("{format} rich"),
            &format!("--format={format}"),
            &finest,
        );
        shop.gnu(
            &format!("{format} no text"),
            &format!("--format={format}"),
            &no_text,
        );
        shop.gnu(
            &format!("{format} holes kept"),
            &format!("--format={format} -S"),
            &holes,
        );
        shop.gnu(
            &format!("{format} huge"),
            &format!("--format={format} -S"),
            &huge,
        );
    }
    for version in ["0.0", "0.1", "1.0"] {
        shop.gnu(
            &format!("sparse {version}"),
            &format!("--format=posix -S --sparse-version={version}"),
            &holes,
        );
    }
    shop.gnu("holes filled", "--format=gnu", &holes);
    shop.gnu(
        "attributes",
        "--format=posix --xattrs --xattrs-include=user.* --xattrs-include=security.capability",
        &escaped,
    );
    shop.gnu("access lists", "--format=posix --acls", &attributes);
    shop.gnu(
        "attributes and access lists",
        "--format=posix --acls --xattrs --xattrs-include=*",
        &escaped,
    );
    shop.gnu("label in gnu", "--format=gnu --label=name", &plain);
    shop.gnu("label in posix", "--format=posix --label=name", &plain);
    shop.gnu(
        "dump in gnu",
        "--format=gnu --listed-incremental=snapshot-1",
        &plain,
    );
    shop.gnu(
        "dump in posix",
        "--format=posix --listed-incremental=snapshot-2",
        &plain,
    );
    shop.gnu("hard links as files", "--hard-dereference", &plain);
    shop.gnu(
        "sorted and clamped",
        "--sort=name --mtime=@1700000000 --clamp-mtime --owner=0 --group=0 --numeric-owner",
        &rich,
    );
    shop.gnu(
        "posix without times",
        "--format=posix --pax-option=delete=atime,delete=ctime",
        &rich,
    );
    shop.gnu(
        "posix with names",
        "--format=posix --pax-option=exthdr.name=%d/PaxHeaders/%f",
        &rich,
    );
    shop.gnu("blocks of 512", "-b 1", &plain);
    shop.gnu("blocks of a megabyte", "-b 2048", &plain);
    let line = |what: &str| what.replace("PLAIN", &plain).replace("RICH", &rich);
    for (name, text) in [
        ("names without a dot", "tar -cf \"$1\" -C PLAIN etc usr bin"),
        (
            "names with a folder before them",
            "tar -cf \"$1\" -C PLAIN/.. plain",
        ),
        (
            "no folders",
            "tar -cf \"$1\" -C PLAIN etc/hosts usr/bin/tool usr/bin/again",
        ),
        (
            "folders after what is in them",
            "tar --no-recursion -cf \"$1\" -C PLAIN etc/hosts etc usr/bin/tool usr/bin usr",
        ),
        (
            "appended",
            "tar -cf \"$1\" -C PLAIN etc && tar -rf \"$1\" -C PLAIN usr && tar -rf \"$1\" -C PLAIN etc/hosts",
        ),
        (
            "joined",
            "tar -cf \"$1\" -C PLAIN etc && tar -cf more.tar -C PLAIN usr && tar -Af \"$1\" more.tar && rm more.tar",
        ),
        ("nothing", "tar -cf \"$1\" -T /dev/null"),
        (
            "absolute names made relative",
            "tar -cf \"$1\" PLAIN/etc 2>/dev/null",
        ),
        (
            "other names",
            "tar --transform=s,^,prefix/, -cf \"$1\" -C PLAIN etc",
        ),
    ] {
        shop.by(&format!("GNU tar {name}"), Judge::Gnu, &line(text), ZSTD);
    }
    for (name, compress) in [
        ("zstd -19", "zstd -q -19 -c"),
        ("zstd --long=26", "zstd -q --long=26 -c"),
        ("zstd --ultra -21", "zstd -q --ultra -21 -c"),
        ("zstd with threads", "zstd -q -T2 -B1MiB -c"),
        ("zstd without checksum", "zstd -q --no-check -c"),
        ("xz -0", "xz -0 -c"),
        ("xz -9e", "xz -9e -c"),
        ("xz in blocks", "xz -T2 --block-size=20000 -c"),
        (
            "xz with a filter",
            "xz --x86 --lzma2=preset=1 --check=sha256 -c",
        ),
        ("xz without a check", "xz --check=none -c"),
    ] {
        shop.by(
            &format!("GNU tar {name}"),
            Judge::Gnu,
            &line("tar -cf \"$1\" -C PLAIN ."),
            compress,
        );
    }
    let halves = "tar -cf \"$1\" -C PLAIN . && head -c 30000 \"$1\" >a && tail -c +30001 \"$1\" >b";
    shop.by(
        "GNU tar zstd in two frames",
        Judge::Gnu,
        &line(halves),
        "zstd -q -c a && zstd -q -c b",
    );
    shop.by(
        "GNU tar xz in two streams",
        Judge::Gnu,
        &line(halves),
        "xz -c a && xz -c b",
    );
    for format in ["pax", "gnutar", "ustar", "v7", "paxr"] {
        shop.bsd(
            &format!("{format} plain"),
            &format!("--format={format}"),
            &plain,
        );
    }
    for format in ["pax", "gnutar"] {
        shop.bsd(
            &format!("{format} rich"),
            &format!("--format={format}"),
            &rich,
        );
    }
    shop.bsd("pax holes", "--format=pax", &holes);
    shop.bsd("pax huge", "--format=pax", &huge);
    shop.bsd("attributes", "--format=pax --xattrs --acls", &attributes);
    shop.bsd(
        "numeric",
        "--format=pax --numeric-owner --xattrs --acls",
        &attributes,
    );
    shop.by(
        "bsdcpio ustar",
        Judge::Bsd,
        &line("(cd PLAIN && find . -print0 | bsdcpio -0 -o -H ustar --quiet) >\"$1\""),
        ZSTD,
    );
    shop.by(
        "bsdcpio pax",
        Judge::Bsd,
        &line("(cd RICH && find . -print0 | bsdcpio -0 -o -H pax --quiet) >\"$1\""),
        ZSTD,
    );
    let git = "git init -q git-tree && cp -r PLAIN/etc git-tree/ && chmod -R u+rw git-tree/etc && cd git-tree && git add . && git -c user.name=a -c user.email=a@b commit -qm x && git archive --format=tar --prefix=p/ HEAD >\"$1\" && cd ..";
    shop.by("git archive", Judge::Gnu, &line(git), ZSTD);
    shop.made
}

/// One whose names begin with `/`.
pub(super) fn absolute(folder: &Path) -> Made {
    let mut shop = Shop {
        folder,
        made: Vec::new(),
    };
    let plain = shop.tree("plain", trees::plain);
    shop.by(
        "absolute",
        Judge::Gnu,
        &format!("tar -P -cf \"$1\" {plain}/etc"),
        ZSTD,
    );
    shop.made.remove(0)
}
