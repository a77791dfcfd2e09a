//! Bodies: JSON into memory within its bound, everything else to where large payloads are kept once it is not small.

use std::io;
use std::time::Duration;

use axum::body::Body;
use bytes::{Bytes, BytesMut};
use http::header::{
    ACCEPT, ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, EXPECT, HeaderMap, HeaderValue,
};
use http_body_util::BodyExt;
use hyper::body::Body as _;
use raincheck_core::{Digest, Payload, limits};
use raincheck_store::Blobs;
use sha2::{Digest as _, Sha256};
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::App;
use super::problem::{self, Problem};
use super::wire::first_half;

/// A sender may pause this long.
const IDLE: Duration = Duration::from_secs(30);
/// What a sender sends at least in as long, unless it is done by then.
const WINDOW_BYTES: usize = 16 << 10;
/// What a refused sender may still send before the connection is cut, so that it gets to read the answer.
const DRAIN_BYTES: usize = 8 << 20;
const DRAIN_TIME: Duration = Duration::from_secs(2);
const DRAIN_PAUSE: Duration = Duration::from_millis(250);
/// Pieces on their way to the file.
const PIECES: usize = 8;

/// How fast a body comes in: whoever sends a byte now and then would hold its connection, and what came so far, for ever.
#[derive(Debug)]
pub struct Pace {
    since: Instant,
    bytes: usize,
}

impl Default for Pace {
    fn default() -> Self {
        Pace { since: Instant::now(), bytes: 0 }
    }
}

impl Pace {
    /// Takes note of a piece, and refuses a sender that was too slow through a whole window.
    fn keep(&mut self, bytes: usize) -> Result<(), Problem> {
        self.bytes += bytes;
        if self.since.elapsed() < IDLE {
            return Ok(());
        }
        let enough = self.bytes >= WINDOW_BYTES;
        *self = Pace::default();
        if enough { Ok(()) } else { Err(Problem::new(problem::REQUEST_TIMEOUT)) }
    }
}

