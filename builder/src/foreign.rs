//! Whether this host can run the programs of another architecture, as the
//! scripts of its packages need it.
//!
//! The kernel hands programs that it does not know to an interpreter that is
//! registered with binfmt_misc (binfmt_misc.rst in the kernel's documentation),
//! such as qemu-user's. Which one is found as the kernel does it, by what a
//! program begins with, whatever the entry is called. It must have been opened
//! when it was registered (flag `F`): inside a tree its path leads nowhere.
//!
//! Looked at: mmdebstrap tries `arch-test`, a program of the other
//! architecture; pacstrap says nothing and fails in the first script.

use hatchery_image::Architecture;
use std::fs;
use std::path::{Path, PathBuf};

/// Where the kernel shows what is registered.
const REGISTERED: &str = "/proc/sys/fs/binfmt_misc";

/// Longest entry that is read, in bytes.
const ENTRY_MAX: u64 = 64 << 10;

/// How the kernel names what it is not asked to do.
const NOT_ENTRIES: [&str; 2] = ["register", "status"];

/// How a program's architecture is run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Way {
    /// By the processor.
    Native,
    /// By this interpreter.
    Interpreter(PathBuf),
}

/// Why programs of an architecture cannot be run.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ForeignError {
    /// Nothing is registered for it.
    #[error(
        "this host cannot run programs for {0}, as the scripts of its packages need it: install \
         qemu-user-static (and binfmt-support, where systemd-binfmt does not do it). Nothing was \
         downloaded yet"
    )]
    None(Architecture),
    /// What is registered does not work inside a tree.
    #[error(
        "{} would run programs for {architecture}, but cannot be found inside a tree: register it \
         with the flag F, as Debian's qemu-user-static does. Nothing was downloaded yet",
        .interpreter.display()
    )]
    NotOpened {
        /// The architecture.
        architecture: Architecture,
        /// What is registered.
        interpreter: PathBuf,
    },
}

/// How programs of this architecture can be run here.
///
/// # Errors
/// They cannot.
pub fn way(wanted: Architecture) -> Result<Way, ForeignError> {
    match Architecture::host() {
        Some(host) if runs(host, wanted) => Ok(Way::Native),
        _ => registered(Path::new(REGISTERED), wanted),
    }
}

/// Whether a processor runs programs itself.
fn runs(host: Architecture, wanted: Architecture) -> bool {
    use Architecture::{Amd64, Arm64, Armhf, I386};
    host == wanted || matches!((host, wanted), (Amd64, I386) | (Arm64, Armhf))
}

fn registered(folder: &Path, wanted: Architecture) -> Result<Way, ForeignError> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut entries: Vec<PathBuf> = entries.map(|e| e.path()).collect();
    entries.sort();
    let mut unusable = None;
    for path in entries {
        let is_entry = !NOT_ENTRIES.iter().any(|name| path.ends_with(name));
        let Some(entry) = is_entry.then(|| read(&path)).flatten() else {
            continue;
        };
        if !entry.matches(&header(wanted)) {
            continue;
        }
        if entry.is_opened {
            return Ok(Way::Interpreter(entry.interpreter));
        }
        unusable.get_or_insert(entry.interpreter);
    }
    Err(match unusable {
        Some(interpreter) => ForeignError::NotOpened {
            architecture: wanted,
            interpreter,
        },
        None => ForeignError::None(wanted),
    })
}

fn read(path: &Path) -> Option<Entry> {
    use std::io::Read as _;
    let mut text = String::new();
    let file = fs::File::open(path).ok()?;
    file.take(ENTRY_MAX).read_to_string(&mut text).ok()?;
    Entry::parse(&text)
}

/// What is registered for programs that begin in some way.
#[derive(Debug, PartialEq, Eq)]
struct Entry {
    interpreter: PathBuf,
    is_opened: bool,
    offset: usize,
    magic: Vec<u8>,
    mask: Option<Vec<u8>>,
}

