//! A job, as every answer shows it.

use raincheck_core::{Content, Failure, Job, JobId, Payload, Progress, Spec, State};
use raincheck_store::{Record, ResultInfo};
use uuid::Uuid;

use super::base::BaseUrl;
use super::json::{Json, member};
use super::progress::write_progress;
use crate::{Engine, WaitEstimate};

/// Everything that one answer shows of a job.
#[derive(Clone)]
pub struct JobView<'a> {
    job: &'a Job,
    label: Option<&'a str>,
    key: Option<&'a str>,
    tags: &'a [(Box<str>, Box<str>)],
    rerun_of: Option<JobId>,
    progress: Option<&'a Progress>,
    failure: Option<&'a Failure>,
    result: Option<&'a ResultInfo>,
    input: Option<(&'a Content, Option<&'a str>)>,
    estimate: WaitEstimate,
    base: BaseUrl<'a>,
}

impl<'a> JobView<'a> {
    /// Of a job that has no progress, failure or result to show.
    pub fn new(engine: &Engine, base: impl Into<BaseUrl<'a>>, job: &'a Job, spec: &'a Spec) -> Self {
        let estimate = engine.wait_estimate(job);
        JobView {
            job,
            label: spec.label.as_deref(),
            key: spec.key.as_deref(),
            tags: &spec.tags,
            rerun_of: spec.rerun_of,
            progress: None,
            failure: None,
            result: None,
            input: None,
            estimate,
            base: base.into(),
        }
    }

    /// Of a stored job.
    pub fn of(engine: &Engine, base: impl Into<BaseUrl<'a>>, record: &'a Record) -> Self {
        let view = JobView::new(engine, base, &record.job, &record.spec);
        JobView {
            progress: record.progress.as_ref(),
            failure: record.failure.as_ref(),
            result: record.result.as_ref(),
            ..view
        }
    }

    /// What its links begin with.
    pub fn base(&self) -> BaseUrl<'a> {
        self.base
    }

    /// With its input: `href` where there is one, else the text itself where it is small JSON.
    #[must_use]
    pub fn with_input(self, input: &'a Content, href: Option<&'a str>) -> Self {
        JobView { input: Some((input, href)), ..self }
    }

    /// The job.
    pub fn job(&self) -> &'a Job {
        self.job
    }

    /// Its latest failure.
    pub fn failure(&self) -> Option<&'a Failure> {
        self.failure
    }

    /// What it waits for.
    pub fn wait_estimate(&self) -> &WaitEstimate {
        &self.estimate
    }
}

/// Writes the job as an object.
pub fn write_job(out: &mut Json, view: &JobView<'_>) {
    out.begin();
    write_job_members(out, view);
    out.end();
}

/// Writes the job's members alone.
pub fn write_job_members(out: &mut Json, view: &JobView<'_>) {
    let job = view.job;
    let mut text = Uuid::encode_buffer();
    let id: &str = job.id.0.hyphenated().encode_lower(&mut text);
    out.key("id").word(id);
    member!(out, "kind").word(job.kind.as_str());
    member!(out, "label").maybe_text(view.label);
    member!(out, "method").word(job.method.as_str());
    member!(out, "queue").word(job.queue.as_str());
    member!(out, "state").word(job.state.as_str());
    member!(out, "done").bool(job.state.is_final());
    member!(out, "cancel_requested").bool(job.cancel_requested);
    member!(out, "waiting_for").maybe_text(view.estimate.waiting_for.map(|w| w.as_str()));
    member!(out, "priority").number(job.priority);
    member!(out, "attempt").number(job.attempt);
    member!(out, "failures").number(job.failures);
    member!(out, "max_attempts").number(job.max_attempts);
    member!(out, "seq").number(job.seq);
    match view.progress {
        Some(progress) => write_progress(member!(out, "progress"), progress),
        None => member!(out, "progress").null(),
    }
    member!(out, "position").maybe_number(view.estimate.position);
    member!(out, "eta_seconds").maybe_number(view.estimate.eta_seconds);
    member!(out, "waiting_detail").maybe_text(view.estimate.waiting_detail.as_deref());
    member!(out, "created_at").time(job.created_at);
    member!(out, "run_at").time(job.run_at);
    member!(out, "started_at").maybe_time(job.started_at);
    member!(out, "updated_at").time(job.updated_at);
    member!(out, "finished_at").maybe_time(job.finished_at);
    member!(out, "expires_at").maybe_time(job.expires_at);
    write_end(out, view, id);
    member!(out, "tags").begin();
    for (name, value) in view.tags {
        out.foreign_key(name).text(value);
    }
    out.end();
    member!(out, "key").maybe_text(view.key);
    match view.rerun_of {
        Some(id) => member!(out, "rerun_of").plain(id),
        None => member!(out, "rerun_of").null(),
    }
    member!(out, "shared").number(job.shared);
    write_links(out, view, id);
    write_input(out, view);
}

