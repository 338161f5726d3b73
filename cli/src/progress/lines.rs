//! Plain lines: one as a stage begins, one as it ends with what it came to
//! and how long it took, and one now and then while it lasts.

use super::is_announcement;
use super::tally::{Count, Tally, name};
use crate::terminal::label;
use hatchery_image::progress::{Event, Stage};
use hatchery_image::shown;
use std::collections::HashMap;
use std::io::Write;
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// How often a long stage says how far it is.
const EVERY: Duration = Duration::from_secs(10);

struct Lines<W> {
    to: W,
    tally: Tally,
    spoke: HashMap<Stage, Instant>,
}

/// Writes lines to `to`. What cannot be written is lost: progress must never
/// stop the work.
pub(crate) fn report<W: Write + Send>(
    to: W,
    verbose: bool,
    color: bool,
) -> impl Fn(Event) + Send + Sync {
    let lines = Mutex::new(Lines {
        to,
        tally: Tally::default(),
        spoke: HashMap::new(),
    });
    move |event| {
        let Ok(mut lines) = lines.lock() else { return };
        if let Some(line) = line(&mut lines, &event, verbose, color) {
            let _ = writeln!(lines.to, "{line}");
        }
    }
}

fn line<W>(lines: &mut Lines<W>, event: &Event, verbose: bool, color: bool) -> Option<String> {
    match event {
        Event::Begin { stage, total, unit } => {
            if !lines.tally.begin(*stage, *total, *unit) {
                return None;
            }
            lines.spoke.insert(*stage, Instant::now());
            let about = lines.tally.get(*stage).filter(|c| c.total.is_some());
            Some(show(*stage, &about.map_or("…".to_owned(), Count::state)))
        }
        Event::Advance { stage, by } => {
            let state = lines.tally.advance(*stage, *by)?.state();
            let spoke = lines.spoke.get_mut(stage)?;
            if spoke.elapsed() < EVERY {
                return None;
            }
            *spoke = Instant::now();
            Some(show(*stage, &state))
        }
        Event::Message { stage, text } => {
            (verbose || is_announcement(*stage)).then(|| show(*stage, text))
        }
        Event::Warning { text } => Some(warning(text, color)),
        Event::End { stage } => {
            let count = lines.tally.end(*stage)?;
            Some(show(*stage, &format!("done: {}", count.summary())))
        }
    }
}

fn show(stage: Stage, text: &str) -> String {
    format!("{:>10}  {}", name(stage), shown::lines(text))
}

fn warning(text: &str, color: bool) -> String {
    format!("{} {}", label::warning(color), shown::lines(text))
}

/// Writes warnings to `to` and nothing else.
pub(crate) fn only_warnings<W: Write + Send>(to: W, color: bool) -> impl Fn(Event) + Send + Sync {
    let to = Mutex::new(to);
    move |event| {
        if let (Event::Warning { text }, Ok(mut to)) = (event, to.lock()) {
            let _ = writeln!(to, "{}", warning(&text, color));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hatchery_image::progress::{Progress, Unit};
    use std::sync::Arc;

    #[derive(Clone, Default)]
    struct Shared(Arc<Mutex<Vec<u8>>>);

    impl Write for Shared {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    fn text(quiet: bool) -> String {
        let shared = Shared::default();
        let progress = if quiet {
            Progress::new(only_warnings(shared.clone(), false))
        } else {
            Progress::new(report(shared.clone(), false, false))
        };
        let running = progress.begin(Stage::Download, Some(2048), Unit::Bytes);
        running.advance(2048);
        running.message("a mirror was slow");
        progress.warn("the catalog expires in two days\u{202e}");
        drop(running);
        let bytes = shared.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn a_stage_says_that_it_begins_and_what_it_came_to() {
        let text = text(false);
        assert!(text.contains("  download  0 B of 2.0 KiB\n"), "{text}");
        assert!(
            text.contains("  download  done: 2.0 KiB in 0.0 s\n"),
            "{text}"
        );
        assert!(!text.contains("slow"), "{text}");
    }

    #[test]
    fn what_is_done_to_the_hosts_disks_is_said_without_being_asked() {
        let shared = Shared::default();
        let progress = Progress::new(report(shared.clone(), false, false));
        progress.message(Stage::Limit, "switching quota on");
        let bytes = shared.0.lock().unwrap().clone();
        let text = String::from_utf8(bytes).unwrap();
        assert_eq!(text, "     limit  switching quota on\n");
    }

    #[test]
    fn quiet_still_warns_and_nothing_steers_the_terminal() {
        let warning = "warning: the catalog expires in two days\\u{202e}\n";
        assert_eq!(text(true), warning);
    }
}
