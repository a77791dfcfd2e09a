//! Payloads going out: their bytes, from memory or from where large ones are kept, whole or in part.

use std::io::ErrorKind;

use axum::body::Body;
use axum::response::Response;
use http::header::{self, HeaderMap, HeaderValue};
use http::{Method, StatusCode};
use raincheck_core::{Content, Digest, Job, Payload};

use super::app::App;
use super::problem::{self, Problem};
use super::range::{self, Part};
use super::{filename, lost, negotiate, precondition};

/// Kept by whoever got it, and asked about before each use.
const CACHING: &str = "private, no-cache";

/// The content of a job as its sender typed it, never to be run by a browser. `etag` names its bytes, in quotes.
pub async fn serve(
    app: &App,
    job: &Job,
    method: &Method,
    headers: &HeaderMap,
    content: &Content,
    etag: Option<&str>,
) -> Result<Response, Problem> {
    let size = content.payload.size();
    if let Some(etag) = etag {
        precondition::matches(headers, etag)?;
    }
    if let Some(etag) = etag
        && headers.contains_key(header::IF_NONE_MATCH)
        && negotiate::names_tag(headers, header::IF_NONE_MATCH, etag)
    {
        return Ok(not_modified(etag));
    }
    let part = match etag {
        Some(etag) if *method == Method::GET => range::part(headers, size, etag),
        _ => Part::Whole,
    };
    let (start, end) = match part {
        Part::Whole => (0, size),
        Part::Bytes(start, end) => (start, end),
        Part::Outside => {
            let outside = Problem::new(problem::RANGE).detail(format!("there are {size} bytes"));
            return Err(outside.header(header::CONTENT_RANGE, value(format!("bytes */{size}"))));
        }
    };
    let body = if *method == Method::HEAD {
        // Its last byte tells whether all of it is there.
        drop(body(app, job, content, end.saturating_sub(1), end).await?);
        Body::empty()
    } else {
        body(app, job, content, start, end).await?
    };
    let status = if part == Part::Whole { StatusCode::OK } else { StatusCode::PARTIAL_CONTENT };
    let mut response = dress(status, body, content, etag);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(end - start));
    if part != Part::Whole {
        headers.insert(header::CONTENT_RANGE, value(format!("bytes {start}-{}/{size}", end - 1)));
    }
    Ok(response)
}

fn value(text: String) -> HeaderValue {
    HeaderValue::try_from(text).unwrap_or_else(|_| HeaderValue::from_static(""))
}

async fn body(app: &App, job: &Job, content: &Content, start: u64, end: u64) -> Result<Body, Problem> {
    match &content.payload {
        Payload::Empty => Ok(Body::empty()),
        Payload::Inline(bytes) => Ok(Body::from(bytes.slice(start as usize..end as usize))),
        Payload::Blob { name, .. } if app.damaged.knows(name) => Err(lost::known(app, job)),
        Payload::Blob { name, size } => match app.engine.blobs().read(name, start..end).await {
            Ok(bytes) => {
                let known = (start, end) == (0, *size) && content.digest != Digest::default();
                let digest = known.then_some(content.digest);
                let expected = lost::Expected { name: name.clone(), size: end - start, digest };
                Ok(Body::from_stream(lost::watched(app.clone(), job, expected, bytes)))
            }
            Err(error) if error.kind() == ErrorKind::NotFound => Err(lost::missing(app, job, name).await),
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => Err(lost::cut(app, job, name)),
            Err(error) => {
                tracing::error!(%error, job = %job.id, file = &**name, "a large payload cannot be read");
                Err(Problem::new(problem::STORE).detail("the bytes cannot be read now").retry_after(5))
            }
        },
    }
}

/// What the caller has already is not described again (RFC 9110 section 15.4.5).
fn not_modified(etag: &str) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NOT_MODIFIED;
    response.headers_mut().insert(header::ETAG, value(etag.to_owned()));
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static(CACHING));
    response
}

/// The headers that keep a browser from running what a worker or client made.
fn dress(status: StatusCode, body: Body, content: &Content, etag: Option<&str>) -> Response {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let headers = response.headers_mut();
    let media = HeaderValue::from_str(content.content_type.as_deref().unwrap_or("application/json"));
    headers
        .insert(header::CONTENT_TYPE, media.unwrap_or_else(|_| HeaderValue::from_static("application/octet-stream")));
    if let Some(etag) = etag.and_then(|etag| HeaderValue::from_str(etag).ok()) {
        headers.insert(header::ETAG, etag);
        headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    }
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(CACHING));
    headers.insert(header::CONTENT_DISPOSITION, filename::attachment(content.filename.as_deref()));
    harmless(headers);
    response
}

/// For bytes of others: no sniffing, no scripts, no frames.
pub fn harmless(headers: &mut HeaderMap) {
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static("sandbox; default-src 'none'"));
}
