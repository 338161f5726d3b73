//! Turns the events of the libraries into bars, lines or JSON.
//!
//! Bars where stderr is a terminal, plain lines where it is not, JSON lines on
//! stdout with `--json`, nothing but warnings with `-q`.

mod bars;
mod json;
mod lines;
mod tally;

use hatchery_image::Progress;
use hatchery_image::progress::Stage;
use indicatif::MultiProgress;

/// How events are shown.
#[derive(Clone, Debug)]
pub(crate) enum Style {
    /// Moving bars on stderr.
    Bars(MultiProgress),
    /// A line as a stage begins and ends, on stderr.
    Lines,
    /// One JSON object a line, on stdout.
    Json,
    /// Warnings only, on stderr.
    Quiet,
}

/// Whether what a stage says about itself is always shown: what is changed
/// about the host's disks, and what of the host a machine gets, which nobody
/// should learn only afterwards.
fn is_announcement(stage: Stage) -> bool {
    matches!(stage, Stage::Limit | Stage::Network)
}

/// A progress that shows its events in a style. `verbose` adds the messages
/// that stages say about themselves, where they would otherwise be fleeting.
pub(crate) fn progress(style: &Style, verbose: bool, color: bool) -> Progress {
    match style {
        Style::Bars(multi) => Progress::new(bars::report(multi.clone(), verbose, color)),
        Style::Lines => Progress::new(lines::report(std::io::stderr(), verbose, color)),
        Style::Json => Progress::new(json::report(std::io::stdout())),
        Style::Quiet => Progress::new(lines::only_warnings(std::io::stderr(), color)),
    }
}
