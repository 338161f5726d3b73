//! `keys.json`: how a primary key that is pinned hands over to another.
//!
//! A list of envelopes ([`crate::envelope`]) of type [`PAYLOAD_TYPE`], oldest
//! first, each a statement that one key hands over to the next, signed by
//! both: by the old one, because whoever pinned it believes nobody else, and
//! by the new one, so that nobody can take a stranger's key for his own. A
//! host follows them from a key that it pinned to the one that signed the
//! catalog.
//!
//! What a statement is worth when the old key is gone was decided so: its
//! signature counts by what is known of the key *now* if the key was revoked
//! as compromised, at any time: then it hands over to nobody. One that was
//! revoked later as superseded or retired has still said what it said before.
//! One that has expired hands over no more, because an expiry is there to end
//! what a forgotten key can do. The new key must be good now, as any that
//! signs.
//!
//! Values only: what was followed is kept by the importer.

mod error;
mod followed;
#[cfg(test)]
mod tests;

pub use error::SuccessionError;
pub use followed::Followed;

use crate::envelope::Envelope;
use crate::keyring::{CLOCK_TOLERANCE, KeyringError};
use crate::{Fingerprint, Keyring, Verified};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

/// DSSE payload type of a statement.
pub const PAYLOAD_TYPE: &str = "application/vnd.hatchery.keys.v1+json";

/// Largest `keys.json` that is read, in bytes.
pub const SUCCESSIONS_MAX: u64 = 1 << 20;

/// Most statements in a list: with one key every year, sixteen years.
pub const STEPS_MAX: usize = 16;

/// How long after `created` the signatures may be made: two people have to
/// type their passphrases.
const SIGNING_MAX: SignedDuration = SignedDuration::from_hours(1);

/// A statement that one key hands over to another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Succession {
    /// The repository for which it does.
    pub repository: String,
    /// Grows with each statement of a repository.
    pub number: u64,
    /// When it was made.
    pub created: Timestamp,
    /// Primary fingerprint of the key that hands over.
    pub from: Fingerprint,
    /// Primary fingerprint of the key that takes over.
    pub to: Fingerprint,
}

/// The statements of a repository, oldest first. Nothing of them is verified.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Successions(Vec<Envelope>);

impl Successions {
    /// Reads `keys.json`.
    ///
    /// # Errors
    /// It is too long, or not a list of envelopes.
    pub fn parse(bytes: &[u8]) -> Result<Self, SuccessionError> {
        if bytes.len() as u64 > SUCCESSIONS_MAX {
            return Err(SuccessionError::TooLarge(bytes.len()));
        }
        let list: Self = serde_json::from_slice(bytes).map_err(SuccessionError::Json)?;
        if list.0.len() > STEPS_MAX {
            return Err(SuccessionError::TooMany(list.0.len()));
        }
        Ok(list)
    }

