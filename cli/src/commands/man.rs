//! `hatchery man DIR`, for `make install`: one page for the program and one a
//! subcommand.

use crate::arguments::Cli;
use crate::terminal::Terminal;
use anyhow::Context as _;
use clap::{Args, CommandFactory as _};
use std::path::PathBuf;

/// What it takes.
#[derive(Args, Debug)]
pub(crate) struct Arguments {
    /// An existing folder, such as /usr/local/share/man/man1
    folder: PathBuf,
}

/// Does it.
pub(crate) fn run(arguments: &Arguments, _terminal: &Terminal) -> anyhow::Result<()> {
    clap_mangen::generate_to(Cli::command(), &arguments.folder)
        .with_context(|| format!("cannot write man pages to {}", arguments.folder.display()))
}
