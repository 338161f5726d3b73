//! Lists of tags and names, whole or by the page: `n` is how many a page has,
//! `last` what the page before ended with.

use super::complaint::Complaint;
use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use serde::Serialize;

/// What is asked for of a list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Page {
    /// At most so many; all where it is none.
    most: Option<usize>,
    /// Only what comes after this.
    after: Option<String>,
}

impl Page {
    /// Reads a query. What else it holds is passed over.
    pub(super) fn parse(query: Option<&str>) -> Result<Self, Complaint> {
        let mut page = Self::default();
        for pair in query.unwrap_or_default().split('&') {
            match pair.split_once('=') {
                Some(("n", n)) => {
                    let plain = n.bytes().all(|b| b.is_ascii_digit());
                    let n = n.parse().ok().filter(|_| plain);
                    page.most = Some(n.ok_or(Complaint::Page)?);
                }
                Some(("last", last)) => {
                    page.after = Some(percent_decode_str(last).decode_utf8_lossy().into());
                }
                _ => {}
            }
        }
        Ok(page)
    }

    /// What is on the page of a sorted list, and where the next one is: the
    /// query that asks for it.
    fn cut<'a>(&self, sorted: impl Iterator<Item = &'a str>) -> (Vec<&'a str>, Option<String>) {
        let after = self.after.as_deref();
        let mut rest = sorted.filter(|item| after.is_none_or(|after| *item > after));
        let most = self.most.unwrap_or(usize::MAX);
        let page: Vec<&str> = rest.by_ref().take(most).collect();
        let next = page.last().filter(|_| rest.next().is_some()).map(|last| {
            let last = utf8_percent_encode(last, NON_ALPHANUMERIC);
            format!("n={most}&last={last}")
        });
        (page, next)
    }
}

/// A list as it is answered, and the query of its next page.
pub(super) struct Answer {
    pub(super) bytes: Vec<u8>,
    pub(super) next: Option<String>,
}

#[derive(Serialize)]
struct Tags<'a> {
    name: &'a str,
    tags: Vec<&'a str>,
}

#[derive(Serialize)]
struct Names<'a> {
    repositories: Vec<&'a str>,
}

/// The tags of an image, which come sorted.
pub(super) fn tags<'a>(name: &str, tags: impl Iterator<Item = &'a str>, page: &Page) -> Answer {
    let (tags, next) = page.cut(tags);
    answer(&Tags { name, tags }, next)
}

/// The names of images, which come sorted.
pub(super) fn names<'a>(names: impl Iterator<Item = &'a str>, page: &Page) -> Answer {
    let (repositories, next) = page.cut(names);
    answer(&Names { repositories }, next)
}

fn answer(list: &impl Serialize, next: Option<String>) -> Answer {
    let bytes = serde_json::to_vec(list).expect("lists have only string keys");
    Answer { bytes, next }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_follow_one_another() {
        let all = ["1", "2.b", "latest"];
        let cut = |query: &str| {
            let page = Page::parse(Some(query)).unwrap();
            let (page, next) = page.cut(all.into_iter());
            (page.join(" "), next.unwrap_or_default())
        };
        for (query, page, next) in [
            ("", "1 2.b latest", ""),
            ("x&y=1", "1 2.b latest", ""),
            ("n=2", "1 2.b", "n=2&last=2%2Eb"),
            ("n=2&last=2%2Eb", "latest", ""),
            ("n=2&last=2.b", "latest", ""),
            ("n=3", "1 2.b latest", ""),
            ("n=1", "1", "n=1&last=1"),
            ("last=1.5", "2.b latest", ""),
            ("last=zzz", "", ""),
            ("n=0", "", ""),
        ] {
            assert_eq!(cut(query), (page.into(), next.into()), "{query}");
        }
    }

    #[test]
    fn what_is_no_number_is_refused() {
        for n in ["", "-1", "+1", "a", "1.5", "99999999999999999999999"] {
            let page = Page::parse(Some(&format!("n={n}")));
            assert_eq!(page, Err(Complaint::Page), "{n}");
        }
    }
}
