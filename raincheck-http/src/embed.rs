//! The contract inside a program of one's own.

use std::io;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use futures_util::stream;
use raincheck_engine::Engine;

use super::front::Front;
use super::options::Options;
use super::problem::Untold;

/// The contract, to be nested under a prefix or merged with other routes: it answers whatever they do not. Under a
/// prefix, `public_url` must end with it, so that URLs in answers lead there.
///
/// The program listens, so `listen`, `connections`, `stalled` and `idle` mean nothing here. To end in time, it calls
/// [`Engine::drain`] first: streams and waits end then. Each call makes a router with bounds of its own; clone it instead.
///
/// # Errors
/// When `public_url` is not a URL, or nobody can show the token.
pub fn router(engine: Engine, options: Options) -> anyhow::Result<Router> {
    let front = Front::new(engine, Arc::new(options))?;
    Ok(Router::new().fallback(move |request: Request| {
        let front = front.clone();
        async move {
            let answer = front.answer(request, false).await;
            if answer.extensions().get::<Untold>().is_some() { unsaid(answer) } else { answer }
        }
    }))
}

/// An answer of which nothing is sent: a body that fails before its first byte ends the connection.
pub fn unsaid(answer: Response) -> Response {
    let failure = async { Err::<&str, _>(io::Error::other("nobody knows whether it was done")) };
    answer.map(|_| Body::from_stream(stream::once(failure)))
}
