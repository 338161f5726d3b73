//! What a service says to systemd and gets from it, in the few lines that it
//! takes: sd_notify(3), sd_listen_fds(3), sd_watchdog_enabled(3).

mod notify;
mod sockets;

pub(crate) use notify::Manager;
pub(crate) use sockets::sockets;
