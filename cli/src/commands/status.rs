//! `hatchery status`.

use super::places::HostPlaces;
use super::source::Source;
use crate::environment;
use crate::size;
use crate::terminal::Terminal;
use clap::Args;
use hatchery_image::MachineName;
use hatchery_importer::limit::ROOT_IS_EXEMPT;
use hatchery_importer::status::{Ask, SettingsStatus, State, Status, Update, status};

/// What it takes.
#[derive(Args, Debug)]
#[command(after_help = "\
Usage and limit are the kernel's own, so a limit that machinectl has set is
shown as it is. The mirrors are asked for a newer image, for some seconds at
most.

Examples:
  hatchery status
  hatchery status web
  hatchery status --no-update-check --json")]
pub(crate) struct Arguments {
    /// The machine [default: all]
    #[arg(value_name = "MACHINE")]
    machine: Option<MachineName>,
    /// Ask no mirror whether there is a newer image
    #[arg(long)]
    no_update_check: bool,
    #[command(flatten)]
    source: Source,
    #[command(flatten)]
    places: HostPlaces,
}

/// Does it.
pub(crate) fn run(arguments: &Arguments, terminal: &Terminal) -> anyhow::Result<()> {
    let places = arguments.places.places()?;
    let repository = match arguments.no_update_check {
        true => None,
        false => Some(arguments.source.repository(&arguments.places)?),
    };
    let now = environment::now();
    let ask = repository
        .as_ref()
        .map(|repository| Ask { repository, now });
    let name = arguments.machine.as_ref();
    let found = status(name, &places, ask, terminal.progress())?;
    terminal.result(&found, |found| human(found))
}

fn human(found: &[Status]) -> String {
    if found.is_empty() {
        return "no machines\n".to_owned();
    }
    let blocks: Vec<_> = found.iter().map(block).collect();
    blocks.join("\n")
}

fn block(machine: &Status) -> String {
    let mut text = String::new();
    let mut line = |key: &str, value: String| text.push_str(&format!("{key:<10} {value}\n"));
    line("machine", machine.name.clone());
    line("state", state(machine.state).to_owned());
    line("path", machine.path.display().to_string());
    let disk = &machine.disk;
    line(
        "used",
        disk.used.map_or("not counted".to_owned(), size::human),
    );
    line("limit", limit(machine));
    if let Some(record) = &machine.record {
        line("image", record.image.to_string());
        line("version", record.version.to_string());
        line("signer", record.signer.to_string());
        line("imported", record.imported.strftime("%Y-%m-%d").to_string());
    }
    line("update", update(&machine.update));
    if let Some(settings) = &machine.settings {
        for (key, value) in of_settings(settings) {
            line(key, value);
        }
    }
    text
}

fn state(state: State) -> &'static str {
    match state {
        State::Running => "running",
        State::InUse => "in use: it runs unregistered, or a program works on it",
        State::Stopped => "stopped",
        State::Gone => "gone: there is a record of it and no tree",
    }
}

fn limit(machine: &Status) -> String {
    match (machine.disk.kind, machine.disk.limit) {
        (Some(kind), Some(limit)) => {
            let exempt = if machine.disk.root_is_exempt {
                format!("; {ROOT_IS_EXEMPT}")
            } else {
                String::new()
            };
            format!("{} ({}{exempt})", size::human(limit), kind.describe())
        }
        (Some(kind), None) => format!("none (a {} can be set)", kind.describe()),
        (None, _) => "none (the file system has no limits; see hatchery pool)".to_owned(),
    }
}

fn update(update: &Update) -> String {
    match update {
        Update::NotAsked => "not asked for".to_owned(),
        Update::NotImported => "unknown: hatchery did not import it".to_owned(),
        Update::Current => "none: it is the newest".to_owned(),
        Update::Available { version } => format!("{version} is available"),
        Update::Unknown { why } => format!("unknown: {why}"),
    }
}

fn of_settings(settings: &SettingsStatus) -> Vec<(&'static str, String)> {
    let whose = if settings.is_ours {
        "installed by hatchery"
    } else {
        "written or changed by others"
    };
    let mut lines = vec![("settings", format!("{} ({whose})", settings.path.display()))];
    if !settings.ports.is_empty() {
        lines.push(("ports", settings.ports.join(", ")));
    }
    if let Some(bridge) = &settings.bridge {
        lines.push(("bridge", bridge.clone()));
    }
    if let Some(why) = &settings.unread {
        lines.push(("", format!("ports and bridge cannot be read: {why}")));
    }
    lines
}
