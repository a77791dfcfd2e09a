//! Ends of runs: one by one, or many on the back of a request for work.

use std::collections::HashSet;

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, StatusCode};
use raincheck_core::{Content, LeaseRef, Outcome, Payload, limits};
use raincheck_engine::{Finish, digest};
use raincheck_store::{BlobUse, Unclaimed};

use crate::answer;
use crate::app::App;
use crate::arriving::Arriving;
use crate::ask::Ask;
use crate::encoding::{self, Decoded};
use crate::path::LeasePath;
use crate::problem::{self, Problem, Violation};
use crate::submit::raw::{check_json, media_type};
use crate::upload::{self, Upload};
use crate::wire::{
    Duration, FailBody, FinishBody, Json, Object, Present, ReleaseBody, read, read_or_default, too_deep,
};
use crate::{body, filename};

/// Ends a run with success; the body is the result.
#[utoipa::path(post, path = "/leases/{lease}/complete", tag = "work",
    request_body(content = Vec<u8>, content_type = "*/*", description = "The result: JSON or any media type; empty for none"),
    params(("lease" = String, Path)),
    responses((status = 200, description = "The job", body = crate::openapi::Job), crate::openapi::WorkProblems))]
pub async fn complete(LeasePath(lease): LeasePath, ask: Ask, body: Body) -> Result<Response, Problem> {
    let headers = &ask.headers;
    let judged = ask.query.done().and_then(|()| encoding::check(headers)).and_then(|()| media_type(headers));
    let content_type = match judged {
        Ok(content_type) => content_type,
        Err(refused) => return Err(body::refuse(headers, body, refused).await),
    };
    let Decoded { announced, body } = encoding::decoded(headers, body).await?;
    let upload = Upload { app: &ask.app, headers, announced, run: Some(Arriving::new(&ask, lease)) };
    let received = upload.receive(body).await?;
    if let (Payload::Inline(text), None) = (&received.payload, &content_type) {
        check_json(text)?;
    }
    let content = match received.payload {
        Payload::Empty if !is_empty_file(headers) => Content::default(),
        payload => Content { payload, content_type, filename: filename::of(headers), digest: received.digest },
    };
    // The engine's from the next line on.
    received.file.map(Unclaimed::claim);
    settle(&ask, lease, Outcome::Complete(content)).await
}

/// Whether a body without bytes is a result all the same: an empty file of that type, not the lack of a result. JSON without
/// bytes is none, and a form without fields is what curl says that it sends with `-d ''`.
fn is_empty_file(headers: &HeaderMap) -> bool {
    let Some(media) = headers.get(CONTENT_TYPE) else { return false };
    !body::is_json(headers) && media != "application/x-www-form-urlencoded"
}

/// Ends a run with failure; the job is tried again or fails for good.
#[utoipa::path(post, path = "/leases/{lease}/fail", tag = "work", request_body = FailBody, params(("lease" = String, Path)),
    responses((status = 200, description = "The job", body = crate::openapi::Job), crate::openapi::WorkProblems))]
pub async fn fail(LeasePath(lease): LeasePath, ask: Ask, body: Body) -> Result<Response, Problem> {
    let text = ask.json(body).await?;
    settle(&ask, lease, failed(&read(&text)?)).await
}

/// Gives a run back without counting it.
#[utoipa::path(post, path = "/leases/{lease}/release", tag = "work", request_body = Option<ReleaseBody>, params(("lease" = String, Path)),
    responses((status = 200, description = "The job", body = crate::openapi::Job), crate::openapi::WorkProblems))]
pub async fn release(LeasePath(lease): LeasePath, ask: Ask, body: Body) -> Result<Response, Problem> {
    let text = ask.json(body).await?;
    let given: ReleaseBody = read_or_default(&text)?;
    settle(&ask, lease, released(&given)).await
}

fn failed(body: &FailBody<'_>) -> Outcome {
    let retry_after = body.retry_after.map(|Duration(millis)| millis);
    Outcome::Fail { failure: body.failure(), retryable: body.retryable.unwrap_or(true), retry_after }
}

fn released(body: &ReleaseBody) -> Outcome {
    Outcome::Release { delay: body.delay.map_or(0, |Duration(millis)| millis) }
}

async fn settle(ask: &Ask, lease: LeaseRef, outcome: Outcome) -> Result<Response, Problem> {
    match ask.engine().settle(lease, outcome).await? {
        Finish::Done(job) => {
            let record = answer::changed(&ask.app, job).await?;
            let record = record.ok_or_else(|| Problem::new(problem::LEASE_LOST))?;
            Ok(answer::job(StatusCode::OK, &ask.view(&record)))
        }
        Finish::LeaseLost(_) => Err(ask.lease_lost(lease).await?),
        Finish::Gone => Err(ask.gone(lease).await?),
    }
}

