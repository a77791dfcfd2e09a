//! Raw bodies: a little into memory, everything else to where large payloads are kept, as it comes.
//!
//! Nothing but memory and a file is held while a sender is slow: what came is gathered and written piece by piece.

use std::io;

use axum::body::Body;
use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use raincheck_core::{Digest, Payload, first_half, limits};
use raincheck_store::{Arrival, BlobUse, Unclaimed};
use sha2::{Digest as _, Sha256};
use tokio::task::{JoinHandle, spawn_blocking};

use super::app::App;
use super::arriving::Arriving;
use super::body;
use super::options::Largest;
use super::pace::Pace;
use super::places::{no_place, no_room};
use super::problem::{self, Problem};
use super::watch::slots::Slot;

/// Gathered before it is written, bytes. An upload holds this twice, and what came with one read.
const PIECE: usize = 128 << 10;
/// A sender is told to come again so many seconds after there was no space.
const NO_SPACE: std::ops::RangeInclusive<u64> = 24..=36;

/// Bytes that came in, wherever they are now.
#[derive(Debug)]
pub struct Received {
    /// Where they are.
    pub payload: Payload,
    /// The first half of their SHA-256.
    pub digest: Digest,
    /// Their file, where they have one.
    pub file: Option<Unclaimed>,
}

/// A body that is about to be taken in.
pub struct Upload<'a> {
    /// The server.
    pub app: &'a App,
    /// What came before it.
    pub headers: &'a HeaderMap,
    /// How long it says it is; 0 where it does not.
    pub announced: u64,
    /// Whose result it is; an input otherwise.
    pub run: Option<Arriving<'a>>,
}

impl Upload<'_> {
    /// Takes the body in; more than a little is kept as it comes, never in memory. The headers were judged before.
    pub async fn receive(mut self, mut body: Body) -> Result<Received, Problem> {
        let (announced, most) = (self.announced, self.most());
        if announced > most.bytes {
            return Err(body::announced_too_large(self.headers, body, most).await);
        }
        if announced > limits::INLINE_BYTES as u64 {
            return match self.begin(announced).await {
                Ok((place, keeping)) => self.through_file(place, keeping, Bytes::new(), body).await,
                Err(refused) => Err(body::refuse(self.headers, body, refused).await),
            };
        }
        let mut small = BytesMut::new();
        let mut pace = (announced > 0).then(|| self.app.pace());
        while let Some(piece) = next(&mut body, pace.as_mut()).await? {
            small.extend_from_slice(&piece);
            if small.len() > limits::INLINE_BYTES || small.len() as u64 > most.bytes {
                return match self.begin(small.len() as u64).await {
                    Ok((place, keeping)) => self.through_file(place, keeping, small.freeze(), body).await,
                    Err(refused) => Err(refuse(body, refused).await),
                };
            }
            self.heard().await?;
        }
        let bytes = small.freeze();
        let digest = first_half(Sha256::new_with_prefix(&bytes));
        let payload = if bytes.is_empty() { Payload::Empty } else { Payload::Inline(bytes) };
        Ok(Received { payload, digest, file: None })
    }

    fn of(&self) -> BlobUse {
        if self.run.is_some() { BlobUse::Result } else { BlobUse::Input }
    }

    fn most(&self) -> Largest {
        self.app.options.limits.raw()
    }

    /// Something of a result came.
    async fn heard(&mut self) -> Result<(), Problem> {
        match &mut self.run {
            Some(run) => run.heard().await,
            None => Ok(()),
        }
    }

    /// Whether there is a run that wants it, a place, and space.
    async fn begin(&mut self, announced: u64) -> Result<(Slot, Keeping), Problem> {
        if let Some(run) = &mut self.run {
            run.renew().await?;
        }
        let place = self.app.uploads.take(self.of())?;
        let arrival = self.app.engine.blobs().begin(self.of(), announced).await;
        let arrival = arrival.map_err(|error| unwritten(self.of(), &error))?;
        Ok((place, Keeping::new(arrival)))
    }

    async fn through_file(
        mut self,
        _place: Slot,
        mut keeping: Keeping,
        first: Bytes,
        mut body: Body,
    ) -> Result<Received, Problem> {
        let (of, most, mut pace) = (self.of(), self.most(), self.app.pace());
        let mut gathered = BytesMut::from(first);
        let mut size = gathered.len() as u64;
        loop {
            if size > most.bytes {
                return Err(body::too_large(body, most).await);
            }
            if gathered.len() >= PIECE {
                let piece = std::mem::replace(&mut gathered, BytesMut::with_capacity(2 * PIECE));
                if let Err(error) = keeping.write(piece.freeze()).await {
                    return Err(refuse(body, unwritten(of, &error)).await);
                }
            }
            let Some(piece) = next(&mut body, Some(&mut pace)).await? else { break };
            size += piece.len() as u64;
            gathered.extend_from_slice(&piece);
            if let Err(over) = self.heard().await {
                return Err(refuse(body, over).await);
            }
        }
        let finish = keeping.finish(gathered.freeze());
        let finished = match &self.run {
            Some(run) => run.while_kept(finish).await,
            None => finish.await,
        };
        finished.map_err(|error| unwritten(of, &error))
    }
}

