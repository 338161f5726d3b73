//! Why nothing was verified: for each signature its own reason.

use super::Fingerprint;
use jiff::Timestamp;
use std::fmt;

/// What a cryptographic library said, kept as the source of an error.
pub type Cause = Box<dyn std::error::Error + Send + Sync>;

/// Why a key file was not read, or a signature does not count.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyringError {
    /// A key file is longer than [`super::KEYRING_MAX`].
    #[error("the key file is {0} bytes long; at most {max} are read", max = super::KEYRING_MAX)]
    KeyringTooLarge(usize),
    /// A key file holds more certificates than [`super::CERTIFICATES_MAX`].
    #[error("the key file holds more than {max} certificates", max = super::CERTIFICATES_MAX)]
    TooManyCertificates,
    /// A key file without any certificate.
    #[error("the key file holds no OpenPGP certificate")]
    NoCertificate,
    /// A certificate that cannot be read.
    #[error("certificate number {number} of the key file cannot be read")]
    Certificate {
        /// Counted from one.
        number: usize,
        /// What is wrong with it.
        #[source]
        source: Cause,
    },
    /// A key file that holds a private key, which belongs in a GnuPG home.
    #[error(
        "the key file holds the private key of {0}; export the public one instead, and keep \
         private keys in a GnuPG home only"
    )]
    PrivateKey(Fingerprint),
    /// A list of trusted or revoked keys that is none.
    #[error("line {line} of the list of {list} keys: {problem}")]
    List {
        /// `trusted` or `revoked`.
        list: &'static str,
        /// Counted from one.
        line: usize,
        /// What is wrong there.
        problem: &'static str,
    },
    /// A directory of keys or a file in it cannot be read.
    #[error("cannot read the keys in {path}")]
    Read {
        /// The directory or file.
        path: std::path::PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// A file of a directory of keys is not one.
    #[error("the key file {path} is not usable")]
    File {
        /// The file.
        path: std::path::PathBuf,
        /// What is wrong with it.
        #[source]
        source: Box<KeyringError>,
    },
    /// A folder of keys cannot be made.
    #[error("cannot make the folder of keys {path}")]
    Make {
        /// The folder.
        path: std::path::PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// A key file cannot be written.
    #[error("cannot keep the key")]
    Write(#[source] crate::durable::DurableError),
    /// What should be signatures is too long, or there are too many.
    #[error(
        "the signature is too large: at most {max} signatures in {bytes} bytes are read",
        max = super::SIGNATURES_MAX,
        bytes = super::SIGNATURE_MAX
    )]
    SignatureTooLarge,
    /// What should be signatures is something else.
    #[error("the signature cannot be read as an OpenPGP signature")]
    MalformedSignature(#[source] Cause),
    /// A text that bears no signature at all.
    #[error("there is no signature")]
    NoSignature,
    /// More signatures where exactly one was to be.
    #[error("there are {0} signatures, not one")]
    SeveralSignatures(usize),
    /// A text that is not exactly one clearsigned message.
    #[error("not one clearsigned text and nothing else: line {line}: {problem}")]
    Clearsigned {
        /// Counted from one.
        line: usize,
        /// What is wrong there.
        problem: &'static str,
    },
    /// An envelope that is not one.
    #[error("the signed envelope cannot be read")]
    Envelope(#[from] crate::envelope::EnvelopeError),
    /// The signed data cannot be read to its end.
    #[error("cannot read the signed data")]
    Data(#[source] std::io::Error),
    /// A good signature that was made after what this clock says.
    #[error(
        "the clock is before the signature: {signer} signed at {signed}, and the clock of this \
         host says {now}; check the clock (`timedatectl`)"
    )]
    ClockBeforeSignature {
        /// Primary fingerprint of the key that signed.
        signer: Fingerprint,
        /// When it signed.
        signed: Timestamp,
        /// What the clock said.
        now: Timestamp,
    },
    /// No signature counts; the reasons, one a signature.
    #[error("no good signature by a trusted key: {}", Reasons(.0))]
    Untrusted(Vec<Rejected>),
}

/// A signature that does not count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejected {
    /// Fingerprint of the primary key where it is known, otherwise whatever
    /// the signature says of its key (a fingerprint or key id, untrusted).
    pub key: String,
    /// Why it does not count.
    pub reason: Reason,
}

/// Why a signature does not count.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Reason {
    /// No certificate of the keyring has this key.
    #[error("is not a trusted key")]
    UnknownKey,
    /// The signature packet cannot be read or has a form we do not accept.
    #[error("made a signature that cannot be read ({0})")]
    Malformed(String),
    /// The signature does not match the data.
    #[error("made a signature that does not match the data")]
    BadSignature,
    /// A digest or signature algorithm that can be forged.
    #[error("made a signature that is too weak ({0})")]
    Weak(String),
    /// The signature says itself until when it is good.
    #[error("made a signature that expired at {0}")]
    SignatureExpired(Timestamp),
    /// Made after `now`.
    #[error("made a signature at {0}, which is in the future")]
    Future(Timestamp),
    /// The primary key or the subkey that signed has expired.
    #[error("has expired{}", At(.0))]
    KeyExpired(Option<Timestamp>),
    /// The primary key or the subkey that signed was revoked.
    #[error("was revoked")]
    KeyRevoked,
    /// The certificate or its subkey is not acceptable now: no valid or only
    /// weak self-signatures, not yet valid, and the like.
    #[error("is not acceptable ({0})")]
    KeyRefused(String),
    /// The distribution lists it as revoked.
    #[error("is listed as revoked")]
    ListedAsRevoked,
    /// The certificate is good, and too few of those who may say so certify
    /// any of its user ids.
    #[error("is certified by {by} of the {needed} master keys that it takes")]
    NotCertified {
        /// How many live master keys certify the same user id.
        by: usize,
        /// How many it takes.
        needed: usize,
    },
    /// The key may not sign data.
    #[error("is not a key for signing")]
    NotForSigning,
}

struct At<'a>(&'a Option<Timestamp>);
impl fmt::Display for At<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(time) => write!(f, " (at {time})"),
            None => Ok(()),
        }
    }
}

struct Reasons<'a>(&'a [Rejected]);
impl fmt::Display for Reasons<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, rejected) in self.0.iter().enumerate() {
            let comma = if i > 0 { "; " } else { "" };
            write!(f, "{comma}key {} {}", rejected.key, rejected.reason)?;
        }
        Ok(())
    }
}
