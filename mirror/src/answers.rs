//! What was found a moment ago, so that a busy server doesn't look at the disk
//! for each request, as nginx's `open_file_cache` does.
//!
//! An answer holds for [`FRESH`] at most, and only while the catalog is the
//! same file; that is looked at once in a [`MOMENT`], in the thread that serves
//! the request, since it costs a microsecond (on a network file system it may
//! cost more: a store is best kept on a disk of the server's own). So a new
//! catalog and what its channels lead to are seen within a millisecond, and a
//! version that was removed within a second.
//!
//! Kept is only what exists and what all clients get alike (pages, which name
//! the host that was asked, are provisional), under the path as it was asked
//! for, if nothing in it is percent-encoded: nobody fills this with names of
//! their own.

use crate::holdings::{Content, Data, Found, Identity};
use std::collections::HashMap;
use std::mem::size_of;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

/// How long an answer holds. nginx's default is a minute.
const FRESH: Duration = Duration::from_secs(1);
/// How long the catalog is taken for the same file.
pub(crate) const MOMENT: Duration = Duration::from_millis(1);
/// Answers that are kept at most. Each may hold a file open.
pub(crate) const ANSWERS_MAX: usize = 256;
/// Bytes that all of them may take.
const BYTES_MAX: usize = 8 << 20;

/// Which file the catalog was, and when that was looked at.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seen {
    pub(crate) catalog: Identity,
    pub(crate) at: Instant,
}

/// Answers that were found a moment ago.
#[derive(Debug, Default)]
pub(crate) struct Answers {
    kept: RwLock<Kept>,
    /// When the catalog was last looked at.
    seen: RwLock<Option<Seen>>,
}

#[derive(Debug, Default)]
struct Kept {
    by_path: HashMap<Box<str>, Answer>,
    bytes: usize,
}

#[derive(Debug)]
struct Answer {
    found: Arc<Found>,
    catalog: Identity,
    until: Instant,
}

impl Answers {
    /// Which file the catalog is, for which `look` is asked unless it was a
    /// moment ago.
    pub(crate) fn catalog(&self, look: impl FnOnce() -> Option<Identity>) -> Option<Seen> {
        let at = Instant::now();
        let seen = *self.seen.read().unwrap_or_else(PoisonError::into_inner);
        let is_now = |seen: &Seen| at.saturating_duration_since(seen.at) < MOMENT;
        if let Some(seen) = seen.filter(is_now) {
            return Some(seen);
        }
        let seen = look().map(|catalog| Seen { catalog, at });
        *self.seen.write().unwrap_or_else(PoisonError::into_inner) = seen;
        seen
    }

    /// What was found for a path, if it still holds while the catalog was `seen`
    /// a moment ago.
    pub(crate) fn recall(&self, path: &str, seen: Seen) -> Option<Arc<Found>> {
        let kept = self.kept.read().unwrap_or_else(PoisonError::into_inner);
        let answer = kept.by_path.get(path)?;
        let holds = answer.catalog == seen.catalog && seen.at < answer.until;
        holds.then(|| Arc::clone(&answer.found))
    }

    /// Keeps what was found, if it may be and there is room. The catalog was
    /// `seen` before it was found. May let go of files, which takes its time
    /// when they were removed meanwhile.
    pub(crate) fn keep(&self, path: &str, seen: Seen, found: &Arc<Found>) {
        if path.contains('%') || !may_be_kept(found) {
            return;
        }
        let answer = Answer {
            found: Arc::clone(found),
            catalog: seen.catalog,
            until: seen.at + FRESH,
        };
        let size = size(path, found);
        let mut kept = self.kept.write().unwrap_or_else(PoisonError::into_inner);
        let mut gone: Vec<Answer> = kept.remove(path).into_iter().collect();
        if !kept.has_room(size) {
            gone.extend(kept.forget_old());
        }
        if kept.has_room(size) {
            kept.bytes += size;
            kept.by_path.insert(path.into(), answer);
        }
        // Nobody waits while files are closed.
        drop(kept);
        drop(gone);
    }

    /// Forgets what does not hold any more, and lets go of its files, which
    /// takes its time when they were removed meanwhile.
    pub(crate) fn forget_old(&self) {
        let mut kept = self.kept.write().unwrap_or_else(PoisonError::into_inner);
        let gone = kept.forget_old();
        drop(kept);
        drop(gone);
    }
}

impl Kept {
    fn has_room(&self, size: usize) -> bool {
        self.by_path.len() < ANSWERS_MAX && self.bytes + size <= BYTES_MAX
    }

