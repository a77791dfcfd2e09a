//! What a run streams to its caller and logs for operators, taken as it comes.

use std::pin::pin;
use std::time::Duration;

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use http::StatusCode;
use http::header::CONTENT_TYPE;
use raincheck_core::{Append, ChunkKind, LeaseRef, State};
use raincheck_engine::{AppendAnswer, Beat};
use raincheck_store::Found;
use tokio::time::{Instant, MissedTickBehavior, interval_at};

use crate::answer::json;
use crate::ask::Ask;
use crate::body;
use crate::encoding::{Decoded, decoded};
use crate::path::LeasePath;
use crate::problem::{self, Problem};
use crate::submit::raw::media_type;
use crate::wire::Json;

/// Pause between two looks at a lease whose run sends nothing.
const POLL_INTERVAL: Duration = Duration::from_secs(2);
/// Pause between two signs of life; well within the shortest lease.
const SIGN: Duration = Duration::from_millis(500);
/// While the server drains, a body gets so long to be whole; well within the time of the drain, so that its sender is told.
const DRAINING: Duration = Duration::from_secs(5);

/// Appends to the run's stream.
#[utoipa::path(post, path = "/leases/{lease}/stream", tag = "work",
    request_body(content_type = "*/*", description = "Bytes that follow"),
    params(("lease" = String, Path), ("offset" = Option<u64>, Query, description = "Where the bytes start; what is there already is not doubled")),
    responses((status = 200, description = "Kept up to this offset", body = crate::openapi::Appended), crate::openapi::WorkProblems))]
pub async fn stream(LeasePath(lease): LeasePath, mut ask: Ask, body: Body) -> Result<Response, Problem> {
    let offset = offset(&mut ask)?;
    let content_type = if ask.headers.contains_key(CONTENT_TYPE) {
        media_type(&ask.headers)?.or(Some("application/json".into()))
    } else {
        None
    };
    append(&ask, Target { lease, kind: ChunkKind::Stream, content_type, offset }, body).await
}

/// Appends to the job's log.
#[utoipa::path(post, path = "/leases/{lease}/log", tag = "work",
    request_body(content_type = "*/*", description = "Bytes that follow"),
    params(("lease" = String, Path), ("offset" = Option<u64>, Query, description = "Where the bytes start in what this run wrote; what is there already is not doubled")),
    responses((status = 200, description = "Kept up to this offset", body = crate::openapi::Appended), crate::openapi::WorkProblems))]
pub async fn log(LeasePath(lease): LeasePath, mut ask: Ask, body: Body) -> Result<Response, Problem> {
    let offset = offset(&mut ask)?;
    append(&ask, Target { lease, kind: ChunkKind::Log, content_type: None, offset }, body).await
}

fn offset(ask: &mut Ask) -> Result<Option<u64>, Problem> {
    let offset = ask.query.number("offset")?;
    ask.query.done()?;
    Ok(offset)
}

struct Target {
    lease: LeaseRef,
    kind: ChunkKind,
    content_type: Option<Box<str>>,
    offset: Option<u64>,
}

async fn append(ask: &Ask, mut to: Target, body: Body) -> Result<Response, Problem> {
    let Decoded { mut body, .. } = decoded(&ask.headers, body).await?;
    let end = match take(ask, &mut to, &mut body).await {
        Ok(end) => end,
        Err(refused) => {
            body::discard(body).await;
            return Err(refused);
        }
    };
    // An empty body asks how far it came, and what more there is room for.
    let (end, room) = match end {
        Some(end) => (end, None),
        None => {
            let end = write(ask, &to, Bytes::new()).await?;
            let all = ask.engine().chunk_info(to.lease.no, to.kind, to.lease.attempt).await?.size;
            (end, Some(limit(ask, &to).saturating_sub(all)))
        }
    };
    let mut out = Json::with_capacity(48);
    out.begin();
    out.key("offset").number(end);
    if let Some(room) = room {
        out.key("room").number(room);
    }
    out.end();
    Ok(json(StatusCode::OK, out))
}

