//! A web of trust of one step: master keys certify packagers' keys, as Arch
//! Linux has it.
//!
//! The rules are those of gpg's classic trust model (`g10/trustdb.c` of GnuPG
//! 2.2, `--trust-model pgp` with its defaults), set up the way `pacman-key
//! --populate` does: a local key certifies every key of the list of trusted
//! ones, so those are valid, and the list says what their certifications are
//! worth. No other key has ownertrust, so nothing is ever valid at a second
//! step, and no depth has to be counted. A key is valid when one live user id
//! of it is certified by one *full* or three *marginal* masters that are live
//! themselves; each master's newest word on that user id counts. Keys of the
//! list of revoked ones never count.
//!
//! Stricter than gpg where that costs nothing: a revocation that is dated in
//! the future counts, and so does that of a certification which calls itself
//! irrevocable; photos are no user ids; a master that is listed as revoked
//! certifies nothing, where gpg only disables it.
//!
//! What costs is checking signatures. It is done once a certificate, when one
//! is asked for: a build meets some dozens of the packagers. What depends on
//! the time is asked anew each time.

use super::policy::Rules;
use super::signature::{CLOCK_TOLERANCE, root_cause};
use super::{Fingerprint, Keyring, KeyringError, Member, Policy, Reason};
use sequoia_openpgp as openpgp;

use openpgp::cert::prelude::*;
use openpgp::packet::{Signature, UserID};
use openpgp::policy::Policy as _;
use openpgp::types::{RevocationStatus, SignatureType};
use std::collections::BTreeSet;
use std::sync::{Arc, OnceLock};
use std::time::SystemTime;

/// How many marginal masters it takes; gpg's `--marginals-needed`. A full one
/// suffices alone, as `--completes-needed` says.
const MARGINALS_NEEDED: usize = 3;

/// Whom certificates must be certified by.
struct Web {
    masters: Vec<Master>,
    revoked: BTreeSet<Fingerprint>,
    policy: Policy,
}

struct Master {
    certificate: Arc<Cert>,
    trust: Trust,
}

/// What a certification is worth.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Trust {
    Marginal,
    Full,
}

/// A certificate's place in a web.
pub(super) struct Standing {
    web: Arc<Web>,
    /// What masters said of it: found and verified once, not judged.
    words: OnceLock<Vec<Word>>,
}

/// A certification of a user id by a master, or the revocation of one.
struct Word {
    user_id: UserID,
    master: usize,
    signature: Signature,
}

impl Keyring {
    /// Reads certificates that count only as far as others of them say so:
    /// Arch Linux's `archlinux.gpg`, `archlinux-trusted` (lines
    /// `FINGERPRINT:4:`, 4 for marginal, 5 for full) and `archlinux-revoked`
    /// (a fingerprint a line). `policy` is for what binds and certifies them.
    ///
    /// # Errors
    /// Those of [`Keyring::parse`]; a list that cannot be read, or that trusts
    /// a key that is not there.
    pub fn from_web_of_trust(
        certificates: &[u8],
        trusted: &str,
        revoked: &str,
        policy: Policy,
    ) -> Result<Self, KeyringError> {
        let mut keyring = Self::parse(certificates)?;
        let web = Arc::new(Web {
            masters: masters(trusted, &keyring.members)?,
            revoked: revoked_keys(revoked)?,
            policy,
        });
        for member in &mut keyring.members {
            member.standing = Some(Arc::new(Standing::new(web.clone())));
        }
        Ok(keyring)
    }
}

/// The lines of a list that say something, counted from one.
fn lines(list: &str) -> impl Iterator<Item = (usize, &str)> {
    let numbered = list.lines().enumerate();
    let numbered = numbered.map(|(i, line)| (i + 1, line.trim_ascii()));
    numbered.filter(|(_, line)| !line.is_empty() && !line.starts_with('#'))
}

fn masters(list: &str, members: &[Member]) -> Result<Vec<Master>, KeyringError> {
    let mut masters: Vec<Master> = Vec::new();
    for (line, text) in lines(list) {
        let fail = |problem| KeyringError::List {
            list: "trusted",
            line,
            problem,
        };
        let (key, trust) = text.split_once(':').ok_or(fail("it has no ownertrust"))?;
        let key: Fingerprint = key.parse().map_err(|_| fail("it names no fingerprint"))?;
        // gpg exports 6 for its user's own keys, and takes them as full.
        let trust = match trust.trim_end_matches(':') {
            "4" => Trust::Marginal,
            "5" | "6" => Trust::Full,
            _ => return Err(fail("its ownertrust is neither 4, 5 nor 6")),
        };
        let member = members.iter().find(|m| m.fingerprint() == key);
        let member = member.ok_or(fail("its key is not in the key file"))?;
        let certificate = member.certificate.clone();
        // Twice in the list would be two of three.
        if masters.iter().any(|m| m.fingerprint() == key) {
            return Err(fail("its key is listed before"));
        }
        masters.push(Master { certificate, trust });
    }
    Ok(masters)
}

fn revoked_keys(list: &str) -> Result<BTreeSet<Fingerprint>, KeyringError> {
    let read = |(line, text): (usize, &str)| {
        text.parse().map_err(|_| KeyringError::List {
            list: "revoked",
            line,
            problem: "it is no fingerprint",
        })
    };
    lines(list).map(read).collect()
}

