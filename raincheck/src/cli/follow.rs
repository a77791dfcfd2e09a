//! Follows jobs to their end, live: bars on a terminal, plain lines in a pipe.

use std::{collections::HashMap, time::Duration};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use raincheck_client::{Client, Error, Event, Job, Progress, State};

use super::style::{Style, one_line};

/// Shows how far jobs are.
pub trait Show {
    /// The job is now like this.
    fn job(&mut self, job: &Job);
    /// Nothing more will come of the job.
    fn done(&mut self, job: &Job);
}

/// Follows one job until it is done and answers it as it then is. A server that is away is waited for.
///
/// # Errors
/// What the server refuses.
pub async fn follow(client: &Client, id: &str, show: &mut dyn Show) -> Result<Job, Error> {
    let mut job = client.get(id, None).await?;
    show.job(&job);
    if !job.done {
        let mut events = client.job_events(id, job.seq, true);
        while let Some(event) = events.next().await? {
            apply(&mut job, &event);
            show.job(&job);
        }
        job = client.get(id, None).await?;
    }
    show.done(&job);
    Ok(job)
}

/// The job after an event, as far as it is shown.
fn apply(job: &mut Job, event: &Event) {
    (job.seq, job.state, job.attempt) = (event.seq, event.state, event.attempt);
    match event.event.as_str() {
        "started" => job.progress = None,
        "progress" => job.progress = event.data.as_ref().and_then(|data| serde_json::from_str(data.get()).ok()),
        "cancel_requested" => job.cancel_requested = true,
        _ => {}
    }
}

/// One line about how far a job is: `pass 1`, `17/40`, `waits for a worker`.
pub fn words(job: &Job) -> String {
    let progress = job.progress.as_ref();
    let message = progress.and_then(|progress| progress.message.clone());
    let count = progress.and_then(count);
    let text = match (job.state, message.or(count)) {
        (State::Running, _) if job.cancel_requested => "stopping".to_owned(),
        (State::Running, Some(text)) => text,
        (State::Queued, _) => match job.waiting_for.as_deref() {
            Some("no worker") => "no worker serves this kind".to_owned(),
            Some(what) => format!("waits: {what}"),
            None => job.position.map_or_else(String::new, |position| format!("{position}. in its queue")),
        },
        (State::Scheduled, _) if job.failures > 0 => format!("tries again after {} failed", job.failures),
        (State::Failed | State::Canceled, _) => job.error.as_ref().map(ToString::to_string).unwrap_or_default(),
        _ => String::new(),
    };
    one_line(&text, 60)
}

fn count(progress: &Progress) -> Option<String> {
    Some(format!("{}/{}", progress.current?, progress.total?))
}

/// How far, 0 to 100, where the run says it.
pub fn percent(job: &Job) -> Option<f64> {
    if job.state == State::Succeeded {
        return Some(100.0);
    }
    let progress = job.progress.as_ref()?;
    let share = || Some(100.0 * progress.current? / progress.total.filter(|total| *total > 0.0)?);
    progress.percent.or_else(share).filter(|percent| percent.is_finite()).map(|percent| percent.clamp(0.0, 100.0))
}

/// Bars on standard error, or lines where nobody would see them move.
pub struct Bars {
    style: Style,
    all: MultiProgress,
    bars: HashMap<String, ProgressBar>,
    lines: HashMap<String, String>,
}

