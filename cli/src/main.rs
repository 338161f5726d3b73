//! `hatchery`: arguments in, one library verb called, an exit code out.
//!
//! This crate owns the command line, the terminal, the environment and the
//! clock. It never does anything that a library could do.

mod arguments;
mod commands;
mod environment;
mod exit;
mod hint;
mod interrupt;
mod progress;
#[cfg(feature = "build")]
mod recipes;
mod size;
#[cfg(feature = "sign")]
mod span;
#[cfg(feature = "serve")]
mod systemd;
mod terminal;

use clap::Parser as _;
use std::process::ExitCode;

fn main() -> ExitCode {
    // Before any thread exists: what these enter wants a process of one thread.
    if let Some(code) = commands::helper() {
        return code;
    }
    environment::is_root();
    let cli = arguments::Cli::parse();
    // Every TLS connection uses ring. Only a second call could fail.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let terminal = terminal::Terminal::new(&cli.global);
    let entered = cli.command.enter();
    let result = entered
        .and_then(|()| interrupt::watch(&terminal, cli.command.hangup()))
        .and_then(|()| cli.command.run(&terminal));
    terminal.end(result)
}
