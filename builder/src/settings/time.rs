//! `/etc/localtime`, as systemd's timedatectl makes it: a relative link.
//! Without a setting the tree stays as its packages left it, which is UTC.

use super::{Context, PUBLIC, Result, SettingsError};
use crate::recipe::TimeZone;

const ZONES: &str = "usr/share/zoneinfo";

pub(super) fn apply(context: &Context<'_>) -> Result<()> {
    let Some(zone) = &context.recipe.timezone else {
        return Ok(());
    };
    let rootfs = &context.rootfs;
    if !rootfs.exists(&format!("{ZONES}/{zone}"))? {
        // Without any zones, no link means UTC.
        if zone.is_utc() {
            return Ok(rootfs.remove("etc/localtime")?);
        }
        return Err(missing(zone));
    }
    rootfs.link("etc/localtime", &format!("../{ZONES}/{zone}"))?;
    // Before trixie, tzdata kept the name in a file of its own.
    if rootfs.exists("etc/timezone")? {
        rootfs.write("etc/timezone", format!("{zone}\n").as_bytes(), PUBLIC)?;
    }
    Ok(())
}

fn missing(zone: &TimeZone) -> SettingsError {
    SettingsError::Missing {
        what: format!("timezone = \"{zone}\""),
        needed: format!("/{ZONES}/{zone}"),
        hint: "; old names are in the package tzdata-legacy".to_owned(),
    }
}
