//! What is told while something is made and does not stop it.

use hatchery_image::Progress;
use hatchery_image::progress::Event;
use std::sync::{Arc, Mutex, PoisonError};

/// The warnings so far.
#[derive(Clone, Debug, Default)]
pub struct Warnings(Arc<Mutex<Vec<String>>>);

impl Warnings {
    /// A progress that nobody sees, and its warnings.
    #[must_use]
    pub fn listen() -> (Progress, Self) {
        let warnings = Self::default();
        let said = warnings.clone();
        let progress = Progress::new(move |event: Event| {
            if let Event::Warning { text } = event {
                let mut said = said.0.lock().unwrap_or_else(PoisonError::into_inner);
                said.push(text);
            }
        });
        (progress, warnings)
    }

    /// The texts, in the order in which they were told.
    #[must_use]
    pub fn all(&self) -> Vec<String> {
        let said = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        said.clone()
    }
}
