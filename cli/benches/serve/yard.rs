//! What is served: a store with a real image and a large one, and a
//! certificate.

use hatchery_tests::{lab, tree};
use rcgen::{CertificateParams, KeyPair};
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The small file: a version's digests.
pub(crate) const SMALL: &str = "/images/lab/amd64/1/SHA256SUMS";
/// The large file: an archive.
pub(crate) const LARGE: &str = "/images/large/amd64/1/large.tar.zst";
/// Length of what it holds, which does not compress, in bytes.
const LARGE_LENGTH: u64 = 512 << 20;

pub(crate) struct Yard {
    work: PathBuf,
}

impl Yard {
    /// Packs, signs and publishes both.
    pub(crate) fn new(work: &Path) -> Self {
        let yard = Self {
            work: work.to_owned(),
        };
        let home = yard.at("gnupg");
        let signer = lab::key(&home, "bench <bench@localhost>");
        let large = yard.at("large-tree");
        make_large(&large).unwrap();
        let trees = [
            ("lab", tree::debian(&yard.at("trees"), "trixie")),
            ("large", large),
        ];
        for (name, tree) in &trees {
            let image = yard.at(name);
            let mut files = lab::pack_tree(tree, &image, name, "1", |_| ());
            files.sign(&signer).unwrap();
            let published = Command::new(env!("CARGO_BIN_EXE_hatchery"))
                .args(["-q", "publish"])
                .arg(&image)
                .arg("--store")
                .arg(yard.store())
                .env("GNUPGHOME", &home)
                .output()
                .unwrap();
            assert!(published.status.success(), "cannot publish {name}");
            // Memory is what these lie in.
            fs::remove_dir_all(&image).unwrap();
        }
        fs::remove_dir_all(&trees[1].1).unwrap();
        fs::write(yard.at("key.pgp"), signer.public_key().unwrap()).unwrap();
        signer.stop_agent().unwrap();
        yard.make_certificate();
        yard
    }

    pub(crate) fn at(&self, name: &str) -> PathBuf {
        self.work.join(name)
    }

    pub(crate) fn store(&self) -> PathBuf {
        self.at("store")
    }

    pub(crate) fn certificate(&self) -> PathBuf {
        self.at("certificate.pem")
    }

    pub(crate) fn key(&self) -> PathBuf {
        self.at("key.pem")
    }

    /// One that signs itself, for localhost.
    fn make_certificate(&self) {
        let key = KeyPair::generate().unwrap();
        let parameters = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        let certificate = parameters.self_signed(&key).unwrap();
        fs::write(self.certificate(), certificate.pem()).unwrap();
        fs::write(self.key(), key.serialize_pem()).unwrap();
    }
}

fn make_large(tree: &Path) -> io::Result<()> {
    fs::create_dir_all(tree.join("etc"))?;
    fs::write(tree.join("etc/os-release"), "ID=large\n")?;
    let mut random = File::open("/dev/urandom")?.take(LARGE_LENGTH);
    io::copy(&mut random, &mut File::create(tree.join("noise"))?)?;
    Ok(())
}
