//! A plan as rows for people; printing them is the command line's business.

use super::Plan;

/// One package, as it is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row<'a> {
    /// Name.
    pub package: &'a str,
    /// Version.
    pub version: &'a str,
    /// Architecture, as the package says.
    pub architecture: &'a str,
    /// Length of the package file in bytes.
    pub size: u64,
    /// Bytes that it takes when installed.
    pub installed_size: u64,
    /// Suite that it comes from.
    pub origin: &'a str,
    /// Whether the recipe named it.
    pub named: bool,
}

/// Sums over a plan.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// How many packages.
    pub packages: usize,
    /// Bytes of all package files.
    pub size: u64,
    /// Bytes that all take when installed.
    pub installed_size: u64,
}

impl Plan {
    /// The packages sorted by name.
    #[must_use]
    pub fn rows(&self) -> Vec<Row<'_>> {
        let mut rows: Vec<_> = self
            .packages
            .iter()
            .map(|p| Row {
                package: &p.name,
                version: &p.version,
                architecture: &p.architecture,
                size: p.size,
                installed_size: p.installed_size,
                origin: self
                    .repositories
                    .get(p.repository)
                    .map_or("", |r| r.suite.as_str()),
                named: p.named,
            })
            .collect();
        rows.sort_by_key(|row| row.package);
        rows
    }

    /// How much it is in all.
    #[must_use]
    pub fn totals(&self) -> Totals {
        Totals {
            packages: self.packages.len(),
            size: self.packages.iter().map(|p| p.size).sum(),
            installed_size: self.packages.iter().map(|p| p.installed_size).sum(),
        }
    }
}
