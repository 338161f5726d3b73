//! A package's control files: deb-control(5), deb-conffiles(5),
//! deb-triggers(5).
//!
//! Their names become file names in `/var/lib/dpkg/info`, so they are checked
//! here; what they say is read as far as unpacking needs it.

use deb822_fast::{Deb822, Paragraph};

/// One of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ControlFile {
    /// Its name, such as `postinst`.
    pub name: String,
    /// Its permission bits.
    pub mode: u32,
    /// Its time, in seconds since 1970.
    pub mtime: i64,
    /// What is in it.
    pub bytes: Vec<u8>,
}

/// All control files of a package.
#[derive(Clone, Debug)]
pub struct Control {
    text: String,
    fields: Paragraph,
    /// Sorted by name; `control` itself is not among them.
    files: Vec<ControlFile>,
}

/// Control files that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// There is no file `control`.
    #[error("the file control is missing")]
    Missing,
    /// It is not one paragraph of fields.
    #[error("the file control cannot be read: {0}")]
    Syntax(String),
    /// A field is missing or not what it should be.
    #[error("the field {field} is missing or wrong: {value:?}")]
    Field {
        /// Which.
        field: &'static str,
        /// What it holds.
        value: String,
    },
    /// A file has a name that dpkg would not take.
    #[error("a control file has the name {0:?}")]
    Name(String),
}

/// A file that the administrator's changes are kept of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conffile {
    /// Absolute path.
    pub path: String,
    /// It is to be removed when the package is upgraded, and not shipped.
    pub remove_on_upgrade: bool,
}

/// A line of the file `triggers`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interest {
    /// A path or a name.
    pub trigger: String,
    /// Whether the activating package does not wait.
    pub noawait: bool,
}

/// Scripts that dpkg runs.
pub const SCRIPTS: [&str; 4] = ["preinst", "postinst", "prerm", "postrm"];

impl Control {
    /// Checks and keeps them.
    ///
    /// # Errors
    /// Which is wrong.
    pub fn new(mut files: Vec<ControlFile>) -> Result<Self, ControlError> {
        let at = files
            .iter()
            .position(|f| f.name == "control")
            .ok_or(ControlError::Missing)?;
        let control = files.swap_remove(at);
        files.sort_by(|a, b| a.name.cmp(&b.name));
        if let Some(bad) = files.iter().find(|f| !is_file_name(&f.name)) {
            return Err(ControlError::Name(bad.name.clone()));
        }
        let text = String::from_utf8_lossy(&control.bytes).into_owned();
        let document: Deb822 = text
            .parse()
            .map_err(|e: deb822_fast::Error| ControlError::Syntax(e.to_string()))?;
        let mut paragraphs = document.into_iter();
        let fields = paragraphs
            .next()
            .ok_or_else(|| ControlError::Syntax("it is empty".to_owned()))?;
        let this = Self {
            text,
            fields,
            files,
        };
        this.check("Package", |v| {
            v.starts_with(|c: char| c.is_ascii_alphanumeric())
                && v.bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b))
        })?;
        this.check("Version", |v| !v.is_empty() && !v.contains(['/', ' ']))?;
        this.check("Architecture", |v| {
            !v.is_empty() && v.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
        })?;
        Ok(this)
    }

    fn check(&self, field: &'static str, good: impl Fn(&str) -> bool) -> Result<(), ControlError> {
        let value = self.field(field).unwrap_or_default();
        if good(value) {
            return Ok(());
        }
        Err(ControlError::Field {
            field,
            value: value.to_owned(),
        })
    }

    /// The value of a field of the file `control`.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&str> {
        self.fields.get(name)
    }

    /// The text of the file `control`, verbatim.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Name.
    #[must_use]
    pub fn package(&self) -> &str {
        self.field("Package").unwrap_or_default()
    }

    /// Version.
    #[must_use]
    pub fn version(&self) -> &str {
        self.field("Version").unwrap_or_default()
    }

    /// Architecture, such as `amd64` or `all`.
    #[must_use]
    pub fn architecture(&self) -> &str {
        self.field("Architecture").unwrap_or_default()
    }

    /// Whether it can be installed for several architectures at once.
    #[must_use]
    pub fn is_multi_arch_same(&self) -> bool {
        self.field("Multi-Arch") == Some("same")
    }

    /// Whether every system must have it.
    #[must_use]
    pub fn is_essential(&self) -> bool {
        self.field("Essential") == Some("yes")
    }

    /// The name that its files in `/var/lib/dpkg/info` start with, and that
    /// dpkg prints: with the architecture where it is ambiguous.
    #[must_use]
    pub fn info_name(&self) -> String {
        if self.is_multi_arch_same() {
            format!("{}:{}", self.package(), self.architecture())
        } else {
            self.package().to_owned()
        }
    }

    /// The files besides `control`, sorted by name.
    #[must_use]
    pub fn files(&self) -> &[ControlFile] {
        &self.files
    }

    /// One of them.
    #[must_use]
    pub fn file(&self, name: &str) -> Option<&ControlFile> {
        self.files.iter().find(|f| f.name == name)
    }

    /// The conffiles that it declares.
    #[must_use]
    pub fn conffiles(&self) -> Vec<Conffile> {
        let lines = self.lines("conffiles");
        let read = lines.iter().filter_map(|line| {
            let (flag, path) = match line.split_once(' ') {
                Some((flag, path)) if !flag.starts_with('/') => (flag, path.trim_start()),
                _ => ("", line.as_str()),
            };
            path.starts_with('/').then(|| Conffile {
                path: path.to_owned(),
                remove_on_upgrade: flag == "remove-on-upgrade",
            })
        });
        read.collect()
    }

    /// The triggers that it is interested in.
    #[must_use]
    pub fn interests(&self) -> Vec<Interest> {
        let lines = self.lines("triggers");
        let read = lines.iter().filter_map(|line| {
            let mut words = line.split('#').next()?.split_whitespace();
            let noawait = match words.next()? {
                "interest" | "interest-await" => false,
                "interest-noawait" => true,
                _ => return None,
            };
            Some(Interest {
                trigger: words.next()?.to_owned(),
                noawait,
            })
        });
        read.collect()
    }

    fn lines(&self, name: &str) -> Vec<String> {
        let bytes = self.file(name).map_or(&b""[..], |f| &f.bytes);
        let text = String::from_utf8_lossy(bytes);
        text.lines()
            .map(|l| l.trim_end().to_owned())
            .filter(|l| !l.is_empty())
            .collect()
    }
}

