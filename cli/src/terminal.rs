//! The terminal: where progress goes, how results and errors are shown, and
//! what is logged.
//!
//! Results go to stdout and everything else to stderr. With `--json` stdout
//! holds JSON lines and nothing else: events while it runs, then one
//! `{"event":"result",…}` or `{"event":"error",…}`.

use crate::arguments::Global;
use crate::exit::{self, Code, OutputClosed};
use crate::progress::{self, Style};
use crate::{environment, hint};
use anyhow::Context as _;
use hatchery_image::{Progress, shown};
use indicatif::MultiProgress;
use serde::Serialize;
use std::io::{self, BufRead as _, IsTerminal as _, Read as _, Write};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

/// Longest answer that is read, in bytes; more is no yes.
const ANSWER_MAX: u64 = 64;

/// Where this command shows things.
#[derive(Debug)]
pub(crate) struct Terminal {
    style: Style,
    progress: Progress,
    hangups: Arc<AtomicUsize>,
    color: bool,
    verbose: u8,
}

/// The last line of `--json`.
#[derive(Serialize)]
#[serde(tag = "event", rename_all = "lowercase")]
enum Last<T> {
    Result {
        result: T,
    },
    Error {
        code: u8,
        message: String,
        causes: Vec<String>,
        #[serde(skip_serializing_if = "Option::is_none")]
        hint: Option<&'static str>,
    },
}

impl Terminal {
    /// What the global arguments and the terminal itself ask for.
    pub(crate) fn new(global: &Global) -> Self {
        let is_terminal = io::stderr().is_terminal();
        let color = is_terminal && !environment::no_color();
        let style = match (global.json, global.quiet, is_terminal) {
            (true, _, _) => Style::Json,
            (_, true, _) => Style::Quiet,
            (_, _, true) => Style::Bars(MultiProgress::new()),
            _ => Style::Lines,
        };
        Self {
            progress: progress::progress(&style, global.verbose > 0, color),
            hangups: Arc::default(),
            style,
            color,
            verbose: global.verbose,
        }
    }

    /// What libraries report to.
    pub(crate) fn progress(&self) -> &Progress {
        &self.progress
    }

    /// How often SIGHUP came, where it is a wish to change.
    pub(crate) fn hangups(&self) -> Arc<AtomicUsize> {
        Arc::clone(&self.hangups)
    }

    /// Whether only results, warnings and errors are wanted.
    #[cfg(feature = "serve")]
    pub(crate) fn is_quiet(&self) -> bool {
        matches!(self.style, Style::Quiet)
    }

    /// Starts the log on stderr, at least at `level` for this program.
    pub(crate) fn log(&self, level: LevelFilter) {
        let (ours, others) = match self.verbose {
            0 => (level, LevelFilter::WARN),
            1 => (level.max(LevelFilter::INFO), LevelFilter::WARN),
            2 => (LevelFilter::DEBUG, LevelFilter::INFO),
            _ => (LevelFilter::TRACE, LevelFilter::DEBUG),
        };
        let ours = if matches!(self.style, Style::Quiet) {
            LevelFilter::WARN
        } else {
            ours
        };
        let targets = Targets::new()
            .with_default(others)
            .with_target("hatchery", ours)
            .with_target("hatchery_image", ours)
            .with_target("hatchery_transfer", ours)
            .with_target("hatchery_builder", ours)
            .with_target("hatchery_mirror", ours)
            .with_target("hatchery_importer", ours);
        let lines = tracing_subscriber::fmt::layer()
            .with_writer(io::stderr)
            .with_ansi(self.color)
            .with_target(false);
        // Only a second call could fail.
        let _ = tracing_subscriber::registry()
            .with(targets)
            .with(lines)
            .try_init();
    }

    /// Says a line on stderr from any thread, without disturbing bars.
    pub(crate) fn notice(&self) -> impl Fn(&str) + Send + use<> {
        let style = self.style.clone();
        move |text| match &style {
            Style::Bars(multi) => {
                let _ = multi.println(text);
            }
            Style::Lines | Style::Quiet => {
                let _ = writeln!(io::stderr(), "{text}");
            }
            Style::Json => (),
        }
    }

    /// Shows a result: as JSON, or as the text that `human` makes of it.
    pub(crate) fn result<T: Serialize>(
        &self,
        result: &T,
        human: impl FnOnce(&T) -> String,
    ) -> anyhow::Result<()> {
        match &self.style {
            Style::Json => self.raw(json_line(&Last::Result { result })?.as_bytes()),
            _ => self.raw(shown::lines(&human(result)).as_bytes()),
        }
    }

