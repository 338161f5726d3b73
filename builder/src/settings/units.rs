//! systemd units: enabled, disabled and masked by the guest's own systemctl,
//! because what `enable` does (aliases, `Also=`, templates, SysV scripts) is
//! that version's business. One confined run does all of it.

use super::network::{NETWORKD, RESOLVED, ships};
use super::{Context, Result, SettingsError};
use crate::confine::Program;

/// Without this, systemctl looks for a manager to talk to.
const OFFLINE: (&str, &str) = ("SYSTEMD_OFFLINE", "1");

pub(super) fn apply(context: &Context<'_>) -> Result<()> {
    let units = &context.recipe.units;
    let mut enable: Vec<&str> = Vec::new();
    for unit in [NETWORKD, RESOLVED] {
        let unwanted = units.disable.iter().chain(&units.mask);
        if ships(context, unit)? && !unwanted.map(|u| u.as_str()).any(|u| u == unit) {
            enable.push(unit);
        }
    }
    enable.extend(units.enable.iter().map(|u| u.as_str()));
    let disable = units.disable.iter().map(|u| u.as_str()).collect();
    let mask = units.mask.iter().map(|u| u.as_str()).collect();
    let programs: Vec<Program<'_>> = [("enable", enable), ("disable", disable), ("mask", mask)]
        .into_iter()
        .filter(|(_, units)| !units.is_empty())
        .map(|(verb, units): (_, Vec<&str>)| Program {
            argv: [vec!["systemctl", "--root=/", "--quiet", verb], units].concat(),
            stdin: None,
            env: vec![OFFLINE],
            status: false,
        })
        .collect();
    if programs.is_empty() {
        return Ok(());
    }
    if !context.rootfs.exists("usr/bin/systemctl")? {
        return Err(SettingsError::Missing {
            what: "[units]".to_owned(),
            needed: "systemctl".to_owned(),
            hint: "; add systemd to its packages".to_owned(),
        });
    }
    context
        .confinement
        .run_all(&programs, &mut |_| (), context.progress)
        .map_err(|source| SettingsError::Program {
            doing: "enable, disable or mask the units of the recipe",
            source,
        })?;
    Ok(())
}
