//! Signals that ask to stop: the first one sets the flag that every long loop
//! of the libraries asks, so that staging is removed on the way out; the
//! second one exits at once, and the next run sweeps what is left.

use crate::exit;
use crate::terminal::Terminal;
use anyhow::Context as _;
use std::sync::atomic::Ordering;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Listens for SIGINT, SIGTERM and SIGHUP in a thread of its own.
pub(crate) fn watch(terminal: &Terminal) -> anyhow::Result<()> {
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
    let notice = terminal.notice();
    std::thread::Builder::new()
        .name("signals".to_owned())
        .spawn(move || {
            runtime.block_on(async move {
                let mut signals = Signals(interrupt, terminate, hangup);
                let is_keyboard = signals.next().await;
                stop.store(true, Ordering::Relaxed);
                if is_keyboard {
                    notice("stopping; once more to exit at once");
                }
                signals.next().await;
                exit::at_once();
            });
        })
        .context("cannot start the thread that listens for Ctrl-C")?;
    Ok(())
}

struct Signals(Signal, Signal, Signal);

impl Signals {
    /// Waits for one; whether it was Ctrl-C.
    async fn next(&mut self) -> bool {
        tokio::select! {
            _ = self.0.recv() => true,
            _ = self.1.recv() => false,
            _ = self.2.recv() => false,
        }
    }
}
