//! Leases as JSON.

use raincheck_core::{ChunkKind, Payload, limits};
use raincheck_engine::Leased;

use crate::app::App;
use crate::ask::Ask;
use crate::base::Base;
use crate::wire::{JobView, Json, write_job};

/// Writes the member of an answer that holds the leases.
pub fn write_leases(out: &mut Json, ask: &Ask, leases: &[Leased]) {
    let mut riding = 0;
    out.key("leases").list(leases, |out, leased| {
        write_lease(out, &ask.app, &ask.base, leased, riding < limits::RIDING_BYTES);
        riding += leased.spec.input.payload.size() as usize;
    });
}

/// Says so where the server is about to stop.
pub fn write_drain(out: &mut Json, drain: bool) {
    if drain {
        out.key("drain").bool(true);
    }
}

fn write_lease(out: &mut Json, app: &App, base: &Base, leased: &Leased, rides: bool) {
    out.begin();
    out.key("lease").text(&leased.lease);
    let href = input_href(base, leased, rides);
    let view =
        JobView::new(&app.engine, base, &leased.job, &leased.spec).with_input(&leased.spec.input, href.as_deref());
    write_job(out.key("job"), &view);
    out.key("attempt").number(leased.job.attempt);
    out.key("ttl_seconds").seconds(leased.ttl);
    out.key("heartbeat_seconds").seconds(leased.heartbeat);
    out.key("traceparent").maybe_text(leased.spec.traceparent.as_deref());
    out.key("tracestate").maybe_text(leased.spec.tracestate.as_deref());
    let limit = |kind| app.engine.chunk_limit(kind, leased.job.attempt);
    out.key("limits").begin();
    out.key("result_bytes").number(app.options.limits.file);
    out.key("stream_bytes").number(limit(ChunkKind::Stream));
    out.key("log_bytes").number(limit(ChunkKind::Log));
    out.end();
    out.end();
}

/// Where the worker gets an input that does not ride along: a large one, one that is not JSON, or one beside many others.
fn input_href(base: &Base, leased: &Leased, rides: bool) -> Option<String> {
    let input = &leased.spec.input;
    let rides = rides && matches!(&input.payload, Payload::Inline(_)) && input.content_type.is_none();
    (!rides).then(|| base.url(&format!("/leases/{}/input", leased.lease)))
}
