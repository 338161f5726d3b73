//! The command line: what is global, and the list of subcommands.

use crate::commands;
use crate::exit;
use crate::interrupt::Hangup;
use crate::terminal::Terminal;
use clap::{ArgAction, Args, Parser, Subcommand};
use tracing_subscriber::filter::LevelFilter;

const EXAMPLES: &str = "\
Examples:
  hatchery key new --name 'My images' --email images@example.org
  hatchery build debian                          recipe to signed image
  hatchery publish images/debian --store /srv/images
  hatchery serve --store /srv/images --listen 0.0.0.0:8080
  hatchery import debian --mirror http://mirror:8080/ --key mirror.pgp --limit 16G

Each subcommand explains itself: hatchery build --help";

/// Builds operating-system trees for systemd-nspawn, signs them, serves them
/// and puts them on hosts.
///
/// A recipe becomes a signed image (build), an image becomes part of a store
/// (publish), a store is served over HTTP (serve), and a host makes a machine
/// of an image (import), which machinectl or systemd-nspawn then starts.
#[derive(Debug, Parser)]
#[command(
    name = "hatchery",
    version,
    after_help = EXAMPLES,
    after_long_help = format!("{EXAMPLES}\n\n{}\n\n{ENVIRONMENT}", exit::TABLE),
    arg_required_else_help = true,
    disable_help_subcommand = true,
)]
pub(crate) struct Cli {
    /// What every subcommand takes.
    #[command(flatten)]
    pub global: Global,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

const ENVIRONMENT: &str = "\
Environment:
  GNUPGHOME          where the private keys are (gpg's own default otherwise)
  SOURCE_DATE_EPOCH  the newest time inside an image, in seconds since 1970
  XDG_CACHE_HOME     downloads are kept in hatchery/ beneath it; otherwise in
                     /var/cache/hatchery (root) or ~/.cache/hatchery
  NO_COLOR           no colours, if set";

/// What every subcommand takes.
#[derive(Args, Debug)]
#[command(next_help_heading = "Output")]
pub(crate) struct Global {
    /// Show results, warnings and errors, but no progress
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub quiet: bool,
    /// Say more; twice and three times for the log
    #[arg(short, long, global = true, action = ArgAction::Count)]
    pub verbose: u8,
    /// Print JSON lines on stdout: events while it runs, then the result or the error
    #[arg(long, global = true)]
    pub json: bool,
}

/// The subcommands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Checks recipes, and prints their schema
    #[cfg(feature = "build")]
    #[command(subcommand)]
    Recipe(commands::recipe::Command),
    /// Chooses an image's packages and writes their lock
    #[cfg(feature = "build")]
    Plan(commands::plan::Arguments),
    /// Builds a signed image from a recipe
    #[cfg(feature = "build")]
    Build(Box<commands::build::Arguments>),
    /// Puts an image into a store and signs the catalog after it
    #[cfg(feature = "serve")]
    Publish(commands::publish::Arguments),
    /// Signs the catalog of a store again
    #[cfg(feature = "serve")]
    #[command(subcommand)]
    Catalog(commands::catalog::Command),
    /// Makes what other protocols want beside the versions of a store
    #[cfg(feature = "serve")]
    #[command(subcommand)]
    Derive(commands::derive::Command),
    /// Serves a store over HTTP
    #[cfg(feature = "serve")]
    Serve(Box<commands::serve::Arguments>),
    /// Makes a machine of an image
    #[cfg(feature = "import")]
    Import(Box<commands::import::Arguments>),
    /// Lists the machines of this host
    #[cfg(feature = "import")]
    List(commands::list::Arguments),
    /// Shows what machines are, take and may take, and whether there is a newer image
    #[cfg(feature = "import")]
    Status(commands::status::Arguments),
    /// Changes how much of the disk a machine may take
    #[cfg(feature = "import")]
    Limit(commands::limit::Arguments),
    /// Makes and grows a file system for machines, where limits are to be had
    #[cfg(feature = "import")]
    #[command(subcommand)]
    Pool(commands::pool::Command),
    /// Removes a machine and all that belongs to it
    #[cfg(feature = "import")]
    Remove(commands::remove::Arguments),
    /// Lists what was changed in a machine since its image was signed
    #[cfg(feature = "import")]
    Verify(commands::verify::Arguments),
    /// Brings back what a machine was before it was replaced
    #[cfg(feature = "import")]
    Rollback(commands::rollback::Arguments),
    /// Removes what is kept and no longer wanted
    #[cfg(feature = "import")]
    Gc(commands::gc::Arguments),
    /// Sets the host's own network up for machines
    #[cfg(feature = "import")]
    #[command(subcommand)]
    Host(commands::host::Command),
    /// Boots a machine to see whether it comes up as it should
    #[cfg(feature = "import")]
    Check(commands::check::Arguments),
    /// Makes, lists, exports and trusts keys
    #[command(subcommand)]
    Key(commands::key::Command),
    /// Prints completions for a shell
    #[command(hide = true)]
    Completions(commands::completions::Arguments),
    /// Writes the man pages
    #[command(hide = true)]
    Man(commands::man::Arguments),
}

impl Command {
    /// Does it.
    pub(crate) fn run(&self, terminal: &Terminal) -> anyhow::Result<()> {
        terminal.log(self.log_level());
        match self {
            #[cfg(feature = "build")]
            Self::Recipe(command) => command.run(terminal),
            #[cfg(feature = "build")]
            Self::Plan(arguments) => commands::plan::run(arguments, terminal),
            #[cfg(feature = "build")]
            Self::Build(arguments) => commands::build::run(arguments, terminal),
            #[cfg(feature = "serve")]
            Self::Publish(arguments) => commands::publish::run(arguments, terminal),
            #[cfg(feature = "serve")]
            Self::Catalog(command) => command.run(terminal),
            #[cfg(feature = "serve")]
            Self::Derive(command) => command.run(terminal),
            #[cfg(feature = "serve")]
            Self::Serve(arguments) => commands::serve::run(arguments, terminal),
            #[cfg(feature = "import")]
            Self::Import(arguments) => commands::import::run(arguments, terminal),
            #[cfg(feature = "import")]
            Self::List(arguments) => commands::list::run(arguments, terminal),
            #[cfg(feature = "import")]
            Self::Status(arguments) => commands::status::run(arguments, terminal),
            #[cfg(feature = "import")]
            Self::Limit(arguments) => commands::limit::run(arguments, terminal),
            #[cfg(feature = "import")]
            Self::Pool(command) => command.run(terminal),
            #[cfg(feature = "import")]
            Self::Remove(arguments) => commands::remove::run(arguments, terminal),
            #[cfg(feature = "import")]
            Self::Verify(arguments) => commands::verify::run(arguments, terminal),
            #[cfg(feature = "import")]
            Self::Rollback(arguments) => commands::rollback::run(arguments, terminal),
            #[cfg(feature = "import")]
            Self::Gc(arguments) => commands::gc::run(arguments, terminal),
            #[cfg(feature = "import")]
            Self::Host(command) => command.run(terminal),
            #[cfg(feature = "import")]
            Self::Check(arguments) => commands::check::run(arguments, terminal),
            Self::Key(command) => command.run(terminal),
            Self::Completions(arguments) => commands::completions::run(arguments, terminal),
            Self::Man(arguments) => commands::man::run(arguments, terminal),
        }
    }

    /// Enters the namespaces that the subcommand wants. The process must have
    /// one thread.
    pub(crate) fn enter(&self) -> anyhow::Result<()> {
        match self {
            #[cfg(feature = "build")]
            Self::Build(_) => commands::build::enter(),
            _ => Ok(()),
        }
    }

    /// What SIGHUP means to it.
    pub(crate) fn hangup(&self) -> Hangup {
        match self {
            #[cfg(feature = "serve")]
            Self::Serve(_) => Hangup::Changes,
            _ => Hangup::Stops,
        }
    }

    /// What is logged without being asked for: a server's accesses.
    fn log_level(&self) -> LevelFilter {
        match self {
            #[cfg(feature = "serve")]
            Self::Serve(_) => LevelFilter::INFO,
            _ => LevelFilter::WARN,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
