//! dpkg's database of packages that were unpacked without dpkg:
//! `/var/lib/dpkg`, as dpkg 1.21 to 1.23 leave it between `--unpack` and
//! `--configure`.
//!
//! Files are written through the handle of the tree, like packages' contents:
//! no link inside it leads outside. dpkg itself rewrites `status` in its own
//! order of fields when it configures, so a package's control file is taken
//! over as it is.

use super::control::{Control, ControlFile, SCRIPTS};
use super::unpack::{Record, UnpackError};
use crate::beneath;
use hatchery_image::place::{Entry, Node, PlaceError, Placer, Root};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

const ADMIN: &str = "var/lib/dpkg";

/// Directories that dpkg expects; the package dpkg ships most of them.
const DIRECTORIES: [&str; 5] = ["alternatives", "info", "parts", "triggers", "updates"];

/// Largest `status` that is read back, in bytes: 60,000 packages.
const STATUS_MAX: u64 = 256 << 20;

/// Writes the database of a tree.
pub(crate) struct Database<'r> {
    root: &'r Root,
    placer: Placer<'r>,
    /// `SOURCE_DATE_EPOCH`, the time of everything written here.
    time: i64,
    status: String,
    interests: Triggers,
}

impl<'r> Database<'r> {
    /// Makes the directories, and the files that do not depend on packages.
    pub(crate) fn create(
        root: &'r Root,
        time: i64,
        architecture: &str,
    ) -> Result<Self, UnpackError> {
        let mut this = Self {
            root,
            placer: root.placer(),
            time,
            status: String::new(),
            interests: Triggers::default(),
        };
        for name in DIRECTORIES {
            let path = format!("{ADMIN}/{name}");
            this.place(&path, Node::Directory, 0o755, time, b"")?;
        }
        this.write("arch", 0o644, format!("{architecture}\n").as_bytes())?;
        this.write("info/format", 0o644, b"1\n")?;
        this.write("triggers/File", 0o644, b"")?;
        this.write("triggers/Unincorp", 0o644, b"")?;
        Ok(this)
    }

    /// A package's control files, `control` too, in a folder from which its
    /// preinst is run.
    pub(crate) fn stage_control_files(
        &mut self,
        control: &Control,
        folder: &str,
    ) -> Result<(), UnpackError> {
        // Scripts have moved folders of that name: no handles are reused.
        self.placer = self.root.placer();
        self.write(
            &format!("{folder}/control"),
            0o644,
            control.text().as_bytes(),
        )?;
        for file in control.files() {
            self.write_control_file(file, &format!("{folder}/"))?;
        }
        Ok(())
    }

    /// A package that is unpacked.
    pub(crate) fn add(&mut self, record: &Record<'_>) -> Result<(), UnpackError> {
        let name = record.control.info_name();
        for file in record.control.files() {
            self.write_control_file(file, &format!("info/{name}."))?;
        }
        self.write(&format!("info/{name}.list"), 0o644, &record.paths)?;
        if !record.md5sums.is_empty() {
            let path = format!("info/{name}.md5sums");
            self.write(&path, 0o644, record.md5sums.as_bytes())?;
        }
        self.interests.add(record.control);
        self.status.push_str(&stanza(record.control));
        Ok(())
    }

    /// Adds what was added since the last time to `status` and `triggers/`.
    pub(crate) fn finish(&mut self) -> Result<(), UnpackError> {
        for (name, text) in std::mem::take(&mut self.interests).files {
            self.append(&format!("triggers/{name}"), &text)?;
        }
        let status = std::mem::take(&mut self.status);
        self.append("status", &status)
    }

    /// Triggers that files have activated, and who awaits their processing;
    /// dpkg takes note of them when it runs next.
    pub(crate) fn activate(
        &mut self,
        triggers: &BTreeMap<String, BTreeSet<String>>,
    ) -> Result<(), UnpackError> {
        let mut text = String::new();
        for (trigger, awaiting) in triggers {
            text.push_str(trigger);
            if awaiting.is_empty() {
                text.push_str(" -");
            }
            for package in awaiting {
                text.push(' ');
                text.push_str(package);
            }
            text.push('\n');
        }
        self.append("triggers/Unincorp", &text)
    }

    fn append(&mut self, name: &str, text: &str) -> Result<(), UnpackError> {
        if text.is_empty() {
            return Ok(());
        }
        let path = format!("{ADMIN}/{name}");
        let mut bytes =
            beneath::read(self.root, &path, STATUS_MAX).map_err(|source| UnpackError::System {
                doing: "read",
                path: format!("/{path}").into(),
                source,
            })?;
        bytes.extend_from_slice(text.as_bytes());
        self.write(name, 0o644, &bytes)
    }

