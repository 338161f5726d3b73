//! An authority of our own, and a certificate by it for this host.

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use std::fs;
use std::path::{Path, PathBuf};

/// Files in PEM.
pub(super) struct Files {
    /// Of the authority.
    pub(super) authority: PathBuf,
    /// Of `localhost` and 127.0.0.1, by the authority.
    pub(super) certificate: PathBuf,
    /// The certificate's.
    pub(super) key: PathBuf,
}

impl Files {
    pub(super) fn new(folder: &Path) -> Self {
        let files = Self {
            authority: folder.join("authority.crt"),
            certificate: folder.join("certificate.pem"),
            key: folder.join("key.pem"),
        };
        let mut parameters = CertificateParams::new([]).unwrap();
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let authority = parameters.self_signed(&key).unwrap();
        fs::write(&files.authority, authority.pem()).unwrap();
        let issuer = Issuer::new(parameters, key);
        let names = ["localhost", "127.0.0.1"].map(str::to_owned);
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new(names).unwrap();
        let certificate = certificate.signed_by(&key, &issuer).unwrap();
        fs::write(&files.certificate, certificate.pem()).unwrap();
        fs::write(&files.key, key.serialize_pem()).unwrap();
        files
    }
}
