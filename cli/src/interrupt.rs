//! Signals that ask to stop: the first one sets the flag that every long loop
//! of the libraries asks, so that staging is removed on the way out; the
//! second one exits at once, and the next run sweeps what is left.
//!
//! SIGHUP is one of them, but for a server, which it asks to read its
//! configuration again. A server that runs in a terminal gets it when that is
//! closed, too; then the terminal is gone, and it stops.

use crate::exit;
use crate::terminal::Terminal;
use anyhow::Context as _;
use std::io::{self, IsTerminal as _};
use std::sync::atomic::Ordering;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// What SIGHUP means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hangup {
    /// Stop.
    Stops,
    /// Read the configuration again.
    Changes,
}

/// Listens for SIGINT, SIGTERM and SIGHUP in a thread of its own.
pub(crate) fn watch(terminal: &Terminal, meaning: Hangup) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build()
        .context("cannot start the thread that listens for Ctrl-C")?;
    // The handlers are in place before any work begins.
    let (interrupt, terminate, hangup) = {
        let _runtime = runtime.enter();
        let listen = |kind| signal(kind).context("cannot listen for Ctrl-C");
        (
            listen(SignalKind::interrupt())?,
            listen(SignalKind::terminate())?,
            listen(SignalKind::hangup())?,
        )
    };
    let stop = terminal.progress().stop_flag();
    let (notice, hangups) = (terminal.notice(), terminal.hangups());
    std::thread::Builder::new()
        .name("signals".to_owned())
        .spawn(move || {
            runtime.block_on(async move {
                let mut signals = Signals(interrupt, terminate, hangup);
                let had_terminal = io::stderr().is_terminal();
                let is_change = |came: Came| {
                    let lost_terminal = had_terminal && !io::stderr().is_terminal();
                    came == Came::Hangup && meaning == Hangup::Changes && !lost_terminal
                };
                let came = loop {
                    match signals.next().await {
                        came if is_change(came) => hangups.fetch_add(1, Ordering::Relaxed),
                        came => break came,
                    };
                };
                stop.store(true, Ordering::Relaxed);
                if came == Came::Keyboard {
                    notice("stopping; once more to exit at once");
                }
                while is_change(signals.next().await) {}
                exit::at_once();
            });
        })
        .context("cannot start the thread that listens for Ctrl-C")?;
    Ok(())
}

struct Signals(Signal, Signal, Signal);

/// Which signal came.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Came {
    Keyboard,
    Terminate,
    Hangup,
}

impl Signals {
    /// Waits for one.
    async fn next(&mut self) -> Came {
        tokio::select! {
            _ = self.0.recv() => Came::Keyboard,
            _ = self.1.recv() => Came::Terminate,
            _ = self.2.recv() => Came::Hangup,
        }
    }
}
