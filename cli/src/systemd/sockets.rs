//! Sockets that were handed over at the start: sd_listen_fds(3).

use crate::environment::{self, ListenFds};
use crate::exit::{Code, Failure};
use hatchery_mirror::config::Handed;
use rustix::io::{FdFlags, fcntl_setfd};
use std::os::fd::{FromRawFd as _, OwnedFd};
use std::sync::Arc;

/// The first descriptor that is handed over.
const FIRST: i32 = 3;
/// Most sockets that are taken.
const SOCKETS_MAX: i32 = 64;

/// The sockets that this process was handed, with their names.
///
/// # Errors
/// The environment says so, and there is none, or too many.
pub(crate) fn sockets() -> anyhow::Result<Vec<Handed>> {
    let Some(ListenFds { count, names }) = environment::listen_fds() else {
        return Ok(Vec::new());
    };
    if count > SOCKETS_MAX {
        let message = format!("{count} sockets were handed over; {SOCKETS_MAX} are the most");
        return Err(Failure::error(Code::Host, message));
    }
    let mut names = names.into_iter();
    (FIRST..FIRST + count)
        .map(|fd| {
            // sd_listen_fds_with_names(3) calls those without a name so.
            let name = names.next().unwrap_or_else(|| "unknown".to_owned());
            let socket = take(fd).map_err(|error| {
                let message = format!("the socket {name:?} was not handed over: {error}");
                Failure::error(Code::Host, message)
            })?;
            let socket = Arc::new(socket);
            Ok(Handed { name, socket })
        })
        .collect()
}

fn take(fd: i32) -> std::io::Result<OwnedFd> {
    // That it is open is asked first: everything else would be undefined.
    std::fs::metadata(format!("/proc/self/fd/{fd}"))?;
    // SAFETY: it is open, and it is this process's to own, because whoever
    // started it says so in LISTEN_FDS and LISTEN_PID; nothing else here has
    // these numbers, and they are taken once, at the start.
    #[expect(
        unsafe_code,
        reason = "a number in the environment becomes a descriptor"
    )]
    let socket = unsafe { OwnedFd::from_raw_fd(fd) };
    fcntl_setfd(&socket, FdFlags::CLOEXEC)?;
    Ok(socket)
}
