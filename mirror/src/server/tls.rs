//! TLS of a listener: a certificate chain and its key, read from files, and
//! read again when the files are others.
//!
//! TLS 1.2 and 1.3 by rustls with ring; HTTP/2 and HTTP/1.1 by ALPN; session
//! tickets, so that a client of many small files shakes hands once. A pair
//! that cannot be used replaces nothing: what was used before goes on, and the
//! log says why, once for each state of the files.

use crate::store::read_limited;
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem};
use std::fs::File;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// Largest file of certificates or of a key, in bytes. A chain of ten RSA
/// certificates has 20 KiB.
const FILE_MAX: u64 = 1 << 20;
/// Most certificates of a chain.
const CHAIN_MAX: usize = 32;

/// The files of a listener's TLS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// The server's certificate and those that lead to its authority, PEM.
    pub certificate: PathBuf,
    /// The certificate's private key, PEM (PKCS #8, PKCS #1 or SEC 1).
    pub key: PathBuf,
}

impl TlsFiles {
    /// Reads them, as a server would.
    ///
    /// # Errors
    /// They cannot be read or used.
    pub fn check(&self) -> Result<(), TlsError> {
        config(self).map(drop)
    }
}

/// Why TLS cannot be spoken.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read.
    #[error("cannot read {path}")]
    Read {
        /// Which.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A file is not PEM, or holds nothing of what it should.
    #[error("{path} holds no {what} in PEM")]
    Pem {
        /// Which.
        path: PathBuf,
        /// `certificate` or `private key`.
        what: &'static str,
        /// What the parser said.
        #[source]
        source: pem::Error,
    },
    /// The chain is too long.
    #[error("{path} holds more than {CHAIN_MAX} certificates")]
    Chain {
        /// Which.
        path: PathBuf,
    },
    /// The key is not that of the certificate, or of a kind that is not known.
    #[error("{certificate} and {key} cannot be used together")]
    Pair {
        /// The chain.
        certificate: PathBuf,
        /// The key.
        key: PathBuf,
        /// What rustls said.
        #[source]
        source: rustls::Error,
    },
    /// There is no randomness for session tickets.
    #[error("cannot make session tickets")]
    Tickets(#[source] rustls::Error),
}

/// What tells that a file is another one, without reading it.
type Mark = Option<(u64, u64, u64, i64, i64)>;

/// TLS that can be spoken, and from which state of the files it comes.
#[derive(Debug)]
pub(crate) struct Tls {
    files: TlsFiles,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    marks: [Mark; 2],
    config: Arc<ServerConfig>,
}

impl Tls {
    /// Reads the files.
    ///
    /// # Errors
    /// They cannot be read or used.
    pub(crate) fn load(files: TlsFiles) -> Result<Self, TlsError> {
        // Before the files: a change while they are read is seen next time.
        let marks = marks(&files);
        let config = Arc::new(config(&files)?);
        Ok(Self {
            files,
            state: Mutex::new(State { marks, config }),
        })
    }

    pub(crate) fn files(&self) -> &TlsFiles {
        &self.files
    }

    /// What the next handshake is made with.
    pub(crate) fn config(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.state().config)
    }

    /// Reads the files again if they are others than at the last time;
    /// whether they were, and could be used.
    ///
    /// # Errors
    /// They are others and cannot be used; what was used before is kept, and
    /// nothing is said again until they change again.
    pub(crate) fn refresh(&self) -> Result<bool, TlsError> {
        let marks = marks(&self.files);
        if std::mem::replace(&mut self.state().marks, marks) == marks {
            return Ok(false);
        }
        let config = Arc::new(config(&self.files)?);
        self.state().config = config;
        Ok(true)
    }

    /// Does the same, and logs what came of it.
    pub(crate) fn look(&self) {
        let (certificate, key) = (self.files.certificate.display(), self.files.key.display());
        match self.refresh() {
            Ok(false) => {}
            Ok(true) => tracing::info!(%certificate, %key, "a new certificate is used"),
            Err(error) => tracing::error!(
                error = &error as &(dyn std::error::Error + 'static),
                %certificate,
                %key,
                "a new certificate cannot be used; the one before it is kept"
            ),
        }
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        // What is behind it is replaced whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A renewed certificate is often behind the same symbolic link, so these are
/// of what the path leads to.
fn marks(files: &TlsFiles) -> [Mark; 2] {
    [&files.certificate, &files.key].map(|path| {
        let m = std::fs::metadata(path).ok()?;
        Some((m.dev(), m.ino(), m.size(), m.mtime(), m.mtime_nsec()))
    })
}

fn config(files: &TlsFiles) -> Result<ServerConfig, TlsError> {
    let chain = chain(&files.certificate)?;
    let key = key(&files.key)?;
    let pair = |source| TlsError::Pair {
        certificate: files.certificate.clone(),
        key: files.key.clone(),
        source,
    };
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
        .map_err(pair)?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .map_err(pair)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    config.ticketer = ring::Ticketer::new().map_err(TlsError::Tickets)?;
    // One is enough for a client that opens one connection after another.
    config.send_tls13_tickets = 1;
    Ok(config)
}

fn chain(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let failed = |source| TlsError::Pem {
        path: path.to_owned(),
        what: "certificate",
        source,
    };
    let bytes = read(path)?;
    let mut chain = Vec::new();
    for certificate in CertificateDer::pem_slice_iter(&bytes) {
        if chain.len() == CHAIN_MAX {
            return Err(TlsError::Chain {
                path: path.to_owned(),
            });
        }
        chain.push(certificate.map_err(failed)?);
    }
    if chain.is_empty() {
        return Err(failed(pem::Error::NoItemsFound));
    }
    Ok(chain)
}

fn key(path: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    PrivateKeyDer::from_pem_slice(&read(path)?).map_err(|source| TlsError::Pem {
        path: path.to_owned(),
        what: "private key",
        source,
    })
}

fn read(path: &Path) -> Result<Vec<u8>, TlsError> {
    let failed = |source| TlsError::Read {
        path: path.to_owned(),
        source,
    };
    let file = File::open(path).map_err(failed)?;
    read_limited(&file, FILE_MAX).map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn write_pair(folder: &Path, name: &str) -> TlsFiles {
        let made = rcgen::generate_simple_self_signed(vec![name.to_owned()]).unwrap();
        let files = TlsFiles {
            certificate: folder.join("certificate.pem"),
            key: folder.join("key.pem"),
        };
        fs::write(&files.certificate, made.cert.pem()).unwrap();
        fs::write(&files.key, made.signing_key.serialize_pem()).unwrap();
        files
    }

    #[test]
    fn a_new_pair_is_used_and_a_broken_one_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let files = write_pair(folder.path(), "one.example");
        let tls = Tls::load(files.clone()).unwrap();
        let first = tls.config();
        assert!(!tls.refresh().unwrap());
        write_pair(folder.path(), "second.example");
        assert!(tls.refresh().unwrap());
        let second = tls.config();
        assert!(!Arc::ptr_eq(&first, &second));
        fs::write(&files.key, "no key").unwrap();
        let error = tls.refresh().unwrap_err().to_string();
        let expected = format!("{} holds no private key in PEM", files.key.display());
        assert_eq!(error, expected);
        assert!(Arc::ptr_eq(&tls.config(), &second));
        assert!(!tls.refresh().unwrap(), "said twice");
        fs::remove_file(&files.certificate).unwrap();
        assert!(matches!(tls.refresh(), Err(TlsError::Read { .. })));
        write_pair(folder.path(), "third.example");
        assert!(tls.refresh().unwrap());
    }

    #[test]
    fn a_key_of_another_certificate_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let files = write_pair(folder.path(), "one.example");
        let certificate = fs::read(&files.certificate).unwrap();
        write_pair(folder.path(), "one.example");
        fs::write(&files.certificate, certificate).unwrap();
        assert!(matches!(Tls::load(files), Err(TlsError::Pair { .. })));
    }
}
