//! `hatchery recipe check|schema`.

use crate::recipes;
use crate::terminal::Terminal;
use anyhow::Context as _;
use clap::{Args, Subcommand};
use hatchery_builder::recipe::Recipe;
use hatchery_image::{Architecture, ImageName, Sha256};
use serde::Serialize;
use std::path::PathBuf;

/// What to do with a recipe.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Says what is wrong with a recipe, and where
    Check(Check),
    /// Prints the JSON schema of recipes, for editors
    Schema,
}

/// What `check` takes.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  hatchery recipe check debian
  hatchery recipe check lab.toml --json")]
pub(crate) struct Check {
    /// The recipe: a file, or the name of one in a folder of recipes
    #[arg(value_name = "RECIPE")]
    recipe: PathBuf,
}

#[derive(Serialize)]
struct Shown {
    name: ImageName,
    file: PathBuf,
    digest: Sha256,
}

impl Command {
    /// Does it.
    pub(crate) fn run(&self, terminal: &Terminal) -> anyhow::Result<()> {
        match self {
            Self::Check(arguments) => check(arguments, terminal),
            Self::Schema => {
                let schema = serde_json::to_string_pretty(&Recipe::schema())?;
                terminal.raw(format!("{schema}\n").as_bytes())
            }
        }
    }
}

fn check(arguments: &Check, terminal: &Terminal) -> anyhow::Result<()> {
    let file = recipes::find(&arguments.recipe)?;
    let host = Architecture::host().context("this host's architecture has no images")?;
    let recipe = Recipe::load(&file, host)?;
    let shown = Shown {
        digest: recipe.digest(),
        name: recipe.name,
        file,
    };
    terminal.result(&shown, |shown| {
        format!(
            "{}: a good recipe, of the image {}\n",
            shown.file.display(),
            shown.name
        )
    })
}
