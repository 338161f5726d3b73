//! What a key says of itself: self-signatures, subkeys with their bindings,
//! revocations. Nobody but its owner can make them, so they are taken from
//! anybody who has them; what others say of a key, or only claim to be its
//! word, is left behind, so that a stranger can neither make a stored
//! certificate grow without end nor hide a word among noise.
//!
//! Decided: a revocation that a third party was designated for is not looked
//! at, because its certificate would have to be trusted first.

use super::{Fingerprint, Keyring, Member};
use sequoia_openpgp as openpgp;

use openpgp::Cert;
use openpgp::packet::{Packet, Signature};
use openpgp::serialize::MarshalInto as _;
use std::sync::Arc;

/// Largest certificate that what a mirror knows of it may lead to, in bytes.
/// Ours has 1 KiB, one with post-quantum subkeys 20 KiB.
pub const CERTIFICATE_MAX: usize = 256 << 10;

impl Keyring {
    /// The same certificates, each without what others say of its key.
    #[must_use]
    pub fn own_words(&self) -> Self {
        let own = |member: &Member| Member {
            certificate: Arc::new(own_words(&member.certificate)),
            standing: member.standing.clone(),
        };
        Self {
            members: self.members.iter().map(own).collect(),
        }
    }

    /// The same certificates, with what another keyring knows besides of what
    /// their keys say of themselves: newer subkeys, a later expiry,
    /// revocations. No certificate is added, nothing is forgotten, and one
    /// that would grow beyond [`CERTIFICATE_MAX`] stays as it is.
    #[must_use]
    pub fn renewed(&self, other: &Self) -> Self {
        let mut renewed = self.clone();
        for member in other.only(&self.fingerprints()).own_words().members {
            let mut one = self.only(&[member.fingerprint()]);
            one.insert(member);
            if one.members[0].certificate.serialized_len() <= CERTIFICATE_MAX {
                renewed.extend(one);
            }
        }
        renewed
    }

    /// Those of its certificates that say more of themselves than `known` has
    /// of them.
    #[must_use]
    pub fn newer_than(&self, known: &Self) -> Self {
        self.with_more(known, |certificate| count(certificate, &|_| true))
    }

    /// Those of its certificates that say of the key or of a subkey that it
    /// was revoked, which `known` does not.
    #[must_use]
    pub fn revoked_since(&self, known: &Self) -> Self {
        self.with_more(known, |certificate| count(certificate, &is_of_a_key))
    }

    /// Certificates only grow, so what has more words has a new one.
    fn with_more(&self, known: &Self, words: impl Fn(&Cert) -> usize) -> Self {
        let before = |fingerprint: &Fingerprint| {
            let known = known.members.iter();
            let mut known = known.filter(|m| m.fingerprint() == *fingerprint);
            known.next().map_or(0, |m| words(&m.certificate))
        };
        let more = |m: &&Member| words(&m.certificate) > before(&m.fingerprint());
        Self {
            members: self.members.iter().filter(more).cloned().collect(),
        }
    }
}

fn is_of_a_key(word: &Signature) -> bool {
    use openpgp::types::SignatureType::{KeyRevocation, SubkeyRevocation};
    matches!(word.typ(), KeyRevocation | SubkeyRevocation)
}

fn count(certificate: &Cert, wanted: &dyn Fn(&Signature) -> bool) -> usize {
    let packets = own_packets(certificate).into_iter();
    let words = packets.filter(|p| matches!(p, Packet::Signature(s) if wanted(s)));
    words.count()
}

fn own_words(certificate: &Cert) -> Cert {
    Cert::from_packets(own_packets(certificate).into_iter())
        .expect("its primary key and what follows is a certificate")
}

/// The packets of a certificate whose signatures are its own and verify.
fn own_packets(certificate: &Cert) -> Vec<Packet> {
    let primary = certificate.primary_key();
    let mut packets = vec![Packet::from(primary.key().clone())];
    packets.extend(primary.self_signatures().cloned().map(Packet::from));
    packets.extend(primary.self_revocations().cloned().map(Packet::from));
    for user_id in certificate.userids() {
        let words = user_id.self_signatures().chain(user_id.self_revocations());
        let words: Vec<Packet> = words.cloned().map(Packet::from).collect();
        if !words.is_empty() {
            packets.push(user_id.userid().clone().into());
            packets.extend(words);
        }
    }
    for subkey in certificate.keys().subkeys() {
        let words = subkey.self_signatures().chain(subkey.self_revocations());
        let words: Vec<Packet> = words.cloned().map(Packet::from).collect();
        if !words.is_empty() {
            packets.push(subkey.key().clone().into());
            packets.extend(words);
        }
    }
    packets
}
