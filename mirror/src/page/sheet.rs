//! What all pages have in common: their frame, their style, and what a browser
//! may do with them.

use super::View;
use super::signers::Signers;
use base64::Engine as _;
use hyper::http::header::{self, HeaderName, HeaderValue};
use sha2::{Digest as _, Sha256};
use std::sync::LazyLock;

/// The media type of pages.
pub(super) const MEDIA_TYPE: &str = "text/html; charset=utf-8";

/// The style, which is put into each page.
const STYLE: &str = include_str!("../../templates/style.css");

/// What a browser may load for a page: nothing, but for this style, and the
/// empty picture that keeps it from asking for `/favicon.ico`.
static POLICY: LazyLock<HeaderValue> = LazyLock::new(|| {
    let digest = base64::engine::general_purpose::STANDARD.encode(Sha256::digest(STYLE));
    let policy = format!(
        "default-src 'none'; style-src 'sha256-{digest}'; img-src data:; \
         base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    );
    HeaderValue::from_str(&policy).expect("base64 is ASCII")
});

/// The headers of pages. Their commands name the host that was asked.
pub(super) fn headers() -> Vec<(HeaderName, HeaderValue)> {
    vec![
        (header::CONTENT_SECURITY_POLICY, POLICY.clone()),
        (
            header::REFERRER_POLICY,
            HeaderValue::from_static("no-referrer"),
        ),
        (header::VARY, HeaderValue::from_static("Host")),
    ]
}

/// A step on the way from the root to a page.
#[derive(Clone, Debug)]
pub(super) struct Step {
    pub(super) text: String,
    /// Where it is, relative to the page.
    pub(super) href: &'static str,
}

/// What surrounds the content of a page.
#[derive(Clone, Debug)]
pub(super) struct Sheet {
    pub(super) style: &'static str,
    /// What the mirror is called.
    pub(super) host: String,
    /// The root, relative to the page.
    pub(super) root: &'static str,
    /// From the root to the page's parent.
    pub(super) steps: Vec<Step>,
    pub(super) signers: Signers,
}

impl Sheet {
    /// Of a page so many folders beneath the root.
    pub(super) fn new(view: &View, root: &'static str, steps: Vec<Step>, signers: Signers) -> Self {
        Self {
            style: STYLE,
            host: view.url.authority().to_owned(),
            root,
            steps,
            signers,
        }
    }
}
