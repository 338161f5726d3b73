//! The tree, its two images (one with both archives, one with only the
//! `.tar.xz`), the server of both, and the plain pipe.

use hatchery_image::manifest::{ArchiveFormat, Manifest};
use hatchery_tests::{lab, tree};
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Instant;

/// Besides what a networked machine has, so that some 200 MB are unpacked.
const PACKAGES: &str = "python3,iproute2";

/// Which archive is taken.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    Zst,
    Xz,
}

impl Form {
    /// The image of which ours takes this archive: the first it finds.
    pub(crate) const fn image(self) -> &'static str {
        match self {
            Self::Zst => "lab",
            Self::Xz => "labxz",
        }
    }

    /// What decompresses it.
    const fn program(self) -> &'static str {
        match self {
            Self::Zst => "zstd",
            Self::Xz => "xz",
        }
    }

    /// Its address beneath the server's, for clients that know no catalog.
    pub(crate) fn path(self) -> String {
        let image = self.image();
        match self {
            Self::Zst => format!("images/{image}/amd64/1/{image}.tar.zst"),
            Self::Xz => format!("images/{image}/amd64/1/{image}.tar.xz"),
        }
    }
}

pub(crate) struct Yard {
    work: PathBuf,
    server: Server,
    unpacked: (u64, u64),
}

impl Yard {
    /// Packs, signs, publishes and serves a tree.
    pub(crate) fn new(work: &Path) -> Self {
        let tree = tree::debian_with(&work.join("trees"), "trixie", PACKAGES);
        let home = work.join("gnupg");
        let signer = lab::key(&home, "bench <bench@localhost>");
        let mut unpacked = (0, 0);
        for form in [Form::Zst, Form::Xz] {
            let image = work.join(form.image());
            let edit = |manifest: &mut Manifest| {
                unpacked = (manifest.unpacked.bytes, manifest.unpacked.entries);
                if form == Form::Xz {
                    let zst = image.join(format!("{}.tar.zst", form.image()));
                    fs::remove_file(zst).unwrap();
                    let archives = &mut manifest.archives;
                    archives.retain(|a| a.format == ArchiveFormat::TarXz);
                }
            };
            let mut files = lab::pack_tree(&tree, &image, form.image(), "1", edit);
            files.sign(&signer).unwrap();
            publish(&image, &work.join("store"), &home);
        }
        fs::write(work.join("key.pgp"), signer.public_key().unwrap()).unwrap();
        signer.stop_agent().unwrap();
        let server = Server::start(&work.join("store"));
        Self {
            work: work.to_owned(),
            server,
            unpacked,
        }
    }

    pub(crate) fn describe(&self) -> String {
        let (bytes, entries) = self.unpacked;
        let megabytes = bytes / 1_000_000;
        format!("import of a trixie of {megabytes} MB in {entries} entries over HTTP on loopback")
    }

    pub(crate) fn at(&self, name: &str) -> PathBuf {
        self.work.join(name)
    }

    pub(crate) fn url(&self) -> &str {
        &self.server.url
    }

    /// Seconds of `curl | zstd -d | tar -x`, or with xz.
    pub(crate) fn piped(&self, form: Form) -> f64 {
        let into = self.at("piped");
        fs::create_dir(&into).unwrap();
        let program = form.program();
        let script = format!(
            "set -e -o pipefail; curl -sfL {}{} | {program} -q -d | tar --numeric-owner --xattrs -x -C {}",
            self.url(),
            form.path(),
            into.display()
        );
        let seconds = timed(Command::new("bash").args(["-c", &script]));
        fs::remove_dir_all(&into).unwrap();
        seconds
    }

    /// Seconds that one thread takes to decompress the archive.
    pub(crate) fn decompressed(&self, form: Form) -> f64 {
        let archive = self.at("store").join(form.path());
        timed(Command::new(form.program()).args(["-q", "-t"]).arg(archive))
    }
}

fn publish(image: &Path, store: &Path, home: &Path) {
    timed(
        Command::new(env!("CARGO_BIN_EXE_hatchery"))
            .args(["-q", "publish"])
            .arg(image)
            .arg("--store")
            .arg(store)
            .env("GNUPGHOME", home),
    );
}

/// A server that ends with the bench.
struct Server {
    child: Child,
    url: String,
}

impl Server {
    fn start(store: &Path) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_hatchery"))
            .args(["-q", "serve", "--listen", "127.0.0.1:0", "--store"])
            .arg(store)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let stdout = child.stdout.take().unwrap();
        BufReader::new(stdout).read_line(&mut line).unwrap();
        let url = line.split_whitespace().find(|w| w.starts_with("http://"));
        let url = url.expect("the server says where it is").to_owned();
        Self { child, url }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Seconds that a command takes, which must succeed.
pub(crate) fn timed(command: &mut Command) -> f64 {
    let begun = Instant::now();
    let output = command.stdin(Stdio::null()).output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?} failed:\n{stderr}");
    begun.elapsed().as_secs_f64()
}
