//! What has changed in a recipe since its lock was written.

use super::{Wanted, WantedRepository};
use std::fmt;

/// The differences between what a lock was written for and what is asked now.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the recipe has changed since its lock was written:{}\n\
     write the lock anew, or take the change back", Listed(.0)
)]
pub struct Drift(
    /// One line each.
    pub Vec<String>,
);

struct Listed<'a>(&'a [String]);

impl fmt::Display for Listed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|line| write!(f, "\n  {line}"))
    }
}

impl Wanted {
    /// Compares what a lock was written for with what is asked `now`.
    ///
    /// # Errors
    /// What differs.
    pub fn same_as(&self, now: &Self) -> Result<(), Drift> {
        let mut differences = Vec::new();
        let mut compare = |what: &str, was: &dyn fmt::Display, is: &dyn fmt::Display| {
            let (was, is) = (was.to_string(), is.to_string());
            if was != is {
                differences.push(format!("{what} was {was} and is {is}"));
            }
        };
        compare("the distribution", &self.distribution, &now.distribution);
        compare("the release", &self.release, &now.release);
        compare("the architecture", &self.architecture, &now.architecture);
        compare("the variant", &self.variant, &now.variant);
        compare("recommends", &self.recommends, &now.recommends);
        let ignored = |wanted: &Self| match wanted.ignored.as_slice() {
            [] => "nothing".to_owned(),
            patterns => patterns.join(", "),
        };
        compare("what is ignored", &ignored(self), &ignored(now));
        for package in now.packages.iter().filter(|p| !self.packages.contains(p)) {
            differences.push(format!("the package {package} was added"));
        }
        for package in self.packages.iter().filter(|p| !now.packages.contains(p)) {
            differences.push(format!("the package {package} was removed"));
        }
        let show = |repositories: &[WantedRepository]| {
            let shown: Vec<_> = repositories.iter().map(ToString::to_string).collect();
            shown.join(", ")
        };
        if self.repositories != now.repositories {
            differences.push(format!(
                "the repositories were {} and are {}",
                show(&self.repositories),
                show(&now.repositories)
            ));
        }
        if differences.is_empty() {
            Ok(())
        } else {
            Err(Drift(differences))
        }
    }
}

impl fmt::Display for WantedRepository {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.suite)?;
        match self.components.as_slice() {
            [] => Ok(()),
            components => write!(f, " ({})", components.join(" ")),
        }
    }
}
