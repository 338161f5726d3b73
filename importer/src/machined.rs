//! systemd-machined, where it runs: limits are set through it, so that its
//! checks and its log are those of `machinectl set-limit`. It is asked with
//! busctl(1), which is part of systemd, so no D-Bus library is needed.
//!
//! It is never started for our sake: without it the kernel is told directly,
//! which is what it would do. It knows no other folder than
//! `/var/lib/machines`, and limits on btrfs only.

use crate::machines::{MACHINES, Machines};
use crate::run::{self, RunError};
use hatchery_image::MachineName;
use std::path::Path;
use std::time::Duration;

/// Where the system bus listens.
const BUS: &str = "/run/dbus/system_bus_socket";

/// The name of machined on it.
const NAME: &str = "org.freedesktop.machine1";

/// How long an answer may take. Setting a limit waits for the kernel to count.
const ANSWER: Duration = Duration::from_secs(30);

/// systemd's number for no limit.
const INFINITY: u64 = u64::MAX;

fn call(arguments: &[&str]) -> Result<String, RunError> {
    let timeout = format!("--timeout={}", ANSWER.as_secs());
    let argv = ["busctl", "--system", "--quiet", &timeout, "call"];
    run::run(&[&argv[..], arguments].concat(), ANSWER * 2)
}

/// Whether machined runs and is in charge of these machines. Asking does not
/// start it.
pub(crate) fn is_in_charge(machines: &Machines) -> bool {
    if machines.root() != Path::new(MACHINES) || !Path::new(BUS).exists() {
        return false;
    }
    let bus = "org.freedesktop.DBus";
    // Not quiet: the answer is what is wanted.
    let argv = ["busctl", "--system", "--timeout=5", "call"];
    let question = [bus, "/org/freedesktop/DBus", bus, "NameHasOwner", "s", NAME];
    let answer = run::run(&[&argv[..], &question].concat(), ANSWER);
    answer.is_ok_and(|answer| answer.trim() == "b true")
}

fn manager(method: &str, signature: &str, arguments: &[&str]) -> Result<(), RunError> {
    let path = "/org/freedesktop/machine1";
    let interface = "org.freedesktop.machine1.Manager";
    let call_of = [NAME, path, interface, method, signature];
    call(&[&call_of[..], arguments].concat()).map(drop)
}

/// `machinectl set-limit NAME BYTES`.
pub(crate) fn set_limit(name: &MachineName, bytes: Option<u64>) -> Result<(), RunError> {
    let bytes = bytes.unwrap_or(INFINITY).to_string();
    manager("SetImageLimit", "st", &[name.as_str(), &bytes])
}

/// `machinectl set-limit BYTES`.
pub(crate) fn set_pool_limit(bytes: Option<u64>) -> Result<(), RunError> {
    let bytes = bytes.unwrap_or(INFINITY).to_string();
    manager("SetPoolLimit", "t", &[&bytes])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn machines_elsewhere_are_not_its_business() {
        let dir = tempfile::tempdir().unwrap();
        let machines = Machines::open(dir.path()).unwrap();
        assert!(!is_in_charge(&machines));
    }
}
