//! What a catalog says without anybody having checked its signature: to show
//! it, and to take over what no trusted key signed.

use hatchery_image::Fingerprint;
use hatchery_image::catalog::PAYLOAD_TYPE;

/// Most signatures of a catalog whose keys are looked at.
const SIGNERS_MAX: usize = 64;

/// The payload of an envelope of a catalog, whoever signed it.
pub(crate) fn unverified_payload(bytes: &[u8]) -> Option<Vec<u8>> {
    use base64::Engine as _;
    let envelope: hatchery_image::envelope::Envelope = serde_json::from_slice(bytes).ok()?;
    if envelope.payload_type != PAYLOAD_TYPE {
        return None;
    }
    base64::engine::general_purpose::STANDARD
        .decode(envelope.payload)
        .ok()
}

/// Whose signatures an envelope says it has, unverified, at most
/// [`SIGNERS_MAX`] of them.
pub(crate) fn claimed_signers(bytes: &[u8]) -> Vec<Fingerprint> {
    #[derive(serde::Deserialize)]
    struct Signed {
        signatures: Vec<Signature>,
    }
    #[derive(serde::Deserialize)]
    struct Signature {
        keyid: String,
    }
    let signed = serde_json::from_slice(bytes);
    let signatures = signed.map_or(Vec::new(), |signed: Signed| signed.signatures);
    let ids = signatures.iter().take(SIGNERS_MAX);
    ids.filter_map(|signature| signature.keyid.parse().ok())
        .collect()
}
