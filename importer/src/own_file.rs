//! A file of the state folder, as it is read: a regular file of ours, or of
//! root's, and no larger than it may be.
//!
//! The folder is ours alone to write. One that was copied from another host, or
//! was somebody's for a while, must neither have a file elsewhere taken for one
//! of ours, nor hold us up.

use rustix::fs::{FileType, Mode, OFlags};
use rustix::io::Errno;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

/// What to do about one that is none of ours.
const REMEDY: &str = "find out who put it there, and move it away";

/// The bytes of the file at `path`, at most `max` of them, if there is one: it
/// may have been removed meanwhile by another process of ours.
///
/// # Errors
/// It is none of ours, with what to do, or the system refused. The caller
/// names the path.
pub(crate) fn read(path: &Path, max: u64) -> io::Result<Option<Vec<u8>>> {
    // A FIFO is not waited for.
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = match rustix::fs::open(path, flags, Mode::empty()) {
        Err(Errno::NOENT) => return Ok(None),
        Err(Errno::LOOP) => {
            return Err(refused(io::ErrorKind::Other, "it is a symbolic link"));
        }
        opened => File::from(opened?),
    };
    let stat = rustix::fs::fstat(&file)?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        return Err(refused(io::ErrorKind::Other, "it is no regular file"));
    }
    // Others than root may look at what root remembers.
    if stat.st_uid != 0 && stat.st_uid != rustix::process::geteuid().as_raw() {
        let what = format!(
            "it belongs to user {}, who may say nothing here",
            stat.st_uid
        );
        return Err(refused(io::ErrorKind::PermissionDenied, &what));
    }
    let mut bytes = Vec::new();
    file.take(max.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > max {
        let what = format!("it is larger than {max} bytes, the most that hatchery writes there");
        return Err(refused(io::ErrorKind::FileTooLarge, &what));
    }
    Ok(Some(bytes))
}

fn refused(kind: io::ErrorKind, what: &str) -> io::Error {
    io::Error::new(kind, format!("{what}; {REMEDY}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bridge::bridges;
    use crate::exchange::{Journals, PreviousOnes};
    use crate::record::Records;
    use crate::seen::State;
    use crate::tables::Tables;
    use hatchery_image::{MachineName, Sha256};
    use rustix::fs::CWD;
    use std::error::Error;
    use std::fs;
    use std::os::unix::fs::{chown, symlink};

    /// Larger than any file of the state folder, in bytes.
    const HUGE: u64 = 1 << 30;

    /// What is found in the place of a file, and what is said of it.
    type Planted = (fn(&Path), &'static str);

    const PLANTED: [Planted; 4] = [
        (fifo, "no regular file"),
        (
            |path| symlink("/etc/hostname", path).unwrap(),
            "symbolic link",
        ),
        (|path| symlink("absent", path).unwrap(), "symbolic link"),
        (huge, "larger than"),
    ];

    fn fifo(path: &Path) {
        let mode = Mode::from_raw_mode(0o600);
        rustix::fs::mknodat(CWD, path, FileType::Fifo, mode, 0).unwrap();
    }

    fn huge(path: &Path) {
        let file = File::create(path).unwrap();
        file.set_len(HUGE).unwrap();
    }

    /// What whoever reads `path` of a state folder says of it.
    fn told(state: &Path, path: &str) -> Option<Box<dyn Error>> {
        let name: MachineName = "web".parse().unwrap();
        let digest = Sha256::of(b"");
        let (seen, tables) = (State::beneath(state), Tables::beneath(state));
        match path.split_once('/').unwrap() {
            ("machines", _) => Records::beneath(state).find(&name).err().map(Into::into),
            ("exchange", _) => Journals::beneath(state).find(&name).err().map(Into::into),
            ("previous", _) => PreviousOnes::beneath(state)
                .find(&name)
                .err()
                .map(Into::into),
            ("repositories", "id.json") => seen.seen("id").err().map(Into::into),
            ("repositories", _) => seen.followed("id").err().map(Into::into),
            ("images", file) if file.ends_with("listing") => {
                tables.find_listing(digest).err().map(Into::into)
            }
            ("images", _) => tables.find(digest).err().map(Into::into),
            _ => bridges(state).err().map(Into::into),
        }
    }

    #[test]
    fn what_is_planted_in_the_state_folder_is_named_and_neither_followed_nor_waited_for() {
        let digest = Sha256::of(b"");
        for path in [
            "machines/web.json",
            "exchange/web.json",
            "previous/web.json",
            "repositories/id.json",
            "repositories/id.keys.json",
            "host/br0.json",
            &format!("images/{digest}/manifest.json"),
            &format!("images/{digest}/listing"),
        ] {
            for (plant, said) in PLANTED {
                let state = tempfile::tempdir().unwrap();
                let planted = state.path().join(path);
                fs::create_dir_all(planted.parent().unwrap()).unwrap();
                assert!(told(state.path(), path).is_none(), "{path}");
                plant(&planted);
                let error = told(state.path(), path).unwrap();
                let named = error.to_string();
                let why = error.source().unwrap().to_string();
                assert!(named.contains(planted.to_str().unwrap()), "{named}");
                assert!(why.contains(said) && why.ends_with(REMEDY), "{path}: {why}");
            }
        }
    }

    #[test]
    fn a_file_of_ours_is_read_up_to_its_size() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        assert_eq!(read(&path, 4).unwrap(), None);
        fs::write(&path, "1234").unwrap();
        assert_eq!(read(&path, 4).unwrap().unwrap(), b"1234");
        let error = read(&path, 3).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::FileTooLarge);
        if rustix::process::geteuid().is_root() {
            chown(&path, Some(1000), None).unwrap();
            let error = read(&path, 4).unwrap_err().to_string();
            assert!(error.contains("belongs to user 1000"), "{error}");
        }
    }
}