    fn remove(&mut self, path: &str) -> Option<Answer> {
        let answer = self.by_path.remove(path)?;
        self.bytes -= size(path, &answer.found);
        Some(answer)
    }

    fn forget_old(&mut self) -> Vec<Answer> {
        let now = Instant::now();
        let old = self.by_path.extract_if(|_, answer| now >= answer.until);
        let old: Vec<_> = old.collect();
        let bytes: usize = old.iter().map(|(path, a)| size(path, &a.found)).sum();
        self.bytes -= bytes;
        old.into_iter().map(|(_, answer)| answer).collect()
    }
}

fn may_be_kept(found: &Found) -> bool {
    matches!(found, Found::Content(_) | Found::Elsewhere(_))
}

/// About what an answer takes, in bytes.
fn size(path: &str, found: &Found) -> usize {
    let held = match found {
        Found::Content(Content {
            data: Data::Memory(bytes),
            ..
        }) => bytes.len(),
        _ => 0,
    };
    path.len() + size_of::<Answer>() + size_of::<Found>() + held
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conditional::Validators;
    use std::time::UNIX_EPOCH;

    fn identity(inode: u64) -> Identity {
        Identity {
            device: 1,
            inode,
            size: 1,
            modified: (0, 0),
            changed: (0, 0),
        }
    }

    fn content(length: usize) -> Content {
        Content {
            media_type: "text/plain".into(),
            length: length as u64,
            validators: Validators::new("abc".into(), UNIX_EPOCH),
            immutable: true,
            headers: Vec::new(),
            data: Data::Memory(vec![0; length].into()),
        }
    }

    /// A catalog that was seen just now.
    fn seen(inode: u64) -> Seen {
        Seen {
            catalog: identity(inode),
            at: Instant::now(),
        }
    }

    fn keep(answers: &Answers, path: &str, found: Found) -> bool {
        answers.keep(path, seen(1), &Arc::new(found));
        answers.recall(path, seen(1)).is_some()
    }

    #[test]
    fn an_answer_holds_while_the_catalog_is_the_same() {
        let answers = Answers::default();
        assert!(keep(&answers, "/a", Found::Content(content(1))));
        assert!(answers.recall("/a", seen(2)).is_none());
        assert!(answers.recall("/b", seen(1)).is_none());
        assert!(keep(&answers, "/latest", Found::Elsewhere("../1/a".into())));
    }

    #[test]
    fn the_catalog_is_looked_at_once_in_a_moment() {
        let answers = Answers::default();
        assert!(answers.catalog(|| None).is_none());
        let first = answers.catalog(|| Some(identity(1))).unwrap();
        let mut looked = 0;
        let mut look = || {
            looked += 1;
            Some(identity(2))
        };
        while answers.catalog(&mut look).unwrap().catalog == first.catalog {}
        assert!(first.at.elapsed() >= MOMENT);
        assert_eq!(looked, 1);
    }

    #[test]
    fn an_answer_is_soon_forgotten() {
        let answers = Answers::default();
        assert!(keep(&answers, "/a", Found::Content(content(1))));
        answers.forget_old();
        assert!(answers.recall("/a", seen(1)).is_some());
        for answer in answers.kept.write().unwrap().by_path.values_mut() {
            answer.until = Instant::now();
        }
        assert!(answers.recall("/a", seen(1)).is_none());
        answers.forget_old();
        let kept = answers.kept.read().unwrap();
        assert_eq!((kept.by_path.len(), kept.bytes), (0, 0));
    }

    #[test]
    fn what_a_client_can_make_up_is_not_kept() {
        let answers = Answers::default();
        assert!(!keep(&answers, "/%61", Found::Content(content(1))));
        assert!(!keep(&answers, "/a", Found::Nothing));
        assert!(!keep(&answers, "/a", Found::Provisional(content(1))));
    }

    #[test]
    fn there_is_an_end_to_what_is_kept() {
        let answers = Answers::default();
        for n in 0..2 * ANSWERS_MAX {
            keep(&answers, &format!("/{n}"), Found::Content(content(1)));
        }
        assert_eq!(answers.kept.read().unwrap().by_path.len(), ANSWERS_MAX);

        let answers = Answers::default();
        let large = BYTES_MAX / 2 - 4096;
        assert!(keep(&answers, "/a", Found::Content(content(large))));
        assert!(keep(&answers, "/b", Found::Content(content(large))));
        assert!(!keep(&answers, "/c", Found::Content(content(large))));
        // Again, instead of beside it.
        assert!(keep(&answers, "/a", Found::Content(content(large))));
        assert!(!keep(&answers, "/c", Found::Content(content(large))));
    }
}
