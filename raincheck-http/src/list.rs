//! Many jobs, newest first.

use axum::extract::State as AppState;
use axum::response::Response;
use http::header::{HeaderValue, LINK};
use http::{StatusCode, Uri};
use raincheck_core::{JobNo, limits};
use raincheck_engine::digest;
use raincheck_store::{Filter, Record};

use super::answer::json;
use super::app::App;
use super::base::Base;
use super::problem::{self, Problem};
use super::query::Query;
use super::wire::{JobView, Json, time, write_job};

/// Longest text to search for, bytes.
const TEXT_BYTES: usize = 256;

/// Jobs, newest first, a page at a time.
#[utoipa::path(get, path = "/jobs", tag = "learn", params(super::openapi::ListParameters),
    responses((status = 200, description = "A page", body = super::openapi::JobPage), super::openapi::ReadProblems))]
pub async fn get(AppState(app): AppState<App>, base: Base, uri: Uri, mut query: Query) -> Result<Response, Problem> {
    let limit = query.page_size()?;
    let before = query.take("cursor");
    let filter = filter(&mut query)?;
    query.done()?;
    let before = before.map(|text| open_cursor(&text).ok_or_else(problem::not_our_cursor)).transpose()?;
    let _turn = app.room.page().await;
    let page = app.engine.jobs(Filter { before, ..filter }, limit).await?;
    let next = page.next.map(make_cursor);
    let weight: usize = page.items.iter().map(Record::weight).sum();
    let out = app.room.work(weight, || {
        let mut out = Json::with_capacity(weight + 512 * page.items.len() + 64);
        out.begin();
        out.key("items").list(&page.items, |out, record| write_job(out, &JobView::of(&app.engine, &base, record)));
        out.key("next_cursor").maybe_text(next.as_deref());
        if page.partial {
            out.key("partial").bool(true);
        }
        out.end();
        out
    });
    let mut response = json(StatusCode::OK, out.await);
    if let Some(next) = next
        && let Ok(link) = HeaderValue::try_from(format!("<{}>; rel=\"next\"", next_url(&base, &uri, &next)))
    {
        response.headers_mut().insert(LINK, link);
    }
    Ok(response)
}

/// Everything but the place in the list.
fn filter(query: &mut Query) -> Result<Filter, Problem> {
    let text = query
        .read("q", "must be 1 to 256 bytes long", |text| (1..=TEXT_BYTES).contains(&text.len()).then(|| text.into()))?;
    Ok(Filter {
        states: query.states()?,
        queues: query.names("queue")?,
        kinds: query.names("kind")?,
        key: query.read("key", "must be 1 to 255 bytes long", |text| {
            (1..=limits::KEY_BYTES).contains(&text.len()).then(|| text.into())
        })?,
        tags: query.prefixed("tag."),
        created_after: query.read("created_after", "must be a time in RFC 3339", time::parse)?,
        text,
        before: None,
    })
}

/// A place in the list, opaque; the check part only tells a cursor from a slip.
pub fn make_cursor(no: JobNo) -> String {
    format!("{:x}.{:02x}{:02x}", no.0, check(no)[0], check(no)[1])
}

/// The place that a text of [`make_cursor`] names.
pub fn open_cursor(text: &str) -> Option<JobNo> {
    let (number, _) = text.split_once('.')?;
    let no = JobNo(i64::from_str_radix(number, 16).ok()?);
    (make_cursor(no) == text).then_some(no)
}

fn check(no: JobNo) -> raincheck_core::Digest {
    digest(&no.0.to_le_bytes())
}

fn next_url(base: &Base, uri: &Uri, cursor: &str) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    let known = form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes());
    query.extend_pairs(known.filter(|(name, _)| name != "cursor"));
    query.append_pair("cursor", cursor);
    base.url(&format!("/jobs?{}", query.finish()))
}
