//! Submits whose body is the input itself, of any media type, with everything else as query parameters.

use axum::body::Body;
use axum::extract::State as AppState;
use axum::response::Response;
use http::HeaderMap;
use http::header::CONTENT_TYPE;
use raincheck_core::{Content, Name, NewJob};
use raincheck_engine::sameness;
use raincheck_engine::wire::JsonError;

use super::resolve::Input;
use super::{answer, key, resolve};
use crate::answer::Wait;
use crate::app::App;
use crate::base::Base;
use crate::encoding::{self, Decoded};
use crate::path::NamePath;
use crate::problem::{self, Problem};
use crate::query::Query;
use crate::upload::{Received, Upload};
use crate::wire::{Duration, Moment, NewJobBody, Object, RetentionBody, RetryBody, Tags};
use crate::{body, filename, multipart, trace, wire};

/// Submits a job with the body as its input; of a form with one file, that file.
#[utoipa::path(post, path = "/kinds/{kind}/jobs", tag = "submit",
    request_body(content_type = "*/*", description = "The input, of any media type"),
    params(("kind" = String, Path, description = "Names the work"), crate::openapi::RawParameters, crate::openapi::SubmitParameters),
    responses((status = 202, description = "Accepted; also a job found under the key, or joined", body = crate::openapi::Job),
              (status = 200, description = "It has succeeded already", body = crate::openapi::Job),
              crate::openapi::SubmitProblems))]
pub async fn post(
    AppState(app): AppState<App>,
    base: Base,
    NamePath(kind): NamePath,
    mut query: Query,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    // All that is known before a gigabyte is taken in.
    let judged = match judge(&app, kind, &mut query, &headers) {
        Ok(judged) => judged,
        Err(refused) => return Err(body::refuse(&headers, body, refused).await),
    };
    let Judged { wait, job, mut new, content_type, form } = judged;
    let Decoded { mut announced, mut body } = encoding::decoded(&headers, body).await?;
    let (mut content_type, mut named) = (content_type, filename::of(&headers));
    if let Some(boundary) = form {
        let part = multipart::part(&boundary, body).await?;
        (content_type, named) = (media_type(&part.headers)?, filename::of(&part.headers));
        (announced, body) = (0, part.body);
    }
    let received = Upload { app: &app, headers: &headers, announced, run: None }.receive(body).await?;
    let input = input(received, content_type, named)?;
    let file = resolve::attach(&mut new, &job, input);
    answer::submit(&app, new, file, answer::Asked { base: &base, wait, chosen: false, only_new: false }).await
}

/// A submit without its input.
struct Judged {
    wait: Wait,
    job: NewJobBody<'static>,
    new: NewJob,
    content_type: Option<Box<str>>,
    /// Between the parts of a form.
    form: Option<Box<str>>,
}

fn judge(app: &App, kind: Name, query: &mut Query, headers: &HeaderMap) -> Result<Judged, Problem> {
    let wait = Wait::of(app, headers, query)?;
    let mut job = parameters(query)?;
    query.done_or(instead)?;
    job.kind = kind.as_str().to_owned().into();
    job.key = key::merge(key::of(headers)?, job.key.take())?;
    let mut errors = Vec::new();
    let new = resolve::resolve(app, &job, "", &mut errors);
    let Some(mut new) = new.filter(|_| errors.is_empty()) else { return Err(Problem::invalid(errors)) };
    trace::put(&mut new.spec, headers);
    encoding::check(headers)?;
    let (content_type, form) = (media_type(headers)?, multipart::boundary(headers)?);
    match app.engine.takes_no_submits() {
        Some(refused) => Err(answer::refused(refused, false)),
        None => Ok(Judged { wait, job, new, content_type, form }),
    }
}

/// The members that a JSON body would have.
fn parameters(query: &mut Query) -> Result<NewJobBody<'static>, Problem> {
    let mut duration = |name| query.duration(name).map(|millis| millis.map(Duration));
    let retry = RetryBody { initial: duration("retry.initial")?, max: duration("retry.max")?, ..RetryBody::default() };
    let retention =
        RetentionBody { succeeded: duration("retention.succeeded")?, failed: duration("retention.failed")? };
    let (delay, timeout, max_age) = (duration("delay")?, duration("timeout")?, duration("max_age")?);
    let retry = RetryBody {
        max_attempts: query.number("retry.max_attempts")?,
        factor: query.number("retry.factor")?,
        jitter: query.read("retry.jitter", "must be true or false", |text| text.parse().ok())?,
        ..retry
    };
    let mut tags = query.prefixed("tag.");
    tags.sort();
    let mut text = |name| query.take(name).map(Into::into);
    Ok(NewJobBody {
        label: text("label"),
        queue: text("queue"),
        key: text("key"),
        method: text("method"),
        run_at: text("run_at"),
        on_lost: text("on_lost"),
        priority: query.number("priority")?,
        max_losses: query.number("max_losses")?,
        start_by: query.read("start_by", "must be a time in RFC 3339 or a duration", Moment::parse)?,
        delay,
        timeout,
        max_age,
        retry: Some(Object(retry)),
        retention: Some(Object(retention)),
        tags: Tags(tags),
        ..NewJobBody::default()
    })
}

/// What a member of a JSON body is called here, where that is not its own name.
fn instead(name: &str) -> Option<&'static str> {
    Some(match name {
        "retention" => "retention.succeeded and retention.failed",
        "retry" => "retry.max_attempts, retry.initial, retry.factor, retry.max and retry.jitter",
        "max_attempts" => "retry.max_attempts",
        "tags" | "tag" => "tag.NAME=VALUE for each",
        "input" => "it as the body",
        "kind" => "it in the path",
        _ => return None,
    })
}

/// The input and what it is compared by.
fn input(received: Received, content_type: Option<Box<str>>, filename: Option<Box<str>>) -> Result<Input, Problem> {
    let Received { payload, digest, file } = received;
    let content = Content { payload, content_type, filename, digest };
    let sameness = sameness(&content).map_err(not_json)?;
    Ok(Input { content, sameness, file })
}

/// Small JSON is shown as what it says it is, so it has to be.
pub fn check_json(text: &[u8]) -> Result<(), Problem> {
    wire::check_json(text).map_err(not_json)
}

fn not_json(error: JsonError) -> Problem {
    Problem::bad(format!("the body is {error}"))
}

/// The media type of the body; `None` is JSON. Without one the bytes are just bytes.
pub fn media_type(headers: &HeaderMap) -> Result<Option<Box<str>>, Problem> {
    let Some(value) = headers.get(CONTENT_TYPE) else { return Ok(Some("application/octet-stream".into())) };
    let text = value.to_str().ok().filter(|text| text.len() <= 256);
    let media = text.map(|text| text.split(';').next().unwrap_or_default().trim());
    let (Some(text), Some(media)) = (text, media.filter(|media| is_type(media))) else {
        let detail = "Content-Type must name a media type, such as image/png, in at most 256 characters";
        return Err(Problem::new(problem::UNSUPPORTED).detail(detail));
    };
    Ok((!media.eq_ignore_ascii_case("application/json")).then(|| text.into()))
}

/// Two tokens with a slash between them (RFC 9110 section 8.3.1).
fn is_type(media: &str) -> bool {
    let is_token = |text: &str| {
        let is_part = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
        !text.is_empty() && text.bytes().all(is_part)
    };
    media.split_once('/').is_some_and(|(main, sub)| is_token(main) && is_token(sub))
}
