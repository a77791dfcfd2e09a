//! A worker that sends no more: it may be gone, or have closed only its half of the connection.
//!
//! From here both look the same until something is written, which who is gone answers with a reset. So the answer
//! begins before there is any work to tell of, and work is looked for only when nothing was heard for a while.

use std::time::Duration;

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http::StatusCode;
use raincheck_engine::{LeaseAnswer, LeaseError, LeaseRequest};
use raincheck_store::StoreError;

use super::write::{write_drain, write_leases};
use crate::answer::json;
use crate::ask::Ask;
use crate::wire::Json;

/// A reset is here within this.
const RESET: Duration = Duration::from_secs(1);

/// An answer that begins now and tells of the work that comes within the wait. A reset ends the connection, and this
/// with it.
pub fn answer(ask: Ask, request: Option<LeaseRequest>) -> Response {
    let begin = stream::once(async { Ok::<_, StoreError>(Bytes::from_static(b" ")) });
    let rest = stream::once(async move {
        tokio::time::sleep(RESET).await;
        let answer = match request {
            Some(request) => match ask.engine().lease(request).await {
                Ok(answer) => answer,
                Err(LeaseError::Store(error)) => return Err(error),
                Err(LeaseError::TooMany) => LeaseAnswer::default(),
            },
            None => LeaseAnswer::default(),
        };
        let mut out = Json::with_capacity(2_048);
        out.begin();
        write_leases(&mut out, &ask, &answer.leases);
        out.key("finished").raw(b"[]");
        write_drain(&mut out, answer.drain);
        out.end();
        Ok(out.into_bytes())
    });
    let mut response = json(StatusCode::OK, Json::default());
    *response.body_mut() = Body::from_stream(begin.chain(rest));
    response
}
