//! Follows jobs to their end, live, and says in words how far they are.

use raincheck_client::{Client, Error, Event, Job, Progress, State};

use super::{
    exit::{Exit, Failure},
    style::one_line,
};

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
pub async fn follow(client: &Client, id: &str, show: &mut dyn Show) -> Result<Job, Failure> {
    let mut job = client.get(id, None).await?;
    show.job(&job);
    if !job.done {
        let mut events = client.job_events(id, job.seq, true);
        while let Some(event) = events.next().await.map_err(|error| gone(id, &error))? {
            apply(&mut job, &event);
            show.job(&job);
        }
        // It is done; a server that just goes away is waited for.
        job = client.wait(id, None).await.map_err(|error| gone(id, &error))?;
    }
    show.done(&job);
    Ok(job)
}

/// What an error means about a job that was there a moment ago.
fn gone(id: &str, error: &Error) -> Failure {
    if !matches!(error, Error::Problem { status: 404, .. }) {
        return Failure::of(error);
    }
    Failure::new(Exit::NotFound, format!("job {id} was there and is not any more: the data came back without it"))
        .next("submit it again, with the same key if it had one; see docs/failover.md")
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
            Some("no worker") => job.waiting_detail.clone().unwrap_or_else(|| "no worker serves this kind".to_owned()),
            Some(what) => format!("waits: {what}"),
            None => job.position.map_or_else(String::new, |position| format!("position {position}")),
        },
        (State::Scheduled, _) if job.failures > 0 => format!("tries again after {} failed", job.failures),
        (State::Failed | State::Canceled, _) => job.error.as_ref().map(ToString::to_string).unwrap_or_default(),
        _ => String::new(),
    };
    one_line(&text, usize::MAX)
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
