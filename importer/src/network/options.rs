//! Which systemd knows which setting of a `.nspawn` file. An older one logs a
//! warning, ignores the line and starts the machine, so that it would run
//! without its port, limit or user namespace; better it is not imported.
//!
//! Of settings, the numbers are those of "Added in version" in
//! systemd.nspawn(5) of 257. Of values and options, which it does not number,
//! they are those of systemd's NEWS (`idmap` is called "uidmap" in that of 250,
//! but never was). `identity` was read from files only three versions after the
//! switch (systemd issue 23825, pull request 23835).

use super::{Fact, NetworkError};
use hatchery_image::settings::Nspawn;
use hatchery_image::settings::nspawn::{BindOption, PrivateUsers, ResolvConf};

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
    ("this value of ResolvConf=", 246, |s| {
        s.resolv_conf
            .is_some_and(|value| !RESOLV_CONF_239.contains(&value))
    }),
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
    ("the option owneridmap of Bind=", 256, |s| {
        binds(s, BindOption::Owneridmap)
    }),
];

/// What `ResolvConf=` could be at first. `replace-`, `-uplink` and `-stub` came
/// later.
const RESOLV_CONF_239: [ResolvConf; 7] = [
    ResolvConf::Off,
    ResolvConf::CopyHost,
    ResolvConf::CopyStatic,
    ResolvConf::BindHost,
    ResolvConf::BindStatic,
    ResolvConf::Delete,
    ResolvConf::Auto,
];

fn binds(settings: &Nspawn, option: BindOption) -> bool {
    settings.binds.iter().any(|b| b.options.contains(&option))
}

/// Refuses settings that this systemd would ignore. One whose version is not
/// known is not judged.
pub(super) fn check(settings: &Nspawn, systemd: &Fact<Option<u32>>) -> Result<(), NetworkError> {
    let newest = SETTINGS.iter().filter(|(_, _, is_used)| is_used(settings));
    let Some(&(setting, since, _)) = newest.max_by_key(|(_, since, _)| *since) else {
        return Ok(());
    };
    match systemd.get() {
        Some(version) if version < since => Err(NetworkError::Unknown {
            setting,
            since,
            version,
        }),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(settings: &Nspawn, systemd: impl Into<Option<u32>>) -> Result<(), NetworkError> {
        super::check(settings, &systemd.into().into())
    }

    #[test]
    fn what_an_old_systemd_ignores_is_refused() {
        let settings = |text| Nspawn::parse(text).unwrap();
        let bridge = settings("[Network]\nBridge=br0\nPort=tcp:8080:80\n");
        check(&bridge, 229).unwrap();
        check(&bridge, None).unwrap();
        let error = check(&bridge, 225).unwrap_err().to_string();
        assert!(
            error.contains("systemd 225 does not know .nspawn"),
            "{error}"
        );

        let pick = settings("[Exec]\nPrivateUsers=pick\n");
        check(&pick, 230).unwrap();
        let error = check(&pick, 229).unwrap_err().to_string();
        assert!(
            error.contains("PrivateUsers=, which came with 230"),
            "{error}"
        );
        let idmap = settings("[Files]\nBind=/srv:/srv:rootidmap\n");
        check(&idmap, 252).unwrap();
        assert!(check(&idmap, 247).is_err());
        let owner = settings("[Files]\nBind=/srv:/srv:owneridmap\n");
        check(&owner, 256).unwrap();
        assert!(check(&owner, 255).is_err());
        for (value, since) in [("copy-host", 239), ("replace-stub", 246)] {
            let text = format!("[Exec]\nResolvConf={value}\n");
            let resolv = Nspawn::parse(&text).unwrap();
            check(&resolv, since).unwrap();
            let error = check(&resolv, since - 1).unwrap_err().to_string();
            assert!(error.contains("ResolvConf="), "{error}");
        }
        check(&Nspawn::default(), 200).unwrap();
    }
}