    /// Asks a person, whose answer is no unless it is yes; no, too, when there
    /// is nobody to ask: no terminal to answer at or to read the question on,
    /// `--json` or `-q`.
    pub(crate) fn asks(&self, text: &str, question: &str) -> anyhow::Result<bool> {
        let bars = match &self.style {
            Style::Bars(bars) if io::stdin().is_terminal() => bars,
            _ => return Ok(false),
        };
        let ask = || -> io::Result<bool> {
            let mut stderr = io::stderr().lock();
            write!(stderr, "{}\n{question}", shown::lines(text))?;
            stderr.flush()?;
            let mut answer = String::new();
            io::stdin().lock().take(ANSWER_MAX).read_line(&mut answer)?;
            let answer = answer.trim().to_ascii_lowercase();
            Ok(matches!(answer.as_str(), "y" | "yes"))
        };
        bars.suspend(ask).context("cannot ask at the terminal")
    }

    /// Writes bytes to stdout as they are.
    pub(crate) fn raw(&self, bytes: &[u8]) -> anyhow::Result<()> {
        let mut stdout = io::stdout().lock();
        match stdout.write_all(bytes).and_then(|()| stdout.flush()) {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Err(OutputClosed.into()),
            written => written.context("cannot write to standard output"),
        }
    }

    /// Shows an error, if there is one, and says what to exit with.
    pub(crate) fn end(&self, result: anyhow::Result<()>) -> ExitCode {
        let Err(error) = result else {
            return ExitCode::SUCCESS;
        };
        if exit::is_closed_output(&error) {
            return ExitCode::SUCCESS;
        }
        // A child that dies of the same Ctrl-C looks like a failure of its own.
        let interrupted = self.progress.check().err();
        let error = match interrupted {
            Some(interrupted) if self.verbose == 0 => anyhow::Error::new(interrupted),
            Some(interrupted) => error.context(interrupted),
            None => error,
        };
        let code = exit::code(&error);
        self.show(&error, code);
        code.into()
    }

    fn show(&self, error: &anyhow::Error, code: Code) {
        let causes = causes(error);
        let (message, causes) = causes.split_first().expect("an error has a message");
        let hint = hint::hint(error);
        if matches!(self.style, Style::Json) {
            let line = json_line(&Last::<()>::Error {
                code: code as u8,
                message: message.clone(),
                causes: causes.to_vec(),
                hint,
            });
            let _ = line.and_then(|line| self.raw(line.as_bytes()));
            return;
        }
        let message = shown::lines(message);
        let mut text = format!("{} {message}\n", label::error(self.color));
        for cause in causes {
            text.push_str(&format!(
                "  because: {}\n",
                shown::lines(cause).replace('\n', "\n           ")
            ));
        }
        if let Some(hint) = hint {
            text.push_str(&format!("{} {hint}\n", label::hint(self.color)));
        }
        let _ = io::stderr().write_all(text.as_bytes());
    }
}

fn json_line<T: Serialize>(value: &T) -> anyhow::Result<String> {
    let mut line = serde_json::to_string(value).context("cannot write the result as JSON")?;
    line.push('\n');
    Ok(line)
}

/// The messages of a chain, outermost first; one that only repeats the end of
/// the one before is left out.
fn causes(error: &anyhow::Error) -> Vec<String> {
    let mut causes: Vec<String> = Vec::new();
    for cause in error.chain() {
        let text = cause.to_string();
        if !causes.last().is_some_and(|above| above.ends_with(&text)) {
            causes.push(text);
        }
    }
    causes
}

/// The words before a message.
pub(crate) mod label {
    /// `error:`
    pub(crate) fn error(color: bool) -> &'static str {
        if color {
            "\x1b[1;31merror:\x1b[0m"
        } else {
            "error:"
        }
    }
    /// `warning:`
    pub(crate) fn warning(color: bool) -> &'static str {
        if color {
            "\x1b[1;33mwarning:\x1b[0m"
        } else {
            "warning:"
        }
    }
    /// `hint:`
    pub(crate) fn hint(color: bool) -> &'static str {
        if color {
            "\x1b[1;36mhint:\x1b[0m"
        } else {
            "hint:"
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_cause_repeats_is_said_once() {
        let inner = anyhow::anyhow!("disk full");
        let error = inner
            .context("cannot write x: disk full")
            .context("cannot pack");
        assert_eq!(causes(&error), ["cannot pack", "cannot write x: disk full"]);
    }
}
