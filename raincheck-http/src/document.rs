//! The OpenAPI 3.1 document, from the operations of the routes and the wire's types.

use std::sync::LazyLock;

use bytes::Bytes;
use http::Method;
use utoipa::{OpenApi, openapi};

use super::route::Route;
use super::routes::{Operations, ROUTES};

/// The whole document.
pub static DOCUMENT: LazyLock<openapi::OpenApi> = LazyLock::new(|| {
    let mut document = Operations::openapi();
    let head = Head::openapi();
    (document.info, document.tags) = (head.info, head.tags);
    document.info.version = env!("CARGO_PKG_VERSION").to_owned();
    for row in ROUTES {
        if let Some(operation) = operation(&mut document, row) {
            operation.operation_id = Some(name(row));
        }
    }
    document
});

/// The same as JSON.
pub static TEXT: LazyLock<Bytes> = LazyLock::new(|| DOCUMENT.to_json().unwrap_or_default().into());

/// What it says of the whole.
#[derive(OpenApi)]
#[openapi(
    info(title = "Raincheck", description = "Slow work in, a handle out at once, the result later."),
    tags(
        (name = "submit", description = "Slow work in, a handle out"),
        (name = "learn", description = "How it stands, and the result"),
        (name = "steer", description = "Cancel, run again, purge"),
        (name = "operate", description = "Queues, kinds and workers, for operators"),
        (name = "work", description = "For workers"),
        (name = "run", description = "For whoever runs the server"),
    )
)]
struct Head;

/// What the document says of a row.
fn operation<'d>(document: &'d mut openapi::OpenApi, row: &Route) -> Option<&'d mut openapi::path::Operation> {
    let item = document.paths.paths.get_mut(row.path)?;
    match row.method {
        Method::GET => item.get.as_mut(),
        Method::POST => item.post.as_mut(),
        Method::PUT => item.put.as_mut(),
        Method::PATCH => item.patch.as_mut(),
        Method::DELETE => item.delete.as_mut(),
        _ => None,
    }
}

/// The name of an operation, from its method and path: `post_jobs_id_run_now`.
fn name(row: &Route) -> String {
    let words = row.path.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    std::iter::once(&*row.method.as_str().to_lowercase()).chain(words).collect::<Vec<_>>().join("_")
}
