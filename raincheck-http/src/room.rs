//! Memory for what callers send and are sent: of the whole process, whoever they are and however many.
//!
//! Bytes are counted while they are held, not while somebody works on them: what the store has not written yet, or a
//! slow reader has not taken, counts. Who finds no room is told to come again, before anything was done.

use std::sync::Arc;

use axum::body::Body;
use axum::response::Response;
use bytes::{Bytes, BytesMut};
use futures_util::FutureExt;
use http_body_util::BodyExt;
use hyper::body::Body as _;
use raincheck_core::limits;
use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, SemaphorePermit};

use super::problem::Problem;

/// What the permits of a semaphore stand for, bytes.
const UNIT: usize = 1 << 10;
/// The least that a body takes, bytes.
const LEAST: usize = 4 << 10;

/// The budgets.
#[derive(Debug)]
pub struct Room {
    small: Arc<Semaphore>,
    large: Arc<Semaphore>,
    answers: Arc<Semaphore>,
    heavy: Semaphore,
    pages: Semaphore,
    sockets: Semaphore,
}

impl Default for Room {
    fn default() -> Self {
        let of = |bytes: usize| Arc::new(Semaphore::new(bytes / UNIT));
        Room {
            small: of(limits::SMALL_BODIES_BYTES),
            large: of(limits::BODIES_BYTES),
            answers: of(limits::ANSWERS_BYTES),
            // One at a time: it takes a processor, and memory beside the text.
            heavy: Semaphore::new(1),
            // What was read is in memory before there is an answer to be counted.
            pages: Semaphore::new(2),
            sockets: Semaphore::new(limits::SOCKETS_BYTES / UNIT),
        }
    }
}

impl Room {
    /// An empty body, to be gathered; `announced` bytes are said to come, 0 where it is not said.
    pub fn body(&self, announced: usize) -> Gathered<'_> {
        Gathered { room: self, announced, bytes: BytesMut::new(), permit: None }
    }

    /// Does `work` on so much JSON: on much of it aside, so that others of this thread go on, and only one at a time.
    pub async fn work<T>(&self, bytes: usize, work: impl FnOnce() -> T) -> T {
        if bytes <= limits::LIGHT_JSON_BYTES {
            return work();
        }
        // Never closed, so there is no error.
        let _turn = self.heavy.acquire().await;
        match Handle::current().runtime_flavor() {
            RuntimeFlavor::MultiThread => tokio::task::block_in_place(work),
            _ => work(),
        }
    }

    /// A turn at reading a page and writing it.
    pub async fn page(&self) -> Option<SemaphorePermit<'_>> {
        // Never closed, so there is one.
        self.pages.acquire().await.ok()
    }

    /// Room for an event while it is being sent on a WebSocket, where it is copied as a whole; as soon as there is some.
    pub async fn socket(&self, bytes: usize) -> Option<SemaphorePermit<'_>> {
        let units = if bytes <= limits::PIECE_BYTES { 0 } else { bytes / UNIT };
        // No event is as large as all the room, and it is never closed.
        self.sockets.acquire_many(u32::try_from(units).ok()?).await.ok()
    }

    /// Refuses what will be answered at length while such answers find no room: before anything is done, for
    /// afterwards it could not be said.
    pub fn for_answer(&self, bytes: usize) -> Result<(), Problem> {
        let is_free = bytes <= limits::SMALL_ANSWER_BYTES || self.answers.available_permits() >= bytes / UNIT;
        if is_free { Ok(()) } else { Err(Problem::no_room()) }
    }

    /// Counts these bytes of an answer until they are sent; answers nothing where there is no room for them.
    pub fn keep(&self, bytes: Bytes) -> Option<Bytes> {
        if bytes.len() <= limits::SMALL_ANSWER_BYTES {
            return Some(bytes);
        }
        let units = u32::try_from(bytes.len() / UNIT).ok()?;
        let permit = self.answers.clone().try_acquire_many_owned(units).ok()?;
        Some(Bytes::from_owner(Text { bytes, _permit: permit }))
    }

    /// Counts the body of an answer until it is sent; answers nothing where there is no room for it.
    pub fn hold(&self, response: Response) -> Option<Response> {
        // What is streamed has no size yet, and is not in memory.
        if response.body().size_hint().exact().is_none_or(|size| size <= limits::SMALL_ANSWER_BYTES as u64) {
            return Some(response);
        }
        let (head, mut body) = response.into_parts();
        let bytes = body.frame().now_or_never()??.ok()?.into_data().ok()?;
        Some(Response::from_parts(head, Body::from(self.keep(bytes)?)))
    }
}

