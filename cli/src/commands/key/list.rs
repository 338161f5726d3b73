//! `hatchery key list`.

use super::home::GnupgHome;
use super::{day, grouped};
use crate::terminal::Terminal;
use clap::Args;
use hatchery_image::Fingerprint;
use jiff::Timestamp;
use serde::Serialize;

/// What it takes.
#[derive(Args, Debug)]
pub(crate) struct Arguments {
    #[command(flatten)]
    home: GnupgHome,
}

#[derive(Serialize)]
struct Key {
    fingerprint: Fingerprint,
    user_ids: Vec<String>,
    created: Option<Timestamp>,
    expires: Option<Timestamp>,
    can_sign: bool,
}

/// Does it.
pub(crate) fn run(arguments: &Arguments, terminal: &Terminal) -> anyhow::Result<()> {
    let home = arguments.home.open()?;
    let keys: Vec<Key> = home
        .secret_keys()?
        .into_iter()
        .map(|key| Key {
            fingerprint: key.fingerprint,
            user_ids: key.user_ids,
            created: key.created,
            expires: key.expires,
            can_sign: key.can_sign,
        })
        .collect();
    terminal.result(&keys, |keys| match keys.as_slice() {
        [] => "no keys; `hatchery key new` makes one\n".to_owned(),
        keys => keys.iter().map(human).collect(),
    })
}

fn human(key: &Key) -> String {
    let mut text = format!("{}\n", grouped(key.fingerprint.as_str()));
    for user_id in &key.user_ids {
        text.push_str(&format!("    {user_id}\n"));
    }
    let made = key.created.map_or("?".to_owned(), day);
    let expires = key.expires.map_or("never expires".to_owned(), |t| {
        format!("expires {}", day(t))
    });
    let state = if key.can_sign {
        ""
    } else {
        ", cannot sign now"
    };
    text.push_str(&format!("    made {made}, {expires}{state}\n"));
    text
}
