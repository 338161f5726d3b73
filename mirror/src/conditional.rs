//! Conditional requests: RFC 9110, section 13, in its order of evaluation.
//!
//! Pure: headers and the validators of what would be sent go in, a verdict
//! comes out. tower-http's `ServeDir` knows neither `If-Range` nor entity
//! tags of content, nginx makes its tags of time and length; ours are digests
//! of the content, so a tag stays right across mirrors.

use hyper::http::header::{self, HeaderName};
use hyper::http::{HeaderMap, HeaderValue};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Most entity tags of one request that are compared. A stock client sends
/// one a cached copy.
pub(crate) const TAGS_MAX: usize = 64;

/// The last second that a header can say: the end of the year 9999.
const LATEST: u64 = 253_402_300_799;

/// What the content that would be sent is known by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Validators {
    /// The strong entity tag, in its quotes.
    etag: HeaderValue,
    /// Last modified, in whole seconds.
    modified: SystemTime,
    /// The same, as a header says it.
    last_modified: HeaderValue,
}

impl Validators {
    /// Of a digest and a time, cut to the whole seconds that headers hold.
    pub(crate) fn new(tag: String, modified: SystemTime) -> Self {
        let seconds = modified
            .duration_since(UNIX_EPOCH)
            .map_or(0, |d| d.as_secs().min(LATEST));
        let modified = UNIX_EPOCH + Duration::from_secs(seconds);
        let value = |text: String| {
            HeaderValue::try_from(text).expect("tags are digests, and dates are ASCII, too")
        };
        Self {
            etag: value(format!("\"{tag}\"")),
            modified,
            last_modified: value(httpdate::fmt_http_date(modified)),
        }
    }

    /// The same content, last modified at another time.
    pub(crate) fn dated(&self, modified: SystemTime) -> Self {
        Self::new(self.tag().to_owned(), modified)
    }

    /// The value of the `ETag` header.
    pub(crate) fn etag(&self) -> &HeaderValue {
        &self.etag
    }

    /// The value of the `Last-Modified` header.
    pub(crate) fn last_modified(&self) -> &HeaderValue {
        &self.last_modified
    }

    /// Content of this tag, last modified at the same time.
    pub(crate) fn tagged(&self, tag: String) -> Self {
        Self::new(tag, self.modified)
    }

    /// Whether that is the tag without its quotes.
    fn is_tagged(&self, opaque: &str) -> bool {
        let tag = self.etag.as_bytes();
        tag.get(1..tag.len() - 1) == Some(opaque.as_bytes())
    }

    /// The tag without its quotes.
    pub(crate) fn tag(&self) -> &str {
        let quoted = self.etag.to_str().unwrap_or_default();
        quoted.trim_matches('"')
    }
}

/// What the preconditions of a request come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// They hold: go on.
    Proceed,
    /// The client has it already: 304.
    NotModified,
    /// The client wants only what it knows, and that is gone: 412.
    Failed,
}

/// Evaluates the preconditions of a GET or HEAD.
pub(crate) fn evaluate(headers: &HeaderMap, content: &Validators) -> Verdict {
    if let Some(matches) = any_tag(headers, &header::IF_MATCH, |tag| {
        !tag.weak && content.is_tagged(tag.opaque)
    }) {
        if !matches {
            return Verdict::Failed;
        }
    } else if let Some(since) = date(headers, &header::IF_UNMODIFIED_SINCE)
        && content.modified > since
    {
        return Verdict::Failed;
    }
    if let Some(matches) = any_tag(headers, &header::IF_NONE_MATCH, |tag| {
        content.is_tagged(tag.opaque)
    }) {
        if matches {
            return Verdict::NotModified;
        }
    } else if let Some(since) = date(headers, &header::IF_MODIFIED_SINCE)
        && content.modified <= since
    {
        return Verdict::NotModified;
    }
    Verdict::Proceed
}

/// Whether a `Range` may be honoured: there is no `If-Range`, or it names
/// exactly this content, by strong tag or by its exact date.
pub(crate) fn range_applies(headers: &HeaderMap, content: &Validators) -> bool {
    let mut values = headers.get_all(header::IF_RANGE).iter();
    let (value, more) = (values.next(), values.next());
    let Some(value) = value else {
        return true;
    };
    let Ok(text) = value.to_str() else {
        return false;
    };
    if more.is_some() {
        return false;
    }
    if let Some((tag, "")) = one_tag(text.trim()) {
        return !tag.weak && content.is_tagged(tag.opaque);
    }
    httpdate::parse_http_date(text.trim()).is_ok_and(|date| date == content.modified)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Tag<'h> {
    weak: bool,
    opaque: &'h str,
}