    fn write_control_file(&mut self, file: &ControlFile, prefix: &str) -> Result<(), UnpackError> {
        let mode = if SCRIPTS.contains(&file.name.as_str()) {
            file.mode | 0o111
        } else {
            file.mode
        };
        let node = Node::File {
            size: file.bytes.len() as u64,
            extents: None,
        };
        let path = format!("{ADMIN}/{prefix}{}", file.name);
        // As dpkg, which extracts them.
        self.place(&path, node, mode & 0o777, file.mtime, &file.bytes)
    }

    fn write(&mut self, name: &str, mode: u32, bytes: &[u8]) -> Result<(), UnpackError> {
        let node = Node::file(bytes.len() as u64);
        self.place(&format!("{ADMIN}/{name}"), node, mode, self.time, bytes)
    }

    fn place(
        &mut self,
        path: &str,
        node: Node<'_>,
        mode: u32,
        mtime: i64,
        bytes: &[u8],
    ) -> Result<(), UnpackError> {
        let entry = Entry::of_root(path.as_bytes(), node, mode, mtime);
        self.placer
            .place_slice(&entry, bytes)
            .map(drop)
            .map_err(|source: PlaceError| UnpackError::Database(source))
    }
}

/// A package's part of `status`.
fn stanza(control: &Control) -> String {
    let mut text = String::new();
    for (number, line) in control.text().lines().enumerate() {
        // Blank lines would end the stanza.
        if !line.trim().is_empty() {
            text.push_str(line);
            text.push('\n');
        }
        if number == 0 {
            text.push_str("Status: install ok unpacked\n");
        }
    }
    let conffiles = control.conffiles();
    if !conffiles.is_empty() {
        text.push_str("Conffiles:\n");
        for conffile in conffiles {
            let flag = if conffile.remove_on_upgrade {
                " remove-on-upgrade"
            } else {
                ""
            };
            // Writing to a String does not fail.
            let _ = writeln!(text, " {} newconffile{flag}", conffile.path);
        }
    }
    text.push('\n');
    text
}

/// Names and texts of the files in `triggers/`: `File` for interest in paths,
/// and one for each named trigger.
#[derive(Default)]
struct Triggers {
    files: BTreeMap<String, String>,
}

impl Triggers {
    fn add(&mut self, control: &Control) {
        for interest in control.interests() {
            let suffix = if interest.noawait { "/noawait" } else { "" };
            let package = control.info_name();
            let (file, line) = if interest.trigger.starts_with('/') {
                let line = format!("{} {package}{suffix}\n", interest.trigger);
                ("File".to_owned(), line)
            } else {
                (interest.trigger, format!("{package}{suffix}\n"))
            };
            if file == "File" || is_trigger_name(&file) {
                self.files.entry(file).or_default().push_str(&line);
            }
        }
    }
}

/// What can be a file name in `triggers/` besides dpkg's own, which start with
/// a capital: deb-triggers(5).
fn is_trigger_name(name: &str) -> bool {
    let own = ["File", "Lock", "Unincorp"];
    name.len() >= 2
        && !own.contains(&name)
        && name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"+-.:_".contains(&b))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::debian::control::ControlFile;

    fn control(text: &str, files: &[(&str, &str)]) -> Control {
        let file = |(name, text): &(&str, &str)| ControlFile {
            name: (*name).to_owned(),
            mode: 0o644,
            mtime: 1_000_000_000,
            bytes: text.as_bytes().to_vec(),
        };
        let mut all: Vec<ControlFile> = files.iter().map(file).collect();
        all.push(file(&("control", text)));
        Control::new(all).unwrap()
    }

    #[test]
    fn a_stanza_is_the_control_file_and_its_state() {
        let control = control(
            "Package: a\nVersion: 1\nArchitecture: all\nDescription: x\n  verbatim\n .\n y\n\n",
            &[("conffiles", "/etc/a\nremove-on-upgrade /etc/b\n")],
        );
        assert_eq!(
            stanza(&control),
            "Package: a\nStatus: install ok unpacked\nVersion: 1\nArchitecture: all\n\
             Description: x\n  verbatim\n .\n y\nConffiles:\n /etc/a newconffile\n \
             /etc/b newconffile remove-on-upgrade\n\n"
        );
    }

    #[test]
    fn triggers_are_files_by_name_and_one_for_paths() {
        let a = control(
            "Package: a\nVersion: 1\nArchitecture: amd64\nMulti-Arch: same\n",
            &[(
                "triggers",
                "interest-noawait /usr/lib/x\ninterest ldconfig\ninterest ../bad\n",
            )],
        );
        let b = control(
            "Package: b\nVersion: 1\nArchitecture: all\n",
            &[(
                "triggers",
                "interest /usr/lib/x\ninterest-noawait ldconfig\n",
            )],
        );
        let mut triggers = Triggers::default();
        triggers.add(&a);
        triggers.add(&b);
        let expected = [
            ("File", "/usr/lib/x a:amd64/noawait\n/usr/lib/x b\n"),
            ("ldconfig", "a:amd64\nb/noawait\n"),
        ];
        let expected = expected.map(|(n, t)| (n.to_owned(), t.to_owned()));
        assert_eq!(triggers.files, expected.into());
    }
}
