//! What goes on beside serving, in a thread of its own: the end, changes on
//! SIGHUP, and what the service manager wants to hear.

use super::arguments::Arguments;
use super::settings::Settings;
use crate::environment;
use crate::systemd::Manager;
use crate::terminal::Terminal;
use anyhow::Context as _;
use hatchery_image::Progress;
use hatchery_mirror::config::{AccessFormat, Handed};
use hatchery_mirror::{AccessLog, Control, LogFormat, LogOutput, LogWriter, Options, Stop};
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How often there is something to be done.
const LOOK: Duration = Duration::from_millis(50);
/// How long a server that starts may take to answer itself.
const START: Duration = Duration::from_secs(30);

/// The access log: one writer, whose output may change.
pub(super) struct Log {
    writer: LogWriter,
    is_quiet: bool,
}

impl Log {
    pub(super) fn start(settings: &Settings, terminal: &Terminal) -> anyhow::Result<Self> {
        Ok(Self {
            writer: LogWriter::start(output(settings.config.log.file.as_ref())?)?,
            is_quiet: terminal.is_quiet(),
        })
    }

    /// Makes a server log here, as these settings say.
    pub(super) fn join(&self, options: &mut Options, settings: &Settings) {
        options.access = self.access(settings);
        options.lost_lines = Some(self.writer.dropped());
    }

    /// What a server logs to under these settings. With `-q` stderr gets no
    /// accesses, unless they were asked for.
    fn access(&self, settings: &Settings) -> AccessLog {
        let log = &settings.config.log;
        let unless = match self.is_quiet && log.file.is_none() {
            true => AccessFormat::Off,
            false => AccessFormat::Plain,
        };
        let format = match log.access.unwrap_or(unless) {
            AccessFormat::Off => return Arc::new(|_| ()),
            AccessFormat::Plain => LogFormat::Plain,
            AccessFormat::Json => LogFormat::Json,
        };
        self.writer.log(format, environment::now)
    }
}

fn output(file: Option<&PathBuf>) -> anyhow::Result<LogOutput> {
    Ok(match file {
        Some(path) => LogOutput::file(path)?,
        None => LogOutput::stream(io::stderr()),
    })
}

/// What goes on beside serving.
pub(super) struct Operation {
    pub(super) arguments: Arguments,
    pub(super) settings: Settings,
    pub(super) handed: Vec<Handed>,
    pub(super) log: Log,
    pub(super) control: Control,
    pub(super) stop: Stop,
    pub(super) progress: Progress,
    /// How often SIGHUP came.
    pub(super) hangups: Arc<AtomicUsize>,
    pub(super) manager: Manager,
}

/// The same, in its thread.
pub(super) struct Running {
    over: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl Running {
    /// Ends it, when nothing is served any more; what was logged is written.
    pub(super) fn end(self) {
        self.over.store(true, Ordering::Relaxed);
        // A panic of that thread has been reported by it.
        let _ = self.thread.join();
    }
}

impl Operation {
    pub(super) fn start(self) -> anyhow::Result<Running> {
        let over = Arc::new(AtomicBool::new(false));
        let is_over = Arc::clone(&over);
        let thread = std::thread::Builder::new()
            .name("operation".to_owned())
            .spawn(move || self.run(&is_over))
            .context("cannot start the thread that watches over the server")?;
        Ok(Running { over, thread })
    }

    fn run(mut self, is_over: &AtomicBool) {
        if self.control.answers(START) {
            self.manager.ready(&self.status());
        }
        let mut seen = 0;
        let mut stopping = false;
        let mut watched = Instant::now();
        while !is_over.load(Ordering::Relaxed) {
            if !stopping && self.progress.check().is_err() {
                stopping = true;
                self.manager.stopping();
                self.stop.stop();
            }
            let hangups = self.hangups.load(Ordering::Relaxed);
            if hangups != seen && !stopping {
                seen = hangups;
                self.reload();
            }
            if let Some(pause) = self.manager.watchdog()
                && watched.elapsed() >= pause
            {
                watched = Instant::now();
                // A server that does not answer is one to start again.
                if stopping || self.control.answers(pause / 2) {
                    self.manager.alive();
                } else {
                    tracing::error!("the server's threads do not answer");
                }
            }
            std::thread::sleep(LOOK);
        }
    }

    fn status(&self) -> String {
        format!("Serving {}", self.settings.store.display())
    }

    fn reload(&mut self) {
        self.manager.reloading();
        let status = match self.change() {
            Ok(()) => {
                tracing::info!("the configuration was read again");
                self.status()
            }
            Err(error) => {
                tracing::error!("nothing was changed: {error:#}");
                format!(
                    "{}; the configuration is wrong, and nothing was changed",
                    self.status()
                )
            }
        };
        self.manager.ready(&status);
    }

    /// Changes everything that the configuration says now, or nothing.
    fn change(&mut self) -> anyhow::Result<()> {
        let next = Settings::read(&self.arguments)?;
        if next.store != self.settings.store {
            tracing::warn!(
                store = %next.store.display(),
                "another store is served after a restart only"
            );
        }
        let output = output(next.config.log.file.as_ref())?;
        let mut options = next.config.options(&self.handed, environment::now)?;
        self.log.join(&mut options, &next);
        self.control.reload(options)?;
        self.settings.config = next.config;
        if let Err(error) = self.log.writer.switch(output) {
            tracing::error!("{error}; accesses are logged where they were before");
        }
        Ok(())
    }
}
