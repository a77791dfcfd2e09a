//! Ways to wait: JSON long poll, server-sent events and WebSocket, with the same numbers and envelopes.
//!
//! A [`Source`] is the one feed behind all three: of one job, numbered from 1, or of everything, by cursor.

pub mod feed;
pub mod frames;
pub mod job;
pub mod pieces;
pub mod poll;
pub mod slots;
pub mod sse;
pub mod start;
pub mod ws;

use std::sync::Arc;

use raincheck_core::{Event, Place};
use raincheck_engine::{Engine, FeedWatch, JobWatch};
use raincheck_store::{ResultInfo, StoreError};

use super::server::Shared;
use super::wire::{Form, Json, write_event};

/// Events, one after the other, none missed and none doubled.
pub enum Source {
    /// Of one job, up to its final one.
    Job(Box<JobWatch>),
    /// Of all jobs.
    Feed(Box<FeedWatch>),
}

impl Source {
    /// The next event; `None` after the last one and when the server drains. May be dropped and called again.
    pub async fn next(&mut self) -> Result<Option<Arc<Event>>, StoreError> {
        match self {
            Source::Job(watch) => watch.next().await,
            Source::Feed(watch) => watch.next().await,
        }
    }

    /// Where to go on after a break, of the feed: it moves also while nothing passes the filter.
    pub fn place(&self) -> Option<Place> {
        match self {
            Source::Job(_) => None,
            Source::Feed(watch) => Some(watch.place(watch.position())),
        }
    }

    /// What events of it say: as `form` has it, in cursors that can be gone on from.
    pub fn form(&self, form: Form) -> Form {
        match self {
            Source::Job(_) => form,
            Source::Feed(watch) => Form { gaps_below: watch.gaps_below(), ..form },
        }
    }

    /// Whether nothing can follow this event.
    pub fn ends_with(&self, event: &Event) -> bool {
        matches!(self, Source::Job(_)) && event.state.is_final()
    }
}

/// What comes before the events: the job as it is, or word that a place was not known.
pub struct Note {
    /// `snapshot` or `reset`.
    pub name: &'static str,
    /// The name under which a client continues after it.
    pub id: String,
    /// The job, as JSON; `null` for the whole feed.
    pub data: Vec<u8>,
    /// Number of the latest event that it includes.
    pub seq: u32,
}

/// The envelope of an event as JSON text.
pub fn envelope(app: &Shared, form: Form, event: &Event, result: Option<&ResultInfo>) -> Vec<u8> {
    let mut out =
        Json::with_capacity(320 + result.and_then(|result| result.value.as_ref()).map_or(0, |text| text.len()));
    write_event(&mut out, event, &app.engine, app.base_for_all(), form, result);
    out.into_vec()
}

/// The result that goes with an event in this form.
pub async fn joined(engine: &Engine, form: Form, event: &Event) -> Result<Option<Arc<ResultInfo>>, StoreError> {
    if form.result { engine.event_result(event).await } else { Ok(None) }
}

/// What a caller gets who wants to watch.
pub struct Opened {
    /// Where its events come from.
    pub source: Source,
    /// What they say.
    pub form: Form,
    /// Said first.
    pub note: Option<Note>,
    /// Nothing follows.
    pub over: bool,
}
