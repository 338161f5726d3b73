//! `hatchery key new`.

use super::home::GnupgHome;
use super::{day, grouped};
use crate::span;
use crate::terminal::Terminal;
use clap::Args;
use hatchery_image::Fingerprint;
use hatchery_image::signer::Protection;
use serde::Serialize;
use std::time::Duration;

const EXAMPLES: &str = "\
The key is an Ed25519 key in your GnuPG home. Back that home up: whoever trusts
the key can only be told to trust another one with both.

Examples:
  hatchery key new --name 'My images' --email images@example.org
  hatchery key new --name CI --expires 1y --no-passphrase --gnupg-home /srv/ci/gnupg";

/// What it takes.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// Whose key it is
    #[arg(long, default_value = "hatchery images")]
    name: String,
    /// Mail address under which its owner is reached
    #[arg(long)]
    email: Option<String>,
    /// When it stops being good, such as 90d, 18m or 2y [default: never]
    #[arg(long, value_name = "TIME", value_parser = span::parse)]
    expires: Option<Duration>,
    /// Whoever can read the GnuPG home can sign: for machines that sign alone
    #[arg(long)]
    no_passphrase: bool,
    #[command(flatten)]
    home: GnupgHome,
}

#[derive(Serialize)]
struct Made {
    fingerprint: Fingerprint,
    user_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires: Option<jiff::Timestamp>,
}

/// Does it.
pub(crate) fn run(arguments: &Arguments, terminal: &Terminal) -> anyhow::Result<()> {
    let user_id = match &arguments.email {
        Some(email) => format!("{} <{email}>", arguments.name),
        None => arguments.name.clone(),
    };
    let protection = if arguments.no_passphrase {
        Protection::None
    } else {
        Protection::Passphrase
    };
    let home = arguments.home.create()?;
    let key = home.new_key(&user_id, protection, arguments.expires)?;
    let made = Made {
        fingerprint: key.fingerprint,
        user_id,
        expires: key.expires,
    };
    terminal.result(&made, |made| {
        format!(
            "{}\n    {}\n    {}\n",
            grouped(made.fingerprint.as_str()),
            made.user_id,
            made.expires.map_or("never expires".to_owned(), |t| format!(
                "expires {}",
                day(t)
            )),
        )
    })
}
