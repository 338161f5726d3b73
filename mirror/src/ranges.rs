//! Byte ranges: RFC 9110, section 14.
//!
//! Pure: a header and a length go in, spans come out. The syntax is read by
//! `http-range-header`; what is done about the result is decided here, as
//! Apache and nginx decide it or stricter: a header that cannot be read, too
//! many ranges, or ranges that together ask for more than the whole file, get
//! the plain whole file, so that a request can never cost more than that.

use http_range_header::{SyntacticallyCorrectRange as Range, parse_range_header_with_max_ranges};
use hyper::http::{HeaderMap, header};
use std::num::NonZeroUsize;

/// Most ranges that are answered one by one, unless the options say otherwise.
pub const RANGES_MAX: NonZeroUsize = NonZeroUsize::new(16).expect("16 is not zero");

/// A part of a file that is not empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    /// First byte.
    pub(crate) offset: u64,
    /// Length in bytes.
    pub(crate) length: u64,
}

impl Span {
    /// The value of a `Content-Range` header.
    pub(crate) fn content_range(self, complete: u64) -> String {
        let last = self.offset + self.length - 1;
        format!("bytes {}-{last}/{complete}", self.offset)
    }

    /// The first bytes of it, at most so many.
    pub(crate) fn first(self, most: usize) -> Self {
        Self {
            length: self.length.min(most as u64),
            ..self
        }
    }
}

/// Which part of a file a request asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Selection {
    /// All of it: 200.
    Whole,
    /// One part: 206.
    One(Span),
    /// Several parts, in the order asked for: 206, multipart.
    Several(Vec<Span>),
    /// Nothing that there is: 416.
    Unsatisfiable,
}

/// What the `Range` of a GET selects in a file of `length` bytes, when `most`
/// ranges are answered one by one.
pub(crate) fn select(headers: &HeaderMap, length: u64, most: NonZeroUsize) -> Selection {
    let mut values = headers.get_all(header::RANGE).iter();
    let (value, more) = (values.next(), values.next());
    let Some(text) = value.and_then(|v| v.to_str().ok()) else {
        return Selection::Whole;
    };
    if more.is_some() {
        return Selection::Whole;
    }
    let Ok(ranges) = parse_range_header_with_max_ranges(text, most) else {
        return Selection::Whole;
    };
    let spans: Vec<Span> = ranges
        .into_ranges()
        .iter()
        .filter_map(|range| within(range, length))
        .collect();
    let total = spans
        .iter()
        .try_fold(0u64, |sum, span| sum.checked_add(span.length));
    match spans[..] {
        [] => Selection::Unsatisfiable,
        [one] => Selection::One(one),
        _ if total.is_none_or(|total| total > length) => Selection::Whole,
        _ => Selection::Several(spans),
    }
}

/// The part of a range that the file has, if any.
fn within(range: &Range, length: u64) -> Option<Span> {
    let (offset, end) = match *range {
        Range::FromStart(start) => (start, length),
        Range::FromLast(count) => (length.saturating_sub(count), length),
        Range::Indexed(start, last) => (start, last.saturating_add(1).min(length)),
    };
    (offset < end).then(|| Span {
        offset,
        length: end - offset,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str, length: u64) -> Selection {
        let mut headers = HeaderMap::new();
        headers.insert(header::RANGE, text.parse().unwrap());
        select(&headers, length, RANGES_MAX)
    }

    fn span(offset: u64, length: u64) -> Span {
        Span { offset, length }
    }

    #[test]
    fn one_range() {
        use Selection::{One, Unsatisfiable, Whole};
        for (text, expected) in [
            ("bytes=0-0", One(span(0, 1))),
            ("bytes=0-99", One(span(0, 100))),
            ("bytes=0-1000", One(span(0, 100))),
            ("bytes=10-", One(span(10, 90))),
            ("bytes=-10", One(span(90, 10))),
            ("bytes=-1000", One(span(0, 100))),
            ("bytes=99-99", One(span(99, 1))),
            ("Bytes=0-0", One(span(0, 1))),
            ("bytes=0-0,", One(span(0, 1))),
            ("bytes=0-18446744073709551615", One(span(0, 100))),
            ("bytes=0-99999999999999999999", One(span(0, 100))),
            ("bytes=500-600, 5-9", One(span(5, 5))),
            ("bytes=100-", Unsatisfiable),
            ("bytes=100-200", Unsatisfiable),
            ("bytes=-0", Unsatisfiable),
            ("bytes=500-, -0", Unsatisfiable),
            // Not understood, so ignored.
            ("bytes=", Whole),
            ("bytes=5-1", Whole),
            ("bytes=a-b", Whole),
            ("bytes=1", Whole),
            ("bytes=--5", Whole),
            ("bytes=+1-5", Whole),
            ("lines=0-5", Whole),
            ("0-5", Whole),
            ("bytes 0-5", Whole),
        ] {
            assert_eq!(of(text, 100), expected, "{text}");
        }
    }

    #[test]
    fn an_empty_file_has_no_ranges() {
        for text in ["bytes=0-", "bytes=0-0", "bytes=-1"] {
            assert_eq!(of(text, 0), Selection::Unsatisfiable, "{text}");
        }
    }

    #[test]
    fn several_ranges_cost_no_more_than_the_file() {
        use Selection::{Several, Whole};
        assert_eq!(
            of("bytes=0-9, 20-29,-10", 100),
            Several(vec![span(0, 10), span(20, 10), span(90, 10)])
        );
        assert_eq!(
            of("bytes=20-29,0-9", 100),
            Several(vec![span(20, 10), span(0, 10)])
        );
        assert_eq!(of("bytes=0-,0-,0-", 100), Whole);
        assert_eq!(of("bytes=0-50,49-99", 100), Whole);
        let count = |n: usize| {
            let ranges: Vec<String> = (0..n).map(|i| format!("{i}-{i}")).collect();
            of(&format!("bytes={}", ranges.join(",")), 100)
        };
        assert!(matches!(count(16), Several(spans) if spans.len() == 16));
        assert_eq!(count(17), Whole);
        assert_eq!(count(5000), Whole);
    }

    #[test]
    fn two_headers_are_ignored() {
        let mut headers = HeaderMap::new();
        headers.append(header::RANGE, "bytes=0-0".parse().unwrap());
        headers.append(header::RANGE, "bytes=1-1".parse().unwrap());
        assert_eq!(select(&headers, 100, RANGES_MAX), Selection::Whole);
        assert_eq!(select(&HeaderMap::new(), 100, RANGES_MAX), Selection::Whole);
    }

    #[test]
    fn content_range_counts_from_zero_to_the_last_byte() {
        assert_eq!(span(0, 10).content_range(100), "bytes 0-9/100");
    }
}