/// What dpkg takes into `info/`: a plain name.
fn is_file_name(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= 200
        && name != "list"
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"_-+".contains(&b))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(name: &str, text: &str) -> ControlFile {
        ControlFile {
            name: name.to_owned(),
            mode: 0o644,
            mtime: 1_000_000_000,
            bytes: text.as_bytes().to_vec(),
        }
    }

    const CONTROL: &str = "Package: libc6\nVersion: 2.41-12\nArchitecture: amd64\n\
        Multi-Arch: same\nDescription: short\n long\n .\n more\n";

    #[test]
    fn fields_and_lists_are_read() {
        let control = Control::new(vec![
            file(
                "triggers",
                "# c\ninterest /usr/lib # why\ninterest-noawait ldconfig\nactivate x\n",
            ),
            file("control", CONTROL),
            file("conffiles", "/etc/a\n\nremove-on-upgrade /etc/b c\n"),
        ])
        .unwrap();
        assert_eq!(control.info_name(), "libc6:amd64");
        assert_eq!(
            control.field("Description").unwrap(),
            "short\nlong\n.\nmore"
        );
        let conffiles = control.conffiles();
        assert_eq!(conffiles[0].path, "/etc/a");
        assert_eq!(
            (conffiles[1].path.as_str(), conffiles[1].remove_on_upgrade),
            ("/etc/b c", true)
        );
        let interests = control.interests();
        assert_eq!(interests.len(), 2);
        assert_eq!(
            (interests[0].trigger.as_str(), interests[0].noawait),
            ("/usr/lib", false)
        );
        assert_eq!(
            (interests[1].trigger.as_str(), interests[1].noawait),
            ("ldconfig", true)
        );
    }

    #[test]
    fn wrong_ones_are_refused() {
        assert!(matches!(Control::new(vec![]), Err(ControlError::Missing)));
        let with = |name: &str| Control::new(vec![file("control", CONTROL), file(name, "")]);
        for name in ["../x", "a/b", "", "list", "a b", "..", "x.y"] {
            assert!(matches!(with(name), Err(ControlError::Name(_))), "{name:?}");
        }
        for text in [
            "Version: 1\nArchitecture: all\n",
            "Package: ../x\nVersion: 1\nArchitecture: all\n",
            "Package: x\nVersion: 1/2\nArchitecture: all\n",
            "Package: x\nVersion: 1\nArchitecture: a/b\n",
            "",
        ] {
            assert!(
                Control::new(vec![file("control", text)]).is_err(),
                "{text:?}"
            );
        }
    }
}
