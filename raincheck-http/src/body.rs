//! Bodies, piece by piece; JSON into memory within its bound. What goes to files is the matter of `upload`.

use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use http::header::{
    ACCEPT, ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, EXPECT, HeaderMap, HeaderValue,
    TRANSFER_ENCODING,
};
use http_body_util::BodyExt;
use hyper::body::Body as _;
use tokio::time::Instant;

use super::app::App;
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
            Some(Err(error)) => return Err(Problem::bad(format!("the body broke off: {error}"))),
            Some(Ok(frame)) => match frame.into_data() {
                Ok(data) if data.is_empty() => {}
                Ok(data) => return Ok(Some(data)),
                Err(_trailers) => {}
            },
        }
    }
}

/// Refuses encoded bodies: what is stored is what was sent.
pub fn refuse_encoding(headers: &HeaderMap) -> Result<(), Problem> {
    // hyper undoes `chunked`, and lets stand before it what it knows nothing of (RFC 9112 section 6.1).
    let mut codings = headers.get_all(TRANSFER_ENCODING).iter();
    if codings.next().is_some_and(|first| !first.as_bytes().eq_ignore_ascii_case(b"chunked"))
        || codings.next().is_some()
    {
        return Err(
            Problem::new(problem::NOT_IMPLEMENTED).detail("of transfer codings only `chunked` is known, and once")
        );
    }
    match headers.get(CONTENT_ENCODING) {
        Some(encoding) if !encoding.as_bytes().eq_ignore_ascii_case(b"identity") => {
            let refused = Problem::new(problem::UNSUPPORTED).detail("send the body without Content-Encoding");
            Err(refused.header(ACCEPT_ENCODING, HeaderValue::from_static("identity")))
        }
        _ => Ok(()),
    }
}

/// Whether a media type is JSON in UTF-8; absent counts as such.
pub fn is_json(headers: &HeaderMap) -> bool {
    let Some(value) = headers.get(CONTENT_TYPE) else { return true };
    if value.as_bytes() == b"application/json" {
        return true;
    }
    let Ok(text) = value.to_str() else { return false };
    let (media, parameters) = text.split_once(';').unwrap_or((text, ""));
    let media = media.trim();
    let named = media.eq_ignore_ascii_case("application/json")
        || media.get(media.len().saturating_sub(5)..).is_some_and(|end| end.eq_ignore_ascii_case("+json"));
    named
        && (parameters.trim().is_empty() || parameters.to_ascii_lowercase().replace('"', "").contains("charset=utf-8"))
}

/// A JSON body, no larger than `most`.
pub async fn json(app: &App, headers: &HeaderMap, mut body: Body, most: Largest) -> Result<Bytes, Problem> {
    if body.size_hint().exact() == Some(0) {
        return Ok(Bytes::new());
    }
    if !is_json(headers) {
        discard(body).await;
        let refused = Problem::new(problem::UNSUPPORTED).detail("send JSON with Content-Type: application/json");
        return Err(refused.header(ACCEPT, HeaderValue::from_static("application/json")));
    }
    refuse_encoding(headers)?;
    let announced = announced(headers);
    if announced > most.bytes {
        return Err(announced_too_large(headers, body, most).await);
    }
    let mut pace = app.pace();
    let Some(first) = paced_piece(&mut body, &mut pace).await? else { return Ok(Bytes::new()) };
    // Most bodies come in one piece, which is taken as it is.
    if first.len() as u64 == announced {
        return Ok(first);
    }
    let mut all = app.room.body(usize::try_from(announced).unwrap_or(0));
    let mut next = Some(first);
    while let Some(piece) = next {
        if (all.len() + piece.len()) as u64 > most.bytes {
            drop(all);
            return Err(too_large(body, most).await);
        }
        if let Err(no_room) = all.add(&piece) {
            drop(all);
            discard(body).await;
            return Err(no_room);
        }
        next = paced_piece(&mut body, &mut pace).await?;
    }
    Ok(all.whole())
}

/// How long the body says it is; 0 where it does not.
pub fn announced(headers: &HeaderMap) -> u64 {
    headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok()).unwrap_or(0)
}

/// Known before anything was read: a sender that waits to be told is not told to go on.
pub async fn refuse<T>(headers: &HeaderMap, body: Body, refused: T) -> T {
    if !headers.contains_key(EXPECT) {
        discard(body).await;
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
            && let Ok(Ok(Some(piece))) = tokio::time::timeout(DRAIN_PAUSE, any_piece(&mut body)).await
        {
            left = left.saturating_sub(piece.len());
        }
    };
    // A courtesy: whoever takes longer is cut off.
    let _ = tokio::time::timeout(DRAIN_TIME, read).await;
}
