//! Digests of recipes.
//!
//! What is digested is a canonical JSON of the recipe after `include` and
//! with all defaults filled in: fields in the order of the types, contents of
//! files as their SHA-256. So comments, order of keys and the way a recipe is
//! split into files do not count, and everything that reaches the image does.

use super::{Component, Distribution, Family, File, Key, PackageName, Recipe, SigLevel, Suite};
use hatchery_image::{Architecture, Sha256};
use serde::Serialize;

/// Grows when the same recipe must give another digest.
const FORMAT: u32 = 1;

#[derive(Serialize)]
struct Canonical<T> {
    format: u32,
    recipe: T,
}

/// What influences the tree before any setting is applied.
#[derive(Serialize)]
struct Bootstrap<'a> {
    distribution: Distribution,
    family: &'a Family,
    architecture: Architecture,
    packages: Vec<PackageName>,
    repositories: Vec<Origin<'a>>,
    source_date_epoch: Option<i64>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    hooks: Vec<&'a File>,
}

/// A repository without its addresses: every mirror has the same signed files.
#[derive(Serialize)]
struct Origin<'a> {
    suite: &'a Suite,
    components: &'a [Component],
    key: Option<&'a Key>,
    #[serde(skip_serializing_if = "SigLevel::is_default")]
    sig_level: SigLevel,
}

impl Recipe {
    /// The digest of the whole recipe.
    #[must_use]
    pub fn digest(&self) -> Sha256 {
        digest(self)
    }

    /// The digest of what influences the tree before any setting is applied:
    /// two recipes with the same one can start from the same bootstrap (of
    /// the same lock).
    #[must_use]
    pub fn bootstrap_digest(&self) -> Sha256 {
        digest(Bootstrap {
            distribution: self.distribution,
            family: &self.family,
            architecture: self.architecture,
            packages: self.effective_packages(),
            repositories: self
                .repositories
                .iter()
                .map(|r| Origin {
                    suite: &r.suite,
                    components: &r.components,
                    key: r.key.as_ref(),
                    sig_level: r.sig_level,
                })
                .collect(),
            source_date_epoch: self.source_date_epoch,
            hooks: self.hooks().collect(),
        })
    }
}

fn digest(recipe: impl Serialize) -> Sha256 {
    let canonical = Canonical {
        format: FORMAT,
        recipe,
    };
    let bytes = serde_json::to_vec(&canonical).expect("every map in a recipe has text keys");
    Sha256::of(&bytes)
}
