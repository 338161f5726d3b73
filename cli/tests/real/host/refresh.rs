//! hatchery-refresh.service on a booted host: it signs with the real GnuPG,
//! whose agent it starts, and leaves nothing running.

use super::booted::Host;
use super::{NEEDS, street::Street};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hatchery_tests::need::require;
use serde_json::Value;
use std::fs;
use std::path::Path;

/// Puts store and key where the unit has them, before it is edited.
const PREPARE: &str = "\
    cp -r /srv/store /srv/images
    install -d -m 0700 /var/lib/hatchery/gnupg
    gpg --batch --quiet --homedir /var/lib/hatchery/gnupg --import /root/secret.asc
    gpgconf --homedir /var/lib/hatchery/gnupg --kill all
    rm /root/secret.asc";

/// As the unit says, for a user of its own.
const DROP_IN: &str = "[Service]\nUser=images\n";

/// Processes of GnuPG's.
const AGENTS: &str =
    "cat /proc/[0-9]*/comm 2>/dev/null | grep -E '^(gpg|scdaemon|dirmngr)' || true";

fn write(host: &Host, path: &str, text: &str) {
    host.run(&format!(
        "mkdir -p \"$(dirname {path})\"; cat >{path} <<'END'\n{text}\nEND"
    ));
}

fn install(host: &Host, secret: &str) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../units");
    for unit in ["hatchery-refresh.service", "hatchery-refresh.timer"] {
        let text = fs::read_to_string(folder.join(unit)).unwrap();
        let text = text.replace("@PREFIX@", "/usr/local");
        write(host, &format!("/etc/systemd/system/{unit}"), &text);
    }
    write(host, "/root/secret.asc", secret);
    host.run(PREPARE);
    host.run("systemctl daemon-reload");
}

fn show(host: &Host, unit: &str, property: &str) -> String {
    let show = format!("systemctl show {unit} --value -p {property}");
    host.run(&show).trim().to_owned()
}

/// Version of the catalog, and when it expires.
fn catalog(host: &Host) -> (u64, String) {
    let envelope: Value = serde_json::from_str(&host.run("cat /srv/images/catalog.json")).unwrap();
    let payload = STANDARD
        .decode(envelope["payload"].as_str().unwrap())
        .unwrap();
    let payload: Value = serde_json::from_slice(&payload).unwrap();
    let expires = payload["expires"].as_str().unwrap().to_owned();
    (payload["version"].as_u64().unwrap(), expires)
}

/// Starts it; the catalog is then the next one, and good.
fn refreshes(host: &Host) {
    let (version, expires) = catalog(host);
    host.run("systemctl start hatchery-refresh.service");
    assert_eq!(show(host, "hatchery-refresh.service", "Result"), "success");
    let (next, later) = catalog(host);
    assert_eq!(next, version + 1);
    // Whole seconds: two in one second expire together.
    assert!(later >= expires, "{later} after {expires}");
    let list = "hatchery list --remote --mirror /srv/images --key /srv/store/key.pgp";
    assert!(host.run(list).contains("lab"));
    assert_eq!(host.run(AGENTS), "");
}

#[test]
fn the_catalog_is_signed_again_by_a_service_of_a_host() {
    if !require(&NEEDS) {
        return;
    }
    let street = Street::of("bookworm");
    let secret = street.secret_key();
    let host = street.boot();
    install(&host, &secret);
    // Twice: what the first agent left in its home is no obstacle.
    refreshes(&host);
    refreshes(&host);
    let log = host.run("journalctl --no-pager -u hatchery-refresh.service");
    assert!(!log.contains("WARN") && !log.contains("ERROR"), "{log}");

    // As a user who is not root, and by the timer.
    host.run(
        "useradd --system images
         chown -R images: /srv/images /var/lib/hatchery/gnupg",
    );
    let drop_in = "/etc/systemd/system/hatchery-refresh.service.d/user.conf";
    write(&host, drop_in, DROP_IN);
    host.run("systemctl daemon-reload");
    refreshes(&host);
    let owner = host.run("stat -c %U /srv/images/catalog.json");
    assert_eq!(owner.trim(), "images");
    host.run("systemctl enable --now hatchery-refresh.timer 2>&1");
    let next = show(&host, "hatchery-refresh.timer", "NextElapseUSecRealtime");
    assert!(!next.is_empty(), "{next}");

    // A key that is gone is said, and the catalog stays.
    let before = catalog(&host);
    host.run("rm -r /var/lib/hatchery/gnupg/private-keys-v1.d");
    let failed = host.tried("systemctl start hatchery-refresh.service");
    assert!(failed.is_err(), "{failed:?}");
    assert_eq!(catalog(&host), before);
    let log = host.run("journalctl --no-pager -u hatchery-refresh.service --lines=20");
    assert!(log.contains("error: "), "{log}");
    assert_eq!(host.run(AGENTS), "");
}
