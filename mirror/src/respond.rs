//! From a request to its answer: one page of named steps.
//!
//! RFC 9110 for the semantics; what stock systemd expects beyond it: a
//! missing file is a 404 and nothing else, tags are strong and a 304 carries
//! the tag, redirects lead from a channel to an immutable version.

use crate::answers::Answers;
use crate::body::{Body, Budget};
use crate::conditional::{self, Verdict};
use crate::holdings::{Content, Found, Holdings};
use crate::page::{PublicUrl, View};
use crate::ranges::{self, Selection};
use crate::refusal::Refusal;
use crate::reply::Reply;
use crate::stagger;
use crate::target::{self, Route};
use hyper::http::{Method, Request, Response};
use jiff::Timestamp;
use std::num::NonZeroUsize;
use std::sync::Arc;

/// What all answers of a server are made from.
#[derive(Clone, Debug)]
pub(crate) struct Desk {
    pub(crate) holdings: Arc<Holdings>,
    pub(crate) answers: Arc<Answers>,
    pub(crate) budget: Arc<Budget>,
    /// Most ranges that are answered one by one.
    pub(crate) ranges: NonZeroUsize,
    /// Where clients find the server, if it was told.
    pub(crate) public_url: Option<PublicUrl>,
    pub(crate) now: fn() -> Timestamp,
}

/// Answers a request, which came over TLS if it `is_secure`.
pub(crate) async fn respond<B>(
    desk: &Desk,
    is_secure: bool,
    request: &Request<B>,
) -> Response<Body> {
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
) -> Result<Response<Body>, Refusal> {
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
    // Lists of tags have pages, which a query asks for.
    let path = Some(uri.path()).filter(|_| uri.query().is_none());
    // Looked at first: what is found while it changes does not hold.
    let catalog = desk.holdings.catalog_identity();
    let key = path.zip(catalog);
    if let Some(found) = key.and_then(|(path, catalog)| desk.answers.recall(path, catalog)) {
        return Ok(found);
    }
    let route = read_target(desk, is_secure, request)?;
    let found = Arc::new(find(desk, route).await?);
    if let Some((path, catalog)) = key {
        desk.answers.keep(path, catalog, &found);
    }
    Ok(found)
}

/// Looks at the disk, away from the threads that serve connections.
async fn find(desk: &Desk, route: Route) -> Result<Found, Refusal> {
    let holdings = Arc::clone(&desk.holdings);
    tokio::task::spawn_blocking(move || holdings.find(&route))
        .await
        .map_err(Refusal::Task)?
        .map_err(Refusal::Holdings)
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