/// A body as it comes in.
pub struct Gathered<'a> {
    room: &'a Room,
    announced: usize,
    bytes: BytesMut,
    permit: Option<OwnedSemaphorePermit>,
}

impl Gathered<'_> {
    /// How much came.
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Adds a piece, as far as there is room.
    pub fn add(&mut self, piece: &[u8]) -> Result<(), Problem> {
        let wanted = self.bytes.len() + piece.len();
        if wanted > self.bytes.capacity() || self.permit.is_none() {
            // Doubled each time, as its memory is; all at once when a good part of what was announced has come.
            let doubled = wanted.next_power_of_two().max(LEAST);
            let is_near = (wanted..4 * wanted).contains(&self.announced);
            self.grow(if is_near { self.announced.max(LEAST) } else { doubled })?;
        }
        self.bytes.extend_from_slice(piece);
        Ok(())
    }

    fn grow(&mut self, size: usize) -> Result<(), Problem> {
        let units = u32::try_from(size.div_ceil(UNIT)).map_err(|_| Problem::no_room())?;
        let take = |from: &Arc<Semaphore>| from.clone().try_acquire_many_owned(units).ok();
        let small = if size <= limits::SMALL_BODY_BYTES { take(&self.room.small) } else { None };
        // What it had goes into what it gets.
        self.permit = None;
        self.permit = Some(small.or_else(|| take(&self.room.large)).ok_or_else(Problem::no_room)?);
        self.bytes.reserve(size - self.bytes.len());
        Ok(())
    }

    /// The whole of it. Its room is taken until the last part of it is gone, wherever that is then.
    pub fn whole(self) -> Bytes {
        match self.permit {
            Some(permit) => Bytes::from_owner(Text { bytes: self.bytes.freeze(), _permit: permit }),
            None => self.bytes.freeze(),
        }
    }
}

/// Bytes, and the room that they take.
struct Text {
    bytes: Bytes,
    _permit: OwnedSemaphorePermit,
}

impl AsRef<[u8]> for Text {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_is_taken_until_the_last_part_is_gone() {
        let room = Room::default();
        let all = room.large.available_permits();
        let mut body = room.body(0);
        for _ in 0..300 {
            body.add(&[b'x'; 1 << 10]).unwrap();
        }
        let whole = body.whole();
        let part = whole.slice(5..9);
        drop(whole);
        assert_eq!(all - room.large.available_permits(), 512, "as much as its memory, doubled each time");
        drop(part);
        assert_eq!(room.large.available_permits(), all);
    }

    #[test]
    fn small_bodies_find_room_beside_large_ones() {
        let room = Room::default();
        let mut held = Vec::new();
        let full = loop {
            let mut body = room.body(0);
            match (0..256).try_for_each(|_| body.add(&[b'x'; 4 << 10])) {
                Ok(()) => held.push(body.whole()),
                Err(problem) => break problem,
            }
        };
        assert_eq!(full.row().slug, "overloaded");
        assert_eq!(held.len(), limits::BODIES_BYTES >> 20);
        let mut small = room.body(0);
        small.add(&[b'x'; limits::SMALL_BODY_BYTES]).unwrap();
        held.clear();
        room.body(0).add(&[b'x'; 1 << 20]).unwrap();
    }

    #[test]
    fn an_answer_takes_room_until_it_is_sent() {
        let room = Room::default();
        let answer = || Response::new(Body::from(vec![b'x'; 8 << 20]));
        let held: Vec<Response> = std::iter::from_fn(|| room.hold(answer())).collect();
        assert_eq!(held.len(), limits::ANSWERS_BYTES / (8 << 20));
        assert!(room.for_answer(1 << 20).is_err());
        assert!(room.for_answer(1).is_ok() && room.hold(Response::new(Body::from("x"))).is_some());
        drop(held);
        assert!(room.for_answer(1 << 20).is_ok() && room.hold(answer()).is_some());
    }
}