/// Whether any entity tag of a header, if it is there, is `*` or matches. What
/// cannot be read never does.
fn any_tag(
    headers: &HeaderMap,
    name: &HeaderName,
    matches: impl Fn(&Tag<'_>) -> bool,
) -> Option<bool> {
    let (mut is_there, mut count) = (false, 0);
    for value in headers.get_all(name) {
        is_there = true;
        let Ok(text) = value.to_str() else {
            continue;
        };
        if text.trim() == "*" {
            return Some(true);
        }
        let mut rest = text;
        while count < TAGS_MAX {
            rest = rest.trim_start_matches([' ', '\t', ',']);
            let Some((tag, after)) = one_tag(rest) else {
                break;
            };
            if matches(&tag) {
                return Some(true);
            }
            count += 1;
            rest = after;
        }
    }
    is_there.then_some(false)
}

/// The entity tag that a text starts with, and what follows it. Commas may
/// stand inside the quotes.
fn one_tag(text: &str) -> Option<(Tag<'_>, &str)> {
    let (weak, rest) = match text.strip_prefix("W/") {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let (opaque, after) = rest.strip_prefix('"')?.split_once('"')?;
    Some((Tag { weak, opaque }, after))
}

/// A date that cannot be read is as good as none (RFC 9110, section 13.1.3).
fn date(headers: &HeaderMap, name: &HeaderName) -> Option<SystemTime> {
    let mut values = headers.get_all(name).iter();
    let (value, more) = (values.next()?, values.next());
    if more.is_some() {
        return None;
    }
    httpdate::parse_http_date(value.to_str().ok()?.trim()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const BEFORE: &str = "Sun, 06 Nov 1994 08:49:36 GMT";
    const AT: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
    const AFTER: &str = "Sun, 06 Nov 1994 08:49:38 GMT";

    fn content() -> Validators {
        let modified = httpdate::parse_http_date(AT).unwrap() + Duration::from_millis(700);
        Validators::new("abc".into(), modified)
    }

    fn headers(lines: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(
                HeaderName::from_static(name),
                HeaderValue::from_str(value).unwrap(),
            );
        }
        headers
    }

    #[test]
    fn preconditions() {
        use Verdict::{Failed, NotModified, Proceed};
        let many = vec!["\"x\""; TAGS_MAX].join(", ") + ", \"abc\"";
        let table: &[(&[(&'static str, &str)], Verdict)] = &[
            (&[], Proceed),
            (&[("if-none-match", "\"abc\"")], NotModified),
            (&[("if-none-match", "W/\"abc\"")], NotModified),
            (&[("if-none-match", "*")], NotModified),
            (&[("if-none-match", "\"x\", \"abc\"")], NotModified),
            (&[("if-none-match", "\"x\",\"y\",W/\"abc\"")], NotModified),
            (&[("if-none-match", "\"x,\" , \"abc\"")], NotModified),
            (
                &[("if-none-match", "\"x\""), ("if-none-match", "\"abc\"")],
                NotModified,
            ),
            (&[("if-none-match", "\"x\"")], Proceed),
            (&[("if-none-match", "\"ab\"")], Proceed),
            (&[("if-none-match", "abc")], Proceed),
            (&[("if-none-match", "\"abc")], Proceed),
            (&[("if-none-match", "")], Proceed),
            (&[("if-none-match", &many)], Proceed),
            (&[("if-modified-since", BEFORE)], Proceed),
            (&[("if-modified-since", AT)], NotModified),
            (&[("if-modified-since", AFTER)], NotModified),
            (&[("if-modified-since", "yesterday")], Proceed),
            (
                &[("if-modified-since", AT), ("if-modified-since", AT)],
                Proceed,
            ),
            // The tag decides alone when there is one.
            (
                &[("if-none-match", "\"x\""), ("if-modified-since", AFTER)],
                Proceed,
            ),
            (
                &[("if-none-match", "\"abc\""), ("if-modified-since", BEFORE)],
                NotModified,
            ),
            (&[("if-match", "\"abc\"")], Proceed),
            (&[("if-match", "*")], Proceed),
            (&[("if-match", "W/\"abc\"")], Failed),
            (&[("if-match", "\"x\"")], Failed),
            (&[("if-unmodified-since", BEFORE)], Failed),
            (&[("if-unmodified-since", AT)], Proceed),
            (&[("if-unmodified-since", "never")], Proceed),
            (
                &[("if-match", "\"abc\""), ("if-unmodified-since", BEFORE)],
                Proceed,
            ),
            (
                &[("if-match", "\"abc\""), ("if-none-match", "\"abc\"")],
                NotModified,
            ),
        ];
        for (lines, expected) in table {
            assert_eq!(
                evaluate(&headers(lines), &content()),
                *expected,
                "{lines:?}"
            );
        }
    }

    #[test]
    fn if_range() {
        let table: &[(&[(&'static str, &str)], bool)] = &[
            (&[], true),
            (&[("if-range", "\"abc\"")], true),
            (&[("if-range", "W/\"abc\"")], false),
            (&[("if-range", "\"x\"")], false),
            (&[("if-range", "\"abc\", \"x\"")], false),
            (&[("if-range", "*")], false),
            (&[("if-range", AT)], true),
            (&[("if-range", BEFORE)], false),
            (&[("if-range", AFTER)], false),
            (&[("if-range", "")], false),
            (&[("if-range", "\"abc\""), ("if-range", "\"abc\"")], false),
        ];
        for (lines, expected) in table {
            assert_eq!(
                range_applies(&headers(lines), &content()),
                *expected,
                "{lines:?}"
            );
        }
    }

    #[test]
    fn a_time_before_1970_is_1970() {
        let early = UNIX_EPOCH - Duration::from_secs(5);
        assert_eq!(Validators::new(String::new(), early).modified, UNIX_EPOCH);
    }
}
