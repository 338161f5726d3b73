//! Where a file has holes, decided by its contents alone.
//!
//! File systems disagree about holes (block sizes differ, tmpfs and btrfs
//! report others than ext4, copying fills some), so the archive does not ask
//! them: a run of zeros that begins at a multiple of 4 KiB, is at least
//! 64 KiB long, and ends at a multiple of 4 KiB or at the file's end is a
//! hole. The same bytes give the same archive everywhere.

use super::limits::EXTENTS_MAX;
use crate::place::Extent;

/// Zeros are looked at in blocks of so many bytes.
pub(super) const BLOCK: usize = 4096;

/// Shortest hole, in bytes. Shorter ones cost more in headers and system
/// calls than their zeros do once compressed.
pub(super) const HOLE_MIN: u64 = 64 << 10;

static ZEROS: [u8; BLOCK] = [0; BLOCK];

/// Looks for holes in a file that is pushed through piece by piece.
#[derive(Debug, Default)]
pub(super) struct Finder {
    offset: u64,
    /// Where the zeros that end at `offset` began, if the last block was zero.
    zeros: Option<u64>,
    /// Where the part that holds data began, unless a hole came last.
    data: Option<u64>,
    /// The parts before it.
    extents: Vec<Extent>,
    holes: usize,
}

impl Finder {
    /// The next bytes: a multiple of [`BLOCK`], unless they are the last.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        for block in bytes.chunks(BLOCK) {
            if block == &ZEROS[..block.len()] {
                self.zeros.get_or_insert(self.offset);
            } else {
                self.end_zeros();
                self.data.get_or_insert(self.offset);
            }
            self.offset += block.len() as u64;
        }
    }

    /// The next `length` bytes are known to be zeros: a multiple of
    /// [`BLOCK`], unless they are the last.
    pub(super) fn push_zeros(&mut self, length: u64) {
        if length > 0 {
            self.zeros.get_or_insert(self.offset);
            self.offset += length;
        }
    }

    /// The parts that hold data; none if there are no holes.
    pub(super) fn finish(mut self) -> Option<Vec<Extent>> {
        self.end_zeros();
        let end = self.offset;
        self.end_data(end);
        (self.holes > 0).then_some(self.extents)
    }

    fn end_zeros(&mut self) {
        let Some(begun) = self.zeros.take() else {
            return;
        };
        // What may still be added: this part, the last, and an empty one.
        let room = self.extents.len() + 3 <= EXTENTS_MAX;
        if room && self.offset - begun >= HOLE_MIN {
            self.end_data(begun);
            self.holes += 1;
        } else {
            self.data.get_or_insert(begun);
        }
    }

    fn end_data(&mut self, end: u64) {
        if let Some(offset) = self.data.take() {
            self.extents.push(Extent {
                offset,
                length: end - offset,
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The rule of the module's documentation, spelled out over whole files.
    fn by_the_rule(bytes: &[u8]) -> Option<Vec<Extent>> {
        let zero: Vec<bool> = bytes
            .chunks(BLOCK)
            .map(|block| block.iter().all(|b| *b == 0))
            .collect();
        let mut data = vec![true; bytes.len()];
        let mut at = 0;
        while at < zero.len() {
            let end = (at..zero.len()).find(|i| !zero[*i]).unwrap_or(zero.len());
            let span = at * BLOCK..(end * BLOCK).min(bytes.len());
            if span.len() as u64 >= HOLE_MIN {
                data[span].fill(false);
            }
            at = end + 1;
        }
        if data.iter().all(|d| *d) {
            return None;
        }
        let mut extents: Vec<Extent> = Vec::new();
        for (i, _) in data.iter().enumerate().filter(|(_, d)| **d) {
            match extents.last_mut() {
                Some(last) if last.offset + last.length == i as u64 => last.length += 1,
                _ => extents.push(Extent {
                    offset: i as u64,
                    length: 1,
                }),
            }
        }
        Some(extents)
    }

    fn found(bytes: &[u8], piece: usize) -> Option<Vec<Extent>> {
        let mut finder = Finder::default();
        for part in bytes.chunks(piece) {
            finder.push(part);
        }
        finder.finish()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(60))]
        #[test]
        fn holes_follow_the_rule_whatever_the_pieces(
            runs in prop::collection::vec((any::<bool>(), 1_usize..150_000), 0..6),
            pieces in 1_usize..20,
        ) {
            let mut bytes = Vec::new();
            for (zero, length) in runs {
                bytes.resize(bytes.len() + length, u8::from(!zero));
            }
            prop_assert_eq!(found(&bytes, pieces * BLOCK), by_the_rule(&bytes));
        }
    }

    #[test]
    fn edges() {
        assert_eq!(found(&[], BLOCK), None);
        assert_eq!(found(&vec![0; HOLE_MIN as usize - 1], BLOCK), None);
        assert_eq!(found(&vec![0; HOLE_MIN as usize], BLOCK), Some(vec![]));
        let mut finder = Finder::default();
        finder.push_zeros(1 << 40);
        finder.push(b"x");
        let last = Extent {
            offset: 1 << 40,
            length: 1,
        };
        assert_eq!(finder.finish(), Some(vec![last]));
    }

    #[test]
    fn more_holes_than_a_reader_takes_become_data() {
        let mut finder = Finder::default();
        let total = 3 * EXTENTS_MAX as u64;
        for _ in 0..total {
            finder.push(&[1; BLOCK]);
            finder.push_zeros(HOLE_MIN);
        }
        let extents = finder.finish().unwrap();
        assert!(extents.len() < EXTENTS_MAX);
        let last = extents.last().unwrap();
        assert_eq!(last.offset + last.length, total * (BLOCK as u64 + HOLE_MIN));
    }
}
