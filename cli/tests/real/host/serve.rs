//! The mirror's units on a booted host: started, reloaded, handed its ports,
//! and confined to what they allow.

use super::booted::Host;
use super::{NEEDS, street::Street};
use hatchery_tests::need::require;
use std::fs;
use std::path::Path;

const CONFIG: &str = "\
store = '/srv/store'
[[listen]]
address = '127.0.0.1:8080'
[[listen]]
address = 'unix:/run/hatchery/serve.sock'
[log]
access = 'json'
file = '/var/log/hatchery/access.log'
";

/// Another port for TLS, as hatchery-serve.socket describes it.
const HTTPS: &str = "\
[Socket]
ListenStream=443
FileDescriptorName=https
Service=hatchery-serve.service
";

/// A key that a group may read, as hatchery-serve.service describes it.
const DROP_IN: &str = "[Service]\nSupplementaryGroups=ssl-cert\n";

const CERTIFICATE: &str = "groupadd --system ssl-cert
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 9 \
        -subj /CN=host -addext subjectAltName=DNS:host -out /etc/mirror.pem -keyout /etc/mirror.key 2>&1
    chgrp ssl-cert /etc/mirror.key && chmod 0640 /etc/mirror.key";

const TLS: &str = "\
[[listen]]
address = 'systemd:https'
certificate = '/etc/mirror.pem'
key = '/etc/mirror.key'
";

/// Asks a server over TLS, and prints the answer.
const ASK_TLS: &str = "printf 'GET /healthz HTTP/1.0\\r\\n\\r\\n' | timeout 20 \
    openssl s_client -quiet -verify_return_error -verify_hostname host \
        -CAfile /etc/mirror.pem -connect 127.0.0.1:443 2>/dev/null";

fn write(host: &Host, path: &str, text: &str) {
    host.run(&format!(
        "mkdir -p \"$(dirname {path})\"; cat >{path} <<'END'\n{text}END"
    ));
}

fn install(host: &Host) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../units");
    for unit in ["hatchery-serve.service", "hatchery-serve.socket"] {
        let text = fs::read_to_string(folder.join(unit)).unwrap();
        write(host, &format!("/etc/systemd/system/{unit}"), &text);
    }
    write(host, "/etc/hatchery/mirror.toml", CONFIG);
    host.run("systemctl daemon-reload");
}

fn show(host: &Host, property: &str) -> String {
    let show = format!("systemctl show hatchery-serve.service --value -p {property}");
    host.run(&show).trim().to_owned()
}

/// By itself: ready when it listens, changed by a reload, ended by a stop.
fn alone(host: &Host) {
    let health = "busybox wget -q -O - http://127.0.0.1:8080/healthz";
    host.run("systemctl start hatchery-serve.service");
    assert_eq!(host.run(health), "ok\n");
    assert_eq!(show(host, "StatusText"), "Serving /srv/store");
    // That of DynamicUser, which has a range of ids.
    let user = host.run("stat -c %u /proc/$(systemctl show hatchery-serve --value -p MainPID)");
    let user: u32 = user.trim().parse().unwrap();
    assert!((61184..=65519).contains(&user), "{user}");
    host.run("busybox wget -q -O /dev/null http://127.0.0.1:8080/catalog.json");
    let log = host.soon("grep catalog.json /var/log/hatchery/access.log");
    assert!(log.starts_with("{\"time\":\""), "{log}");
    let changed = CONFIG.replace("8080", "8081");
    write(host, "/etc/hatchery/mirror.toml", &changed);
    host.run("systemctl reload hatchery-serve.service");
    assert_eq!(host.soon(&health.replace("8080", "8081")), "ok\n");
    host.soon(&format!("! {health} 2>/dev/null"));
    write(host, "/etc/hatchery/mirror.toml", "nonsense = 1\n");
    host.run("systemctl reload hatchery-serve.service");
    host.soon("systemctl show hatchery-serve -p StatusText | grep 'nothing was changed'");
    assert_eq!(show(host, "ActiveState"), "active");
    host.run("systemctl stop hatchery-serve.service");
    assert_eq!(show(host, "Result"), "success");
    write(host, "/etc/hatchery/mirror.toml", CONFIG);
}

/// With ports that systemd hands over, one of them for TLS.
fn activated(host: &Host) {
    host.run(CERTIFICATE);
    write(
        host,
        "/etc/systemd/system/hatchery-serve-https.socket",
        HTTPS,
    );
    let drop_in = "/etc/systemd/system/hatchery-serve.service.d/key.conf";
    write(host, drop_in, DROP_IN);
    write(host, "/etc/hatchery/mirror.toml", &format!("{CONFIG}{TLS}"));
    let sockets = "hatchery-serve.socket hatchery-serve-https.socket";
    host.run(&format!(
        "systemctl daemon-reload; systemctl start {sockets}"
    ));
    assert_eq!(show(host, "ActiveState"), "inactive");
    let plain = host.run("busybox wget -q -O - http://127.0.0.1/healthz");
    assert_eq!(plain, "ok\n");
    assert_eq!(show(host, "ActiveState"), "active");
    let secret = host.run(ASK_TLS);
    assert!(secret.ends_with("\r\n\r\nok\n"), "{secret}");
    host.run("systemctl reload hatchery-serve.service");
    let secret = host.run(ASK_TLS);
    assert!(secret.ends_with("\r\n\r\nok\n"), "{secret}");
}

/// What the confinement leaves of what it could do.
fn confined(host: &Host) {
    let status = "/proc/$(systemctl show hatchery-serve --value -p MainPID)/status";
    let status = host.run(&format!("cat {status}"));
    for line in [
        "CapEff:\t0000000000000000",
        "CapBnd:\t0000000000000000",
        "NoNewPrivs:\t1",
        "Seccomp:\t2",
    ] {
        assert!(status.contains(line), "{line} is not in {status}");
    }
    // Nothing was refused that it needed, and it never failed.
    assert_eq!(show(host, "NRestarts"), "0");
    let log = host.run("journalctl --no-pager -u hatchery-serve.service");
    assert!(!log.contains("ERROR cannot"), "{log}");
}

#[test]
fn the_mirror_is_a_service_of_a_host() {
    if !require(&NEEDS) {
        return;
    }
    let host = Street::of("bookworm").boot();
    install(&host);
    alone(&host);
    activated(&host);
    confined(&host);
}
