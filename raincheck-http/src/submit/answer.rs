//! Carries a submit out and says what became of it.

use axum::response::Response;
use http::StatusCode;
use http::header::{CONTENT_LOCATION, ETAG, HeaderName, HeaderValue, LOCATION, VARY};
use raincheck_core::{Job, NewJob, Refusal, Spec, State, Submitted, limits};
use raincheck_engine::{SubmitError, Until};
use raincheck_store::Unclaimed;

use crate::answer::{self, Wait};
use crate::app::App;
use crate::base::Base;
use crate::problem::{self, Problem, Violation};
use crate::wire::JobView;

/// The answer is that of an earlier request.
pub const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");
/// The answer is the kept result of an equal job.
const CACHED: HeaderName = HeaderName::from_static("raincheck-cached");
const COALESCED: HeaderName = HeaderName::from_static("raincheck-coalesced");

/// How the answer is wanted.
pub struct Asked<'a> {
    /// Begins its URLs.
    pub base: &'a Base,
    /// How long it may take.
    pub wait: Wait,
    /// The client chose the id.
    pub chosen: bool,
    /// Refuse a job that is there already.
    pub only_new: bool,
}

/// Submits one job, with the file of its input.
pub async fn submit(app: &App, new: NewJob, file: Option<Unclaimed>, asked: Asked<'_>) -> Result<Response, Problem> {
    let spec = new.spec.without_input();
    let there_is_one = || Problem::new(problem::PRECONDITION).detail("there is a job of this id");
    // The engine's from the next line on.
    file.map(Unclaimed::claim);
    let submitted = app.engine.submit(vec![new]).await.map_err(|error| match error {
        // A precondition comes before anything else that there may be to say.
        SubmitError::Refused { refusal: Refusal::IdConflict(_), .. } if asked.only_new => there_is_one(),
        error => refused(error, false),
    })?;
    let Some(one) = submitted.into_iter().next() else { return Err(Problem::new(problem::STORE)) };
    if asked.only_new && matches!(one, Submitted::Existing(_)) {
        return Err(there_is_one());
    }
    let mut response = match &one {
        Submitted::New(job) if asked.wait.millis() == 0 => fresh(app, job, &spec, &asked),
        _ => known(app, &one, &asked).await?,
    };
    let mark = match &one {
        Submitted::Replayed(_) if !asked.chosen => Some(REPLAYED),
        Submitted::Existing(_) if !asked.chosen => Some(REPLAYED),
        Submitted::Coalesced(_) => Some(COALESCED),
        Submitted::Cached(_) => Some(CACHED),
        _ => None,
    };
    let headers = response.headers_mut();
    if let Some(mark) = mark {
        headers.insert(mark, HeaderValue::from_static("true"));
    }
    headers.insert(VARY, HeaderValue::from_static("Prefer"));
    asked.wait.tell(&mut response);
    Ok(response)
}

/// What became of a job that is to run again.
pub async fn again(app: &App, base: &Base, one: &Submitted) -> Result<Response, Problem> {
    let asked = Asked { base, wait: Wait::default(), chosen: false, only_new: false };
    let mut response = known(app, one, &asked).await?;
    if replayed(one) {
        response.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
    }
    Ok(response)
}

/// A job that was made just now: nothing has to be read.
fn fresh(app: &App, job: &Job, spec: &Spec, asked: &Asked<'_>) -> Response {
    let view = JobView::new(&app.engine, asked.base, job, spec);
    let mut response = answer::accepted(asked.base, &view);
    if asked.chosen {
        *response.status_mut() = StatusCode::CREATED;
        // RFC 9110 section 9.3.4: what is stored is not what was sent, so no validator goes with it.
        response.headers_mut().remove(ETAG);
    }
    response
}

