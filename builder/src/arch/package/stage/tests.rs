//! Packages that mean harm, or are made by hand.

use super::*;
use crate::arch::Repository;
use crate::recipe::SigLevel;
use hatchery_image::keyring::Policy;
use hatchery_image::place::Resolve;
use hatchery_image::{Keyring, Sha256};
use std::fs::File;
use std::io::Write as _;
use std::io::{ErrorKind, Seek as _};
use std::path::Path;
use tar::EntryType;

const INFO: &[u8] = b"pkgname = p\npkgver = 1-1\narch = any\nbackup = etc/p\n";

/// A tar, as its entries are added.
struct Tar(tar::Builder<Vec<u8>>);

impl Tar {
    fn new() -> Self {
        Self(tar::Builder::new(Vec::new())).file(".PKGINFO", INFO)
    }

    fn add(mut self, kind: EntryType, path: &str, target: Option<&Path>, bytes: &[u8]) -> Self {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(kind);
        header.set_size(bytes.len() as u64);
        header.set_mode(0o755);
        header.set_uid(rustix::process::geteuid().as_raw().into());
        header.set_gid(rustix::process::getegid().as_raw().into());
        header.set_mtime(0);
        match target {
            Some(target) => self.0.append_link(&mut header, path, target).unwrap(),
            None => self.0.append_data(&mut header, path, bytes).unwrap(),
        }
        self
    }

    fn file(self, path: &str, bytes: &[u8]) -> Self {
        self.add(EntryType::Regular, path, None, bytes)
    }

    fn folder(self, path: &str) -> Self {
        self.add(EntryType::Directory, path, None, b"")
    }

    fn link(self, path: &str, target: &Path) -> Self {
        self.add(EntryType::Symlink, path, Some(target), b"")
    }

    fn hard_link(self, path: &str, target: &str) -> Self {
        self.add(EntryType::Link, path, Some(target.as_ref()), b"")
    }

    /// What comes of unpacking it.
    fn stage(self) -> Result<Staged, PackageError> {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&self.0.into_inner().unwrap()).unwrap();
        file.rewind().unwrap();
        let planned = PlannedPackage {
            name: "p".parse().unwrap(),
            version: "1-1".into(),
            architecture: "any".into(),
            source: None,
            size: 0,
            installed_size: 0,
            sha256: Sha256::of(b""),
            path: "p".parse().unwrap(),
            repository: 0,
            named: false,
            essential: false,
            licenses: Vec::new(),
            signature: None,
        };
        let repository = Repository {
            name: "own".into(),
            locations: Vec::new(),
            archives: Vec::new(),
            keyring: Keyring::default(),
            policy: Policy::Standard,
            sig_level: SigLevel::Never,
        };
        let now = jiff::Timestamp::UNIX_EPOCH;
        let package =
            VerifiedPackage::verify(file, &planned, &repository, now, &Progress::silent()).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let stager = Stager {
            no_extract: &Patterns::default(),
            progress: &Progress::silent(),
        };
        let root = Root::open(folder.path(), Resolve::InRoot).unwrap();
        stager.stage(package, &planned, &root)
    }
}

#[test]
fn a_hard_link_to_a_link_leads_to_no_file_of_the_host() {
    let host = tempfile::tempdir().unwrap();
    let kept = host.path().join("kept");
    std::fs::write(&kept, "").unwrap();
    let inside = host.path().to_str().unwrap().trim_start_matches('/');
    // What is not in the list is removed again, by its path.
    let staged = Tar::new()
        .file(".MTREE", b"#mtree\n./link type=link\n")
        .folder(inside)
        .link("link", host.path())
        .hard_link("again", "link")
        .file("again/kept", b"")
        .stage();
    assert!(kept.exists());
    let text = staged.unwrap_err().to_string();
    assert!(
        text.contains("through a link of its own (/again/kept)"),
        "{text}"
    );
}

#[test]
fn a_link_and_a_directory_of_one_name_are_refused() {
    let target = Path::new("other");
    for tar in [
        Tar::new().folder("a").link("a", target),
        Tar::new().folder("other").link("a", target).folder("a"),
    ] {
        let text = tar.stage().unwrap_err().to_string();
        assert!(
            text.contains("a link and a directory of one name (/a)"),
            "{text}"
        );
    }
}

#[test]
fn only_files_that_are_kept_are_digested_and_only_small_ones() {
    let staged = Tar::new().file("etc/p", b"x").stage().unwrap();
    let sum = staged.sums.get(b"etc/p".as_slice()).map(String::as_str);
    assert_eq!(sum, Some("9dd4e461268c8034f5c8564e155c67a6"));
    let link = Tar::new().link("etc/p", Path::new("/dev/null")).stage();
    assert!(link.unwrap().sums.is_empty());
    let fifo = Tar::new().add(EntryType::Fifo, "etc/p", None, b"").stage();
    assert!(fifo.unwrap().sums.is_empty());

    let folder = tempfile::tempdir().unwrap();
    let large = File::create(folder.path().join("large")).unwrap();
    large
        .set_len(crate::arch::package::digest::BACKUP_MAX + 1)
        .unwrap();
    let root = Root::open(folder.path(), Resolve::InRoot).unwrap();
    let error = md5_of(&root, b"large").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::FileTooLarge);
}
