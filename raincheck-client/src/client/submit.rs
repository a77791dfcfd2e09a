//! Submitting: a job in, a handle out.

use std::time::{Duration, Instant};

use raincheck_worker::Backoff;
use reqwest::{Method, header};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{
    Body, Client,
    call::{Answer, encode, with_query},
};
use crate::{
    Error,
    api::{Job, NewJob},
};

/// For so long a batch is asked about whose answer was lost.
const ASK_AGAIN: Duration = Duration::from_secs(60);

/// What a submit is answered.
#[derive(Clone, Debug)]
pub struct Submitted {
    /// The job, as it is now.
    pub job: Job,
    /// Its handle.
    pub location: Option<String>,
    /// It had been submitted before under the same key or id.
    pub replayed: bool,
    /// It is another caller's job that does the same.
    pub coalesced: bool,
    /// When to look again.
    pub retry_after: Option<Duration>,
}

impl Client {
    /// Submits a job. A broken connection may have created it: send a `key` to be able to ask again.
    ///
    /// # Errors
    /// [`Error::Problem`] means that nothing was created; [`Error::Unreachable`] leaves it open.
    pub async fn submit(&self, job: &NewJob) -> Result<Submitted, Error> {
        self.submit_and_wait(job, None).await
    }

    /// Submits a job, and lets the server hold the answer for `wait` if it is done by then.
    ///
    /// # Errors
    /// As [`Client::submit`].
    pub async fn submit_and_wait(&self, job: &NewJob, wait: Option<Duration>) -> Result<Submitted, Error> {
        let mut call = self.call(Method::POST, "/jobs").held(wait).json(job)?;
        if let Some(wait) = wait {
            call = call.header(header::HeaderName::from_static("prefer"), &format!("wait={}", wait.as_secs()))?;
        }
        submitted(&call.send().await?.accepted()?)
    }

    /// Submits with the input as the body, of any media type and size; everything but `input` of `job` goes into the
    /// query, members of members with a dot (`retry.max_attempts=3`, `tag.customer=acme`).
    ///
    /// # Errors
    /// As [`Client::submit`].
    pub async fn submit_raw(&self, job: &NewJob, body: &Body, content_type: &str) -> Result<Submitted, Error> {
        let path = with_query(&format!("/kinds/{}/jobs", encode(&job.kind)), &query(job)?);
        let call = self.call(Method::POST, &path).header(header::CONTENT_TYPE, content_type)?;
        submitted(&call.body(body).await?.send().await?.accepted()?)
    }

    /// Submits up to 1,000 jobs, all or none, in their order. A lost answer is asked for again, for a minute: the batch has a
    /// request id of its own, so that nothing is submitted twice.
    ///
    /// # Errors
    /// As [`Client::submit`].
    pub async fn submit_batch(&self, jobs: &[NewJob]) -> Result<Vec<Job>, Error> {
        self.submit_batch_as(&Uuid::now_v7().to_string(), jobs).await
    }

    /// The same under a request id that the caller chose, and so can ask with again later, from another process, too. Of jobs
    /// that were purged since there is no more than [`Job::purged`] says.
    ///
    /// # Errors
    /// As [`Client::submit`]; 422 `idempotency-key-reused` when the request id stands for other jobs.
    pub async fn submit_batch_as(&self, request_id: &str, jobs: &[NewJob]) -> Result<Vec<Job>, Error> {
        #[derive(Serialize)]
        struct Request<'a> {
            jobs: &'a [NewJob],
            request_id: &'a str,
        }
        #[derive(Deserialize)]
        struct Response {
            jobs: Vec<Job>,
        }
        let request = Request { jobs, request_id };
        let (mut backoff, mut lost) = (Backoff::default(), None);
        loop {
            let call = self.call(Method::POST, "/jobs/batch").json(&request)?;
            let error = match call.send().await.and_then(Answer::accepted) {
                Ok(answer) => return Ok(answer.json::<Response>()?.jobs),
                Err(error) => error,
            };
            let since = match &lost {
                Some((since, _)) if error.is_transient() => *since,
                None if error.is_undecided() => Instant::now(),
                // The server's word on it, or nothing that it can have heard of.
                _ => return Err(error),
            };
            if since.elapsed() >= ASK_AGAIN {
                // The first one: those after it do not say that nothing was created.
                return Err(lost.map_or(error, |(_, first)| first));
            }
            self.shared.outages.waits(&error);
            backoff.pause(&error).await;
            lost.get_or_insert((since, error));
        }
    }

    /// Submits under an id (a UUID) that the caller chose, so that asking again is always safe.
    ///
    /// # Errors
    /// As [`Client::submit`]; 409 `job-id-conflict` when the id names a job with other content.
    pub async fn put(&self, id: &str, job: &NewJob) -> Result<Submitted, Error> {
        let call = self.call(Method::PUT, &format!("/jobs/{}", encode(id))).json(job)?;
        let answer = call.send().await?.accepted()?;
        let replayed = answer.status == reqwest::StatusCode::OK;
        Ok(Submitted { replayed, ..submitted(&answer)? })
    }
}

pub(super) fn submitted(answer: &Answer) -> Result<Submitted, Error> {
    let is_true = |name| answer.header(name).is_some_and(|value| value.eq_ignore_ascii_case("true"));
    Ok(Submitted {
        job: answer.json()?,
        location: answer.header("location").map(str::to_owned),
        replayed: is_true("idempotency-replayed"),
        coalesced: is_true("raincheck-coalesced"),
        retry_after: answer.retry_after(),
    })
}

/// The options of a job as a query.
fn query(job: &NewJob) -> Result<Vec<(String, String)>, Error> {
    let mut options = NewJob { input: None, ..job.clone() };
    let tags = std::mem::take(&mut options.tags);
    let mut query = Vec::new();
    if let serde_json::Value::Object(members) = serde_json::to_value(options)? {
        for (name, value) in members.into_iter().filter(|(name, _)| name != "kind") {
            flatten(name, value, &mut query);
        }
    }
    query.extend(tags.into_iter().map(|(name, value)| (format!("tag.{name}"), value)));
    Ok(query)
}

fn flatten(name: String, value: serde_json::Value, query: &mut Vec<(String, String)>) {
    match value {
        serde_json::Value::Object(members) => {
            for (member, value) in members {
                flatten(format!("{name}.{member}"), value, query);
            }
        }
        serde_json::Value::Array(items) => {
            let items: Vec<String> =
                items.iter().map(|item| item.as_str().map_or_else(|| item.to_string(), str::to_owned)).collect();
            query.push((name, items.join(",")));
        }
        serde_json::Value::String(text) => query.push((name, text)),
        serde_json::Value::Null => {}
        other => query.push((name, other.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_become_a_query() {
        let mut job = NewJob::new("k").with_input(&1).unwrap();
        job.label = Some("a&b".into());
        job.after = vec!["x".into(), "y".into()];
        job.retry = Some(crate::api::Retry { max_attempts: Some(3), ..Default::default() });
        job.tags.insert("who".into(), "me".into());
        assert_eq!(
            with_query("/p", &query(&job).unwrap()),
            "/p?after=x%2Cy&label=a%26b&retry.max_attempts=3&tag.who=me"
        );
    }
}