/// A job that was there, or that was waited for, as it is now.
async fn known(app: &App, one: &Submitted, asked: &Asked<'_>) -> Result<Response, Problem> {
    let id = one.job().id;
    let record = match asked.wait.millis() {
        0 => app.job(id).await?,
        most => app.job_after(id, Until::Done, most).await?,
    };
    let view = JobView::of(&app.engine, asked.base, &record);
    let mut response = answer::accepted(asked.base, &view);
    let new = matches!(one, Submitted::New(_));
    if asked.chosen && new {
        *response.status_mut() = StatusCode::CREATED;
        response.headers_mut().remove(ETAG);
    } else if asked.chosen || record.job.state == State::Succeeded {
        *response.status_mut() = StatusCode::OK;
    }
    if record.job.state == State::Succeeded
        && let Some(location) = response.headers().get(LOCATION).cloned()
    {
        response.headers_mut().insert(CONTENT_LOCATION, location);
    }
    Ok(response)
}

/// Whether the job is one that was there before.
pub fn replayed(submitted: &Submitted) -> bool {
    matches!(submitted, Submitted::Replayed(_) | Submitted::Existing(_))
}

/// Where the job at `index` stands in the body.
pub fn place(index: usize) -> String {
    format!("/jobs/{index}")
}

/// Why nothing was created.
pub fn refused(error: SubmitError, batch: bool) -> Problem {
    match error {
        SubmitError::Refused { index, refusal, retry_after } => {
            let pointer = if batch { place(index) } else { String::new() };
            let of_all = matches!(refusal, Refusal::StoreFull(_));
            let retry_after = if of_all { spread(retry_after) } else { retry_after };
            refusal_problem(&refusal, pointer).retry_after(retry_after)
        }
        SubmitError::Draining => {
            Problem::new(problem::DRAINING).detail(problem::DRAINS).retry_after(rand::random_range(2..=6))
        }
        SubmitError::NoSpace { retry_after } => {
            Problem::new(problem::QUEUE_FULL).detail(problem::DISK_FULL).retry_after(spread(retry_after))
        }
        SubmitError::Store(error) => error.into(),
    }
}

/// The same, a fifth more or less.
fn spread(seconds: u64) -> u64 {
    let fifth = seconds / 5;
    rand::random_range(seconds - fifth..=seconds + fifth).max(1)
}

fn refusal_problem(refusal: &Refusal, pointer: String) -> Problem {
    let at = |member: &str, detail: String| vec![Violation::new(format!("{pointer}{member}"), detail)];
    // Of several jobs, which one it is about.
    let which = |problem: Problem, member: &str, detail: &str| {
        if pointer.is_empty() { problem } else { problem.errors(at(member, detail.to_owned())) }
    };
    match refusal {
        Refusal::KeyTwice(first) => Problem::new(problem::KEY_REUSED)
            .errors(at("/key", format!("is also that of {}, which has other content", place(*first)))),
        Refusal::BatchReused => Problem::new(problem::KEY_REUSED)
            .errors(vec![Violation::new("/request_id", "stands for a batch of other content")]),
        Refusal::BatchForgotten => {
            let detail = "this request_id stands for a batch of which jobs were purged long ago: nothing was submitted";
            Problem::new(problem::PURGED).detail(detail)
        }
        Refusal::KeyReused(id) => Problem::new(problem::KEY_REUSED)
            .errors(at("/key", format!("stands for job {id}, which has other content or another id"))),
        Refusal::IdConflict(id) => Problem::new(problem::JOB_ID_CONFLICT).detail(format!("job {id} has other content")),
        Refusal::Purged(id) => {
            let problem = Problem::new(problem::PURGED).detail(format!("job {id} was purged"));
            which(problem, "/key", "stands for a job that was purged")
        }
        Refusal::QueueFull(queue, most) => {
            let problem = Problem::new(problem::QUEUE_FULL).detail(format!(
                "at most {most} jobs may wait in queue {queue}: submit again later, under the same key; more workers, or \
                 a higher `max_queued` of the queue, make room"
            ));
            which(problem, "/queue", "has no room for it")
        }
        Refusal::StoreFull(most) => Problem::new(problem::QUEUE_FULL).detail(format!(
            "at most {most} jobs may wait in all: submit again later, under the same key; more workers, or a higher \
             `queued` in [limits], make room"
        )),
        Refusal::TooManyNames => {
            let most = limits::KINDS;
            let next = "purge old jobs, keep finished ones for less long, or name fewer";
            Problem::invalid(at("", format!("{most} kinds or queues hold jobs, and no more may: {next}")))
        }
    }
}
