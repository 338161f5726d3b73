//! DSSE envelopes: a payload with its type and its signatures in one file.
//!
//! <https://github.com/secure-systems-lab/dsse>: each signature covers the
//! pre-authentication encoding `"DSSEv1" SP len(type) SP type SP len(payload)
//! SP payload`, so that nothing signed as one thing can be taken for another.
//! Signatures are detached OpenPGP signatures, with the primary fingerprint
//! of their key as `keyid`.

use serde::{Deserialize, Serialize};

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
