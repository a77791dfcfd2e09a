//! A job, as every answer shows it.

use raincheck_core::{Content, Failure, FailureCode, Job, JobId, Payload, Progress, Spec, State};
use raincheck_engine::{Engine, Outlook};
use raincheck_store::{Record, ResultInfo};

use super::Json;
use super::progress::write_progress;
use crate::http::base::Base;
use crate::http::problem::{self, Row};

/// Everything that one answer shows of a job.
#[derive(Clone, Copy)]
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
    outlook: Outlook,
    base: &'a Base,
}

impl<'a> JobView<'a> {
    /// Of a job that has no progress, failure or result to show.
    pub fn new(engine: &Engine, base: &'a Base, job: &'a Job, spec: &'a Spec) -> Self {
        let outlook = engine.outlook(job);
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
            outlook,
            base,
        }
    }

    /// Of a stored job.
    pub fn of(engine: &Engine, base: &'a Base, record: &'a Record) -> Self {
        let view = JobView::new(engine, base, &record.job, &record.spec);
        JobView {
            progress: record.progress.as_ref(),
            failure: record.failure.as_ref(),
            result: record.result.as_ref(),
            ..view
        }
    }

    /// With its input: the text itself where it is small JSON, else `href` where there is one.
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
    pub fn outlook(&self) -> &Outlook {
        &self.outlook
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
    out.key("id").plain(job.id);
    out.key("kind").text(job.kind.as_str());
    out.key("label").maybe_text(view.label);
    out.key("method").text(job.method.as_str());
    out.key("queue").text(job.queue.as_str());
    out.key("state").text(job.state.as_str());
    out.key("done").bool(job.state.is_final());
    out.key("cancel_requested").bool(job.cancel_requested);
    out.key("waiting_for").maybe_text(view.outlook.waiting_for.map(|w| w.as_str()));
    out.key("priority").number(job.priority);
    out.key("attempt").number(job.attempt);
    out.key("failures").number(job.failures);
    out.key("max_attempts").number(job.max_attempts);
    out.key("seq").number(job.seq);
    match view.progress {
        Some(progress) => write_progress(out.key("progress"), progress),
        None => out.key("progress").null(),
    }
    out.key("position").maybe_number(view.outlook.position);
    out.key("eta_seconds").maybe_number(view.outlook.eta_seconds);
    out.key("created_at").time(job.created_at);
    out.key("run_at").time(job.run_at);
    out.key("started_at").maybe_time(job.started_at);
    out.key("updated_at").time(job.updated_at);
    out.key("finished_at").maybe_time(job.finished_at);
    out.key("expires_at").maybe_time(job.expires_at);
    write_end(out, view);
    out.key("tags").begin();
    for (name, value) in view.tags {
        out.foreign_key(name).text(value);
    }
    out.end();
    out.key("key").maybe_text(view.key);
    match view.rerun_of {
        Some(id) => out.key("rerun_of").plain(id),
        None => out.key("rerun_of").null(),
    }
    out.key("shared").number(job.shared);
    write_links(out, view);
    write_input(out, view);
}

fn write_end(out: &mut Json, view: &JobView<'_>) {
    match view.result.filter(|result| result.size > 0) {
        Some(result) => write_result(out, view, result),
        None => out.key("result").null(),
    }
    let failure = |out: &mut Json, shown: bool| match view.failure.filter(|_| shown) {
        Some(failure) => write_failure(out, failure),
        None => out.null(),
    };
    let state = view.job.state;
    failure(out.key("error"), matches!(state, State::Failed | State::Canceled));
    failure(out.key("last_error"), !state.is_final());
}

fn write_result(out: &mut Json, view: &JobView<'_>, result: &ResultInfo) {
    out.key("result").begin();
    out.key("href").url(view.base, format_args!("/jobs/{}/result", view.job.id));
    out.key("content_type").text(result.content_type.as_deref().unwrap_or("application/json"));
    out.key("filename").maybe_text(result.filename.as_deref());
    out.key("size").number(result.size);
    if let Some(value) = &result.value {
        out.key("value").raw(value);
    }
    out.end();
}

/// Writes a failure as a problem; the worker's own type and title win over the row's.
pub fn write_failure(out: &mut Json, failure: &Failure) {
    let row = failure_row(failure.code);
    out.begin();
    match &failure.kind {
        Some(kind) => out.key("type").text(kind),
        None => out.key("type").plain(format_args!("/problems/{}", row.slug)),
    }
    out.key("title").text(failure.title.as_deref().unwrap_or(row.title));
    if let Some(detail) = &failure.detail {
        out.key("detail").text(detail);
    }
    out.end();
}

/// The row of a failure.
pub fn failure_row(code: FailureCode) -> &'static Row {
    match code {
        FailureCode::Failed => problem::JOB_FAILED,
        FailureCode::Timeout => problem::JOB_TIMEOUT,
        FailureCode::Lost => problem::JOB_LOST,
        FailureCode::Expired => problem::JOB_EXPIRED,
        FailureCode::Canceled => problem::JOB_CANCELED,
    }
}

fn write_links(out: &mut Json, view: &JobView<'_>) {
    out.key("links").begin();
    let this = out.key("self").url(view.base, format_args!("/jobs/{}", view.job.id));
    for (name, path) in [
        ("events", "/events"),
        ("result", "/result"),
        ("stream", "/stream"),
        ("cancel", "/cancel"),
        ("rerun", "/rerun"),
    ] {
        out.key(name).below(&this, path);
    }
    out.end();
}

fn write_input(out: &mut Json, view: &JobView<'_>) {
    let Some((content, href)) = view.input else { return };
    match (&content.payload, &content.content_type) {
        (Payload::Empty, _) => return,
        (Payload::Inline(text), None) => {
            out.key("input").raw(text);
        }
        _ => {
            if let Some(href) = href {
                out.key("input_href").text(href);
            }
        }
    }
    out.key("input_type").text(content.content_type.as_deref().unwrap_or("application/json"));
    out.key("input_size").number(content.payload.size());
    if let Some(name) = &content.filename {
        out.key("input_filename").text(name);
    }
}
