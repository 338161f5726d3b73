//! DSSE envelopes: a payload with its type and its signatures in one file.
//!
//! <https://github.com/secure-systems-lab/dsse>: each signature covers the
//! pre-authentication encoding `"DSSEv1" SP len(type) SP type SP len(payload)
//! SP payload`, so that nothing signed as one thing can be taken for another.
//! Signatures are detached OpenPGP signatures, with the primary fingerprint
//! of their key as `keyid`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::{Deserialize, Serialize};

/// Longest envelope that is opened, in bytes: the largest payload there is, a
/// catalog of 16 MiB, in base64, and signatures.
pub const ENVELOPE_MAX: usize = 24 << 20;

/// An envelope as it stands in a file. What is inside is untrusted until
/// [`crate::Keyring::verify_envelope`] has returned it.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Envelope {
    /// What the payload is.
    pub payload_type: String,
    /// The payload, in base64.
    pub payload: String,
    /// The signatures.
    pub signatures: Vec<Signature>,
}

/// One signature of an envelope.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Signature {
    /// Primary fingerprint of the key. A hint: only the signature counts.
    pub keyid: String,
    /// The binary detached signature, in base64.
    pub sig: String,
}

/// Why bytes are not an envelope of the expected type.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EnvelopeError {
    /// It is longer than [`ENVELOPE_MAX`].
    #[error("it is {0} bytes long; at most {ENVELOPE_MAX} are read")]
    TooLarge(usize),
    /// It is not JSON of the expected shape.
    #[error("it is not a JSON object with payloadType, payload and signatures")]
    Json(#[source] serde_json::Error),
    /// It holds something else.
    #[error("it holds {found:?}, not {expected:?}")]
    PayloadType {
        /// What was asked for.
        expected: String,
        /// What it says it holds, cut to 200 characters.
        found: String,
    },
    /// Its payload or a signature is not base64.
    #[error("its {what} is not base64")]
    Base64 {
        /// `payload` or `signature`.
        what: &'static str,
        /// What is wrong with it.
        #[source]
        source: base64::DecodeError,
    },
}

/// What an envelope holds; nothing of it is verified.
pub(crate) struct Opened {
    pub(crate) payload: Vec<u8>,
    /// What the signatures cover.
    pub(crate) digested: Vec<u8>,
    pub(crate) signatures: Vec<Vec<u8>>,
}

/// Takes an envelope apart for verification.
pub(crate) fn open(bytes: &[u8], payload_type: &str) -> Result<Opened, EnvelopeError> {
    if bytes.len() > ENVELOPE_MAX {
        return Err(EnvelopeError::TooLarge(bytes.len()));
    }
    let envelope: Envelope = serde_json::from_slice(bytes).map_err(EnvelopeError::Json)?;
    if envelope.payload_type != payload_type {
        return Err(EnvelopeError::PayloadType {
            expected: payload_type.to_owned(),
            found: envelope.payload_type.chars().take(200).collect(),
        });
    }
    let decode = |what, text: &str| {
        BASE64
            .decode(text)
            .map_err(|source| EnvelopeError::Base64 { what, source })
    };
    let payload = decode("payload", &envelope.payload)?;
    Ok(Opened {
        digested: pre_authentication_encoding(payload_type, &payload),
        payload,
        signatures: envelope
            .signatures
            .iter()
            .map(|s| decode("signature", &s.sig))
            .collect::<Result<_, _>>()?,
    })
}

/// The bytes of an envelope's file: indented JSON with a final newline.
#[cfg(feature = "sign")]
pub(crate) fn write(
    payload_type: &str,
    payload: &[u8],
    signatures: &[(&crate::Fingerprint, Vec<u8>)],
) -> Vec<u8> {
    let signatures = signatures.iter().map(|(key, signature)| Signature {
        keyid: key.to_string(),
        sig: BASE64.encode(signature),
    });
    let envelope = Envelope {
        payload_type: payload_type.to_owned(),
        payload: BASE64.encode(payload),
        signatures: signatures.collect(),
    };
    let mut bytes = serde_json::to_vec_pretty(&envelope).expect("an envelope is plain JSON");
    bytes.push(b'\n');
    bytes
}

/// The bytes that a signature covers.
#[must_use]
pub fn pre_authentication_encoding(payload_type: &str, payload: &[u8]) -> Vec<u8> {
    let mut bytes = format!(
        "DSSEv1 {} {payload_type} {} ",
        payload_type.len(),
        payload.len()
    )
    .into_bytes();
    bytes.extend_from_slice(payload);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_encoding_is_that_of_the_specification() {
        // The example of the DSSE protocol document.
        assert_eq!(
            pre_authentication_encoding("http://example.com/HelloWorld", b"hello world"),
            b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
        );
    }
}
