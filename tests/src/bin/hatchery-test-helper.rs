//! The helper processes of the libraries, for tests that have no `hatchery`
//! to ask, and a check that can be killed.
#![expect(clippy::print_stdout, reason = "this is a program")]

use hatchery_image::Progress;
use hatchery_importer::check::{CheckOptions, TIMEOUT, check, helper_main};
use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["__confine"] => hatchery_builder::confine::helper_main(),
        ["__check"] => helper_main(),
        ["__unpack"] => hatchery_importer::unpack::helper_main(),
        ["check", root] => {
            let options = CheckOptions {
                helper: vec!["/proc/self/exe".into(), "__check".into()],
                timeout: TIMEOUT,
                is_machine: false,
            };
            match check(Path::new(root), &options, &Progress::silent()) {
                Ok(report) => {
                    println!("{report:?}");
                    ExitCode::from(u8::from(!report.passed()))
                }
                Err(error) => {
                    println!("{error}");
                    ExitCode::from(2)
                }
            }
        }
        _ => ExitCode::from(64),
    }
}
