//! The helper processes of the libraries, for tests that have no `hatchery`
//! to ask, and a check, an import and a rollback that can be killed.
#![expect(clippy::print_stdout, reason = "this is a program")]

use hatchery_image::catalog::Stale;
use hatchery_image::settings::Nspawn;
use hatchery_image::{Architecture, Keyring, MachineName, Progress};
use hatchery_importer::check::{CheckOptions, TIMEOUT, check, helper_main};
use hatchery_importer::{
    DiskLimit, ImportError, ImportRequest, NetworkRequest, Places, Repository, rollback,
};
use hatchery_transfer::Location;
use jiff::Timestamp;
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
        ["import", host, store, key, version, now] => told(import(host, store, key, version, now)),
        ["rollback", host, now] => told(rollback(&name(), &places(host), time(now)).map(drop)),
        _ => ExitCode::from(64),
    }
}

/// The machine that is imported and rolled back.
fn name() -> MachineName {
    "m".parse().expect("a name")
}

fn time(text: &str) -> Timestamp {
    text.parse().expect("a time")
}

/// The folders of a host, as the tests have them.
fn places(host: &str) -> Places {
    let host = Path::new(host);
    Places {
        machines: host.join("machines"),
        state: host.join("state"),
        cache: host.join("cache"),
        settings: host.join("nspawn"),
    }
}

/// Replaces the machine by this version, with a port of its own.
fn import(host: &str, store: &str, key: &str, version: &str, now: &str) -> Result<(), ImportError> {
    let port = format!("tcp:808{version}:80");
    let request = ImportRequest {
        reference: format!("lab@{version}").parse().expect("a reference"),
        machine: name(),
        architecture: Architecture::Amd64,
        repository: Repository {
            locations: vec![Location::Folder(store.into())],
            keyring: Keyring::load(Path::new(key)).expect("a key"),
            id: None,
            stale: Stale::Refuse,
            trust: Vec::new(),
            keys: None,
        },
        places: places(host),
        limit: DiskLimit::Suggested,
        accept_settings: false,
        own_settings: Nspawn {
            ports: vec![port.parse().expect("a port")],
            ..Nspawn::default()
        },
        network: NetworkRequest::default(),
        force: true,
        accept_unsuitable: false,
        threads: 1,
        helper: vec!["/proc/self/exe".into(), "__unpack".into()],
        now: time(now),
    };
    hatchery_importer::import(&request, &Progress::silent()).map(drop)
}

fn told(result: Result<(), impl std::error::Error>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("{error}");
            ExitCode::FAILURE
        }
    }
}
