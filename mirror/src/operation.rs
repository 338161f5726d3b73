//! What is asked of the server itself: whether it is well, and what it counts;
//! and what the limits say about a request before anything is looked for.
//!
//! `/healthz` and `/metrics` are no part of the store, and stand before every
//! path in it. A listener that does not show metrics has no such path.

use crate::connection::{Reception, Visitor};
use crate::faults;
use crate::holdings::CatalogFacts;
use crate::metrics::{MEDIA_TYPE, Now};
use crate::refusal::Refusal;
use crate::reply::{Answer, Reply};
use crate::respond::respond;
use hyper::http::{Method, Request, StatusCode};
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// The media type of `/healthz`.
const PLAIN: &str = "text/plain; charset=utf-8";

/// Answers a request, unless its client asks too quickly.
pub(crate) async fn answer<B>(
    reception: &Reception,
    visitor: &Visitor,
    request: &Request<B>,
) -> Answer {
    let reply = Reply::new(&reception.desk.budget, request);
    if let Err(wait) = reception.pace.check(visitor.remote) {
        reception.metrics.limited.inc();
        let refusal = Refusal::Pace { wait };
        refusal.log(request.uri());
        return reply.refused(&refusal);
    }
    let reads = request.method() == Method::GET || request.method() == Method::HEAD;
    match request.uri().path() {
        // In boxes, because every connection has room for the largest answer.
        "/healthz" if reads => Box::pin(health(reception, reply)).await,
        "/metrics" if reads && visitor.sees_metrics => Box::pin(metrics(reception, reply)).await,
        _ => respond(&reception.desk, visitor.is_secure, request).await,
    }
}

/// 200 if the catalog can be read and understood, 503 otherwise.
async fn health(reception: &Reception, reply: Reply<'_>) -> Answer {
    let (status, text) = match catalog(reception).await {
        Some(_) => (StatusCode::OK, "ok\n"),
        None => (
            StatusCode::SERVICE_UNAVAILABLE,
            "the catalog cannot be read\n",
        ),
    };
    reply.text(status, PLAIN, text.to_owned())
}

async fn metrics(reception: &Reception, reply: Reply<'_>) -> Answer {
    let lost = reception.lost_lines.as_ref();
    let now = Now {
        connections: reception.slots.taken(),
        connections_limit: reception.slots.all(),
        lost_lines: lost.map_or(0, |lost| lost.load(Ordering::Relaxed)),
        catalog: catalog(reception).await,
    };
    match reception.metrics.text(&now) {
        Ok(text) => reply.text(StatusCode::OK, MEDIA_TYPE, text),
        Err(error) => {
            tracing::error!(%error, "the metrics cannot be written");
            let status = StatusCode::INTERNAL_SERVER_ERROR;
            reply.text(status, PLAIN, format!("{status}\n"))
        }
    }
}

/// Looks at the catalog, which is parsed only when it is another one.
async fn catalog(reception: &Reception) -> Option<CatalogFacts> {
    let holdings = Arc::clone(&reception.desk.holdings);
    let looked = tokio::task::spawn_blocking(move || holdings.catalog_facts()).await;
    match looked {
        Ok(Ok(facts)) => facts,
        Ok(Err(error)) => {
            let why = faults::with_causes(&error);
            faults::tell(&format!("the catalog cannot be read: {why}"));
            None
        }
        Err(error) => {
            tracing::error!(%error, "the catalog could not be looked at");
            None
        }
    }
}
