//! The job that a request names by its id, if whoever asks may see it. There is no other way to get one.
//!
//! A job that a lease names is its worker's to see.

use raincheck_core::{Job, JobId, JobNo, Millis};
use raincheck_engine::Until;
use raincheck_store::{Found, Record};

use super::app::App;
use super::problem::{self, Problem};

impl App {
    /// The job as it is.
    pub async fn job(&self, id: JobId) -> Result<Box<Record>, Problem> {
        let found = self.engine.job(id).await?;
        if let Found::Here(record) = &found {
            self.engine.look_at_line(&record.job).await?;
        }
        self.shown(found, |record| &record.job)
    }

    /// What changes of it, and nothing else.
    pub async fn job_row(&self, id: JobId) -> Result<Job, Problem> {
        self.shown(self.engine.job_row(id).await?, |job| job)
    }

    /// The number of a job whose events are asked for: they outlive it.
    pub async fn job_no(&self, id: JobId) -> Result<JobNo, Problem> {
        match self.engine.job_row(id).await? {
            Found::Purged(no) => Ok(no),
            found => Ok(self.shown(found, |job| job)?.no),
        }
    }

    /// The job as soon as `until` holds, else as it is after `most` milliseconds.
    pub async fn job_after(&self, id: JobId, until: Until, most: Millis) -> Result<Box<Record>, Problem> {
        self.shown(self.engine.wait(id, until, most).await?, |record| &record.job)
    }

    /// Why a job that was there a moment ago is not any more.
    pub async fn vanished(&self, id: JobId) -> Problem {
        match self.engine.job_row(id).await {
            Ok(Found::Unknown) => Problem::new(problem::NOT_FOUND).detail("no job has this id here"),
            Ok(_) => Problem::new(problem::PURGED).detail("the job was purged"),
            Err(error) => error.into(),
        }
    }

    fn shown<T>(&self, found: Found<T>, job: impl Fn(&T) -> &Job) -> Result<T, Problem> {
        match found {
            Found::Here(here) if self.principal().may_see(job(&here)) => Ok(here),
            Found::Purged(_) => Err(Problem::new(problem::PURGED).detail("the job was purged")),
            Found::Here(_) | Found::Unknown => Err(Problem::new(problem::NOT_FOUND).detail("no job has this id here")),
        }
    }
}
