//! What a host has followed of a repository's statements, so that a mirror
//! cannot show it fewer, or others.

use super::{Succession, SuccessionError};
use crate::{Fingerprint, Verified};
use serde::{Deserialize, Serialize};

/// The statements of one repository that were followed, oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Followed {
    steps: Vec<Succession>,
}

impl Followed {
    /// The key that a key has handed over to, if it did: its own signature
    /// counts no more for this repository.
    #[must_use]
    pub fn heir(&self, key: &Fingerprint) -> Option<&Fingerprint> {
        let step = self.steps.iter().find(|step| step.from == *key);
        step.map(|step| &step.to)
    }

    /// What was followed once these were, too: never less than before.
    ///
    /// # Errors
    /// They end before what was followed, or lead elsewhere.
    pub fn and(&self, steps: &[Verified<Succession>]) -> Result<Self, SuccessionError> {
        let highest = |numbers: &mut dyn Iterator<Item = u64>| numbers.max().unwrap_or(0);
        let seen = highest(&mut self.steps.iter().map(|s| s.number));
        let offered = highest(&mut steps.iter().map(|s| s.number));
        if offered < seen {
            return Err(SuccessionError::RolledBack { seen, offered });
        }
        let mut all = self.clone();
        for step in steps {
            match self.heir(&step.from) {
                Some(to) if *to == step.to => {}
                Some(to) => {
                    return Err(SuccessionError::Forked {
                        from: step.from.clone(),
                        to: to.clone(),
                        offered: step.to.clone(),
                    });
                }
                None => all.steps.push((**step).clone()),
            }
        }
        all.steps.sort_by_key(|step| step.number);
        Ok(all)
    }
}
