//! Statistics for machines: OpenMetrics, or the text format of Prometheus. No label holds a job's id.

mod histogram;
mod kinds;
mod labels;
mod plain;
mod queues;

use std::sync::atomic::Ordering::Relaxed;

use axum::extract::State as AppState;
use axum::response::Response;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderMap, HeaderValue};
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::{ConstCounter, Counter};
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use raincheck_engine::{Lag, Reader};
use raincheck_store::{COMMIT_MICROS, Stats};

use self::histogram::{Histogram, Histograms};
use self::labels::Labels;
use super::app::App;
use super::negotiate;
use super::problem::{self, Problem};

/// Most named readers of the feed with statistics of their own.
const READERS: usize = 100;
const OPEN_METRICS: &str = "application/openmetrics-text";
/// Room for what there is of one kind.
const KIND_BYTES: usize = 4_096;

/// The statistics.
#[utoipa::path(get, path = "/metrics", tag = "run",
    responses((status = 200, description = "OpenMetrics or Prometheus text, by `Accept`", body = String, content_type = "text/plain"),
              super::openapi::ReadProblems))]
pub async fn get(AppState(app): AppState<App>, headers: HeaderMap) -> Result<Response, Problem> {
    let stats = app.engine.stats().await?;
    let readers = app.engine.readers(None, READERS).await?;
    let lags = app.engine.lags(&readers).await?;
    let oldest = app.engine.oldest_ready().await?;
    let open = negotiate::best(&headers, &["text/plain", OPEN_METRICS]) == Some(OPEN_METRICS);
    let text = app.room.work(stats.kinds.len() * KIND_BYTES, || {
        let mut registry = registry(&app, &stats);
        register_readers(&mut registry, readers.iter().zip(&lags));
        queues::register(&mut registry, &stats.queues, &oldest, app.engine.store_stats().now);
        kinds::register(&mut registry, &app, &stats.kinds);
        let mut text = String::with_capacity(8_192);
        encode(&mut text, &registry).map(|()| if open { text } else { plain::plain(&text) })
    });
    let text = text.await.map_err(|_| Problem::new(problem::STORE))?;
    let media = if open {
        "application/openmetrics-text; version=1.0.0; charset=utf-8"
    } else {
        "text/plain; version=0.0.4; charset=utf-8"
    };
    let mut response = Response::new(text.into());
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(media));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