impl Entry {
    /// Reads what the kernel shows; nothing if it is disabled or for a file
    /// name's ending.
    fn parse(text: &str) -> Option<Self> {
        if text.lines().next() != Some("enabled") {
            return None;
        }
        let value = |key: &str| {
            let mut lines = text.lines();
            lines.find_map(|line| line.strip_prefix(key).map(str::trim))
        };
        Some(Self {
            interpreter: value("interpreter ")?.into(),
            is_opened: value("flags:").is_some_and(|flags| flags.contains('F')),
            offset: value("offset ")?.parse().ok()?,
            magic: bytes(value("magic ")?)?,
            mask: match value("mask ") {
                Some(mask) => Some(bytes(mask)?),
                None => None,
            },
        })
    }

    fn matches(&self, program: &[u8]) -> bool {
        let Some(there) = program.get(self.offset..self.offset + self.magic.len()) else {
            return false;
        };
        let mask = |n: usize| match &self.mask {
            Some(mask) => mask.get(n).copied().unwrap_or(0),
            None => 0xff,
        };
        let pairs = there.iter().zip(&self.magic).enumerate();
        pairs.into_iter().all(|(n, (a, b))| (a ^ b) & mask(n) == 0)
    }
}

/// Hexadecimal digits.
fn bytes(digits: &str) -> Option<Vec<u8>> {
    if !digits.len().is_multiple_of(2) || !digits.is_ascii() {
        return None;
    }
    let pairs = (0..digits.len()).step_by(2);
    pairs
        .map(|n| u8::from_str_radix(&digits[n..n + 2], 16).ok())
        .collect()
}

/// What a program of an architecture begins with: elf(5).
fn header(architecture: Architecture) -> [u8; 64] {
    let (wide, big_endian, machine): (bool, bool, u16) = match architecture {
        Architecture::Amd64 => (true, false, 62),
        Architecture::Arm64 => (true, false, 183),
        Architecture::Armhf => (false, false, 40),
        Architecture::I386 => (false, false, 3),
        Architecture::Ppc64el => (true, false, 21),
        Architecture::Riscv64 => (true, false, 243),
        Architecture::S390x => (true, true, 22),
    };
    let mut header = [0; 64];
    let short = |number: u16| match big_endian {
        true => number.to_be_bytes(),
        false => number.to_le_bytes(),
    };
    header[..4].copy_from_slice(b"\x7fELF");
    header[4] = 1 + u8::from(wide);
    header[5] = 1 + u8::from(big_endian);
    header[6] = 1;
    // An executable.
    header[16..18].copy_from_slice(&short(2));
    header[18..20].copy_from_slice(&short(machine));
    header[20] = 1;
    header
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As Debian's qemu-user-static registers it.
    const AARCH64: &str = "enabled\ninterpreter /usr/libexec/qemu-binfmt/aarch64-binfmt-P\n\
        flags: POCF\noffset 0\nmagic 7f454c460201010000000000000000000200b700\n\
        mask ffffffffffffff00fffffffffffffffffeffffff\n";

    fn folder(name: &str, text: &str) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("status"), "enabled\n").unwrap();
        fs::write(folder.path().join(name), text).unwrap();
        folder
    }

    #[test]
    fn an_interpreter_is_found_by_what_programs_begin_with() {
        let there = folder("anything", AARCH64);
        let found = registered(there.path(), Architecture::Arm64);
        let path = "/usr/libexec/qemu-binfmt/aarch64-binfmt-P".into();
        assert_eq!(found, Ok(Way::Interpreter(path)));
        for other in [
            Architecture::Amd64,
            Architecture::Armhf,
            Architecture::S390x,
        ] {
            let found = registered(there.path(), other);
            assert_eq!(found, Err(ForeignError::None(other)));
        }
    }

    #[test]
    fn one_that_is_disabled_or_not_opened_is_of_no_use() {
        let off = folder("q", &AARCH64.replace("enabled", "disabled"));
        let found = registered(off.path(), Architecture::Arm64);
        assert_eq!(found, Err(ForeignError::None(Architecture::Arm64)));
        let late = folder("q", &AARCH64.replace("POCF", "POC"));
        let found = registered(late.path(), Architecture::Arm64);
        assert!(matches!(found, Err(ForeignError::NotOpened { .. })));
    }

    #[test]
    fn the_host_runs_its_own_programs() {
        let host = Architecture::host().unwrap();
        assert_eq!(way(host), Ok(Way::Native));
    }
}
