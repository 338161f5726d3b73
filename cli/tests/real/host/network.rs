//! A machine on a bridge, as the host, the LAN and the machine itself see it.

use super::booted::Host;
use super::lan::Lan;
use super::street::Street;
use super::{NEEDS, import, inside, left};
use hatchery_tests::require;

/// All that a machine is to be, in one command.
const LAB: &str = "--bridge br0 --address 172.23.0.2/24 --gateway 172.23.0.1 \
                   --dns 203.0.113.53 --port tcp:8080:80 --bind /srv/x:/srv/share:ro \
                   --limit 1G --start --enable";

/// The quota groups of subvolumes, once there is but one: newer kernels remove
/// them themselves, at the commit after a subvolume is freed.
const LEAVES: &str = "btrfs filesystem sync /var/lib/machines; \
                      groups=$(btrfs qgroup show --raw /var/lib/machines | grep -o '^0/[0-9]*'); \
                      echo \"$groups\"; test \"$groups\" = 0/5";

/// What the machine is not to be reached by.
const UNFORWARDED: u16 = 80;

#[test]
fn one_command_makes_a_machine_that_answers_the_lan_and_reaches_it() {
    if !require(&NEEDS) {
        return;
    }
    let host = Street::of("bookworm").boot();
    let untouched = left(&host);
    bridge(&host);
    host.run("mkdir /srv/x; echo shared >/srv/x/note");
    let before = left(&host);
    import(&host, LAB);
    let list = host.run("machinectl list --no-legend");
    assert!(list.starts_with("lab container systemd-nspawn"), "{list}");

    let from_host = |address: &str| host.soon(&format!("busybox wget -q -O - {address}/note"));
    host.soon("ping -c 1 -W 1 172.23.0.2");
    assert_eq!(from_host("172.23.0.2"), "shared\n");
    assert_eq!(from_host(&format!("{}:8080", Lan::HOST)), "shared\n");
    from_lan(&host);
    to_lan(&host);
    settings(&host);

    let used = host.tried("hatchery host bridge br0 --remove").unwrap_err();
    assert!(used.contains("used by lab"), "{used}");
    host.run("hatchery remove lab --stop");
    assert_eq!(left(&host), before);
    let groups = host.soon(LEAVES);
    assert_eq!(groups, "0/5\n", "the pool's own is all that stays");
    let closed = host.lan().get(&format!("{}:8080", Lan::HOST), "/note");
    assert!(closed.is_err(), "{closed:?}");
    assert!(host.tried("machinectl status lab").is_err());
    host.run("hatchery host bridge br0 --remove");
    assert!(host.tried("ip link show br0").is_err());
    assert_eq!(left(&host), untouched);
}

/// The LAN reaches the forwarded port at the host's address, and no other: it
/// knows nothing of the bridge's network.
fn from_lan(host: &Host) {
    let get = |port: u16| host.lan().get(&format!("{}:{port}", Lan::HOST), "/note");
    let answer = get(8080).unwrap();
    assert!(answer.ends_with("\r\n\r\nshared\n"), "{answer}");
    let refused = get(UNFORWARDED).unwrap_err();
    assert!(refused.contains("refused"), "{refused}");
}

/// The machine reaches the LAN as if it were the host.
fn to_lan(host: &Host) {
    let ask = format!("busybox wget -q -O - http://{}:8000/", Lan::OTHER);
    let callers = host.lan().serve(8000, "the LAN\n", || {
        assert_eq!(inside(host, "lab", &ask), "the LAN\n");
    });
    let callers: Vec<String> = callers.iter().map(ToString::to_string).collect();
    assert_eq!(callers, [Lan::HOST]);
}

/// The machine has what it was given.
fn settings(host: &Host) {
    let dns = inside(host, "lab", "resolvectl dns host0");
    assert!(dns.trim_end().ends_with(": 203.0.113.53"), "{dns}");
    let route = inside(host, "lab", "ip route show default");
    assert!(
        route.starts_with("default via 172.23.0.1 dev host0"),
        "{route}"
    );
    let said = inside(host, "lab", "{ echo x >/srv/share/x; } 2>&1 || true");
    assert!(said.contains("Read-only"), "{said}");
    let enabled = host.run("systemctl is-enabled systemd-nspawn@lab machines.target");
    assert_eq!(enabled, "enabled\nenabled\n");
}

fn bridge(host: &Host) {
    let said = host.run("hatchery host bridge br0 172.23.0.1/24");
    assert!(
        said.starts_with("bridge br0 with 172.23.0.1/24, up"),
        "{said}"
    );
    host.soon("ip address show br0 | grep 172.23.0.1/24");
    let forwards = host.run("cat /proc/sys/net/ipv4/ip_forward");
    assert_eq!(forwards, "1\n");
}
