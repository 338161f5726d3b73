//! What killed processes left in a host's folders: trees that were never
//! shown or are no machines any more, locks, and temporary files beside
//! records and settings. All have names of ours, and none is locked by a
//! process that lives.

use crate::machines::{Machines, MachinesError};
use crate::places::Places;
use hatchery_image::durable;
use std::fs;

/// Removes it.
///
/// # Errors
/// A tree or a lock cannot be removed.
pub(crate) fn sweep(machines: &Machines, places: &Places) -> Result<(), MachinesError> {
    machines.sweep()?;
    let state = ["machines", "exchange", "previous", "repositories"];
    let state = state.map(|name| places.state.join(name));
    for folder in state.iter().chain([&places.settings]) {
        // Absent folders hold nothing. A file that stays only takes space,
        // and none of ours beside these files is a folder with something in.
        let _ = durable::sweep(folder, |path| fs::remove_dir(path));
    }
    // What is remembered of an image is a folder with files.
    let images = places.state.join("images");
    let _ = durable::sweep(&images, |path| fs::remove_dir_all(path));
    Ok(())
}