/// Writes the body as it comes, to its end: whatever else ends the reading is an error. Answers how far the run has written
/// then; nothing for an empty body.
async fn take(ask: &Ask, to: &mut Target, body: &mut Body) -> Result<Option<u64>, Problem> {
    let draining = ask.engine().draining();
    let mut drained = pin!(async {
        draining.cancelled().await;
        tokio::time::sleep(DRAINING).await;
    });
    let (mut end, mut signs) = (None, Signs::default());
    // At once unless the bytes are here, whose writing tells, too; then while nothing comes: its sender is waited for as
    // long as the run goes on, and no longer. A log may get its last lines when that is over.
    let first_poll = if to.kind == ChunkKind::Log { POLL_INTERVAL } else { Duration::ZERO };
    let mut next_poll = interval_at(Instant::now() + first_poll, POLL_INTERVAL);
    next_poll.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let piece = tokio::select! {
            biased;
            piece = body::any_piece(body) => piece?,
            () = &mut drained => return Err(cut_off(end)),
            _ = next_poll.tick() => {
                poll_lease(ask, to.lease).await?;
                continue;
            }
        };
        let Some(piece) = piece else { return Ok(end) };
        let length = piece.len() as u64;
        let kept = write(ask, to, piece).await?;
        if to.offset.is_some_and(|offset| kept < offset) {
            let detail =
                format!("bytes are missing before these: what came is kept up to offset {kept}, send from there");
            return Err(Problem::new(problem::RANGE).detail(detail));
        }
        end = Some(kept);
        to.offset = to.offset.map(|offset| offset + length);
        signs.of_life(ask, to.lease).await?;
    }
}

/// The server ends before the body does.
fn cut_off(end: Option<u64>) -> Problem {
    let detail = match end {
        Some(end) => {
            format!("the body did not end in time; what came is kept, up to offset {end}: send the rest again")
        }
        None => "nothing of the body came in time: send it again".to_owned(),
    };
    Problem::new(problem::DRAINING).detail(detail).retry_after(rand::random_range(2..=6))
}

fn limit(ask: &Ask, to: &Target) -> u64 {
    ask.engine().chunk_limit(to.kind, to.lease.attempt)
}

/// Fails unless the run goes on.
async fn poll_lease(ask: &Ask, lease: LeaseRef) -> Result<(), Problem> {
    match ask.engine().job_of(lease.no).await? {
        Found::Here(record) if record.job.state == State::Running && record.job.lease_ref() == lease => Ok(()),
        found => Err(ask.lost(found)),
    }
}

/// What a run writes shows that it is alive, as a heartbeat does; told now and then.
#[derive(Default)]
struct Signs(Option<Instant>);

impl Signs {
    async fn of_life(&mut self, ask: &Ask, lease: LeaseRef) -> Result<(), Problem> {
        if self.0.is_some_and(|signed_at| signed_at.elapsed() < SIGN) {
            return Ok(());
        }
        self.0 = Some(Instant::now());
        // That it is over is for the next write to find.
        ask.engine().heartbeat(vec![Beat { lease, ttl: None, progress: None }], 0).await?;
        Ok(())
    }
}

async fn write(ask: &Ask, to: &Target, bytes: Bytes) -> Result<u64, Problem> {
    let append = Append {
        lease: to.lease,
        kind: to.kind,
        offset: to.offset,
        bytes,
        content_type: to.content_type.clone(),
        limit: u64::MAX,
    };
    match ask.engine().append(append).await? {
        AppendAnswer::Done(end) => Ok(end),
        AppendAnswer::LeaseLost => Err(ask.lease_lost(to.lease).await?),
        AppendAnswer::Full => {
            let what = if to.kind == ChunkKind::Log { "log" } else { "stream" };
            let most = limit(ask, to);
            let detail = format!("the {what} may have {most} bytes: write less, or have `{what}` in [limits] raised");
            Err(Problem::new(problem::TOO_LARGE).detail(detail))
        }
        AppendAnswer::Gone => Err(ask.gone(to.lease).await?),
    }
}
