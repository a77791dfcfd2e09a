//! Bodies, piece by piece. What becomes of them is the matter of `json_body` and `upload`.

use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use http::header::{CONTENT_TYPE, EXPECT, HeaderMap};
use http_body_util::BodyExt;
use tokio::time::Instant;

use super::options::Largest;
use super::pace::Pace;
use super::peer;
use super::problem::{self, Problem};

/// A sender may pause this long.
const IDLE: Duration = Duration::from_secs(30);
/// What a refused sender may still send before the connection is cut, so that it gets to read the answer.
const DRAIN_BYTES: usize = 64 << 20;
/// Where it holds one of the last connections.
const DRAIN_BYTES_KEPT: usize = 8 << 20;
const DRAIN_TIME: Duration = Duration::from_secs(2);
const DRAIN_PAUSE: Duration = Duration::from_millis(250);

/// The next piece of a body; `None` at its end.
pub async fn piece(body: &mut Body) -> Result<Option<Bytes>, Problem> {
    match tokio::time::timeout(IDLE, any_piece(body)).await {
        Err(_) => {
            let detail =
                format!("nothing of the body came for {} seconds: send it again, without a pause", IDLE.as_secs());
            Err(Problem::new(problem::REQUEST_TIMEOUT).detail(detail))
        }
        Ok(piece) => piece,
    }
}

/// The next piece of a body that must not come too slowly; `None` at its end.
pub async fn paced_piece(body: &mut Body, pace: &mut Pace) -> Result<Option<Bytes>, Problem> {
    loop {
        let begin = Instant::now();
        let piece = match tokio::time::timeout(pace.left(), any_piece(body)).await {
            Ok(Ok(Some(piece))) => piece,
            Ok(ended) => return ended,
            Err(_) => Bytes::new(),
        };
        if !pace.goes_on(piece.len() as u64, begin.elapsed()) {
            return Err(Problem::new(problem::REQUEST_TIMEOUT).detail(pace.too_slow()));
        }
        if !piece.is_empty() {
            return Ok(Some(piece));
        }
    }
}

/// The next piece of a body, however long its sender pauses; `None` at its end. May be dropped and called again.
pub async fn any_piece(body: &mut Body) -> Result<Option<Bytes>, Problem> {
    loop {
        match body.frame().await {
            None => return Ok(None),
            Some(Err(error)) => return Err(broken(error)),
            Some(Ok(frame)) => match frame.into_data() {
                Ok(data) if data.is_empty() => {}
                Ok(data) => return Ok(Some(data)),
                Err(_trailers) => {}
            },
        }
    }
}

/// What went wrong within a body: what is wrong with its content, where it was taken apart on the way, else with its coming.
fn broken(error: axum::Error) -> Problem {
    let mut cause = error.into_inner();
    loop {
        cause = match cause.downcast::<Problem>() {
            Ok(problem) => return *problem,
            Err(cause) => match cause.downcast::<axum::Error>() {
                Ok(error) => error.into_inner(),
                Err(cause) => return Problem::bad(format!("the body broke off: {cause}")),
            },
        }
    }
}

/// Whether the body says that it is JSON; absent counts as such. A parameter changes nothing: JSON has none, and is UTF-8
/// whatever `charset` says (RFC 8259 section 11).
pub fn is_json(headers: &HeaderMap) -> bool {
    let Some(value) = headers.get(CONTENT_TYPE) else { return true };
    if value.as_bytes() == b"application/json" {
        return true;
    }
    let Ok(text) = value.to_str() else { return false };
    let media = text.split_once(';').map_or(text, |(media, _)| media).trim();
    media.eq_ignore_ascii_case("application/json")
        || media.get(media.len().saturating_sub(5)..).is_some_and(|end| end.eq_ignore_ascii_case("+json"))
}

/// Known before anything was read: a sender that waits to be told is not told to go on.
pub async fn refuse<T>(headers: &HeaderMap, body: Body, refused: T) -> T {
    match headers.contains_key(EXPECT) {
        true => peer::close(),
        false => discard(body).await,
    }
    refused
}

/// More is announced than is taken.
pub async fn announced_too_large(headers: &HeaderMap, body: Body, most: Largest) -> Problem {
    refuse(headers, body, over(most)).await
}

/// More came than is taken.
pub async fn too_large(body: Body, most: Largest) -> Problem {
    discard(body).await;
    over(most)
}

fn over(Largest { bytes, setting }: Largest) -> Problem {
    let detail = format!("at most {bytes} bytes are taken here: send less, or have `{setting}` in [limits] raised");
    Problem::new(problem::TOO_LARGE).detail(detail)
}

/// Reads on for a while, so that a sender that does not look up gets to read the answer.
pub async fn discard(mut body: Body) {
    let read = async {
        let mut left = if peer::is_kept() { DRAIN_BYTES_KEPT } else { DRAIN_BYTES };
        while left > 0
            && let Ok(piece) = tokio::time::timeout(DRAIN_PAUSE, any_piece(&mut body)).await
        {
            let Ok(Some(piece)) = piece else { return true };
            left = left.saturating_sub(piece.len());
        }
        false
    };
    // A courtesy: whoever takes longer is answered, and then cut off.
    if !tokio::time::timeout(DRAIN_TIME, read).await.unwrap_or(false) {
        peer::close();
    }
}