fn registry(app: &App, stats: &Stats) -> Registry {
    let mut registry = Registry::with_prefix("raincheck");
    let counters = app.engine.counters();
    for (name, help, counter) in [
        ("jobs_submitted", "Jobs made", &counters.submitted),
        ("jobs_coalesced", "Submits joined with an equal job", &counters.coalesced),
        ("jobs_replayed", "Submits answered with the job of their key or id", &counters.replayed),
        ("jobs_cached", "Submits answered with a kept result", &counters.cached),
        ("jobs_refused", "Submits refused", &counters.refused),
        ("jobs_leased", "Runs started", &counters.leased),
        ("jobs_succeeded", "Jobs that succeeded", &counters.succeeded),
        ("jobs_failed", "Jobs that failed for good", &counters.failed),
        ("jobs_canceled", "Jobs called off", &counters.canceled),
        ("runs_retried", "Failed runs that another one follows", &counters.retried),
        ("runs_lost", "Runs whose worker vanished", &counters.lost),
        ("runs_released", "Runs given back", &counters.released),
        ("jobs_expired", "Jobs not started in time", &counters.expired),
        ("jobs_purged", "Jobs forgotten", &counters.purged),
        ("progress_reports", "Reports of runs that were kept", &counters.progress),
        ("store_commits", "Transactions", &counters.commits),
        ("events", "Events", &counters.events),
        ("loop_errors", "Rounds of a background loop that failed", &counters.loop_errors),
        (
            "violations",
            "Broken promises found in the data, anew each round; see raincheck doctor",
            &counters.violations,
        ),
        ("litter", "Half-written payloads removed that nobody wrote any more", &counters.litter),
        ("checkups", "Rounds of looking through all data that came to the end", &counters.checkups),
    ] {
        registry.register(name, help, ConstCounter::new(counter.load(Relaxed)));
    }
    let store = app.engine.store_stats();
    let refused = ConstCounter::new(store.refused_writes);
    registry.register("refused_writes", "Transactions given up because they would have broken a promise", refused);
    let orphans = ConstCounter::new(store.orphans);
    registry.register("orphans", "Large payloads moved aside since the start because no job refers to them", orphans);
    let unreadable = ConstCounter::new(store.unreadable);
    registry.register(
        "payloads_unreadable",
        "Reads of large payloads that were not there in full, or not as they were written",
        unreadable,
    );
    let histories = ConstCounter::new(store.history_changes);
    let help = "How often the database came back without what this server knew of";
    registry.register("history_changes", help, histories);
    let missing = i64::try_from(store.missing_events).unwrap_or(i64::MAX);
    let answers = Family::<Labels, Counter>::default();
    for (class, counter) in app.seen.by_class.iter().enumerate().skip(1) {
        answers.get_or_create(&vec![("class", format!("{class}xx"))]).inc_by(counter.load(Relaxed));
    }
    registry.register("http_responses", "Answers by class of status", answers);
    let gauge = |value: i64| {
        let gauge = Gauge::<i64>::default();
        gauge.set(value);
        gauge
    };
    let times = store.commit_times;
    let ends = COMMIT_MICROS.map(|micros| micros as f64 / 1e6);
    let commits = Histogram::new(&ends, &times.counts, times.sum_micros as f64 / 1e6);
    let help = "How long transactions held up those behind them";
    registry.register("store_commit_seconds", help, Histograms(vec![(Labels::new(), commits)]));
    let build = Family::<Labels, Gauge>::default();
    build.get_or_create(&vec![("version", app.engine.settings().version.clone())]).set(1);
    registry.register("build_info", "1, with the version of this server", build);
    registry.register("http_connections", "Connections open now", gauge(app.seen.connections.load(Relaxed) as i64));
    registry.register("http_streams", "Streams open now", gauge(app.streams.open() as i64));
    let help = "Events that were acknowledged and that are not there any more; see raincheck doctor";
    registry.register("missing_events", help, gauge(missing));
    if let Some(timeline) = store.timeline {
        let help = "Timeline of the PostgreSQL server that this server is on: another one after each promotion";
        registry.register("postgres_timeline", help, gauge(timeline));
    }
    let histories = i64::try_from(store.histories).unwrap_or(i64::MAX);
    let help = "Histories of the data: one more each time it went on elsewhere, or was put back";
    registry.register("histories", help, gauge(histories));
    registry.register("http_uploads", "Bodies on their way to a file now", gauge(app.uploads.open() as i64));
    registry.register("workers", "Workers seen within ten minutes", gauge(app.engine.workers().len() as i64));
    if let Some(free) = store.free_bytes {
        registry.register("disk_free_bytes", "Bytes free for the data", gauge(i64::try_from(free).unwrap_or(i64::MAX)));
    }
    registry.register("disk_low", "1 while submits are refused for lack of space", gauge(i64::from(store.is_low)));
    let forgotten = i64::try_from(stats.feed.forgotten_bytes).unwrap_or(i64::MAX);
    registry.register("feed_forgotten_bytes", "What events of forgotten jobs take, about", gauge(forgotten));
    if let Some(oldest) = stats.feed.oldest {
        let age = store.now.since(oldest) / 1_000;
        registry.register("feed_oldest_seconds", "Age of the oldest event that is there", gauge(age.max(0)));
    }
    registry
}

fn register_readers<'r>(registry: &mut Registry, readers: impl Iterator<Item = (&'r Reader, &'r Lag)>) {
    let (events, seconds) = (Family::<Labels, Gauge>::default(), Family::<Labels, Gauge>::default());
    for (reader, lag) in readers {
        let labels = vec![("reader", reader.name.as_str().to_owned())];
        events.get_or_create(&labels).set(lag.events.cast_signed());
        seconds.get_or_create(&labels).set(lag.millis / 1_000);
    }
    registry.register("reader_lag_events", "Events behind a named reader of the feed", events);
    let help = "For how long the first event behind a named reader has been there";
    registry.register("reader_lag_seconds", help, seconds);
}
