//! Machines on a host that is itself a booted Debian: what `hatchery` imports
//! there, machinectl lists, starts, clones and removes, and its network works
//! as seen from the LAN. The host is a machine too (see [`booted`]), so
//! nothing of this one is configured or left changed.

mod booted;
mod groups;
mod lan;
mod machined;
mod network;
mod refresh;
mod serve;
mod street;

use hatchery_tests::Need;

/// What it takes to boot one.
const NEEDS: [Need; 9] = [
    Need::Nspawn,
    Need::Btrfs,
    Need::Network,
    Need::Program("mmdebstrap"),
    Need::Program("gpg"),
    Need::Program("ip"),
    Need::Program("nsenter"),
    Need::Program("setpriv"),
    Need::Program("unshare"),
];

/// Imports the image as `lab`, with more arguments.
fn import(host: &booted::Host, more: &str) -> String {
    host.run(&format!(
        "hatchery import lab --mirror /srv/store --key /srv/store/key.pgp \
         --accept-unsuitable {more}"
    ))
}

/// What a command in a machine says, once it ends well there.
fn inside(host: &booted::Host, machine: &str, command: &str) -> String {
    host.soon(&format!(
        "systemd-run --quiet --pipe --wait --collect --machine={machine} sh -c '{command}'"
    ))
}

/// What an import could leave behind: trees, records, settings, units, and
/// quota groups. What was seen of a repository stays on purpose, and so do
/// locks, which are empty.
fn left(host: &booted::Host) -> String {
    let machines = host.run("find /var/lib/machines -mindepth 1 -maxdepth 1 | sort");
    let files = host.run(
        "find /var/lib/hatchery /etc/systemd /etc/sysctl.d -xdev ! -type d ! -name .lock \
         ! -path '*/repositories/*' 2>/dev/null | sort",
    );
    // That of all machines stays once quota is on; the kernel itself removes
    // leaves, once their subvolumes are freed.
    let groups = host.run(
        "btrfs qgroup show --raw /var/lib/machines 2>/dev/null | cut -d ' ' -f 1 \
         | grep '^[1-9]' | grep -v '^255/5$' || true",
    );
    machines + &files + &groups
}
