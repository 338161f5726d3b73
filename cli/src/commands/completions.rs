//! `hatchery completions SHELL`, for `make install`.

use crate::arguments::Cli;
use crate::terminal::Terminal;
use clap::{Args, CommandFactory as _};
use clap_complete::Shell;

/// What it takes.
#[derive(Args, Debug)]
pub(crate) struct Arguments {
    /// bash, zsh or fish
    shell: Shell,
}

/// Does it.
pub(crate) fn run(arguments: &Arguments, terminal: &Terminal) -> anyhow::Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(
        arguments.shell,
        &mut Cli::command(),
        "hatchery",
        &mut script,
    );
    terminal.raw(&script)
}
