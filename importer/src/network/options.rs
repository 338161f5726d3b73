//! Which systemd knows which setting of a `.nspawn` file. An older one logs a
//! warning, ignores the line and starts the machine, so that it would run
//! without its port, limit or user namespace; better it is not imported.
//!
//! The numbers are those that systemd.nspawn(5), systemd-nspawn(1) and NEWS
//! give; `identity` was read from files only three versions after the switch
//! (systemd issue 23825). `.nspawn` files themselves came with 226.

use super::NetworkError;
use hatchery_image::settings::Nspawn;
use hatchery_image::settings::nspawn::{BindOption, PrivateUsers};

/// The first systemd that reads `.nspawn` files.
const NSPAWN_SINCE: u32 = 226;

/// A setting, the first systemd that knows it, and whether it is used.
type Row = (&'static str, u32, fn(&Nspawn) -> bool);

/// Settings that came later than the files.
const SETTINGS: &[Row] = &[
    (".nspawn files", NSPAWN_SINCE, |s| !s.is_empty()),
    ("PrivateUsers=", 230, |s| s.private_users.is_some()),
    ("PrivateUsers=identity in a .nspawn file", 252, |s| {
        s.private_users == Some(PrivateUsers::Identity)
    }),
    ("Zone=", 230, |s| s.zone.is_some()),
    ("NotifyReady=", 231, |s| s.notify_ready.is_some()),
    ("SystemCallFilter=", 235, |s| !s.system_calls.is_empty()),
    ("NoNewPrivileges=", 239, |s| s.no_new_privileges.is_some()),
    ("ResolvConf=", 239, |s| s.resolv_conf.is_some()),
    ("Timezone=", 239, |s| s.timezone.is_some()),
    ("LinkJournal=", 239, |s| s.link_journal.is_some()),
    ("Ephemeral=", 240, |s| s.ephemeral.is_some()),
    ("Inaccessible=", 242, |s| !s.inaccessible.is_empty()),
    ("PrivateUsersOwnership=", 249, |s| {
        s.private_users_ownership.is_some()
    }),
    ("SuppressSync=", 250, |s| s.suppress_sync.is_some()),
    ("the option idmap of Bind=", 250, |s| {
        binds(s, BindOption::Idmap) || binds(s, BindOption::Noidmap)
    }),
    ("the option rootidmap of Bind=", 252, |s| {
        binds(s, BindOption::Rootidmap)
    }),
    ("the option owneridmap of Bind=", 254, |s| {
        binds(s, BindOption::Owneridmap)
    }),
];

fn binds(settings: &Nspawn, option: BindOption) -> bool {
    settings.binds.iter().any(|b| b.options.contains(&option))
}

/// Refuses settings that this systemd would ignore. One whose version is not
/// known is not judged.
pub(super) fn check(settings: &Nspawn, systemd: Option<u32>) -> Result<(), NetworkError> {
    let Some(version) = systemd else {
        return Ok(());
    };
    let missing = |(_, since, is_used): &&Row| *since > version && is_used(settings);
    match SETTINGS.iter().find(missing) {
        None => Ok(()),
        Some(&(setting, since, _)) => Err(NetworkError::Unknown {
            setting,
            since,
            version,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_old_systemd_ignores_is_refused() {
        let settings = |text| Nspawn::parse(text).unwrap();
        let bridge = settings("[Network]\nBridge=br0\nPort=tcp:8080:80\n");
        check(&bridge, Some(229)).unwrap();
        check(&bridge, None).unwrap();
        let error = check(&bridge, Some(225)).unwrap_err().to_string();
        assert!(
            error.contains("systemd 225 does not know .nspawn"),
            "{error}"
        );

        let pick = settings("[Exec]\nPrivateUsers=pick\n");
        check(&pick, Some(230)).unwrap();
        let error = check(&pick, Some(229)).unwrap_err().to_string();
        assert!(
            error.contains("PrivateUsers=, which came with 230"),
            "{error}"
        );
        let idmap = settings("[Files]\nBind=/srv:/srv:rootidmap\n");
        check(&idmap, Some(252)).unwrap();
        assert!(check(&idmap, Some(247)).is_err());
        check(&Nspawn::default(), Some(200)).unwrap();
    }
}
