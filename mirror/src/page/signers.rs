//! Who signs the catalog and until when it is good, as the catalog itself says
//! it. Nothing of it is verified here, and the pages say so.

use super::View;
use super::cut;
use super::figures::{Moment, span};
use crate::expiry::{self, Expiry};
use crate::holdings::{Holdings, HoldingsError};
use hatchery_image::keyring::{Certificate, CertificateState};
use hatchery_image::{Catalog, Fingerprint};
use jiff::SignedDuration;

/// Most keys of a catalog that are looked at. Few repositories have three.
const KEYS_READ_MAX: usize = 256;
/// Most of them that are shown.
const KEYS_MAX: usize = 16;
/// Most user ids of a key that are shown.
const USER_IDS_MAX: usize = 3;

/// From the beginning of a view's minute to its end.
const MINUTE: SignedDuration = SignedDuration::from_secs(59);

/// What is wrong with the catalog, in a sentence or two.
#[derive(Clone, Debug)]
pub(super) struct Warning {
    /// Whether clients refuse it.
    pub(super) is_grave: bool,
    pub(super) text: String,
}

/// A key that may sign.
#[derive(Clone, Debug)]
pub(super) struct Key {
    pub(super) fingerprint: Fingerprint,
    /// In groups, to be compared by people.
    pub(super) groups: Vec<String>,
    pub(super) user_ids: Vec<String>,
    /// Whether the catalog says that it signed it.
    pub(super) has_signed: bool,
    /// Why its signatures do not count, if they do not.
    pub(super) fault: Option<String>,
}

/// What people want to know of a catalog.
#[derive(Clone, Debug)]
pub(super) struct Facts {
    pub(super) version: u64,
    pub(super) repository: String,
    pub(super) created: Moment,
    pub(super) expires: Moment,
}

/// Who signs.
#[derive(Clone, Debug, Default)]
pub(super) struct Signers {
    /// None without a catalog that can be understood.
    pub(super) facts: Option<Facts>,
    pub(super) warning: Option<Warning>,
    /// Those first that signed.
    pub(super) keys: Vec<Key>,
}

impl Signers {
    /// Reads the catalog and the certificates beside it.
    pub(super) fn read(holdings: &Holdings, view: &View) -> Result<Self, HoldingsError> {
        // The end of the minute that the page speaks of: a key may be seconds
        // old when its first catalog is there.
        let end = view.now.checked_add(MINUTE).unwrap_or(view.now);
        let certificates = holdings.pages().certificates(holdings, end)?;
        let looked = holdings.look(|catalog, signers| {
            catalog.map(|catalog| Self::of(catalog, signers, &certificates, view))
        })?;
        let grave = |text: &str| Self {
            warning: Some(Warning {
                is_grave: true,
                text: text.to_owned(),
            }),
            ..Self::default()
        };
        Ok(match looked {
            Some(Some(signers)) => signers,
            Some(None) => grave(
                "The catalog of this mirror cannot be understood, so nothing of it can be shown or imported. \
                 Its operator finds the reason in the server’s log.",
            ),
            None => grave("This mirror has no catalog yet: nothing has been published here."),
        })
    }

    fn of(
        catalog: &Catalog,
        signers: &[Fingerprint],
        certificates: &[Certificate],
        view: &View,
    ) -> Self {
        let mut keys: Vec<Key> = catalog
            .keys
            .iter()
            .take(KEYS_READ_MAX)
            .map(|fingerprint| {
                let mut found = certificates.iter();
                let certificate = found.find(|c| c.fingerprint == *fingerprint);
                key(fingerprint, signers.contains(fingerprint), certificate)
            })
            .collect();
        keys.sort_by_key(|key| (key.fault.is_some(), !key.has_signed));
        keys.truncate(KEYS_MAX);
        Self {
            facts: Some(Facts {
                version: catalog.version,
                repository: cut(&catalog.repository),
                created: catalog.created.into(),
                expires: catalog.expires.into(),
            }),
            warning: warning(catalog, view),
            keys,
        }
    }

    /// The key that commands name.
    pub(super) fn first(&self) -> Option<&Fingerprint> {
        let good = self.keys.iter().find(|key| key.fault.is_none());
        good.map(|key| &key.fingerprint)
    }
}

fn key(fingerprint: &Fingerprint, has_signed: bool, certificate: Option<&Certificate>) -> Key {
    let digits = fingerprint.as_str().as_bytes();
    let groups = digits
        .chunks(4)
        .map(|group| String::from_utf8_lossy(group).into_owned());
    let user_ids = certificate.map_or(&[][..], |certificate| &certificate.user_ids);
    let fault = match certificate.map(|certificate| &certificate.state) {
        None | Some(CertificateState::Good) => None,
        Some(CertificateState::Expired) => Some("has expired".to_owned()),
        Some(CertificateState::Revoked) => Some("was revoked".to_owned()),
        Some(CertificateState::Refused(why)) => Some(format!("is not accepted: {}", cut(why))),
    };
    Key {
        fingerprint: fingerprint.clone(),
        groups: groups.collect(),
        user_ids: user_ids
            .iter()
            .take(USER_IDS_MAX)
            .map(|id| cut(id))
            .collect(),
        has_signed,
        fault,
    }
}

fn warning(catalog: &Catalog, view: &View) -> Option<Warning> {
    let expires = Moment::from(catalog.expires);
    match expiry::expiry(catalog.expires, view.now) {
        Expiry::Far => None,
        Expiry::Near(left) => Some(Warning {
            is_grave: false,
            text: format!(
                "The catalog expires in {}. Its publisher has to sign it again before that.",
                span(left)
            ),
        }),
        Expiry::Past => Some(Warning {
            is_grave: true,
            text: format!(
                "The catalog expired on {}. hatchery refuses it until its publisher signs it again; \
                 this mirror may be holding back newer images.",
                expires.day
            ),
        }),
    }
}
