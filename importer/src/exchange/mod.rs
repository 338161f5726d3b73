//! A tree takes the place of another one, with its record and its settings,
//! and the other one is kept: what `import --force` and `rollback` do.
//!
//! Two trees change places in one step, but a tree, a record and a settings
//! file do not. So a journal says first what is to happen, and whatever kills
//! the process, whoever next works on the machine finishes it or takes it
//! back ([`mend`], under the machine's lock):
//!
//! 1. the journal is written: both generations (record and text of the
//!    settings) and the identity of both trees (an inode and its birth, or the
//!    id of a subvolume: it moves with the tree and is another for each);
//! 2. a new tree is renamed from staging to its hidden name
//!    `.#NAME.previous-ID`, which nothing sweeps; one that was kept is there;
//! 3. the settings are written;
//! 4. the trees change places (or the tree is renamed, where there is none):
//!    this decides;
//! 5. what was there is remembered as the previous generation, and the record
//!    is written;
//! 6. the generation before that is hidden, the journal is removed, and then
//!    the hidden tree's files.
//!
//! Each step is on the disk before the next begins. The journal alone cannot
//! say whether step 4 was done; the trees can, because their identities are
//! in it. Steps 3, 5 and 6 can be done again, so going forward is doing them
//! again, and going back is doing them with what was there before. A failure
//! (no space for a record, say) goes back at once.
//!
//! One previous generation a machine is kept: more would take a tree each,
//! and an image can be imported again by its version. The settings file is
//! left alone unless the two generations installed different ones, so that
//! what an administrator wrote since stays.

mod error;
mod folder;
mod identity;
mod journal;
mod previous;
mod steps;

pub use error::ExchangeError;
pub use identity::TreeId;
pub use previous::Previous;

pub(crate) use journal::{Generation, Journal, Journals};
pub(crate) use previous::{PreviousOnes, kept_name, machine_of};

use crate::hidden::Hidden;
use crate::hold::Hold;
use crate::places::Places;
use crate::record::Record;
use hatchery_image::MachineName;
use std::collections::BTreeSet;
use std::path::Path;
use steps::Steps;

/// Does what the journal says. `bring` brings the tree that comes to its
/// hidden name, if it is not there yet.
///
/// # Errors
/// Which step failed; all is as it was before, or is mended by the next one
/// who works on the machine.
pub(crate) fn exchange(
    name: &MachineName,
    journal: &Journal,
    places: &Places,
    _held: &Hold,
    bring: impl FnOnce(&Path) -> Result<(), ExchangeError>,
) -> Result<(), ExchangeError> {
    let steps = Steps {
        name,
        journal,
        places,
    };
    let journals = Journals::beneath(&places.state);
    if let Err(error) = journals.write(name, journal) {
        // It may be there although it could not be made lasting.
        let _ = journals.remove(name);
        return Err(error);
    }
    let done = bring(&journal.hidden)
        .and_then(|()| steps.settings(&journal.comes))
        .and_then(|()| steps.switch())
        .and_then(|()| steps.forward());
    match done {
        Ok(()) => {
            // All of it is there and lasting, so nothing is taken back now. A
            // tree that stays is collected as one that nothing refers to, a
            // journal is found to be done by the next one, and a hidden tree
            // is swept by it.
            let older = steps.hide_older();
            let _ = journals
                .remove(name)
                .and(older)
                .and_then(|older| remove(older, journal));
            Ok(())
        }
        Err(error) => {
            // What cannot be taken back now is by the next one.
            let _ = steps.undo().and_then(|()| journals.remove(name));
            Err(error)
        }
    }
}

/// Finishes or takes back what a killed process began. The machine must be
/// locked.
///
/// # Errors
/// Which step failed.
pub(crate) fn mend(name: &MachineName, places: &Places, _held: &Hold) -> Result<(), ExchangeError> {
    let journals = Journals::beneath(&places.state);
    let Some(journal) = journals.find(name)? else {
        return Ok(());
    };
    journal.check(name, places)?;
    let steps = Steps {
        name,
        journal: &journal,
        places,
    };
    if journal.has_happened()? {
        steps.forward()?;
        // As in the exchange itself: one that cannot be hidden holds up nothing.
        let older = steps.hide_older();
        journals.remove(name)?;
        return remove(older?, &journal);
    }
    steps.back()?;
    journals.remove(name)
}

/// The record that belongs to the machine's tree, also in the middle of an
/// exchange. Changes nothing.
///
/// # Errors
/// Record or journal cannot be read.
pub(crate) fn record_of(
    name: &MachineName,
    places: &Places,
) -> Result<Option<Record>, ExchangeError> {
    let Some(journal) = Journals::beneath(&places.state).find(name)? else {
        return Ok(places.records().find(name)?);
    };
    Ok(if journal.has_happened()? {
        journal.comes.record
    } else {
        journal.goes.record
    })
}

/// Whether something was begun with a machine and is not finished.
///
/// # Errors
/// The journal cannot be read.
pub(crate) fn is_begun(name: &MachineName, places: &Places) -> Result<bool, ExchangeError> {
    let journals = Journals::beneath(&places.state);
    journals.find(name).map(|journal| journal.is_some())
}

/// The machines with which something was begun that is not finished.
///
/// # Errors
/// The folder of journals cannot be listed.
pub(crate) fn begun(places: &Places) -> Result<Vec<MachineName>, ExchangeError> {
    Journals::beneath(&places.state).names()
}

/// The records in what was begun.
///
/// # Errors
/// A journal cannot be read.
pub(crate) fn records_begun(places: &Places) -> Result<Vec<Record>, ExchangeError> {
    let journals = Journals::beneath(&places.state);
    let mut records = Vec::new();
    for name in journals.names()? {
        if let Some(journal) = journals.find(&name)? {
            records.extend(journal.comes.record);
            records.extend(journal.goes.record);
            records.extend(journal.before.and_then(|before| before.record));
        }
    }
    Ok(records)
}

/// The records of previous generations, but those of these machines.
///
/// # Errors
/// One cannot be read.
pub(crate) fn records_kept(
    places: &Places,
    but: &BTreeSet<MachineName>,
) -> Result<Vec<Record>, ExchangeError> {
    let all = PreviousOnes::beneath(&places.state);
    let mut records = Vec::new();
    for name in all.names()?.into_iter().filter(|name| !but.contains(name)) {
        records.extend(all.find(&name)?.and_then(|previous| previous.record));
    }
    Ok(records)
}

fn remove(older: Option<Hidden>, journal: &Journal) -> Result<(), ExchangeError> {
    let Some(older) = older else {
        return Ok(());
    };
    older.remove().map_err(|source| ExchangeError::Failed {
        doing: "remove what was kept before of",
        path: journal.target.clone(),
        source,
    })
}
