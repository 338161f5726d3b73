//! The unit that mounts a pool when the host boots, as systemd.mount(5) wants
//! it.
//!
//! systemd itself once made such pools: machined put a btrfs into
//! `/var/lib/machines.raw`, and up to now systemd-container ships a
//! `var-lib-machines.mount` that mounts that file if it is there. Ours has the
//! same name, file and target, so that one replaces the other, and is found by
//! everybody who knows the old one.

use super::PoolError;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// Where the administrator's units are.
pub const UNITS: &str = "/etc/systemd/system";

/// How it is mounted. What is removed inside is given back to the disk.
pub(super) const OPTIONS: &str = "loop,discard";

/// First line of a unit that is ours to remove.
const OURS: &str = "# Made by `hatchery pool create`; `hatchery pool remove` removes it.";

/// The target that wants it. A pool that cannot be mounted does not stop the
/// host from booting.
const WANTED_BY: &str = "local-fs.target";

/// A pool's unit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Unit {
    pub(super) file: PathBuf,
    pub(super) target: PathBuf,
}

impl Unit {
    /// A unit, if both paths can be written into one as they are.
    pub(super) fn new(file: &Path, target: &Path) -> Result<Self, PoolError> {
        for path in [file, target] {
            let plain = |b: &u8| b.is_ascii_alphanumeric() || b"/._-".contains(b);
            let text = path.to_str().unwrap_or_default();
            if !path.is_absolute() || !text.as_bytes().iter().all(plain) {
                return Err(PoolError::Path(path.to_owned()));
            }
        }
        Ok(Self {
            file: file.to_owned(),
            target: target.to_owned(),
        })
    }

    /// What systemd requires it to be called.
    pub(super) fn name(target: &Path) -> String {
        let text = target.to_string_lossy();
        let mut name = String::new();
        for (at, byte) in text.trim_matches('/').bytes().enumerate() {
            match byte {
                b'/' => name.push('-'),
                b'.' if at == 0 => name.push_str("\\x2e"),
                b if b.is_ascii_alphanumeric() || b":_.".contains(&b) => name.push(char::from(b)),
                b => {
                    let _ = write!(name, "\\x{b:02x}");
                }
            }
        }
        name + ".mount"
    }

    /// Where it lies beneath the folder of units.
    pub(super) fn path(units: &Path, target: &Path) -> PathBuf {
        units.join(Self::name(target))
    }

    /// The link by which it is enabled, and what that points to.
    pub(super) fn link(units: &Path, target: &Path) -> (PathBuf, PathBuf) {
        let name = Self::name(target);
        let link = units.join(format!("{WANTED_BY}.wants")).join(&name);
        (link, Path::new("..").join(name))
    }

    pub(super) fn render(&self) -> String {
        let (file, target) = (self.file.display(), self.target.display());
        format!(
            "{OURS}\n\
             [Unit]\n\
             Description=Pool of machines in {file}\n\
             Documentation=man:hatchery-pool(1)\n\
             ConditionPathExists={file}\n\
             RequiresMountsFor={}\n\
             \n\
             [Mount]\n\
             What={file}\n\
             Where={target}\n\
             Type=btrfs\n\
             Options={OPTIONS}\n\
             \n\
             [Install]\n\
             WantedBy={WANTED_BY}\n",
            self.file.parent().unwrap_or(Path::new("/")).display()
        )
    }

    /// Reads one that we have rendered; nobody else's.
    pub(super) fn parse(text: &str) -> Option<Self> {
        if text.lines().next() != Some(OURS) {
            return None;
        }
        let value = |key: &str| text.lines().find_map(|line| line.strip_prefix(key));
        Self::new(Path::new(value("What=")?), Path::new(value("Where=")?)).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_called_what_systemd_escape_says() {
        let name = |target: &str| Unit::name(Path::new(target));
        assert_eq!(name("/var/lib/machines"), "var-lib-machines.mount");
        assert_eq!(name("/srv/my-pool/"), "srv-my\\x2dpool.mount");
        assert_eq!(name("/.a/b.c"), "\\x2ea-b.c.mount");
    }

    #[test]
    fn what_is_rendered_is_read_again_and_nothing_else_is() {
        let unit = Unit::new("/var/lib/m.raw".as_ref(), "/var/lib/machines".as_ref()).unwrap();
        let text = unit.render();
        assert_eq!(Unit::parse(&text), Some(unit));
        let others = text.split_once('\n').unwrap().1;
        assert_eq!(Unit::parse(others), None);
    }

    #[test]
    fn paths_that_systemd_would_read_otherwise_are_refused() {
        for bad in [
            "relative",
            "/with space",
            "/50%h",
            "/a\\b",
            "/a\nb",
            "/\"q\"",
        ] {
            assert!(Unit::new(bad.as_ref(), "/m".as_ref()).is_err(), "{bad:?}");
            assert!(Unit::new("/f".as_ref(), bad.as_ref()).is_err(), "{bad:?}");
        }
    }
}
