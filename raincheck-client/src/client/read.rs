//! Reading jobs: one, or a list.

use std::time::Duration;

use reqwest::Method;

use super::{
    Client,
    call::{encode, with_query},
};
use crate::{
    Error,
    api::{Job, JobPage, ListFilter, WireDuration},
};

impl Client {
    /// The job as it is, a failed one included; with `wait`, as soon as it is done or at the end of the wait (45 s cap).
    ///
    /// # Errors
    /// 404 `not-found` for a job that is unknown or not visible to the token, 410 `purged` for one that was.
    pub async fn get(&self, id: &str, wait: Option<Duration>) -> Result<Job, Error> {
        self.get_including(id, wait, false).await
    }

    /// As [`Client::get`], with the job's input in it.
    ///
    /// # Errors
    /// As [`Client::get`].
    pub async fn get_with_input(&self, id: &str) -> Result<Job, Error> {
        self.get_including(id, None, true).await
    }

    async fn get_including(&self, id: &str, wait: Option<Duration>, input: bool) -> Result<Job, Error> {
        let mut query = vec![("on_failure".to_owned(), "200".to_owned())];
        query.extend(wait.map(|wait| ("wait".to_owned(), WireDuration(wait).to_string())));
        if input {
            query.push(("include".into(), "input".into()));
        }
        let path = with_query(&format!("/jobs/{}", encode(id)), &query);
        self.call(Method::GET, &path).held(wait).send().await?.accepted()?.json()
    }

    /// One page of the jobs that `filter` selects.
    ///
    /// # Errors
    /// 400 `invalid-cursor` for a cursor that is not of this server.
    pub async fn list(&self, filter: &ListFilter) -> Result<JobPage, Error> {
        self.call(Method::GET, &with_query("/jobs", &filter.query())).send().await?.accepted()?.json()
    }
}
