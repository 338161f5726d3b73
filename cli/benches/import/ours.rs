//! `hatchery import`.

use crate::yard::{Form, Yard, timed};
use std::fs;
use std::process::Command;

pub(crate) struct Ours<'a> {
    yard: &'a Yard,
    image: &'static str,
}

impl<'a> Ours<'a> {
    pub(crate) fn new(yard: &'a Yard, form: Form) -> Self {
        let image = form.image();
        Self { yard, image }
    }

    /// Seconds of an import on a host that has nothing yet.
    pub(crate) fn import(&self) -> f64 {
        let mut command = Command::new(env!("CARGO_BIN_EXE_hatchery"));
        command.args(["-q", "import", self.image, "--mirror", self.yard.url()]);
        for (flag, path) in [
            ("--key", "key.pgp"),
            ("--machines", "machines"),
            ("--cache-dir", "cache"),
            ("--state", "state"),
            ("--config", "no-config"),
        ] {
            command.arg(flag).arg(self.yard.at(path));
        }
        let seconds = timed(&mut command);
        // What the next run does not find, and others need not share memory with.
        for folder in ["machines", "cache", "state"] {
            fs::remove_dir_all(self.yard.at(folder)).unwrap();
        }
        seconds
    }
}
