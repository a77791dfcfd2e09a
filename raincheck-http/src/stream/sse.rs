//! A stream of text as server-sent events: `id` is `attempt-offset`, `event: attempt` says that it starts over.

use std::time::Duration;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::stream;
use http::{HeaderMap, StatusCode};
use raincheck_core::JobNo;
use raincheck_store::Chunk;
use tokio::time::{Instant, timeout_at};

use super::place::Place;
use super::tail::Tail;
use crate::app::App;
use crate::problem::{self, Problem};
use crate::watch::Note;
use crate::watch::slots::Slot;
use crate::watch::sse as events;
use crate::{negotiate, peer};

/// Something is said at least this often.
const COMMENT_EVERY: Duration = Duration::from_secs(14);

/// Whether the caller asks for events.
pub fn wanted(headers: &HeaderMap) -> bool {
    negotiate::best(headers, &["application/octet-stream", "text/event-stream"]) == Some("text/event-stream")
}

/// The stream of the latest attempt and of those that follow, from where the caller left off.
pub async fn stream(app: &App, place: Place, last_seen: Option<&str>) -> Result<Response, Problem> {
    let job = app.job_row(place.id).await?;
    let attempt = place.attempt.unwrap_or(job.attempt);
    let (offset, starts_over) = match last_seen.map(parse_id) {
        None => (place.offset, false),
        Some(Some((seen, offset))) if seen == attempt => (offset, false),
        Some(_) => (0, true),
    };
    let info = app.engine.chunk_info(job.no, place.kind, attempt).await?;
    if info.size > 0 && !is_text(info.content_type.as_deref()) {
        return Err(Problem::new(problem::NOT_ACCEPTABLE).detail("the stream is not text; take it in its own type"));
    }
    if job.state.is_final() && offset >= info.size && !starts_over {
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    let Some(slot) = app.stream_slot().filter(|_| !app.engine.is_draining()) else {
        let id = last_seen.map_or_else(|| format!("{attempt}-{offset}"), str::to_owned);
        let here = Note { name: "reset", id, data: b"null".to_vec(), seq: 0 };
        return Ok(events::later(Some(&here)));
    };
    let place = Place { offset, follow: true, ..place };
    let mut first = format!("retry: {}\n", events::RETRY).into_bytes();
    if starts_over {
        push_attempt(&mut first, attempt);
    }
    let stream = Stream {
        app: app.clone(),
        tail: Tail::new(&app.engine, job.no, &place, attempt),
        no: job.no,
        place,
        carry: Vec::new(),
        first: Some(first.into()),
        checked: info.size > 0,
        comment: Instant::now() + COMMENT_EVERY,
        _slot: slot,
    };
    let frames = stream::unfold(stream, |mut stream| async {
        stream.next().await.map(|frame| (Ok::<_, std::convert::Infallible>(frame), stream))
    });
    Ok(events::dress(Body::from_stream(peer::probed(frames, Ok(Bytes::from_static(events::COMMENT))))))
}

/// The place that `Last-Event-ID` names: attempt and offset.
pub fn parse_id(text: &str) -> Option<(u32, u64)> {
    let (attempt, offset) = text.trim().split_once('-')?;
    Some((attempt.parse().ok()?, offset.parse().ok()?))
}

/// Whether a media type can be shown as lines of text.
fn is_text(content_type: Option<&str>) -> bool {
    let Some(media) = content_type.and_then(|text| text.split(';').next()) else { return false };
    let media = media.trim().to_ascii_lowercase();
    media.starts_with("text/") || media.ends_with("json") || media.ends_with("+xml") || media == "application/xml"
}

fn push_attempt(out: &mut Vec<u8>, attempt: u32) {
    events::push_frame(out, Some("attempt"), Some(&format!("{attempt}-0")), attempt.to_string().as_bytes());
}

struct Stream {
    app: App,
    tail: Tail,
    no: JobNo,
    place: Place,
    /// The beginning of a character or line end whose rest has not come yet.
    carry: Vec<u8>,
    first: Option<Bytes>,
    /// The media type is known to be text.
    checked: bool,
    comment: Instant,
    _slot: Slot,
}

impl Stream {
    async fn next(&mut self) -> Option<Bytes> {
        if let Some(first) = self.first.take() {
            return Some(first);
        }
        loop {
            let Ok(piece) = timeout_at(self.comment, self.tail.next()).await else { return Some(self.comment()) };
            let frame = match piece {
                Some(piece) => self.text(&piece).await?,
                None if !self.carry.is_empty() => self.flush(),
                None => match self.next_attempt().await? {
                    Some(frame) => frame,
                    None => return Some(self.comment()),
                },
            };
            if !frame.is_empty() {
                self.comment = Instant::now() + COMMENT_EVERY;
                return Some(frame);
            }
        }
    }

    fn comment(&mut self) -> Bytes {
        self.comment = Instant::now() + COMMENT_EVERY;
        Bytes::from_static(events::COMMENT)
    }

    /// One piece as a frame; `None` when it turns out not to be text.
    async fn text(&mut self, piece: &Chunk) -> Option<Bytes> {
        if !self.checked {
            let info = self.app.engine.chunk_info(self.no, self.place.kind, piece.attempt).await.ok()?;
            if !is_text(info.content_type.as_deref()) {
                return None;
            }
            self.checked = true;
        }
        self.carry.extend_from_slice(&piece.bytes);
        let whole = whole_text(&self.carry);
        let rest = self.carry.split_off(whole);
        let bytes = std::mem::replace(&mut self.carry, rest);
        let end = piece.offset + piece.bytes.len() as u64 - self.carry.len() as u64;
        let text = String::from_utf8_lossy(&bytes).replace("\r\n", "\n");
        let mut frame = Vec::with_capacity(text.len() + 64);
        if !text.is_empty() {
            events::push_frame(&mut frame, None, Some(&format!("{}-{end}", piece.attempt)), text.as_bytes());
        }
        Some(frame.into())
    }

    /// What is left when nothing completes it any more.
    fn flush(&mut self) -> Bytes {
        let left = std::mem::take(&mut self.carry);
        let id = format!("{}-{}", self.tail.attempt(), self.tail.offset());
        let mut frame = Vec::with_capacity(64);
        events::push_frame(&mut frame, None, Some(&id), String::from_utf8_lossy(&left).as_bytes());
        frame.into()
    }

    /// Waits for the next attempt: `Some(None)` when it is time to say something, `None` when there will be none.
    async fn next_attempt(&mut self) -> Option<Option<Bytes>> {
        loop {
            let mut grown = self.app.engine.follow(self.no);
            let job = self.app.engine.record(self.no).await.ok()??.job;
            if self.app.engine.is_draining() || job.state.is_final() || self.place.attempt.is_some() {
                return None;
            }
            if job.attempt > self.tail.attempt() {
                self.place.offset = 0;
                self.tail = Tail::new(&self.app.engine, self.no, &self.place, job.attempt);
                (self.carry, self.checked) = (Vec::new(), false);
                let mut frame = Vec::with_capacity(64);
                push_attempt(&mut frame, job.attempt);
                return Some(Some(frame.into()));
            }
            if timeout_at(self.comment, grown.changed()).await.is_err() {
                return Some(None);
            }
        }
    }
}

/// How many of the bytes are whole characters and line ends.
fn whole_text(bytes: &[u8]) -> usize {
    let end = match std::str::from_utf8(bytes) {
        Err(error) if error.error_len().is_none() => error.valid_up_to(),
        // Broken bytes in the middle are shown as such; an incomplete character at the end may still be completed.
        Err(_) => bytes.len() - incomplete(bytes),
        Ok(_) => bytes.len(),
    };
    if bytes[..end].ends_with(b"\r") { end - 1 } else { end }
}

fn incomplete(bytes: &[u8]) -> usize {
    let start = bytes.len().saturating_sub(3);
    (start..bytes.len())
        .find(|at| std::str::from_utf8(&bytes[*at..]).is_err_and(|e| e.valid_up_to() == 0 && e.error_len().is_none()))
        .map_or(0, |at| bytes.len() - at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_stay_whole() {
        for (bytes, whole) in [
            (&b"abc"[..], 3),
            ("aé".as_bytes(), 3),
            (&"aé".as_bytes()[..2], 1),
            (&"a€".as_bytes()[..3], 1),
            (b"a\xff\xe2\x82", 2),
            (b"a\r", 1),
            (b"a\r\n", 3),
            (b"", 0),
        ] {
            assert_eq!(whole_text(bytes), whole, "{bytes:?}");
        }
        assert_eq!(parse_id("2-17"), Some((2, 17)));
        assert_eq!(parse_id("abc"), None);
    }
}
