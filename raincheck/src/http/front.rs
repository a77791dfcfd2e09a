//! What every request passes on its way to the router, and every answer on its way out.

use std::convert::Infallible;
use std::sync::atomic::Ordering::Relaxed;

use axum::Router;
use axum::response::{IntoResponse, Response};
use http::header::{CACHE_CONTROL, HeaderValue, ORIGIN};
use http::{Request, StatusCode};
use hyper::body::Incoming;
use tower::Service;

use super::App;
use super::problem::{self, Problem};

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

    /// Answers a request.
    pub async fn answer(&self, request: Request<Incoming>) -> Response {
        let origin = match request.headers().contains_key(ORIGIN) {
            true => self.app.guard.allowed_origin(request.headers()),
            false => None,
        };
        let mut response = match self.app.guard.check(&request) {
            Err(refused) => refused.into_response(),
            Ok(()) => {
                let answered: Result<Response, Infallible> = self.router.clone().call(request).await;
                let Ok(response) = answered;
                response
            }
        };
        if response.status() == StatusCode::METHOD_NOT_ALLOWED {
            response = method_not_allowed(response);
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
}

/// The router's own refusal, which knows the methods there are, in our words.
fn method_not_allowed(refused: Response) -> Response {
    let mut response = Problem::new(problem::METHOD_NOT_ALLOWED).into_response();
    if let Some(allow) = refused.headers().get(http::header::ALLOW) {
        response.headers_mut().insert(http::header::ALLOW, allow.clone());
    }
    response
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.0.seen.connections.fetch_sub(1, Relaxed);
    }
}