fn write_end(out: &mut Json, view: &JobView<'_>, id: &str) {
    match view.result.filter(|result| result.is_there()) {
        Some(result) => write_result(out, view, id, result),
        None => member!(out, "result").null(),
    }
    let failure = |out: &mut Json, shown: bool| match view.failure.filter(|_| shown) {
        Some(failure) => write_failure(out, view.base.for_all(), failure),
        None => out.null(),
    };
    let state = view.job.state;
    failure(member!(out, "error"), matches!(state, State::Failed | State::Canceled));
    failure(member!(out, "last_error"), !state.is_final());
}

fn write_result(out: &mut Json, view: &JobView<'_>, id: &str, result: &ResultInfo) {
    member!(out, "result").begin();
    out.key("href").url(view.base, &["/jobs/", id, "/result"]);
    write_result_members(out, result);
    out.end();
}

/// Writes where a result is.
pub fn write_result_url(out: &mut Json, base: BaseUrl<'_>, id: JobId) {
    out.url(base, &["/jobs/", id.0.hyphenated().encode_lower(&mut Uuid::encode_buffer()), "/result"]);
}

/// Writes what there is to say of a result besides where it is.
pub fn write_result_members(out: &mut Json, result: &ResultInfo) {
    member!(out, "content_type").text(result.content_type.as_deref().unwrap_or("application/json"));
    member!(out, "filename").maybe_text(result.filename.as_deref());
    member!(out, "size").number(result.size);
    if let Some(value) = &result.value {
        member!(out, "value").raw(value);
    }
}

/// Writes a failure as a problem (RFC 9457); the worker's own type and title win over the code's.
/// `base` is one [for all](BaseUrl::for_all): a type is compared.
pub fn write_failure(out: &mut Json, base: BaseUrl<'_>, failure: &Failure) {
    out.begin();
    match &failure.kind {
        Some(kind) => out.key("type").text(kind),
        None => {
            out.key("type").url(base, &["/problems/", failure.code.slug()]);
        }
    }
    out.key("title").text(failure.title.as_deref().unwrap_or(failure.code.title()));
    if let Some(detail) = &failure.detail {
        out.key("detail").text(detail);
    }
    out.end();
}

fn write_links(out: &mut Json, view: &JobView<'_>, id: &str) {
    member!(out, "links").begin();
    let this = out.key("self").url(view.base, &["/jobs/", id]);
    member!(out, "events").below(&this, "/events");
    member!(out, "result").below(&this, "/result");
    member!(out, "stream").below(&this, "/stream");
    member!(out, "cancel").below(&this, "/cancel");
    member!(out, "rerun").below(&this, "/rerun");
    out.end();
}

fn write_input(out: &mut Json, view: &JobView<'_>) {
    let Some((content, href)) = view.input else { return };
    match (&content.payload, &content.content_type) {
        (Payload::Empty, _) => return,
        (_, _) if href.is_some() => out.key("input_href").maybe_text(href),
        (Payload::Inline(text), None) => {
            out.key("input").raw(text);
        }
        _ => {}
    }
    out.key("input_type").text(content.content_type.as_deref().unwrap_or("application/json"));
    out.key("input_size").number(content.payload.size());
    if let Some(name) = &content.filename {
        out.key("input_filename").text(name);
    }
}