/// Each end says exactly one thing, and each run ends once.
pub fn check(ends: &[Object<FinishBody<'_>>], errors: &mut Vec<Violation>) {
    let mut seen = HashSet::new();
    for (index, Object(end)) in ends.iter().enumerate() {
        if end.lease.len() > limits::LEASE_BYTES {
            errors.push(Violation::new(format!("/finish/{index}/lease"), "must be at most 255 bytes long"));
        }
        let said = [end.complete.is_some(), end.fail.is_some(), end.release.is_some()];
        if said.into_iter().filter(|said| *said).count() != 1 {
            errors.push(Violation::new(
                format!("/finish/{index}"),
                "must have exactly one of complete, fail and release",
            ));
        }
        if !seen.insert(&*end.lease) {
            errors.push(Violation::new(format!("/finish/{index}/lease"), "is there twice"));
        }
        let result = end.complete.as_ref().and_then(|Object(complete)| complete.result);
        if result.is_some_and(|Present(raw)| too_deep(raw.get().as_bytes())) {
            errors.push(Violation::new(format!("/finish/{index}/complete/result"), "is nested too deeply"));
        }
    }
}

/// The ends of one request: which leases were ours, in the order they came, and the files of their results.
#[derive(Default)]
pub struct Ends(Vec<(String, Option<LeaseRef>)>, Vec<Unclaimed>);

impl Ends {
    /// Whether there were none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The files are about to be the engine's.
    pub fn hand_over(&mut self) {
        std::mem::take(&mut self.1).into_iter().for_each(|file| drop(file.claim()));
    }

    /// Turns the wire's ends into the core's; a lease that is not ours is remembered and not passed on.
    pub async fn take(
        &mut self,
        app: &App,
        text: &Bytes,
        ends: Vec<Object<FinishBody<'_>>>,
    ) -> Result<Vec<(LeaseRef, Outcome)>, Problem> {
        let mut outcomes = Vec::with_capacity(ends.len());
        for Object(end) in ends {
            let lease = app.engine.parse_lease(&end.lease).await?;
            self.0.push((end.lease.into_owned(), lease));
            let Some(lease) = lease else { continue };
            let outcome = match (end.complete, end.fail, end.release) {
                (Some(Object(complete)), _, _) => {
                    let (content, file) = result(app, text, complete.result).await?;
                    self.1.extend(file);
                    Outcome::Complete(content)
                }
                (_, Some(Object(fail)), _) => failed(&fail),
                (_, _, release) => released(&release.unwrap_or_default().0),
            };
            outcomes.push((lease, outcome));
        }
        Ok(outcomes)
    }

    /// Writes what became of each.
    pub async fn write(self, out: &mut Json, ask: &Ask, finishes: &[Finish]) -> Result<(), Problem> {
        let mut finishes = finishes.iter();
        let (mut problems, mut room) = (Vec::with_capacity(self.0.len()), limits::RIDING_BYTES);
        for (lease, known) in self.0 {
            let finish = known.and_then(|_| finishes.next());
            problems.push((lease, outcome(ask, known.zip(finish), &mut room).await?));
        }
        out.list(problems, |out, (lease, outcome)| {
            out.begin();
            out.key("lease").text(&lease);
            match outcome {
                Ok(state) => out.key("state").text(state),
                Err(problem) => problem.write(out.key("problem"), ask.app.base_for_all()),
            }
            out.end();
        });
        Ok(())
    }
}

async fn outcome(
    ask: &Ask,
    finish: Option<(LeaseRef, &Finish)>,
    room: &mut usize,
) -> Result<Result<&'static str, Problem>, Problem> {
    Ok(match finish {
        Some((_, Finish::Done(job))) => Ok(job.state.as_str()),
        Some((lease, Finish::LeaseLost(_))) => Err(ask.one_lease_lost(lease, room).await?),
        Some((lease, Finish::Gone)) => Err(ask.gone(lease).await?),
        None => Err(Problem::new(problem::NOT_FOUND).detail("not a lease of this server")),
    })
}

async fn result(app: &App, text: &Bytes, result: Option<Present<'_>>) -> Result<(Content, Option<Unclaimed>), Problem> {
    let Some(Present(raw)) = result else { return Ok((Content::default(), None)) };
    let bytes = text.slice_ref(raw.get().as_bytes());
    let digest = app.room.work(bytes.len(), || digest(&bytes)).await;
    let (payload, file) = upload::keep(app, BlobUse::Result, bytes).await?;
    Ok((Content { payload, digest, ..Content::default() }, file))
}
