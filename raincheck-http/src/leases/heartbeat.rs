//! Signs of life.

use axum::body::Body;
use axum::response::Response;
use http::StatusCode;
use raincheck_core::limits;
use raincheck_engine::Beat;
use raincheck_store::Renewed;

use crate::answer::json;
use crate::app::App;
use crate::ask::Ask;
use crate::path::LeasePath;
use crate::problem::{self, Problem, Violation};
use crate::wire::{AtMost, Duration, HeartbeatBody, HeartbeatsBody, Json, Object, read, read_or_default};
use crate::{json_body, peer};

/// A sign of life of one run.
#[utoipa::path(post, path = "/leases/{lease}/heartbeat", tag = "work", request_body = Option<HeartbeatBody>, params(("lease" = String, Path)),
    responses((status = 200, description = "The lease goes on", body = crate::openapi::HeartbeatAnswer), crate::openapi::WorkProblems))]
pub async fn one(LeasePath(lease): LeasePath, ask: Ask, body: Body) -> Result<Response, Problem> {
    let text = ask.json(body).await?;
    let beat: HeartbeatBody<'_> = read_or_default(&text)?;
    let mut errors = Vec::new();
    let ttl = super::ttl("/ttl", beat.ttl, &mut errors);
    let progress = beat.progress.map(|Object(progress)| progress.check("/progress", &mut errors));
    if !errors.is_empty() {
        return Err(Problem::invalid(errors));
    }
    let beats = vec![Beat { lease, ttl, progress }];
    let renewed = ask.engine().heartbeat_while(beats, wait(&ask.app, beat.wait), peer::half_closed()).await?;
    let (ttl, cancel_requested) = match renewed.into_iter().next() {
        Some(Renewed::Extended { ttl, cancel_requested }) => (ttl, cancel_requested),
        Some(Renewed::TooLong) => return Err(too_long()),
        Some(Renewed::Lost) | None => return Err(ask.lease_lost(lease).await?),
    };
    let mut out = Json::with_capacity(64);
    out.begin();
    out.key("ttl_seconds").seconds(ttl);
    out.key("cancel_requested").bool(cancel_requested);
    out.end();
    Ok(json(StatusCode::OK, out))
}

/// Signs of life of many runs, each answered for itself.
#[utoipa::path(post, path = "/leases/heartbeat", tag = "work", request_body = HeartbeatsBody,
    responses((status = 200, description = "One answer each", body = crate::openapi::HeartbeatAnswers), crate::openapi::WorkProblems))]
pub async fn many(ask: Ask, body: Body) -> Result<Response, Problem> {
    ask.query.done()?;
    let text = json_body::read(&ask.app, &ask.headers, body, ask.app.options.limits.batch()).await?;
    let asked: HeartbeatsBody<'_> = ask.app.room.work(text.len(), || read(&text)).await?;
    let (AtMost(heartbeats), wait) = (asked.heartbeats, wait(&ask.app, asked.wait));
    let (mut errors, mut beats, mut runs) = (Vec::new(), Vec::new(), Vec::new());
    for (index, Object(beat)) in heartbeats.into_iter().enumerate() {
        let pointer = format!("/heartbeats/{index}");
        if beat.lease.len() > limits::LEASE_BYTES {
            errors.push(Violation::new(format!("{pointer}/lease"), "must be at most 255 bytes long"));
        }
        let ttl = super::ttl(&format!("{pointer}/ttl"), beat.ttl, &mut errors);
        let progress = beat.progress.map(|Object(p)| p.check(&format!("{pointer}/progress"), &mut errors));
        let lease = ask.engine().parse_lease(&beat.lease).await?;
        beats.extend(lease.map(|lease| Beat { lease, ttl, progress }));
        runs.push((beat.lease.into_owned(), lease));
    }
    // Others find room while this waits.
    drop(text);
    if !errors.is_empty() {
        return Err(Problem::invalid(errors));
    }
    let mut renewed = ask.engine().heartbeat_while(beats, wait, peer::half_closed()).await?.into_iter();
    let (mut answers, mut room) = (Vec::with_capacity(runs.len()), limits::RIDING_BYTES);
    for (text, lease) in runs {
        let answer = match lease {
            None => Err(Problem::new(problem::NOT_FOUND).detail("not a lease of this server")),
            Some(lease) => match renewed.next() {
                Some(Renewed::Extended { ttl, cancel_requested }) => Ok((ttl, cancel_requested)),
                Some(Renewed::TooLong) => Err(too_long()),
                _ => Err(ask.one_lease_lost(lease, &mut room).await?),
            },
        };
        answers.push((text, answer));
    }
    let mut out = Json::with_capacity(128 * answers.len() + 32);
    out.begin();
    out.key("heartbeats").list(answers, |out, (lease, answer)| {
        out.begin();
        out.key("lease").text(&lease);
        match answer {
            Ok((ttl, cancel_requested)) => {
                out.key("ttl_seconds").seconds(ttl);
                out.key("cancel_requested").bool(cancel_requested);
            }
            Err(problem) => problem.write(out.key("problem"), ask.app.base_for_all()),
        }
        out.end();
    });
    out.end();
    Ok(json(StatusCode::OK, out))
}

/// Of a lease that is to last beyond its run; it goes on as it was.
fn too_long() -> Problem {
    Problem::invalid(vec![Violation::new("/ttl", "must not be longer than what is left of the job's timeout")])
}

fn wait(app: &App, wait: Option<Duration>) -> i64 {
    // Who has one of the last connections waits for nothing.
    wait.filter(|_| !peer::is_kept()).map_or(0, |Duration(wait)| wait.min(app.options.limits.wait))
}
