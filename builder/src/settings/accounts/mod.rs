//! Users, groups, passwords, SSH keys and sudo.
//!
//! Written natively, not with the guest's useradd: passwd(5), group(5),
//! shadow(5) and gshadow(5) are the same in every distribution, a tree of the
//! essential packages only has no useradd, and so no default of the build
//! host's kernel or of a distribution's patches decides about ids. What
//! useradd does besides is done here as well: the skeleton is copied into the
//! home directory. Left out are subordinate ids, which are of no use in a
//! machine that has only 65536 ids.
//!
//! The day of a password's change is that of `SOURCE_DATE_EPOCH`.

mod database;
mod error;
mod home;
mod line;

pub(super) use database::Database;
pub use error::AccountsError;

use super::{Context, Result, SettingsError};
use crate::recipe::{Sudo, User};
use crate::rootfs::Access;

/// The only user whose home directory is not beneath `/home`.
const ROOT_HOME: &str = "root";

pub(super) fn apply(context: &Context<'_>) -> Result<()> {
    let rootfs = &context.rootfs;
    let recipe = context.recipe;
    let mut database = Database::read(rootfs)?;
    let day = context.confinement.source_date_epoch.div_euclid(86_400);
    let hash = recipe.root.password_hash.as_ref().map(|h| h.as_str());
    database.set_root_password(hash, day);
    let mut made = Vec::new();
    for user in &recipe.users {
        let shell = shell(context, user)?;
        let ids = database
            .add(user, &shell, day)
            .map_err(SettingsError::Accounts)?;
        made.push((user, ids));
    }
    database.write(rootfs)?;
    home::authorize(rootfs, ROOT_HOME, &recipe.root.ssh_keys, 0, 0)?;
    for (user, (uid, gid)) in made {
        let home = home::path(user);
        home::make(rootfs, &home, uid, gid)?;
        home::authorize(rootfs, &home, &user.ssh_keys, uid, gid)?;
        if let Some(sudo) = user.sudo {
            permit(context, user, sudo)?;
        }
    }
    Ok(())
}

/// The login shell, which must exist.
fn shell(context: &Context<'_>, user: &User) -> Result<String> {
    let exists = |path: &str| context.rootfs.exists(path.trim_start_matches('/'));
    match &user.shell {
        Some(shell) if exists(shell.as_str())? => Ok(shell.to_string()),
        Some(shell) => Err(SettingsError::Missing {
            what: format!("the shell of {}", user.name),
            needed: shell.to_string(),
            hint: "; add its package".to_owned(),
        }),
        None if exists("/bin/bash")? => Ok("/bin/bash".to_owned()),
        None => Ok("/bin/sh".to_owned()),
    }
}

fn permit(context: &Context<'_>, user: &User, sudo: Sudo) -> Result<()> {
    if !context.rootfs.exists("etc/sudoers.d")? {
        return Err(SettingsError::Missing {
            what: format!("sudo for {}", user.name),
            needed: "/etc/sudoers.d".to_owned(),
            hint: "; it comes with the package sudo".to_owned(),
        });
    }
    let how = match sudo {
        Sudo::Password => "",
        Sudo::Nopassword => "NOPASSWD: ",
    };
    let text = format!("{} ALL=(ALL:ALL) {how}ALL\n", user.name);
    let path = format!("etc/sudoers.d/{}", user.name);
    Ok(context
        .rootfs
        .write(&path, text.as_bytes(), Access::root(0o440))?)
}
