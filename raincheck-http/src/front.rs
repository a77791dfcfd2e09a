//! What every request passes on its way to the router, and every answer on its way out.

use std::convert::Infallible;
use std::sync::atomic::Ordering::Relaxed;

use axum::body::{Body, Bytes, HttpBody};
use axum::response::{IntoResponse, Response};
use axum::{BoxError, Router};
use http::header::{CACHE_CONTROL, CONNECTION, HeaderValue, ORIGIN};
use http::{Method, Request, StatusCode};
use raincheck_core::LeaseRef;
use tower::Service;

use super::app::App;
use super::problem::{self, Problem, Untold};
use super::{body, outflow};

/// The guard before the router.
#[derive(Clone)]
pub struct Front {
    app: App,
    router: Router,
}

/// A connection, counted while it is open.
pub struct Connection(App);

impl Front {
    /// Puts the guard before `router`.
    pub fn new(app: App, router: Router) -> Self {
        Front { app, router }
    }

    /// Counts a connection.
    pub fn connection(&self) -> Connection {
        self.app.seen.connections.fetch_add(1, Relaxed);
        Connection(self.app.clone())
    }

    /// Gives back the runs of an answer that was not sent.
    pub async fn unheard(&self, runs: Vec<LeaseRef>) {
        if !runs.is_empty() {
            self.app.engine.give_back(runs).await;
        }
    }

    /// Answers a request. On one of the last connections only those that must go on, and one of them.
    pub async fn answer<B>(&self, request: Request<B>, is_kept: bool) -> Response
    where
        B: HttpBody<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
    {
        let origin = match request.headers().contains_key(ORIGIN) {
            true => self.app.guard.allowed_origin(request.headers()),
            false => None,
        };
        let is_safe = request.method().is_safe();
        let mut response = match self.app.guard.check(&request) {
            Err(refused) => {
                let (head, body) = request.into_parts();
                body::refuse(&head.headers, Body::new(body), refused).await.into_response()
            }
            Ok(()) if is_kept && !must_go_on(request.method(), request.uri().path()) => {
                Problem::no_room().detail("nearly all connections are taken: try again later; fewer clients, or a higher `connections` in [limits], make room").into_response()
            }
            Ok(()) => {
                let answered: Result<Response, Infallible> = self.router.clone().call(request).await;
                let Ok(response) = answered;
                outflow::paced(self.held(response, is_safe))
            }
        };
        if response.status() == StatusCode::METHOD_NOT_ALLOWED {
            response = method_not_allowed(response);
        }
        if is_kept {
            response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
        self.app.guard.expose(&mut response, origin);
        // Nothing is kept by a cache unless it is meant to be: even a 404 or a 204 may be by default.
        response.headers_mut().entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
        let class = usize::from(response.status().as_u16() / 100);
        if let Some(counter) = self.app.seen.by_class.get(class) {
            counter.fetch_add(1, Relaxed);
        }
        response
    }

    /// The answer, counted while it is in memory. Where there is no room for it, it is asked for again; of a change that
    /// has been made nothing is said at all, rather than something untrue.
    fn held(&self, response: Response, is_safe: bool) -> Response {
        self.app.room.hold(response).unwrap_or_else(|| {
            let mut refused = Problem::no_room().into_response();
            if !is_safe {
                refused.extensions_mut().insert(Untold);
            }
            refused
        })
    }
}

/// Health, the state of a job, and what ends a run or keeps it.
fn must_go_on(method: &Method, path: &str) -> bool {
    let mut parts = path.split('/').skip(1);
    let parts = [parts.next(), parts.next(), parts.next(), parts.next()];
    matches!(
        (method, parts),
        (&Method::GET | &Method::HEAD, [Some("livez" | "readyz" | "metrics"), None, ..])
            | (&Method::GET | &Method::HEAD, [Some("jobs"), Some(_), None, _])
            | (&Method::POST, [Some("leases"), None, ..])
            | (&Method::POST, [Some("leases"), Some("heartbeat"), None, _])
            | (&Method::POST, [Some("leases"), Some(_), Some("heartbeat" | "complete" | "fail" | "release"), None])
            | (&Method::POST, [Some("jobs"), Some(_), Some("cancel"), None])
    )
}

/// The router's own refusal, which knows the methods there are, in our words.
fn method_not_allowed(refused: Response) -> Response {
    let problem = Problem::new(problem::METHOD_NOT_ALLOWED);
    let Some(allow) = refused.headers().get(http::header::ALLOW) else { return problem.into_response() };
    let takes = allow.to_str().unwrap_or_default();
    problem.detail(format!("this address takes {takes}")).header(http::header::ALLOW, allow.clone()).into_response()
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.0.seen.connections.fetch_sub(1, Relaxed);
    }
}