/// A file that is written while more comes.
struct Keeping {
    /// What was handed in last, on its way.
    last: JoinHandle<io::Result<Kept>>,
}

struct Kept {
    arrival: Arrival,
    hash: Sha256,
}

impl Keeping {
    fn new(arrival: Arrival) -> Self {
        let kept = Kept { arrival, hash: Sha256::new() };
        Keeping { last: tokio::spawn(async move { Ok(kept) }) }
    }

    /// Hands bytes in, once those before are written.
    async fn write(&mut self, bytes: Bytes) -> io::Result<()> {
        let kept = self.written().await?;
        self.last = tokio::spawn(kept.write(bytes));
        Ok(())
    }

    async fn finish(mut self, rest: Bytes) -> io::Result<Received> {
        let Kept { arrival, hash } = self.written().await?.write(rest).await?;
        let (size, digest) = (arrival.size(), first_half(hash));
        let file = arrival.finish().await?;
        let payload = Payload::Blob { name: file.name().into(), size };
        Ok(Received { payload, digest, file: Some(file) })
    }

    async fn written(&mut self) -> io::Result<Kept> {
        (&mut self.last).await.unwrap_or_else(|error| Err(io::Error::other(error)))
    }
}

impl Kept {
    async fn write(self, bytes: Bytes) -> io::Result<Kept> {
        let Kept { mut arrival, mut hash } = self;
        let hashed = bytes.clone();
        let hashing = spawn_blocking(move || {
            hash.update(&hashed);
            hash
        });
        arrival.write(bytes).await?;
        let hash = hashing.await.map_err(io::Error::other)?;
        Ok(Kept { arrival, hash })
    }
}

/// The next piece of a body; `None` at its end. With a pace it must not come too slowly.
async fn next(body: &mut Body, pace: Option<&mut Pace>) -> Result<Option<Bytes>, Problem> {
    match pace {
        Some(pace) => body::paced_piece(body, pace).await,
        None => body::piece(body).await,
    }
}

/// Refuses in the middle of a body, so that its sender gets to read it.
async fn refuse(body: Body, refused: Problem) -> Problem {
    body::discard(body).await;
    refused
}

/// Bytes that are in memory already, as a payload and, where they are not few, its file.
pub async fn keep(app: &App, of: BlobUse, bytes: Bytes) -> Result<(Payload, Option<Unclaimed>), Problem> {
    if bytes.len() <= limits::INLINE_BYTES {
        return Ok((if bytes.is_empty() { Payload::Empty } else { Payload::Inline(bytes) }, None));
    }
    let size = bytes.len() as u64;
    let file = app.engine.blobs().hold(of, bytes).await.map_err(|error| unwritten(of, &error))?;
    Ok((Payload::Blob { name: file.name().into(), size }, Some(file)))
}

fn unwritten(of: BlobUse, error: &io::Error) -> Problem {
    if error.kind() == io::ErrorKind::StorageFull {
        tracing::warn!(%error, ?of, "a payload is refused for lack of space");
        return no_room(of).detail(problem::DISK_FULL).retry_after(rand::random_range(NO_SPACE));
    }
    if error.kind() == io::ErrorKind::QuotaExceeded {
        return no_place(of, "large bodies on their way to the bucket hold as much memory as they may");
    }
    tracing::error!(%error, "a payload could not be written");
    Problem::new(problem::STORE)
        .detail("the payload could not be written: try again later; the server's log says why")
        .retry_after(30)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_that_others_hold_is_a_place_that_they_hold() {
        let refused = |of| unwritten(of, &io::ErrorKind::QuotaExceeded.into()).row().slug;
        assert_eq!([BlobUse::Input, BlobUse::Result].map(refused), ["queue-full", "store-unavailable"]);
    }
}
