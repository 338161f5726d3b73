//! Developer harness: runs a program inside a tree, confined.
//! `inside ROOT [--network] PROGRAM ARGUMENT…`
#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::print_stderr)]

use hatchery_builder::confine::{Confinement, helper_main};
use hatchery_image::Progress;
use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.first().is_some_and(|a| a == "__confine") {
        return helper_main();
    }
    let entered = hatchery_builder::userns::enter();
    match entered {
        Ok(entered) => eprintln!("{entered:?}"),
        Err(e) => {
            eprintln!("{e}: {e:?}");
            return ExitCode::FAILURE;
        }
    }
    let network = arguments.get(1).is_some_and(|a| a == "--network");
    let confinement = Confinement {
        helper: vec!["/proc/self/exe".into(), "__confine".into()],
        root: arguments[0].clone().into(),
        network,
        source_date_epoch: 0,
    };
    let argv: Vec<&str> = arguments[1 + usize::from(network)..]
        .iter()
        .map(String::as_str)
        .collect();
    match confinement.run(&argv, None, &[], &Progress::silent()) {
        Ok(output) => {
            print!("{}", String::from_utf8_lossy(&output.stdout));
            ExitCode::SUCCESS
        }
        Err(e) => {
            eprintln!("{e} ({e:?})");
            ExitCode::FAILURE
        }
    }
}
