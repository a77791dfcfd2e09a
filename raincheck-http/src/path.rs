//! What stands in a path: ids of jobs, leases, names. Anything else there is not found.

use axum::extract::{FromRequestParts, RawPathParams};
use http::request::Parts;
use raincheck_core::{JobId, LeaseRef, Name};

use super::app::App;
use super::problem::{self, Problem};

fn missing() -> Problem {
    Problem::new(problem::NOT_FOUND)
}

/// The only parameter of the path.
async fn only<T>(
    parts: &mut Parts,
    app: &App,
    read: impl AsyncFnOnce(&str) -> Result<T, Problem>,
) -> Result<T, Problem> {
    let parameters = RawPathParams::from_request_parts(parts, app).await.map_err(|_| missing())?;
    let (_, text) = parameters.iter().next().ok_or_else(missing)?;
    read(text).await
}

/// The id of a job.
#[derive(Clone, Copy, Debug)]
pub struct JobPath(pub JobId);

impl FromRequestParts<App> for JobPath {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        only(parts, app, async |text| {
            text.parse().map_err(|_| missing().detail("this is no id of a job: it must be a UUID"))
        })
        .await
        .map(JobPath)
    }
}

/// A lease of ours.
#[derive(Clone, Copy, Debug)]
pub struct LeasePath(pub LeaseRef);

impl FromRequestParts<App> for LeasePath {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        only(parts, app, async |text| app.engine.parse_lease(text).await?.ok_or_else(missing)).await.map(LeasePath)
    }
}

/// The name of a queue, a kind or a reader.
#[derive(Clone, Debug)]
pub struct NamePath(pub Name);

impl FromRequestParts<App> for NamePath {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        only(parts, app, async |text| {
            Name::new(text).map_err(|why| missing().detail(format!("this is no name: it {why}")))
        })
        .await
        .map(NamePath)
    }
}
