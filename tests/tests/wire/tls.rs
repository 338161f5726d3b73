//! An authority of our own, a certificate by it for this host, and TLS before
//! a server that speaks none.

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio_rustls::TlsAcceptor;

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

/// Takes TLS off what arrives, and hands it on. Ends when it is dropped.
pub(super) struct Terminator {
    pub(super) address: SocketAddr,
    _runtime: Runtime,
}

impl Terminator {
    pub(super) fn new(files: &Files, behind: SocketAddr) -> Self {
        let chain = vec![CertificateDer::from_pem_file(&files.certificate).unwrap()];
        let key = PrivateKeyDer::from_pem_file(&files.key).unwrap();
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let runtime = Runtime::new().unwrap();
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        runtime.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let acceptor = acceptor.clone();
                tokio::spawn(async move {
                    // What speaks no TLS is turned away: incus tries that first.
                    let Ok(mut client) = acceptor.accept(stream).await else {
                        return;
                    };
                    let mut server = TcpStream::connect(behind).await.unwrap();
                    let _ = copy_bidirectional(&mut client, &mut server).await;
                });
            }
        });
        Self {
            address,
            _runtime: runtime,
        }
    }
}
