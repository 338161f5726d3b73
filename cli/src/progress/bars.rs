//! Moving bars on a terminal: one a stage under way, replaced by a line when
//! the stage is over.

use super::is_announcement;
use super::tally::{Tally, name};
use crate::terminal::label;
use hatchery_image::progress::{Event, Stage, Unit};
use hatchery_image::shown;
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use std::collections::HashMap;
use std::sync::Mutex;
use std::time::Duration;

/// How often a bar without news moves, so that one sees that it lives.
const TICK: Duration = Duration::from_millis(100);

/// Shows bars in `multi`.
pub(crate) fn report(
    multi: MultiProgress,
    verbose: bool,
    color: bool,
) -> impl Fn(Event) + Send + Sync {
    let state = Mutex::new((Tally::default(), HashMap::<Stage, ProgressBar>::new()));
    move |event| {
        let Ok(mut state) = state.lock() else { return };
        let (tally, bars) = &mut *state;
        let say = |text: String| {
            let _ = multi.println(text);
        };
        match event {
            Event::Begin { stage, total, unit } => {
                if tally.begin(stage, total, unit) {
                    let bar = multi.add(ProgressBar::no_length());
                    bar.set_style(style(total.is_some(), unit));
                    bar.set_prefix(name(stage));
                    bar.enable_steady_tick(TICK);
                    bars.insert(stage, bar);
                }
                if let (Some(bar), Some(count)) = (bars.get(&stage), tally.get(stage)) {
                    match count.total {
                        Some(total) => bar.set_length(total),
                        None => bar.unset_length(),
                    }
                }
            }
            Event::Advance { stage, by } => {
                tally.advance(stage, by);
                if let Some(bar) = bars.get(&stage) {
                    bar.inc(by);
                }
            }
            Event::Message { stage, text } if verbose || is_announcement(stage) => {
                say(format!("{:>10}  {}", name(stage), shown::lines(&text)));
            }
            Event::Message { stage, text } => {
                if let Some(bar) = bars.get(&stage) {
                    bar.set_message(shown::text(&text));
                }
            }
            Event::Warning { text } => {
                say(format!("{} {}", label::warning(color), shown::lines(&text)))
            }
            Event::End { stage } => {
                let Some(count) = tally.end(stage) else {
                    return;
                };
                if let Some(bar) = bars.remove(&stage) {
                    bar.finish_and_clear();
                    multi.remove(&bar);
                }
                say(format!("{:>10}  {}", name(stage), count.summary()));
            }
        }
    }
}

fn style(known: bool, unit: Unit) -> ProgressStyle {
    let template = match (known, unit) {
        (true, Unit::Bytes) => {
            "{prefix:>10}  {bar:28} {binary_bytes} of {binary_total_bytes}  {binary_bytes_per_sec}  {eta} left  {msg}"
        }
        (true, Unit::Items) => "{prefix:>10}  {bar:28} {pos} of {len}  {eta} left  {msg}",
        (false, Unit::Bytes) => {
            "{prefix:>10}  {spinner} {binary_bytes}  {binary_bytes_per_sec}  {elapsed}  {msg}"
        }
        (false, Unit::Items) => "{prefix:>10}  {spinner} {elapsed}  {msg}",
    };
    ProgressStyle::with_template(template)
        .unwrap_or_else(|_| ProgressStyle::default_bar())
        .progress_chars("━╸ ")
}