/// The next piece of a body; `None` at its end.
pub async fn piece(body: &mut Body) -> Result<Option<Bytes>, Problem> {
    match tokio::time::timeout(IDLE, any_piece(body)).await {
        Err(_) => Err(Problem::new(problem::REQUEST_TIMEOUT)),
        Ok(piece) => piece,
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

/// A JSON body of at most `most` bytes.
pub async fn json(app: &App, headers: &HeaderMap, mut body: Body, most: usize) -> Result<Bytes, Problem> {
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
    if announced > most as u64 {
        return Err(announced_too_large(headers, body, most as u64).await);
    }
    let mut pace = Pace::default();
    let Some(first) = piece(&mut body).await? else { return Ok(Bytes::new()) };
    // Most bodies come in one piece, which is taken as it is.
    if first.len() as u64 == announced {
        return Ok(first);
    }
    let mut all = app.room.body();
    let mut next = Some(first);
    while let Some(piece) = next {
        pace.keep(piece.len())?;
        if all.len() + piece.len() > most {
            drop(all);
            return Err(too_large(body, most as u64).await);
        }
        if let Err(no_room) = all.add(&piece) {
            drop(all);
            discard(body).await;
            return Err(no_room);
        }
        next = self::piece(&mut body).await?;
    }
    Ok(all.whole())
}

fn announced(headers: &HeaderMap) -> u64 {
    headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok()).unwrap_or(0)
}

/// Known before anything was read: a sender that waits to be told is not told to go on.
async fn announced_too_large(headers: &HeaderMap, body: Body, most: u64) -> Problem {
    if headers.contains_key(EXPECT) { too_large(Body::empty(), most).await } else { too_large(body, most).await }
}

async fn too_large(body: Body, most: u64) -> Problem {
    discard(body).await;
    Problem::new(problem::TOO_LARGE).detail(format!("at most {most} bytes are taken here"))
}

/// Reads on for a while, so that a sender that does not look up gets to read the answer.
async fn discard(mut body: Body) {
    let read = async {
        let mut left = DRAIN_BYTES;
        while left > 0
            && let Ok(Ok(Some(piece))) = tokio::time::timeout(DRAIN_PAUSE, any_piece(&mut body)).await
        {
            left = left.saturating_sub(piece.len());
        }
    };
    // A courtesy: whoever takes longer is cut off.
    let _ = tokio::time::timeout(DRAIN_TIME, read).await;
}

/// Bytes that came in, wherever they are now.
#[derive(Debug)]
pub struct Received {
    /// Themselves.
    pub payload: Payload,
    /// Their digest.
    pub digest: Digest,
}

/// A raw body of at most `most` bytes; more than a little is kept as it comes, never in memory.
pub async fn raw(headers: &HeaderMap, mut body: Body, most: u64, blobs: &Blobs) -> Result<Received, Problem> {
    refuse_encoding(headers)?;
    if announced(headers) > most {
        return Err(announced_too_large(headers, body, most).await);
    }
    let mut small = BytesMut::new();
    while let Some(piece) = piece(&mut body).await? {
        small.extend_from_slice(&piece);
        if small.len() > limits::INLINE_BYTES || small.len() as u64 > most {
            return through_file(small.freeze(), body, most, blobs).await;
        }
    }
    let bytes = small.freeze();
    let digest = first_half(Sha256::new_with_prefix(&bytes));
    let payload = if bytes.is_empty() { Payload::Empty } else { Payload::Inline(bytes) };
    Ok(Received { payload, digest })
}

async fn through_file(first: Bytes, mut body: Body, most: u64, blobs: &Blobs) -> Result<Received, Problem> {
    let (pieces, file) = write_file(blobs);
    let mut next = Some(first);
    let mut size = 0;
    while let Some(piece) = next {
        size += piece.len() as u64;
        if size > most {
            drop(pieces);
            return Err(too_large(body, most).await);
        }
        if pieces.send(Piece::Bytes(piece)).await.is_err() {
            // The writer has given up, and says why; the sender gets to read it.
            discard(body).await;
            return finish(pieces, file).await;
        }
        next = self::piece(&mut body).await?;
    }
    finish(pieces, file).await
}

/// Bytes that are in memory already, as a payload.
pub async fn keep(bytes: Bytes, blobs: &Blobs) -> Result<Payload, Problem> {
    if bytes.len() <= limits::INLINE_BYTES {
        return Ok(if bytes.is_empty() { Payload::Empty } else { Payload::Inline(bytes) });
    }
    let size = bytes.len() as u64;
    let name = blobs.keep(bytes).await.map_err(|error| unwritten(&error))?;
    Ok(Payload::Blob { name, size })
}

enum Piece {
    Bytes(Bytes),
    End,
}

type Written = tokio::task::JoinHandle<io::Result<Option<Received>>>;

/// Writes pieces to a new file on a thread that may block. Without [`Piece::End`] the file is removed again.
fn write_file(blobs: &Blobs) -> (mpsc::Sender<Piece>, Written) {
    let (sender, mut pieces) = mpsc::channel(PIECES);
    let blobs = blobs.clone();
    let file = tokio::task::spawn_blocking(move || {
        let (mut file, mut hash) = (blobs.create()?, Sha256::new());
        while let Some(piece) = pieces.blocking_recv() {
            match piece {
                Piece::Bytes(bytes) => {
                    hash.update(&bytes);
                    file.write(&bytes)?;
                }
                Piece::End => {
                    let size = file.size();
                    let payload = Payload::Blob { name: file.finish()?, size };
                    return Ok(Some(Received { payload, digest: first_half(hash) }));
                }
            }
        }
        Ok(None)
    });
    (sender, file)
}

async fn finish(pieces: mpsc::Sender<Piece>, file: Written) -> Result<Received, Problem> {
    // Refused only by a writer that has given up, which says why.
    let _ = pieces.send(Piece::End).await;
    match file.await {
        Ok(Ok(Some(received))) => Ok(received),
        Ok(Ok(None)) => Err(Problem::new(problem::STORE).retry_after(5)),
        Ok(Err(error)) => Err(unwritten(&error)),
        Err(_) => Err(Problem::new(problem::STORE).retry_after(5)),
    }
}

fn unwritten(error: &io::Error) -> Problem {
    tracing::error!(%error, "a payload could not be written");
    Problem::new(problem::STORE).detail("the payload could not be written").retry_after(30)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_keeps_its_pace() {
        let past = Instant::now().checked_sub(IDLE).unwrap();
        let pace = |bytes| Pace { since: past, bytes };
        assert_eq!(pace(0).keep(1).unwrap_err().row().slug, "request-timeout");
        assert!(pace(WINDOW_BYTES - 1).keep(1).is_ok());
        let mut slow = Pace::default();
        assert!(slow.keep(1).is_ok(), "a window is not judged before its end");
        let mut fast = pace(WINDOW_BYTES);
        fast.keep(1).unwrap();
        assert_eq!(fast.bytes, 0, "each window is judged for itself");
    }
}
