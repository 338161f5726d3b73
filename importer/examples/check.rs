//! Boots a tree and prints what is found: `check DIRECTORY [SECONDS]`.
//! Without a directory it is the helper process of that.
#![allow(clippy::print_stdout)] // an example shows what it did

use hatchery_image::Progress;
use hatchery_importer::check::{CheckOptions, check, helper_main};
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let Some(root) = arguments.first() else {
        return helper_main();
    };
    let seconds = arguments.get(1).and_then(|s| s.parse().ok());
    let options = CheckOptions {
        helper: vec!["/proc/self/exe".into()],
        timeout: Duration::from_secs(seconds.unwrap_or(60)),
        is_machine: false,
    };
    match check(Path::new(root), &options, &Progress::silent()) {
        Ok(report) => {
            for check in &report.checks {
                let what = check.what.describe();
                println!("{:7} {what}: {}", check.outcome.to_string(), check.seen);
            }
            if !report.passed() {
                println!("console:\n{}", report.console.join("\n"));
            }
            ExitCode::from(u8::from(!report.passed()))
        }
        Err(error) => {
            println!("{error:?}");
            ExitCode::from(2)
        }
    }
}
