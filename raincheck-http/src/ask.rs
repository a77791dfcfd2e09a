//! What most handlers ask for: the server, what its URLs begin with, and the request's parameters and headers.

use std::convert::Infallible;

use axum::body::Body;
use axum::extract::FromRequestParts;
use bytes::Bytes;
use http::header::HOST;
use http::request::Parts;
use http::{HeaderMap, HeaderValue};
use raincheck_core::LeaseRef;
use raincheck_engine::Engine;
use raincheck_store::{Found, Record};

use super::answer::Wait;
use super::app::App;
use super::base::Base;
use super::json_body;
use super::problem::{self, Problem, Row};
use super::query::Query;
use super::wire::{JobView, Json, write_job_members};

/// A request without its path and body. It takes the headers, so it comes after whatever else reads them.
pub struct Ask {
    /// The server.
    pub app: App,
    /// Begins the URLs of the answer.
    pub base: Base,
    /// Its query parameters.
    pub query: Query,
    /// Its headers.
    pub headers: HeaderMap,
}

impl FromRequestParts<App> for Ask {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let Ok(base) = Base::from_request_parts(parts, app).await;
        let query = Query::from_request_parts(parts, app).await?;
        Ok(Ask { app: app.clone(), base, query, headers: std::mem::take(&mut parts.headers) })
    }
}

impl FromRequestParts<App> for Base {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Infallible> {
        if let Some(public) = &app.public {
            return Ok(public.clone());
        }
        // The guard has let only known hosts pass.
        let host = match parts.uri.authority() {
            Some(authority) => HeaderValue::from_str(authority.as_str()).ok(),
            None => parts.headers.get(HOST).cloned(),
        };
        Ok(Base::of_host(host.unwrap_or_else(|| HeaderValue::from_static("localhost"))))
    }
}

impl Ask {
    /// The use cases.
    pub fn engine(&self) -> &Engine {
        &self.app.engine
    }

    /// How long it may take.
    pub fn wait(&mut self) -> Result<Wait, Problem> {
        Wait::of(&self.app, &self.headers, &mut self.query)
    }

    /// The JSON body; nobody has a use for further parameters.
    pub async fn json(&self, body: Body) -> Result<Bytes, Problem> {
        self.query.done()?;
        json_body::read(&self.app, &self.headers, body, self.app.options.limits.json()).await
    }

    /// What an answer shows of a job.
    pub fn view<'a>(&'a self, record: &'a Record) -> JobView<'a> {
        JobView::of(self.engine(), &self.base, record)
    }

    /// A refusal that shows the job as it is.
    pub fn refusal(&self, row: &'static Row, record: &Record) -> Problem {
        let mut members = Json::with_capacity(1_024);
        members.begin();
        members.key("job").begin();
        write_job_members(&mut members, &self.view(record));
        members.end();
        let text = members.into_vec();
        Problem::new(row).members(text[1..].to_vec())
    }

    /// One of many leases is over: with the job as it is while jobs find room on the answer, then without.
    pub async fn one_lease_lost(&self, lease: LeaseRef, room: &mut usize) -> Result<Problem, Problem> {
        if *room == 0 {
            return Ok(Problem::new(problem::LEASE_LOST));
        }
        let lost = self.lease_lost(lease).await?;
        *room = room.saturating_sub(lost.size());
        Ok(lost)
    }

    /// The lease is over.
    pub async fn lease_lost(&self, lease: LeaseRef) -> Result<Problem, Problem> {
        Ok(self.lost(self.engine().job_of(lease.no).await?))
    }

    /// The lease of a job that was looked up by it is over: with the job as it is, when it is still there. Where nobody knows
    /// of it, the data came back without it, be it that nobody has noticed yet.
    pub fn lost(&self, found: Found<Box<Record>>) -> Problem {
        match found {
            Found::Here(record) => self.refusal(problem::LEASE_LOST, &record),
            Found::Purged(_) => Problem::new(problem::PURGED),
            Found::Unknown => Problem::new(problem::LEASE_LOST),
        }
    }

    /// The job of a lease is not there.
    pub async fn gone(&self, lease: LeaseRef) -> Result<Problem, Problem> {
        let is_purged = self.engine().is_purged(lease.no).await?;
        Ok(self.lost(if is_purged { Found::Purged(lease.no) } else { Found::Unknown }))
    }
}
