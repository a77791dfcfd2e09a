//! One route: a row of the table, and how a request comes to its handler.

use std::pin::Pin;

use axum::extract::Request;
use axum::handler::Handler;
use axum::response::{IntoResponse, Response};
use axum::routing::MethodRouter;
use http::Method;
use hyper::body::Body as _;

use super::app::App;
use super::problem::Problem;
use super::scope::Scope;
use super::server::Server;
use super::watch::sse;
use super::{body, encoding, peer};

/// A row.
pub struct Route {
    /// Of its requests; `GET` serves `HEAD`, too.
    pub method: Method,
    /// With its parameters in braces.
    pub path: &'static str,
    /// Who may, and when.
    pub access: Access,
    /// Its handler, behind the guard.
    pub guarded: fn(Access) -> MethodRouter<Server>,
}

/// Who may use a route, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Access {
    /// Who.
    pub scope: Scope,
    /// It must go on: also on one of the last connections.
    pub is_kept: bool,
    /// Programs stay on it, and come again after whatever they are told but an error.
    pub is_stream: bool,
}

/// A handler behind the guard. Handlers take an [`App`] and the router has a [`Server`], so there is no other way from one to
/// the other.
#[derive(Clone, Copy)]
pub struct Guarded<H> {
    access: Access,
    handler: H,
}

impl<H> Guarded<H> {
    /// `handler`, for those who have `access`.
    pub fn new(access: Access, handler: H) -> Self {
        Guarded { access, handler }
    }
}

/// As axum has it of functions.
type Answer = Pin<Box<dyn Future<Output = Response> + Send>>;

impl<H: Handler<T, App, Future = Answer>, T> Handler<T, Server> for Guarded<H> {
    type Future = Answer;

    fn call(self, request: Request, server: Server) -> Answer {
        // Only a body that does not say how long it is can be coded for its transfer.
        if request.body().size_hint().exact().is_none()
            && let Err(refused) = encoding::check_transfer(request.headers())
        {
            return Box::pin(async { refuse(request, refused).await });
        }
        let is_streamed = self.access.is_stream && sse::wanted(request.headers()).unwrap_or_default();
        match server.guard.admit(&request, self.access.scope) {
            Err(refused) => Box::pin(async { refuse(request, refused).await }),
            // Who asks for a stream gets no place for one there, and is told so as one who asks for that.
            Ok(principal) if is_streamed => {
                let answer = self.handler.call(request, App::new(server, principal));
                Box::pin(async { sse::kindly(answer.await) })
            }
            Ok(_) if !self.access.is_kept && peer::is_kept() => Box::pin(async { no_connection().into_response() }),
            Ok(principal) => self.handler.call(request, App::new(server, principal)),
        }
    }
}

async fn refuse(request: Request, refused: impl IntoResponse) -> Response {
    let (head, body) = request.into_parts();
    body::refuse(&head.headers, body, refused).await.into_response()
}

fn no_connection() -> Problem {
    Problem::no_room().detail(
        "nearly all connections are taken: try again later; fewer clients, or a higher `connections` in [limits], make room",
    )
}
