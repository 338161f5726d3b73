//! The records of a map of holes, in GNU tar's formats 0.0, 0.1 and 1.0.

use super::super::limits::EXTENTS_MAX;
use super::values::number;

/// A hole map's records that have been seen.
#[derive(Default)]
pub(super) struct Holes {
    version: (Option<u64>, Option<u64>),
    blocks: Option<u64>,
    /// Of format 0.0: how many numbers, an offset and a length in turn.
    numbers: usize,
    map: bool,
    real: Option<u64>,
}

impl Holes {
    /// Whether they say of which version the map is.
    pub(super) const fn has_version(&self) -> bool {
        self.version.0.is_some()
    }

    pub(super) fn record(&mut self, key: &str, value: &[u8]) -> Result<(), &'static str> {
        match key {
            "GNU.sparse.major" => self.version.0 = Some(number(value)?),
            "GNU.sparse.minor" => self.version.1 = Some(number(value)?),
            "GNU.sparse.numblocks" => self.blocks = Some(number(value)?),
            "GNU.sparse.realsize" | "GNU.sparse.size" => {
                let value = number(value)?;
                if self.real.is_some_and(|real| real != value) {
                    return Err("it has two sizes");
                }
                self.real = Some(value);
            }
            "GNU.sparse.offset" | "GNU.sparse.numbytes" => {
                number(value)?;
                let expected = ["GNU.sparse.offset", "GNU.sparse.numbytes"][self.numbers % 2];
                if key != expected {
                    return Err("its map of holes is malformed");
                }
                self.numbers += 1;
            }
            "GNU.sparse.map" => {
                self.map = true;
                let mut numbers = value.split(|b| *b == b',');
                let count = numbers.try_fold(0, |n, text| number(text).map(|_| n + 1));
                let is_paired = value.is_empty() || count.is_ok_and(|n: usize| n.is_multiple_of(2));
                if !is_paired {
                    return Err("its map of holes is malformed");
                }
            }
            _ => return Err("its pax header has a keyword that is not known"),
        }
        Ok(())
    }

    /// Whether they are one map, in one of GNU tar's formats.
    pub(super) fn check(&self) -> Result<(), &'static str> {
        let formats = [
            self.numbers > 0,
            self.map,
            self.version == (Some(1), Some(0)),
        ];
        let is_known = matches!(self.version, (None, None) | (Some(0), Some(0 | 1)))
            || self.version == (Some(1), Some(0));
        if !is_known {
            return Err("its map of holes is of an unknown version");
        }
        let count = formats.iter().filter(|f| **f).count();
        let is_said = self.real.is_some() || self.blocks.is_some();
        if count > 1 || self.numbers % 2 == 1 || count == 1 && self.real.is_none() {
            return Err("its map of holes is malformed");
        }
        // A file that is all hole has no parts in format 0.0 and 0.1.
        if count == 0 && is_said && self.blocks != Some(0) {
            return Err("its map of holes is missing");
        }
        let parts = self.numbers as u64 / 2;
        if self.numbers > 0 && self.blocks.is_some_and(|blocks| blocks != parts)
            || self
                .blocks
                .is_some_and(|blocks| blocks > EXTENTS_MAX as u64)
        {
            return Err("its map of holes does not have as many parts as it says");
        }
        Ok(())
    }
}
