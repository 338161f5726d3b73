//! The mirror for people: pages about its images, made here, without a script.
//!
//! ```text
//! /                                              the images, and who signs
//! /images/NAME/                                  its versions, and how to get them
//! /images/NAME/ARCHITECTURE/VERSION/             what is in one
//! /images/NAME/ARCHITECTURE/VERSION/changes/     what it changed
//! ```
//!
//! Every page is a folder, so none has the path of a file; without the slash,
//! and with a channel instead of a version, it redirects, relatively, so that
//! it holds behind any prefix that a proxy adds. `changes` without its slash is
//! the one name that no file of a version can be reached by; nothing that
//! `publish` writes is called so.
//!
//! A page shows what the inventory holds, the packages of a manifest, whose
//! digest is checked, and what the catalog says of itself. What else decides
//! what it shows is in its [`View`]. Nothing here checks a signature, and the
//! pages say so. All text comes to HTML through askama, which escapes it; what
//! goes into a command is of letters that mean nothing to a shell.
//!
//! images.linuxcontainers.org and Debian's package pages were looked at: one
//! table that is all there is to see, and a page a package. Nothing is loaded
//! but the page itself: its style is in it, and the policy of its content
//! allows that style alone.

mod changes;
mod commands;
mod figures;
mod image;
mod images;
mod memory;
mod packages;
mod place;
mod public_url;
mod sheet;
mod signers;
mod version;

pub(crate) use memory::Memory;
pub(crate) use place::Place;
pub use public_url::{InvalidPublicUrl, PublicUrl};

use crate::holdings::{Content, Found, Holdings, HoldingsError};
use askama::Template;
use hatchery_image::{Architecture, ImageName};
use jiff::Timestamp;
use place::Lead;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The last part of the path of what a version changed.
pub(crate) const CHANGES: &str = "changes";

/// Most characters of a text from a manifest that are shown.
const TEXT_MAX: usize = 200;
/// From the beginning of a minute to the last second in it.
const LAST_SECOND: Duration = Duration::from_secs(59);

/// A page.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Page {
    /// The images.
    Images,
    /// An image.
    Image(ImageName),
    /// A version of it.
    Version(Place),
    /// What it changed.
    Changes(Place),
}

/// What the path of a target asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Asked {
    page: Page,
    elsewhere: Option<String>,
}

/// What else than the page itself, and what the store holds, decides what is
/// shown.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct View {
    /// Where the client found the server.
    pub(crate) url: PublicUrl,
    /// The time, to the minute.
    pub(crate) now: Timestamp,
}

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Wanted {
    pub(crate) page: Page,
    /// Where the page is, relative to the target, if that is another spelling.
    pub(crate) elsewhere: Option<String>,
    pub(crate) view: View,
}

impl View {
    pub(crate) fn new(url: PublicUrl, now: Timestamp) -> Self {
        let second = now.as_second();
        let minute = Timestamp::from_second(second - second.rem_euclid(60));
        Self {
            url,
            // The minute in which time begins.
            now: minute.unwrap_or(now),
        }
    }

    /// When a page became what it is, of a store that became what it is at
    /// `changed`. Each minute has a page of its own, which is older than the
    /// next one whatever another clock says.
    fn modified(&self, changed: SystemTime) -> SystemTime {
        let age = u64::try_from(self.now.as_second()).unwrap_or(0);
        let minute = UNIX_EPOCH + Duration::from_secs(age);
        changed.clamp(minute, minute + LAST_SECOND)
    }
}

impl Asked {
    pub(crate) fn seen_by(self, view: View) -> Wanted {
        Wanted {
            page: self.page,
            elsewhere: self.elsewhere,
            view,
        }
    }
}

/// Reads the parts of a path.
pub(crate) fn route(parts: &[&str]) -> Option<Asked> {
    let (page, elsewhere) = match *parts {
        [""] => (Page::Images, None),
        ["images"] => (Page::Images, Some("./".to_owned())),
        ["images", ""] => (Page::Images, Some("../".to_owned())),
        ["images", image] => (Page::Image(image.parse().ok()?), Some(format!("{image}/"))),
        ["images", image, ""] => (Page::Image(image.parse().ok()?), None),
        ["images", image, architecture, ref rest @ ..] => {
            return beneath(image.parse().ok()?, architecture, rest);
        }
        _ => return None,
    };
    Some(Asked { page, elsewhere })
}

/// Reads what follows an image and its architecture, which has one spelling.
fn beneath(image: ImageName, architecture: &str, rest: &[&str]) -> Option<Asked> {
    let parsed: Architecture = architecture.parse().ok()?;
    (parsed.debian() == architecture).then_some(())?;
    let place = |at: &str| {
        Some(Place {
            image: image.clone(),
            architecture: parsed,
            at: at.parse().ok()?,
        })
    };
    let (page, elsewhere) = match *rest {
        [] => (Page::Image(image), Some("./".to_owned())),
        [""] => (Page::Image(image), Some("../".to_owned())),
        [at] => (Page::Version(place(at)?), Some(format!("{at}/"))),
        [at, ""] => (Page::Version(place(at)?), None),
        [at, CHANGES] => (Page::Changes(place(at)?), Some(format!("{CHANGES}/"))),
        [at, CHANGES, ""] => (Page::Changes(place(at)?), None),
        _ => return None,
    };
    Some(Asked { page, elsewhere })
}

