//! Payloads that are lost: not where they were put, or others than were put there.

use std::io;

use bytes::Bytes;
use futures_util::{Stream, StreamExt as _, stream};
use raincheck_core::{Digest, Job};
use raincheck_store::BlobStream;
use sha2::{Digest as _, Sha256};

use super::app::App;
use super::problem::{self, Problem};

/// What is answered where a payload was not found.
pub async fn missing(app: &App, job: &Job, name: &str) -> Problem {
    if !app.engine.blobs().is_there().await {
        tracing::error!(job = %job.id, file = name, "a large payload cannot be read: none of them is there");
        return Problem::new(problem::STORE).detail("the bytes cannot be read now").retry_after(5);
    }
    // Retention may have removed it since the job was looked at, or a switch to another database lost both.
    match app.engine.record(job.no).await {
        Ok(None) => app.vanished(job.id).await,
        Ok(Some(_)) => {
            tracing::error!(job = %job.id, file = name, "a payload is lost: its file is not there");
            app.damaged.add_result(job);
            Problem::new(problem::PAYLOAD_LOST).detail("the server has no file with these bytes any more")
        }
        Err(error) => error.into(),
    }
}

/// What is answered where a payload is shorter than it was.
pub fn cut(app: &App, job: &Job, name: &str) -> Problem {
    tracing::error!(job = %job.id, file = name, "a payload is damaged: its file is shorter than it was");
    app.damaged.add(name);
    damaged(app, job)
}

/// What is answered where it is known that a payload is damaged.
pub fn known(app: &App, job: &Job) -> Problem {
    app.engine.blobs().add_unreadable();
    damaged(app, job)
}

fn damaged(app: &App, job: &Job) -> Problem {
    app.damaged.add_result(job);
    Problem::new(problem::PAYLOAD_LOST).detail("the file holds other bytes than were put there")
}

/// What there should be of a payload.
pub struct Expected {
    pub name: Box<str>,
    /// Bytes that are read of it.
    pub size: u64,
    /// Theirs, where they are all of it and it is known.
    pub digest: Option<Digest>,
}

/// The bytes as they come. Where they turn out to be others it breaks off before the last of them, so that nobody takes
/// them for the payload.
pub fn watched(
    app: App,
    job: &Job,
    expected: Expected,
    bytes: BlobStream,
) -> impl Stream<Item = io::Result<Bytes>> + Send + use<> {
    let job = job.clone();
    let hash = expected.digest.map(|_| Sha256::new());
    stream::unfold(Some((bytes, hash, 0_u64)), move |state| {
        let (app, job) = (app.clone(), job.clone());
        let (name, size, digest) = (expected.name.clone(), expected.size, expected.digest);
        async move {
            let (mut bytes, mut hash, mut come) = state?;
            let piece = match bytes.next().await {
                Some(Ok(piece)) => piece,
                Some(Err(error)) => return Some((Err(error), None)),
                None if come == size => return None,
                None => Bytes::new(),
            };
            come += piece.len() as u64;
            if let Some(hash) = &mut hash {
                hash.update(&piece);
            }
            let whole = |hash: Sha256| digest.is_none_or(|digest| hash.finalize().starts_with(&digest));
            if piece.is_empty() || come == size && !hash.take().is_none_or(whole) {
                tracing::error!(job = %job.id, file = &*name, size, come, "a payload is damaged: these are not the bytes that were put there");
                app.damaged.add(&name);
                app.damaged.add_result(&job);
                app.engine.blobs().add_unreadable();
                return Some((Err(io::ErrorKind::InvalidData.into()), None));
            }
            Some((Ok(piece), Some((bytes, hash, come))))
        }
    })
}