impl Bars {
    /// For standard error as it is.
    pub fn new() -> Self {
        let style = Style::stderr();
        let target = if style.is_terminal() { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        Self { style, all: MultiProgress::with_draw_target(target), bars: HashMap::new(), lines: HashMap::new() }
    }

    /// The name a job is shown under.
    fn name(job: &Job) -> String {
        let label = job.label.as_deref().map(|label| format!(" {}", one_line(label, 24))).unwrap_or_default();
        format!("{}{label}", job.kind)
    }

    fn bar(&mut self, job: &Job) -> &ProgressBar {
        let all = &self.all;
        self.bars.entry(job.id.clone()).or_insert_with(|| {
            let bar = all.add(ProgressBar::new(1_000));
            bar.enable_steady_tick(Duration::from_millis(120));
            bar
        })
    }

    fn line(&mut self, job: &Job) {
        // A tenth of the way is news; every percent is not.
        let tenth =
            percent(job).map(|percent| format!(" {:.0} %", (percent / 10.0).floor() * 10.0)).unwrap_or_default();
        let words = if percent(job).is_some() && !job.done { String::new() } else { words(job) };
        let line = format!("{} {}{tenth}{}{words}", job.id, job.state, if words.is_empty() { "" } else { " " });
        if self.lines.insert(job.id.clone(), line.clone()).as_ref() != Some(&line) {
            eprintln!("{line}");
        }
    }
}

impl Default for Bars {
    fn default() -> Self {
        Self::new()
    }
}

impl Show for Bars {
    fn job(&mut self, job: &Job) {
        if !self.style.is_terminal() {
            return self.line(job);
        }
        let color = match job.state {
            State::Succeeded => "green",
            State::Failed => "red",
            State::Canceled => "yellow",
            _ => "blue",
        };
        let template = match percent(job) {
            Some(_) => {
                format!("{{prefix:28!}} {{bar:30.{color}/238}} {{percent:>3}} % {{elapsed:>4}} {{wide_msg:.dim}}")
            }
            None => format!(
                "{{prefix:28!}} {{spinner:.{color}}} {:<28}       {{elapsed:>4}} {{wide_msg:.dim}}",
                job.state.as_str()
            ),
        };
        let style = ProgressStyle::with_template(&template).unwrap_or_else(|_| ProgressStyle::default_bar());
        let (name, words, percent) = (Self::name(job), words(job), percent(job));
        let bar = self.bar(job);
        bar.set_style(style.progress_chars("━━╌").tick_chars("⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏ "));
        bar.set_prefix(name);
        bar.set_message(words);
        if let Some(percent) = percent {
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 1000")]
            bar.set_position((percent * 10.0) as u64);
        }
    }

    fn done(&mut self, job: &Job) {
        if !self.style.is_terminal() {
            return self.line(job);
        }
        let mark = match job.state {
            State::Succeeded => "✔",
            _ => "✘",
        };
        let state = format!("{mark} {}", job.state);
        let template = format!(
            "{{prefix:28!}} {} {{elapsed:>4}} {{wide_msg:.dim}}",
            self.style.paint(super::style::state_ink(job.state), format!("{state:<37}"))
        );
        let style = ProgressStyle::with_template(&template).unwrap_or_else(|_| ProgressStyle::default_bar());
        let (name, words) = (Self::name(job), words(job));
        let bar = self.bar(job);
        bar.set_style(style);
        bar.set_prefix(name);
        bar.finish_with_message(words);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job(text: &str) -> Job {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn how_far_a_job_is() {
        assert_eq!(percent(&job(r#"{"progress":{"current":1,"total":4}}"#)), Some(25.0));
        assert_eq!(percent(&job(r#"{"progress":{"percent":142}}"#)), Some(100.0));
        assert_eq!(percent(&job(r#"{"progress":{"current":1,"total":0}}"#)), None);
        assert_eq!(percent(&job(r#"{"state":"succeeded"}"#)), Some(100.0));
        let running = |progress: &str| words(&job(&format!(r#"{{"state":"running","progress":{progress}}}"#)));
        assert_eq!(running(r#"{"message":"a\u001b[2J\nb"}"#), "a\u{fffd}[2J b");
        assert_eq!(running(r#"{"current":1,"total":4}"#), "1/4");
        assert_eq!(words(&job(r#"{"state":"queued","waiting_for":"no worker"}"#)), "no worker serves this kind");
    }

    #[test]
    fn events_move_a_job() {
        let mut moved = job(r#"{"state":"queued","seq":1}"#);
        let event = r#"{"seq":3,"type":"progress","state":"running","attempt":1,"data":{"percent":5}}"#;
        apply(&mut moved, &serde_json::from_str(event).unwrap());
        assert_eq!((moved.seq, moved.state, percent(&moved)), (3, State::Running, Some(5.0)));
    }
}