impl Standing {
    fn new(web: Arc<Web>) -> Self {
        Self {
            web,
            words: OnceLock::new(),
        }
    }

    /// The place of the same certificate after more of it became known.
    pub(super) fn anew(&self) -> Self {
        Self::new(self.web.clone())
    }

    pub(super) fn policy(&self) -> Policy {
        self.web.policy
    }

    /// Whether the certificate counts at `now`, if it is live and not revoked,
    /// which is not asked here.
    pub(super) fn judge(&self, certificate: &Cert, now: SystemTime) -> Result<(), Reason> {
        let fingerprint = certificate.fingerprint().into();
        if self.web.revoked.contains(&fingerprint) {
            return Err(Reason::ListedAsRevoked);
        }
        let rules = self.web.policy.at(now);
        let valid = certificate
            .with_policy(&rules, now)
            .map_err(|e| Reason::KeyRefused(root_cause(&e)))?;
        let mut user_ids = valid.userids().revoked(false).map(|u| u.userid());
        if self
            .web
            .masters
            .iter()
            .any(|m| m.fingerprint() == fingerprint)
        {
            return user_ids.next().map(drop).ok_or(Reason::NotCertified {
                by: 0,
                needed: MARGINALS_NEEDED,
            });
        }
        let live = self.web.live_masters(&rules, now);
        let words = self.words.get_or_init(|| self.web.words_on(certificate));
        let mut most = 0;
        for user_id in user_ids {
            let by = |trust: Trust| {
                let masters = self.web.masters.iter().enumerate();
                masters
                    .filter(|(i, master)| master.trust == trust && live[*i])
                    .filter(|(i, _)| is_certified(words, user_id, *i, &rules, now))
                    .count()
            };
            let marginal = by(Trust::Marginal);
            if marginal >= MARGINALS_NEEDED || by(Trust::Full) > 0 {
                return Ok(());
            }
            most = most.max(marginal);
        }
        Err(Reason::NotCertified {
            by: most,
            needed: MARGINALS_NEEDED,
        })
    }
}

impl Web {
    /// Which of the masters are valid themselves.
    fn live_masters(&self, rules: &Rules, now: SystemTime) -> Vec<bool> {
        let is_live = |master: &Master| {
            let Ok(valid) = master.certificate.with_policy(rules, now) else {
                return false;
            };
            valid.alive().is_ok()
                && !matches!(valid.revocation_status(), RevocationStatus::Revoked(_))
                && valid.userids().revoked(false).next().is_some()
                && !self.revoked.contains(&master.fingerprint())
        };
        self.masters.iter().map(is_live).collect()
    }

    /// All that masters ever said of a certificate's user ids.
    fn words_on(&self, certificate: &Cert) -> Vec<Word> {
        let mut words = Vec::new();
        for user_id in certificate.userids() {
            let certifications = user_id.certifications().filter(|s| is_certification(s));
            for signature in certifications.chain(user_id.other_revocations()) {
                let user_id = user_id.userid();
                if let Some(master) = self.author(signature, certificate, user_id) {
                    words.push(Word {
                        user_id: user_id.clone(),
                        master,
                        signature: signature.clone(),
                    });
                }
            }
        }
        words
    }

    /// The number of the master who made this signature over a user id.
    fn author(&self, signature: &Signature, of: &Cert, user_id: &UserID) -> Option<usize> {
        let issuers = signature.get_issuers();
        let of = of.primary_key().key();
        self.masters.iter().position(|master| {
            // Only primary keys certify.
            let key = master.certificate.primary_key().key();
            let handle = key.key_handle();
            issuers.iter().any(|issuer| issuer.aliases(&handle))
                && match signature.typ() {
                    SignatureType::CertificationRevocation => {
                        signature.verify_userid_revocation(key, of, user_id)
                    }
                    _ => signature.verify_userid_binding(key, of, user_id),
                }
                .is_ok()
        })
    }
}

impl Master {
    fn fingerprint(&self) -> Fingerprint {
        self.certificate.fingerprint().into()
    }
}

/// gpg's `--min-cert-level` leaves out what says that nothing was checked, and
/// it imports nothing that its author did not want to be passed on.
fn is_certification(signature: &Signature) -> bool {
    signature.typ() != SignatureType::PersonaCertification
        && signature.exportable_certification() != Some(false)
}

/// Whether the newest word of a master on a user id is a certification that
/// counts at `now`. One that has expired does not give way to an older one.
fn is_certified(
    words: &[Word],
    user_id: &UserID,
    master: usize,
    rules: &Rules,
    now: SystemTime,
) -> bool {
    let is_revocation = |s: &Signature| s.typ() == SignatureType::CertificationRevocation;
    let words = words
        .iter()
        .filter(|w| w.master == master && w.user_id == *user_id)
        .map(|w| &w.signature)
        .filter(|s| rules.signature(s, user_id.hash_algo_security()).is_ok())
        .filter_map(|s| Some((s.signature_creation_time()?, s)))
        .filter(|(made, s)| is_revocation(s) || *made <= now + CLOCK_TOLERANCE);
    // Of two of the same second, the revocation.
    let newest = words.max_by_key(|(made, s)| (*made, is_revocation(s)));
    newest.is_some_and(|(_, s)| {
        !is_revocation(s) && s.signature_expiration_time().is_none_or(|end| end > now)
    })
}
