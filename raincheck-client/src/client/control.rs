//! Controlling jobs: cancel, rerun, run now, purge.

use reqwest::Method;

use super::{
    Client,
    call::encode,
    submit::{Submitted, submitted},
};
use crate::{
    Error,
    api::{Job, RawJson},
};

impl Client {
    /// Cancels a waiting job at once and asks a running one to stop; `force` cancels one that others share, too.
    ///
    /// # Errors
    /// 409 `job-finished` when it is done, 409 `job-shared` when others wait for it.
    pub async fn cancel(&self, id: &str, force: bool) -> Result<Job, Error> {
        self.call(Method::POST, &verb(id, "cancel", force)).send().await?.accepted()?.json()
    }

    /// Submits a finished job again as a new one, with another input if there is one; `force` repeats even a succeeded
    /// `POST`.
    ///
    /// # Errors
    /// 409 `job-done` or `job-not-finished`.
    pub async fn rerun(&self, id: &str, input: Option<&RawJson>, force: bool) -> Result<Submitted, Error> {
        let mut call = self.call(Method::POST, &verb(id, "rerun", force));
        if let Some(input) = input {
            call = call.json(&std::collections::BTreeMap::from([("input", input)]))?;
        }
        submitted(&call.send().await?.accepted()?)
    }

    /// Makes a scheduled job, or one that waits for its next attempt, due now.
    ///
    /// # Errors
    /// 409 `job-not-waiting` in any other state.
    pub async fn run_now(&self, id: &str) -> Result<Job, Error> {
        self.call(Method::POST, &verb(id, "run-now", false)).send().await?.accepted()?.json()
    }

    /// Removes a finished job and what belongs to it.
    ///
    /// # Errors
    /// 409 `job-not-finished`, 410 `purged` when it already is.
    pub async fn purge(&self, id: &str) -> Result<(), Error> {
        self.call(Method::DELETE, &format!("/jobs/{}", encode(id))).send().await?.accepted().map(drop)
    }
}

fn verb(id: &str, verb: &str, force: bool) -> String {
    format!("/jobs/{}/{verb}{}", encode(id), if force { "?force=true" } else { "" })
}
