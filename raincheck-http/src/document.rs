//! The OpenAPI 3.1 document, from the operations of the routes and the wire's types.

use std::sync::LazyLock;

use bytes::Bytes;
use utoipa::{OpenApi, openapi};

use super::openapi::{Row, finish};
use super::options::Options;
use super::routes::{Operations, ROUTES};
use super::scope::Scope;

/// The whole document, of a server as it is without settings.
pub static DOCUMENT: LazyLock<openapi::OpenApi> = LazyLock::new(|| document(&Options::default()));

/// That of a server with these options, as JSON.
pub fn text(options: &Options) -> Bytes {
    document(options).to_json().unwrap_or_default().into()
}

fn document(options: &Options) -> openapi::OpenApi {
    let mut document = Operations::openapi();
    let head = Head::openapi();
    (document.info, document.tags) = (head.info, head.tags);
    document.info.version = env!("CARGO_PKG_VERSION").to_owned();
    let url = options.public_url.as_deref().map_or("/", |url| url.trim_end_matches('/'));
    let rows = ROUTES.iter().map(|row| Row {
        method: row.method.clone(),
        path: row.path,
        is_open: row.access.scope == Scope::Open,
    });
    finish(&mut document, rows, url, options.limits.file);
    document
}

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
