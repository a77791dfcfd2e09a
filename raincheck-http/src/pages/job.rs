use std::fmt::Write;

use raincheck_core::{Job, State, Timestamp};
use raincheck_engine::wire::time;
use raincheck_engine::{WaitEstimate, WaitingFor};
use raincheck_store::Record;

use super::{UP, escape, page};

/// What the page of one job shows.
pub struct JobPage<'a> {
    /// The job.
    pub record: &'a Record,
    /// The job as the API answers it, for those who want to see that.
    pub json: &'a str,
    /// Its input, when it is text of a size to show.
    pub input: Option<&'a str>,
    /// The beginning of its log.
    pub log: &'a str,
    /// The server's URL as the reader knows it.
    pub base: &'a str,
    /// What it waits for, while it waits.
    pub estimate: &'a WaitEstimate,
}

/// A time to the second, in UTC.
fn moment(at: Timestamp) -> String {
    let mut quoted = Vec::with_capacity(32);
    time::write(&mut quoted, at);
    let text = String::from_utf8_lossy(&quoted);
    text.trim_matches('"').split('.').next().map_or_else(String::new, |second| second.replace('T', " ") + " UTC")
}

/// Why a job does not run yet, in words.
fn waiting(job: &Job, estimate: &WaitEstimate) -> String {
    let why = match estimate.waiting_for {
        Some(WaitingFor::Time) => format!("Until {}.", moment(job.run_at)),
        Some(WaitingFor::Paused) => "Its queue is paused.".to_owned(),
        Some(WaitingFor::NoWorker) => "No worker serves this kind in this queue now.".to_owned(),
        Some(WaitingFor::Slot) => "As many as may run at once do.".to_owned(),
        None => String::new(),
    };
    let place = estimate.position.map_or_else(String::new, |place| format!("Place {place} in its queue."));
    let more = estimate.waiting_detail.as_deref().unwrap_or("");
    [&why, more, &place].into_iter().filter(|words| !words.is_empty()).collect::<Vec<_>>().join(" ")
}

/// The page of one job; live while the job is not done.
pub fn job(of: &JobPage<'_>) -> String {
    let (job, spec) = (&of.record.job, &of.record.spec);
    let title = spec.label.as_deref().unwrap_or(job.kind.as_str());
    let mut body = String::new();
    let percent = of.record.progress.as_ref().and_then(|p| p.percent);
    let message = of.record.progress.as_ref().and_then(|p| p.message.as_deref()).unwrap_or("");
    let _ = write!(
        body,
        "<article id=\"job\" data-id=\"{id}\" data-seq=\"{seq}\" data-done=\"{done}\"><h1>{title}</h1>\
         <p><span class=\"state {state}\" id=\"state\" role=\"status\">{state}</span> <span id=\"message\">{message}</span></p>\
         <p id=\"waiting\">{waiting}</p>\
         <progress id=\"progress\" max=\"100\"{value}{hidden}>{shown}</progress>",
        waiting = escape(&waiting(job, of.estimate)),
        id = job.id,
        seq = job.seq,
        done = job.state.is_final(),
        title = escape(title),
        state = job.state.as_str(),
        message = escape(message),
        // Without a figure a bar says "busy", which only a run is; the script shows it when one starts. An end has none.
        hidden = match job.state {
            State::Running => "",
            state if percent.is_none() || state.is_final() => " hidden",
            _ => "",
        },
        value = percent.map_or_else(String::new, |p| format!(" value=\"{p}\"")),
        shown = percent.map_or_else(String::new, |p| format!("{p:.0} %")),
    );
    body.push_str("<dl>");
    let mut row = |name: &str, value: &str| {
        let id = if name == "Attempt" { " id=\"attempt\"" } else { "" };
        let _ = write!(body, "<dt>{name}</dt><dd{id}>{}</dd>", escape(value));
    };
    row("Kind", job.kind.as_str());
    row("Queue", job.queue.as_str());
    row("Method", job.method.as_str());
    row("Id", &job.id.to_string());
    row("Attempt", &job.attempt.to_string());
    row("Failures", &format!("{} of at most {}", job.failures, job.max_attempts));
    if let Some(key) = &spec.key {
        row("Key", key);
    }
    for (name, value) in &spec.tags {
        row(&format!("Tag {}", escape(name)), value);
    }
    body.push_str("</dl>");
    if let Some(failure) = &of.record.failure {
        let heading = if job.state.is_final() { "Error" } else { "Last error" };
        let title = failure.title.as_deref().or(failure.kind.as_deref()).unwrap_or(failure.code.slug());
        let _ = write!(body, "<section><h2>{heading}</h2><p>{}</p>", escape(title));
        if let Some(detail) = &failure.detail {
            let _ = write!(body, "<pre>{}</pre>", escape(detail));
        }
        body.push_str("</section>");
    }
    if let Some(result) = of.record.result.as_ref().filter(|result| result.size > 0) {
        let name = result.filename.as_deref().unwrap_or("result");
        let _ = write!(
            body,
            "<section><h2>Result</h2><p><a href=\"{}/result\">{}</a>, {} bytes</p>",
            job.id,
            escape(name),
            result.size
        );
        if let Some(value) = &result.value {
            let _ = write!(body, "<pre>{}</pre>", escape(&String::from_utf8_lossy(value)));
        }
        body.push_str("</section>");
    }
    let mut section = |heading: &str, text: &str| {
        if !text.is_empty() {
            let _ = write!(body, "<section><h2>{heading}</h2><pre>{}</pre></section>", escape(text));
        }
    };
    section("Input", of.input.unwrap_or(""));
    section("Log", of.log);
    let _ = write!(
        body,
        "<details><summary>As JSON</summary><pre>{}</pre></details>\
         <details><summary>As curl</summary><pre>curl -i {base}/jobs/{id}\ncurl -N -H 'Accept: text/event-stream' {base}/jobs/{id}/events</pre></details></article>",
        escape(of.json),
        base = escape(of.base),
        id = job.id,
    );
    page(UP, title, "<script src=\"../assets/job.js\" defer></script>", &body)
}
