//! `desc`, a package's description in a database: headings such as `%NAME%`,
//! each with a line or with lines up to an empty one.

use super::Package;
use crate::arch::dependency::{Dependency, Provision};
use crate::arch::version::Version;
use crate::plan::PackageName;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use hatchery_image::Sha256;
use std::str::Split;

/// Most values of one heading. The longest list in Arch's core had 114 in 2025.
const VALUES_MAX: usize = 50_000;

/// Longest name of a file, in bytes: what file systems take, with `.sig`.
const FILE_NAME_MAX: usize = 250;

/// A description that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DescError {
    /// It ends where a value is due.
    #[error("nothing follows {0}")]
    Cut(String),
    /// A value is not what it must be.
    #[error("{value:?} is no value of {heading}")]
    Value {
        /// Which heading.
        heading: String,
        /// The value.
        value: String,
    },
    /// A heading has too many values.
    #[error("{0} has more than {VALUES_MAX} values")]
    TooMany(String),
}

/// A package whose description is being read.
pub(super) struct Draft(Package);

impl Draft {
    pub(super) fn new(name: PackageName, version: Version) -> Self {
        Self(Package {
            file_name: String::new(),
            name,
            base: String::new(),
            version,
            description: String::new(),
            groups: Vec::new(),
            compressed_size: 0,
            installed_size: 0,
            sha256: None,
            signature: None,
            url: String::new(),
            licenses: Vec::new(),
            architecture: String::new(),
            build_date: 0,
            packager: String::new(),
            replaces: Vec::new(),
            depends: Vec::new(),
            opt_depends: Vec::new(),
            conflicts: Vec::new(),
            provides: Vec::new(),
        })
    }

    pub(super) fn name(&self) -> &PackageName {
        &self.0.name
    }

    /// How many values all its lists have.
    pub(super) fn values(&self) -> usize {
        let Package {
            groups,
            licenses,
            replaces,
            depends,
            opt_depends,
            conflicts,
            provides,
            ..
        } = &self.0;
        let dependencies = [replaces, depends, opt_depends, conflicts];
        let dependencies: usize = dependencies.iter().map(|list| list.len()).sum();
        groups.len() + licenses.len() + dependencies + provides.len()
    }

    /// The package, if it has a file.
    pub(super) fn finish(self) -> Option<Package> {
        (!self.0.file_name.is_empty()).then_some(self.0)
    }

    /// Takes in what a description says. The result is what it says of
    /// somebody else.
    pub(super) fn read(&mut self, text: &str) -> Result<Vec<String>, DescError> {
        let package = &mut self.0;
        let mut wrong = Vec::new();
        let mut lines = Lines(text.split('\n'));
        while let Some(heading) = lines.0.next() {
            match heading {
                "%NAME%" => {
                    let said = lines.one(heading)?;
                    if said != package.name.as_str() {
                        wrong.push(mismatch(package, "name"));
                    }
                }
                "%VERSION%" => {
                    let said = lines.one(heading)?;
                    if said != package.version.as_str() {
                        wrong.push(mismatch(package, "version"));
                    }
                }
                "%FILENAME%" => package.file_name = lines.parsed(heading, file_name)?,
                "%BASE%" => package.base = lines.one(heading)?.to_owned(),
                "%DESC%" => package.description = lines.one(heading)?.to_owned(),
                "%URL%" => package.url = lines.one(heading)?.to_owned(),
                "%ARCH%" => package.architecture = lines.one(heading)?.to_owned(),
                "%PACKAGER%" => package.packager = lines.one(heading)?.to_owned(),
                // As with pacman, what is no date is none.
                "%BUILDDATE%" => package.build_date = lines.one(heading)?.parse().unwrap_or(0),
                "%CSIZE%" => package.compressed_size = lines.parsed(heading, size)?,
                "%ISIZE%" => package.installed_size = lines.parsed(heading, size)?,
                "%SHA256SUM%" => package.sha256 = Some(lines.parsed(heading, digest)?),
                "%PGPSIG%" => package.signature = Some(lines.parsed(heading, signature)?),
                "%GROUPS%" => lines.all(heading, &mut package.groups, str::to_owned)?,
                "%LICENSE%" => lines.all(heading, &mut package.licenses, str::to_owned)?,
                "%REPLACES%" => lines.all(heading, &mut package.replaces, Dependency::parse)?,
                "%DEPENDS%" => lines.all(heading, &mut package.depends, Dependency::parse)?,
                "%OPTDEPENDS%" => {
                    lines.all(heading, &mut package.opt_depends, Dependency::parse)?
                }
                "%CONFLICTS%" => lines.all(heading, &mut package.conflicts, Dependency::parse)?,
                "%PROVIDES%" => lines.all(heading, &mut package.provides, Provision::parse)?,
                _ => {}
            }
        }
        Ok(wrong)
    }
}

/// The lines of a description. Text that ends with a line feed has an empty
/// one at its end, which ends a list: pacman reads it so.
struct Lines<'a>(Split<'a, char>);

impl<'a> Lines<'a> {
    /// The line after a heading, whatever it is.
    fn one(&mut self, heading: &str) -> Result<&'a str, DescError> {
        self.0
            .next()
            .ok_or_else(|| DescError::Cut(heading.to_owned()))
    }

    fn parsed<T>(
        &mut self,
        heading: &str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Result<T, DescError> {
        let value = self.one(heading)?;
        parse(value).ok_or_else(|| DescError::Value {
            heading: heading.to_owned(),
            value: value.chars().take(100).collect(),
        })
    }

    /// The lines up to an empty one, added to a list.
    fn all<T>(
        &mut self,
        heading: &str,
        list: &mut Vec<T>,
        parse: impl Fn(&str) -> T,
    ) -> Result<(), DescError> {
        loop {
            match self.one(heading)? {
                "" => return Ok(()),
                _ if list.len() == VALUES_MAX => {
                    return Err(DescError::TooMany(heading.to_owned()));
                }
                value => list.push(parse(value)),
            }
        }
    }
}

fn mismatch(package: &Package, what: &str) -> String {
    let Package { name, version, .. } = package;
    format!("the database says another {what} inside the entry of {name} {version}")
}

fn file_name(text: &str) -> Option<String> {
    let is_plain = !text.is_empty()
        && text.len() <= FILE_NAME_MAX
        && !text.starts_with('.')
        && !text.contains(|c: char| c == '/' || c.is_control());
    is_plain.then(|| text.to_owned())
}

/// Bare digits, as pacman wants them.
fn size(text: &str) -> Option<u64> {
    let is_bare = text.bytes().all(|b| b.is_ascii_digit());
    is_bare.then(|| text.parse().ok()).flatten()
}

fn digest(text: &str) -> Option<Sha256> {
    text.parse().ok()
}

fn signature(text: &str) -> Option<Vec<u8>> {
    BASE64_STANDARD.decode(text).ok().filter(|s| !s.is_empty())
}
