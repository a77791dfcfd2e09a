//! An event, the same on every transport.

use raincheck_core::{Event, EventData};

use super::Json;
use super::job::write_failure;
use super::progress::write_progress;
use crate::Engine;

/// Writes the envelope of an event.
pub fn write_event(out: &mut Json, event: &Event, engine: &Engine) {
    out.begin();
    out.key("seq").number(event.seq);
    out.key("job").plain(event.job);
    out.key("queue").text(event.queue.as_str());
    out.key("kind").text(event.kind.as_str());
    out.key("type").text(event.data.event_type().as_str());
    out.key("state").text(event.state.as_str());
    out.key("attempt").number(event.attempt);
    out.key("at").time(event.at);
    out.key("cursor").text(&engine.encode_cursor(event.cursor));
    out.key("data");
    write_data(out, &event.data);
    out.end();
}

fn write_data(out: &mut Json, data: &EventData) {
    if let EventData::Progress(progress) = data {
        return write_progress(out, progress);
    }
    out.begin();
    match data {
        EventData::Started { worker } | EventData::Lost { worker } => out.key("worker").text(worker),
        EventData::Retrying { failure, run_at } => {
            out.key("problem");
            write_failure(out, failure);
            out.key("run_at").time(*run_at);
        }
        EventData::Failed(failure) => {
            out.key("problem");
            write_failure(out, failure);
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
