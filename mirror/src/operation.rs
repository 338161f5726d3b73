//! What an administrator's limits say about a request, before anything is
//! looked for.

use crate::body::Body;
use crate::connection::Reception;
use crate::refusal::Refusal;
use crate::reply::Reply;
use crate::respond::respond;
use crate::server::Remote;
use hyper::http::{Request, Response};

/// Answers a request, unless its client asks too quickly.
pub(crate) async fn answer<B>(
    reception: &Reception,
    remote: Remote,
    request: &Request<B>,
) -> Response<Body> {
    if let Err(wait) = reception.pace.check(remote) {
        let refusal = Refusal::Pace { wait };
        refusal.log(request.uri());
        return Reply::new(&reception.desk.budget, request.method()).refused(&refusal);
    }
    respond(&reception.desk, request).await
}
