//! The network: systemd-networkd for `host0`, systemd-resolved for names.
//!
//! Bootstraps enable resolved but not networkd; [`super::units`] enables both.
//! Plain DHCP needs no file, because systemd ships one for `host0`.

use super::{Context, PUBLIC, Result, SettingsError};
use hatchery_image::settings::{host0, resolved};

/// The services, and where they are found if they are installed.
pub(super) const NETWORKD: &str = "systemd-networkd.service";
pub(super) const RESOLVED: &str = "systemd-resolved.service";

/// As systemd itself links it.
const STUB: &str = "../run/systemd/resolve/stub-resolv.conf";

/// Whether a unit comes with a package of the tree.
pub(super) fn ships(context: &Context<'_>, unit: &str) -> Result<bool> {
    Ok(context
        .rootfs
        .exists(&format!("usr/lib/systemd/system/{unit}"))?)
}

pub(super) fn apply(context: &Context<'_>) -> Result<()> {
    let rootfs = &context.rootfs;
    let missing = |what: &str, needed: &str, package: &str| SettingsError::Missing {
        what: what.to_owned(),
        needed: needed.to_owned(),
        hint: format!("; add {package} to its packages"),
    };
    if let Some(text) = context.recipe.network.host0.render() {
        if !ships(context, NETWORKD)? {
            return Err(missing("[network.host0]", NETWORKD, "systemd"));
        }
        rootfs.write(host0::FILE, text.as_bytes(), PUBLIC)?;
    }
    let has_resolved = ships(context, RESOLVED)?;
    if let Some(text) = context.recipe.resolved.render() {
        if !has_resolved {
            return Err(missing("[resolved]", RESOLVED, "systemd-resolved"));
        }
        rootfs.write(resolved::FILE, text.as_bytes(), PUBLIC)?;
    }
    if has_resolved {
        rootfs.link("etc/resolv.conf", STUB)?;
    }
    Ok(())
}
