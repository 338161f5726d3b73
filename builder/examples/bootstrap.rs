//! Developer harness: installs a folder of .debs into a fresh tree.
//! `bootstrap ROOT DEBS [CACHE]`
#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::print_stderr)]
#![allow(clippy::disallowed_methods, reason = "measures")]

use hatchery_builder::confine::{Confinement, helper_main};
use hatchery_builder::debian::deb::Deb;
use hatchery_builder::debian::install::{InstallError, install};
use hatchery_builder::debian::unpack::{Expected, UnpackOptions, Unpacking};
use hatchery_image::progress::Event;
use hatchery_image::{Progress, Sha256};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.first().is_some_and(|a| a == "__confine") {
        return helper_main();
    }
    if let Err(e) = hatchery_builder::userns::enter() {
        eprintln!("{e}: {e:?}");
        return ExitCode::FAILURE;
    }
    let root = Path::new(&arguments[0]);
    fs::create_dir(root).unwrap();
    let mut debs: Vec<PathBuf> = fs::read_dir(&arguments[1])
        .unwrap()
        .map(|e| e.unwrap().path())
        .filter(|p| p.extension().is_some_and(|e| e == "deb"))
        .collect();
    debs.sort();
    let mut expected: Vec<(Expected, PathBuf)> = debs
        .iter()
        .map(|path| {
            let deb = Deb::open(File::open(path).unwrap()).unwrap();
            let control = deb.control();
            let expected = Expected {
                name: control.package().to_owned(),
                version: control.version().to_owned(),
                architecture: control.architecture().to_owned(),
                sha256: Sha256::of_reader(File::open(path).unwrap()).unwrap().0,
                size: path.metadata().unwrap().len(),
                base: false,
            };
            (expected, path.clone())
        })
        .collect();
    expected.sort_by_key(|(e, _)| (e.name != "base-files", e.name.clone()));
    let begun = Instant::now();
    let progress = Progress::new(move |event| match event {
        Event::Begin { stage, .. } => eprintln!("{:?} begin {stage:?}", begun.elapsed()),
        Event::End { stage } => eprintln!("{:?} end {stage:?}", begun.elapsed()),
        Event::Warning { text } => eprintln!("warning: {text}"),
        _ => {}
    });
    let options = UnpackOptions {
        architecture: "amd64".to_owned(),
        work: root.with_extension("work"),
        cache: arguments.get(2).map(PathBuf::from),
        parallel: 2,
    };
    let all: Vec<Expected> = expected.iter().map(|(e, _)| e.clone()).collect();
    let unpacking = Unpacking::new(all, options, &progress).unwrap();
    let confinement = Confinement {
        helper: vec!["/proc/self/exe".into(), "__confine".into()],
        root: root.to_owned(),
        network: false,
        source_date_epoch: 1_700_000_000,
    };
    let next = AtomicUsize::new(0);
    let result = install::<InstallError>(&unpacking, &confinement, &progress, || {
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    while let Some((_, path)) = expected.get(next.fetch_add(1, Ordering::Relaxed)) {
                        let index = expected.iter().position(|(_, p)| p == path).unwrap();
                        if let Err(e) = unpacking.package(index, File::open(path).unwrap()) {
                            eprintln!("{e}");
                            unpacking.stop();
                            return;
                        }
                    }
                });
            }
        });
        eprintln!("{:?} handed over", begun.elapsed());
        Ok(())
    });
    eprintln!("{:?} configured", begun.elapsed());
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            let mut source: Option<&dyn std::error::Error> = Some(&e);
            while let Some(e) = source {
                eprintln!("{e}");
                source = e.source();
            }
            ExitCode::FAILURE
        }
    }
}
