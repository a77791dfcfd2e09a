//! What every answer passes on its way out.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use axum::body::{Bytes, HttpBody};
use axum::response::{IntoResponse, Response};
use axum::{BoxError, Router};
use http::header::{CACHE_CONTROL, CONNECTION, CONTENT_LENGTH, HeaderValue, ORIGIN};
use http::{Request, StatusCode};
use raincheck_core::LeaseRef;
use raincheck_engine::Engine;
use tower::Service;

use super::options::Options;
use super::problem::{self, Problem, Untold};
use super::server::Server;
use super::{document, html, negotiate, outflow, routes};

/// The routes, whose answers are counted, bounded and marked.
#[derive(Clone)]
pub struct Front {
    /// The server.
    pub server: Server,
    router: Router,
}

/// A connection, counted while it is open.
pub struct Connection(Server);

impl Front {
    /// On this engine.
    ///
    /// # Errors
    /// When `public_url` is not a URL, or nobody can show the token.
    pub fn new(engine: Engine, options: Arc<Options>) -> anyhow::Result<Self> {
        let server = Server::new(engine, options, &document::TEXT)?;
        Ok(Front { router: routes::router(server.clone()), server })
    }

    /// Counts a connection.
    pub fn connection(&self) -> Connection {
        self.server.seen.connections.fetch_add(1, Relaxed);
        Connection(self.server.clone())
    }

    /// Gives back the runs of an answer that was not sent.
    pub async fn unheard(&self, runs: Vec<LeaseRef>) {
        if !runs.is_empty() {
            self.server.engine.give_back(runs).await;
        }
    }

    /// Answers a request; on one of the last connections one only.
    pub async fn answer<B>(&self, request: Request<B>, is_kept: bool) -> Response
    where
        B: HttpBody<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
    {
        let origin = match request.headers().contains_key(ORIGIN) {
            true => self.server.guard.allowed_origin(request.headers()),
            false => None,
        };
        let is_safe = request.method().is_safe();
        let depth = if is_safe && negotiate::is_browser(request.headers()) { html::depth(request.uri()) } else { None };
        let answered: Result<Response, Infallible> = self.router.clone().call(request).await;
        let Ok(response) = answered;
        let response = match &self.server.public {
            Some(public) => problem::below(public.into(), response),
            None => response,
        };
        let response = match depth {
            Some(depth) => html::refused(response, depth),
            None => response,
        };
        let mut response = outflow::paced(self.held(response, is_safe));
        if is_kept {
            response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
        self.server.guard.expose(&mut response, origin);
        // axum says 0 of each empty body to a HEAD; of these two it is not so (RFC 9110 section 8.6).
        if matches!(response.status(), StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED) {
            response.headers_mut().remove(CONTENT_LENGTH);
        }
        // Nothing is kept by a cache unless it is meant to be: even a 404 or a 204 may be by default.
        response.headers_mut().entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
        let class = usize::from(response.status().as_u16() / 100);
        if let Some(counter) = self.server.seen.by_class.get(class) {
            counter.fetch_add(1, Relaxed);
        }
        response
    }

    /// The answer, counted while it is in memory. Where there is no room for it, it is asked for again; of a change that
    /// has been made nothing is said at all, rather than something untrue.
    fn held(&self, response: Response, is_safe: bool) -> Response {
        self.server.room.hold(response).unwrap_or_else(|| {
            let mut refused = Problem::no_room().into_response();
            if !is_safe {
                refused.extensions_mut().insert(Untold);
            }
            refused
        })
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.0.seen.connections.fetch_sub(1, Relaxed);
    }
}
