//! From a request to its answer: one page of named steps.
//!
//! RFC 9110 for the semantics; what stock systemd expects beyond it: a
//! missing file is a 404 and nothing else, tags are strong and a 304 carries
//! the tag, redirects lead from a channel to an immutable version.

use crate::answers::{Answers, Seen};
use crate::body::Budget;
use crate::conditional::{self, Verdict};
use crate::holdings::{Content, Data, Found, Holdings};
use crate::page::{PublicUrl, View};
use crate::protocols::oci;
use crate::ranges::{self, Selection};
use crate::refusal::Refusal;
use crate::reply::{Answer, Reply};
use crate::stagger;
use crate::target::{self, Route};
use hyper::http::{Method, Request};
use jiff::Timestamp;
use std::num::NonZeroUsize;
use std::sync::Arc;
use tokio::sync::Semaphore;

/// Answers that are made at once, each by a thread that may read many
/// manifests.
pub(crate) const MAKERS: usize = 4;

/// What all answers of a server are made from.
#[derive(Clone, Debug)]
pub(crate) struct Desk {
    pub(crate) holdings: Arc<Holdings>,
    pub(crate) answers: Arc<Answers>,
    pub(crate) budget: Arc<Budget>,
    /// How many answers may be made at once.
    pub(crate) makers: Arc<Semaphore>,
    /// Most ranges that are answered one by one.
    pub(crate) ranges: NonZeroUsize,
    /// Where clients find the server, if it was told.
    pub(crate) public_url: Option<PublicUrl>,
    pub(crate) now: fn() -> Timestamp,
}

/// Answers a request, which came over TLS if it `is_secure`.
pub(crate) async fn respond<B>(desk: &Desk, is_secure: bool, request: &Request<B>) -> Answer {
    let reply = Reply::new(&desk.budget, request);
    match answer(desk, is_secure, request, &reply).await {
        Ok(response) => response,
        Err(refusal) => {
            refusal.log(request.uri());
            reply.refused(&refusal)
        }
    }
}

async fn answer<B>(
    desk: &Desk,
    is_secure: bool,
    request: &Request<B>,
    reply: &Reply<'_>,
) -> Result<Answer, Refusal> {
    check_method(request.method())?;
    check_target(request)?;
    wait_for_old_clients(request).await;
    let found = look_up(desk, is_secure, request).await?;
    let content = match &*found {
        Found::Nothing => return Err(Refusal::Missing),
        Found::Refused(complaint) => return Err(Refusal::Oci(*complaint)),
        Found::Elsewhere(location) => return Ok(reply.redirect(location)),
        Found::Content(content) | Found::Provisional(content) => content,
    };
    match conditional::evaluate(request.headers(), &content.validators) {
        Verdict::NotModified => return Ok(reply.not_modified(content)),
        Verdict::Failed => return Err(Refusal::Precondition),
        Verdict::Proceed => {}
    }
    match select(request, content, desk.ranges) {
        Selection::Whole => Ok(reply.whole(content)),
        Selection::One(span) => Ok(reply.part(content, span)),
        Selection::Several(spans) => Ok(reply.parts(content, &spans)),
        Selection::Unsatisfiable => Err(Refusal::Range {
            length: content.length,
        }),
    }
}

fn check_method(method: &Method) -> Result<(), Refusal> {
    if method == Method::GET || method == Method::HEAD {
        Ok(())
    } else {
        Err(Refusal::Method)
    }
}

fn check_target<B>(request: &Request<B>) -> Result<(), Refusal> {
    target::check_host(request.version(), request.uri(), request.headers())
        .and_then(|()| target::check_length(request.uri()))
        .map_err(Refusal::Target)
}

fn read_target<B>(desk: &Desk, is_secure: bool, request: &Request<B>) -> Result<Route, Refusal> {
    let (uri, headers) = (request.uri(), request.headers());
    let view = || {
        let url = match &desk.public_url {
            Some(url) => url.clone(),
            None => PublicUrl::of_request(is_secure, uri, headers)?,
        };
        Ok(View::new(url, (desk.now)()))
    };
    target::route(uri, view).map_err(Refusal::Target)
}

async fn wait_for_old_clients<B>(request: &Request<B>) {
    let path = request.uri().path();
    let delay = stagger::delay(request.headers(), path);
    if !delay.is_zero() {
        tokio::time::sleep(delay).await;
    }
}

/// What was found a moment ago, or is found now.
async fn look_up<B>(
    desk: &Desk,
    is_secure: bool,
    request: &Request<B>,
) -> Result<Arc<Found>, Refusal> {
    let uri = request.uri();
    // OCI's lists have pages, which a query asks for; elsewhere it means nothing.
    let path = Some(uri.path()).filter(|path| uri.query().is_none() || !oci::is_asked(path));
    // Looked at first: what is found while it changes does not hold.
    let seen = desk.answers.catalog(|| desk.holdings.catalog_identity());
    let key = path.zip(seen);
    if let Some(found) = key.and_then(|(path, seen)| desk.answers.recall(path, seen)) {
        return Ok(found);
    }
    let route = read_target(desk, is_secure, request)?;
    let key = key.map(|(path, seen)| (path.to_owned(), seen));
    find(desk, route, key).await
}

/// Looks at the disk, away from the threads that serve connections. What has
/// to be made waits for its turn before it takes one of theirs, so that a
/// thousand pages hold up no download.
async fn find(
    desk: &Desk,
    route: Route,
    key: Option<(String, Seen)>,
) -> Result<Arc<Found>, Refusal> {
    let is_made = route.is_made();
    let turn = match is_made {
        true => Arc::clone(&desk.makers).acquire_owned().await.ok(),
        false => None,
    };
    let desk = desk.clone();
    let looked = tokio::task::spawn_blocking(move || {
        let _turn = turn;
        let mut found = desk.holdings.find(&route).map_err(Refusal::Holdings)?;
        if let Found::Content(content) | Found::Provisional(content) = &mut found
            && let Data::Memory(bytes) = &content.data
            && is_made
        {
            let held = desk.budget.hold(bytes.clone()).ok_or(Refusal::Busy)?;
            content.data = Data::Memory(held);
        }
        let found = Arc::new(found);
        if let Some((path, seen)) = key {
            desk.answers.keep(&path, seen, &found);
        }
        Ok(found)
    });
    looked.await.map_err(Refusal::Task)?
}

/// Ranges are defined for GET alone (RFC 9110, section 14.2).
fn select<B>(request: &Request<B>, content: &Content, most: NonZeroUsize) -> Selection {
    let headers = request.headers();
    if request.method() == Method::GET && conditional::range_applies(headers, &content.validators) {
        ranges::select(headers, content.length, most)
    } else {
        Selection::Whole
    }
}
