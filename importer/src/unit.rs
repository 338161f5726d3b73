//! The unit of a machine, `systemd-nspawn@NAME.service`: started, stopped,
//! enabled and disabled with systemctl(1), each within a bounded time.
//!
//! The unit says `--settings=override`, so what the machine's `.nspawn` says
//! holds against the unit's own switches.

use crate::lock;
use crate::machines::{Machines, MachinesError};
use crate::places::Places;
use crate::run::{self, RunError};
use hatchery_image::MachineName;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

/// How long systemd may take to start or stop a machine: its own default
/// timeout of 90 seconds, and some to say so.
const JOB: Duration = Duration::from_secs(120);

/// How long links of units may take.
const LINKS: Duration = Duration::from_secs(60);

/// How long a machine may take to be running after it was started, or to let
/// its tree go after it was stopped.
const SETTLED: Duration = Duration::from_secs(30);

/// How often that is asked.
const INTERVAL: Duration = Duration::from_millis(200);

/// Where systemd says that it is process 1 (sd_booted(3)).
const BOOTED: &str = "/run/systemd/system";

/// The target that enabled machines belong to.
const TARGET: &str = "machines.target";

/// Why a machine's unit is not as it should be.
#[derive(Debug, thiserror::Error)]
pub enum UnitError {
    /// It does not start.
    #[error(
        "{name} is imported, but does not start; \
         systemctl status systemd-nspawn@{name} says why, and machinectl start {name} tries again"
    )]
    Start {
        /// The machine.
        name: MachineName,
        /// What systemctl said.
        #[source]
        source: RunError,
    },
    /// It was started and is not running.
    #[error(
        "{name} is imported and was started, but is {state} and not running; \
         journalctl -u systemd-nspawn@{name} says why"
    )]
    NotRunning {
        /// The machine.
        name: MachineName,
        /// What systemd says of it.
        state: String,
    },
    /// It cannot be enabled.
    #[error(
        "{name} is imported, but cannot be enabled; \
         try it again with machinectl enable {name}"
    )]
    Enable {
        /// The machine.
        name: MachineName,
        /// What systemctl said.
        #[source]
        source: RunError,
    },
    /// It cannot be disabled.
    #[error("cannot disable systemd-nspawn@{name}")]
    Disable {
        /// The machine.
        name: MachineName,
        /// What systemctl said.
        #[source]
        source: RunError,
    },
    /// It cannot be stopped.
    #[error("cannot stop {name}; try machinectl terminate {name}")]
    Stop {
        /// The machine.
        name: MachineName,
        /// What systemctl said.
        #[source]
        source: RunError,
    },
    /// It was stopped as a unit and still runs.
    #[error(
        "{name} still runs, or another program works on it; \
         it was not started by systemd-nspawn@{name}, so end it as it was begun"
    )]
    StillRunning {
        /// The machine.
        name: MachineName,
    },
    /// Where its tree is cannot be told.
    #[error(transparent)]
    Machines(#[from] MachinesError),
}

/// The unit's name. systemd takes what is behind the @ for the machine's name
/// as it is, and all that a machine's name can hold may stand there.
fn unit(name: &MachineName) -> String {
    format!("systemd-nspawn@{name}.service")
}

/// Whether systemd is process 1.
pub(crate) fn systemd_runs() -> bool {
    Path::new(BOOTED).is_dir()
}

/// Starts a machine, and waits until it runs.
pub(crate) fn start(name: &MachineName) -> Result<(), UnitError> {
    let unit = unit(name);
    let started = run::run(&["systemctl", "start", &unit], JOB);
    started.map_err(|source| UnitError::Start {
        name: name.clone(),
        source,
    })?;
    let deadline = Instant::now() + SETTLED;
    loop {
        let asked = run::output(&["systemctl", "is-active", &unit], LINKS);
        let state = asked.map_err(|source| UnitError::Start {
            name: name.clone(),
            source,
        })?;
        match state.stdout.trim() {
            "active" => return Ok(()),
            "activating" | "reloading" if Instant::now() < deadline => thread::sleep(INTERVAL),
            state => {
                let (name, state) = (name.clone(), state.to_owned());
                return Err(UnitError::NotRunning { name, state });
            }
        }
    }
}

/// Lets a machine start whenever the host boots.
pub(crate) fn enable(name: &MachineName) -> Result<(), UnitError> {
    let argv = ["systemctl", "enable", &unit(name), TARGET];
    let enabled = run::run(&argv, LINKS);
    enabled.map(drop).map_err(|source| UnitError::Enable {
        name: name.clone(),
        source,
    })
}

/// Undoes [`enable`], for this machine alone: others need the target. It is
/// done to the files where systemd does not run.
pub(crate) fn disable(name: &MachineName) -> Result<(), UnitError> {
    let unit = unit(name);
    let argv: &[&str] = match systemd_runs() {
        true => &["systemctl", "disable", &unit],
        false => &["systemctl", "--root=/", "disable", &unit],
    };
    let disabled = run::run(argv, LINKS);
    disabled.map(drop).map_err(|source| UnitError::Disable {
        name: name.clone(),
        source,
    })
}

/// Stops a machine that runs, and waits until its tree is let go. One that
/// does not run is left alone.
///
/// # Errors
/// systemd refused, or the machine goes on running.
pub fn stop(name: &MachineName, places: &Places) -> Result<(), UnitError> {
    let path = Machines::open(&places.machines)?.path(name);
    if !is_running(&path) {
        return Ok(());
    }
    let stopped = run::run(&["systemctl", "stop", &unit(name)], JOB);
    stopped.map_err(|source| UnitError::Stop {
        name: name.clone(),
        source,
    })?;
    let deadline = Instant::now() + SETTLED;
    while is_running(&path) {
        if Instant::now() >= deadline {
            return Err(UnitError::StillRunning { name: name.clone() });
        }
        thread::sleep(INTERVAL);
    }
    Ok(())
}

fn is_running(path: &Path) -> bool {
    lock::is_held(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_that_does_not_run_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let places = Places {
            machines: dir.path().join("machines"),
            ..Places::default()
        };
        stop(&"web".parse().unwrap(), &places).unwrap();
        assert_eq!(
            unit(&"web-1.lan".parse().unwrap()),
            "systemd-nspawn@web-1.lan.service"
        );
    }
}