/// What it leads to. A page is kept for nobody: it is another one for each host
/// and minute, though nothing in the store is.
pub(crate) fn find(holdings: &Holdings, wanted: &Wanted) -> Result<Found, HoldingsError> {
    // Looked at first: what changes meanwhile makes the next page newer.
    let modified = wanted.view.modified(holdings.changed());
    let made = make(holdings, &wanted.view, &wanted.page)?;
    Ok(match (made, &wanted.elsewhere) {
        (Made::Nothing, _) => Found::Nothing,
        (_, Some(elsewhere)) => Found::Elsewhere(elsewhere.clone()),
        (Made::Elsewhere(elsewhere), None) => Found::Elsewhere(elsewhere),
        (Made::Html(html), None) => Found::Provisional(Content {
            headers: sheet::headers(),
            ..Content::of(sheet::MEDIA_TYPE, html.into_bytes(), modified)
        }),
    })
}

/// What a page comes to.
enum Made {
    Html(String),
    /// Where the page of the version is that a channel points at.
    Elsewhere(String),
    Nothing,
}

fn make(holdings: &Holdings, view: &View, page: &Page) -> Result<Made, HoldingsError> {
    let inventory = holdings.inventory()?;
    Ok(match page {
        Page::Images => Made::Html(images::make(holdings, &inventory, view)?),
        Page::Image(image) => {
            let html = image::make(holdings, &inventory, view, image)?;
            html.map_or(Made::Nothing, Made::Html)
        }
        Page::Version(place) => match place.lead(&inventory) {
            Lead::Here(shown) => Made::Html(version::make(holdings, view, &shown)?),
            Lead::Elsewhere(version) => Made::Elsewhere(format!("../{version}/")),
            Lead::Nothing => Made::Nothing,
        },
        Page::Changes(place) => match place.lead(&inventory) {
            Lead::Here(shown) => Made::Html(changes::make(holdings, view, &shown)?),
            Lead::Elsewhere(version) => Made::Elsewhere(format!("../../{version}/{CHANGES}/")),
            Lead::Nothing => Made::Nothing,
        },
    })
}

fn render(page: &impl Template) -> Result<String, HoldingsError> {
    page.render().map_err(HoldingsError::Page)
}

/// A text from a manifest, cut to what is shown.
fn cut(text: &str) -> String {
    match text.char_indices().nth(TEXT_MAX) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(path: &str) -> Option<(Page, Option<String>)> {
        let parts: Vec<&str> = path.split('/').skip(1).collect();
        route(&parts).map(|asked| (asked.page, asked.elsewhere))
    }

    #[test]
    fn pages_end_with_a_slash_and_redirect_without() {
        let debian = || Page::Image("debian".parse().unwrap());
        let place = || Place {
            image: "debian".parse().unwrap(),
            architecture: Architecture::Amd64,
            at: "1".parse().unwrap(),
        };
        for (path, page, elsewhere) in [
            ("/", Page::Images, None),
            ("/images", Page::Images, Some("./")),
            ("/images/", Page::Images, Some("../")),
            ("/images/debian", debian(), Some("debian/")),
            ("/images/debian/", debian(), None),
            ("/images/debian/amd64", debian(), Some("./")),
            ("/images/debian/amd64/", debian(), Some("../")),
            ("/images/debian/amd64/1", Page::Version(place()), Some("1/")),
            ("/images/debian/amd64/1/", Page::Version(place()), None),
            (
                "/images/debian/amd64/1/changes",
                Page::Changes(place()),
                Some("changes/"),
            ),
            (
                "/images/debian/amd64/1/changes/",
                Page::Changes(place()),
                None,
            ),
        ] {
            assert_eq!(
                of(path),
                Some((page, elsewhere.map(str::to_owned))),
                "{path}"
            );
        }
    }

    #[test]
    fn a_view_changes_with_the_minute() {
        let at = |time: &str| View::new("http://a/".parse().unwrap(), time.parse().unwrap()).now;
        assert_eq!(at("2026-11-22T10:00:59Z"), at("2026-11-22T10:00:00Z"));
        assert_ne!(at("2026-11-22T10:01:00Z"), at("2026-11-22T10:00:59Z"));
        assert_eq!(
            at("1969-12-31T23:59:59Z").to_string(),
            "1969-12-31T23:59:00Z"
        );
    }

    #[test]
    fn long_texts_are_cut_between_characters() {
        assert_eq!(cut("ä"), "ä");
        let long = "ä".repeat(TEXT_MAX + 1);
        assert_eq!(cut(&long), "ä".repeat(TEXT_MAX) + "…");
    }
}