    /// The bytes of the file: indented JSON with a final newline.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = serde_json::to_vec_pretty(&self.0).expect("envelopes are plain JSON");
        bytes.push(b'\n');
        bytes
    }

    /// Adds a sealed statement at the end.
    ///
    /// # Errors
    /// It is no envelope, or there are too many already.
    pub fn push(&mut self, sealed: &[u8]) -> Result<(), SuccessionError> {
        if self.0.len() == STEPS_MAX {
            return Err(SuccessionError::TooMany(self.0.len() + 1));
        }
        let envelope = serde_json::from_slice(sealed).map_err(SuccessionError::Json)?;
        self.0.push(envelope);
        Ok(())
    }

    /// What the statements say, whoever signed them.
    ///
    /// # Errors
    /// One of them is none.
    pub fn unverified(&self) -> Result<Vec<Succession>, SuccessionError> {
        let read = |(at, envelope): (usize, &Envelope)| self::read(at + 1, envelope);
        let steps: Vec<_> = self
            .0
            .iter()
            .enumerate()
            .map(read)
            .collect::<Result<_, _>>()?;
        for pair in steps.windows(2) {
            if pair[1].number <= pair[0].number {
                return Err(SuccessionError::Order {
                    number: pair[1].number,
                    before: pair[0].number,
                });
            }
        }
        Ok(steps)
    }

    /// Follows the statements from any of the keys `trusted` as far as they
    /// lead: each with good signatures by both keys, whose certificates are in
    /// `certificates`. A key that has handed over hands over to no other;
    /// statements of keys that are not trusted are passed over.
    ///
    /// # Errors
    /// A statement of a trusted key that is not signed by both, is for another
    /// repository than the one before, or is from the future.
    pub fn follow(
        &self,
        trusted: &[Fingerprint],
        certificates: &Keyring,
        now: Timestamp,
    ) -> Result<Vec<Verified<Succession>>, SuccessionError> {
        let mut trusted = trusted.to_vec();
        let mut steps: Vec<Verified<Succession>> = Vec::new();
        for (envelope, step) in self.0.iter().zip(self.unverified()?) {
            let Some(at) = trusted.iter().position(|key| *key == step.from) else {
                continue;
            };
            let verified = verify(envelope, &step, certificates, now)?;
            if let Some(before) = steps.last()
                && before.repository != step.repository
            {
                return Err(step.of_another_repository(&before.repository));
            }
            trusted[at] = step.to;
            steps.push(verified);
        }
        Ok(steps)
    }
}

impl Succession {
    /// That it is a statement for another repository than `wanted`.
    #[must_use]
    pub fn of_another_repository(&self, wanted: &str) -> SuccessionError {
        SuccessionError::OtherRepository {
            from: self.from.clone(),
            to: self.to.clone(),
            found: self.repository.chars().take(80).collect(),
            wanted: wanted.to_owned(),
        }
    }
}

/// What an envelope says, whoever signed it.
fn read(number: usize, envelope: &Envelope) -> Result<Succession, SuccessionError> {
    let bytes = serde_json::to_vec(envelope).expect("an envelope is plain JSON");
    let opened = crate::envelope::open(&bytes, PAYLOAD_TYPE).map_err(|source| {
        SuccessionError::Envelope {
            number,
            source: Box::new(source.into()),
        }
    })?;
    serde_json::from_slice(&opened.payload)
        .map_err(|source| SuccessionError::Payload { number, source })
}

/// Both signatures of a statement.
fn verify(
    envelope: &Envelope,
    step: &Succession,
    certificates: &Keyring,
    now: Timestamp,
) -> Result<Verified<Succession>, SuccessionError> {
    let (from, created) = (step.from.clone(), step.created);
    if created.duration_since(now) > SignedDuration::try_from(CLOCK_TOLERANCE).unwrap_or_default() {
        return Err(SuccessionError::ClockBefore { from, created, now });
    }
    let bytes = serde_json::to_vec(envelope).expect("an envelope is plain JSON");
    let signed_by = |key: &Fingerprint, when: Timestamp| {
        let unsigned = |source: KeyringError| SuccessionError::Unsigned {
            from: step.from.clone(),
            to: step.to.clone(),
            missing: key.clone(),
            source: Box::new(source),
        };
        let alone = certificates.only(std::slice::from_ref(key));
        alone
            .verify_envelope(&bytes, PAYLOAD_TYPE, when)
            .map_err(unsigned)
    };
    let old = certificates.only(std::slice::from_ref(&from));
    let expires = old.certificates(now).first().and_then(|c| c.expires);
    if let Some(expires) = expires.filter(|expires| *expires <= now) {
        return Err(SuccessionError::Expired { from, expires });
    }
    // A revocation that says less than that the key was stolen takes back
    // nothing that the key said before; see above.
    let signed = created
        .saturating_add(SIGNING_MAX)
        .unwrap_or(now)
        .min(now.max(created));
    signed_by(&step.from, signed)?;
    let step = step.clone();
    signed_by(&step.to, now)?.try_map(|_| Ok(step.clone()))
}
