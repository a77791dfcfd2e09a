//! An event, the same on every transport.

use raincheck_core::{Cursor, Event, EventData, Place};
use raincheck_store::ResultInfo;

use super::Json;
use super::base::BaseUrl;
use super::job::{write_failure, write_result_members, write_result_url};
use super::progress::write_progress;
use crate::Engine;

/// What an event says besides itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Form {
    /// Its place in the whole feed, as a number.
    pub position: bool,
    /// The result that it tells of.
    pub result: bool,
    /// See [`Place::gaps_below`], of whoever reads it.
    pub gaps_below: Cursor,
}

impl Form {
    /// Of the events of one job.
    pub const JOB: Form = Form { position: false, result: true, gaps_below: Cursor(0) };
    /// All there are.
    pub const COUNT: usize = 3;

    /// Of the whole feed, with results or without.
    pub fn feed(result: bool) -> Form {
        Form { position: true, result, ..Form::default() }
    }

    /// The place behind an event.
    pub fn behind(self, event: &Event) -> Place {
        Place { at: event.cursor, gaps_below: self.gaps_below }
    }

    /// Its number.
    pub fn index(self) -> usize {
        usize::from(self.position) + usize::from(self.position && self.result)
    }
}

/// Writes the envelope of an event, with the result that it tells of where `form` has that. All who follow get the same, so
/// `base` is one [for all](BaseUrl::for_all).
pub fn write_event(
    out: &mut Json,
    event: &Event,
    engine: &Engine,
    base: BaseUrl<'_>,
    form: Form,
    result: Option<&ResultInfo>,
) {
    out.begin();
    out.key("seq").number(event.seq);
    out.key("job").plain(event.job);
    out.key("queue").text(event.queue.as_str());
    out.key("kind").text(event.kind.as_str());
    out.key("type").text(event.data.event_type().as_str());
    out.key("state").text(event.state.as_str());
    out.key("attempt").number(event.attempt);
    out.key("at").time(event.at);
    out.key("cursor").text(&engine.encode_cursor(form.behind(event)));
    if form.position {
        out.key("position").number(event.cursor.0);
    }
    match &event.data {
        EventData::Gone(_) => {}
        EventData::Succeeded if form.result => {
            out.key("data").begin();
            match result.filter(|result| result.is_there()) {
                Some(result) => {
                    out.key("result").begin();
                    out.key("href");
                    write_result_url(out, base, event.job);
                    write_result_members(out, result);
                    out.end();
                }
                None => out.key("result").null(),
            }
            out.end();
        }
        data => {
            out.key("data");
            write_data(out, base, data);
        }
    }
    out.end();
}

fn write_data(out: &mut Json, base: BaseUrl<'_>, data: &EventData) {
    if let EventData::Progress(progress) = data {
        return write_progress(out, progress);
    }
    out.begin();
    match data {
        EventData::Created { key: Some(key) } => out.key("key").text(key),
        EventData::Started { worker } | EventData::Lost { worker } => out.key("worker").text(worker),
        EventData::Retrying { failure, run_at } => {
            out.key("problem");
            write_failure(out, base, failure);
            out.key("run_at").time(*run_at);
        }
        EventData::Failed(failure) => {
            out.key("problem");
            write_failure(out, base, failure);
        }
        _ => {}
    }
    out.end();
}

/// Writes what a stream says besides events: a `snapshot` or `reset` with the job as it is after number `seq`.
pub fn write_note(out: &mut Json, name: &str, seq: u32, job: impl FnOnce(&mut Json)) {
    out.begin();
    out.key("type").text(name);
    out.key("seq").number(seq);
    out.key("data");
    job(out);
    out.end();
}
