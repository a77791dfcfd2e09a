//! JSON bodies: into memory, within their bound.

use axum::body::Body;
use bytes::Bytes;
use http::header::{ACCEPT, HeaderMap, HeaderValue};
use hyper::body::Body as _;

use super::app::App;
use super::body;
use super::encoding::{Decoded, decoded};
use super::options::Largest;
use super::problem::{self, Problem};

/// A JSON body, no larger than `most`.
pub async fn read(app: &App, headers: &HeaderMap, body: Body, most: Largest) -> Result<Bytes, Problem> {
    if body.size_hint().exact() == Some(0) {
        return Ok(Bytes::new());
    }
    if !body::is_json(headers) {
        body::discard(body).await;
        let refused = Problem::new(problem::UNSUPPORTED).detail("send JSON with Content-Type: application/json");
        return Err(refused.header(ACCEPT, HeaderValue::from_static("application/json")));
    }
    let Decoded { announced, mut body } = decoded(headers, body).await?;
    if announced > most.bytes {
        return Err(body::announced_too_large(headers, body, most).await);
    }
    let mut pace = app.pace();
    let Some(first) = body::paced_piece(&mut body, &mut pace).await? else { return Ok(Bytes::new()) };
    // Most bodies come in one piece, which is taken as it is.
    if first.len() as u64 == announced {
        return Ok(first);
    }
    let mut all = app.room.body(usize::try_from(announced).unwrap_or(0));
    let mut next = Some(first);
    while let Some(piece) = next {
        if (all.len() + piece.len()) as u64 > most.bytes {
            drop(all);
            return Err(body::too_large(body, most).await);
        }
        if let Err(no_room) = all.add(&piece) {
            drop(all);
            body::discard(body).await;
            return Err(no_room);
        }
        next = body::paced_piece(&mut body, &mut pace).await?;
    }
    Ok(all.whole())
}
