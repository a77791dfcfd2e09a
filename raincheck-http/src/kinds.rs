//! Kinds: what there is to ask for, how long it takes, who does it.

use std::collections::BTreeMap;

use axum::extract::State as AppState;
use axum::response::Response;
use http::StatusCode;
use raincheck_core::{Name, State};
use raincheck_store::KindStats;

use super::answer::json;
use super::app::App;
use super::path::NamePath;
use super::problem::{self, Problem};
use super::query::Query;
use super::serving::Serving;
use super::wire::Json;

/// Room for a kind.
const KIND_BYTES: usize = 384;

/// Every kind that was configured or submitted, by name.
#[utoipa::path(get, path = "/kinds", tag = "operate",
    responses((status = 200, description = "All kinds, by name", body = super::openapi::Kinds), super::openapi::ReadProblems))]
pub async fn list(AppState(app): AppState<App>, query: Query) -> Result<Response, Problem> {
    query.done()?;
    let kinds = known(&app).await?;
    let out = app.room.work(kinds.len() * KIND_BYTES, || {
        let mut out = Json::with_capacity(KIND_BYTES * kinds.len() + 32);
        let serving = Serving::of(&app);
        out.begin();
        out.key("items").list(kinds.values(), |out, kind| write(out, &app, kind, &serving));
        out.end();
        out
    });
    Ok(json(StatusCode::OK, out.await))
}

/// One kind.
#[utoipa::path(get, path = "/kinds/{kind}", tag = "operate", params(("kind" = String, Path)),
    responses((status = 200, description = "The kind", body = super::openapi::Kind), super::openapi::ReadProblems))]
pub async fn get(AppState(app): AppState<App>, NamePath(name): NamePath, query: Query) -> Result<Response, Problem> {
    query.done()?;
    let kinds = known(&app).await?;
    let kind = kinds
        .get(&name)
        .ok_or_else(|| Problem::new(problem::NOT_FOUND).detail("no job is of this kind, and no settings name it"))?;
    let mut out = Json::with_capacity(512);
    write(&mut out, &app, kind, &Serving::of(&app));
    Ok(json(StatusCode::OK, out))
}

/// Each with the queues that its jobs go to: its own, and those that hold some.
async fn known(app: &App) -> Result<BTreeMap<Name, KindStats>, Problem> {
    let defaults = app.engine.defaults();
    let configured =
        defaults.kinds.keys().map(|name| KindStats { name: name.clone(), by_state: [0; 7], queues: Vec::new() });
    let all = configured.chain(app.engine.stats().await?.kinds);
    let mut kinds: BTreeMap<Name, KindStats> = all.map(|kind| (kind.name.clone(), kind)).collect();
    for kind in kinds.values_mut() {
        let own = defaults.kinds.get(&kind.name).and_then(|kind| kind.queue.as_ref()).unwrap_or(&defaults.queue);
        if !kind.queues.contains(own) {
            kind.queues.push(own.clone());
        }
    }
    Ok(kinds)
}

fn write(out: &mut Json, app: &App, kind: &KindStats, serving: &Serving) {
    let KindStats { name, by_state, .. } = kind;
    let defaults = app.engine.defaults();
    let options = app.options.kinds.get();
    let (defaults, options) = (defaults.kinds.get(name), options.get(name));
    out.begin();
    out.key("name").text(name.as_str());
    out.key("description").maybe_text(options.and_then(|o| o.description.as_deref()));
    out.key("queue").maybe_text(defaults.and_then(|kind| kind.queue.as_ref()).map(Name::as_str));
    out.key("method").maybe_text(defaults.and_then(|kind| kind.method).map(|m| m.as_str()));
    out.key("input_schema");
    match options.and_then(|o| o.input_schema.as_ref()) {
        Some(schema) => _ = out.raw(schema.to_string().as_bytes()),
        None => out.null(),
    }
    let mean = app.engine.run_times(name).map(|stats| stats.mean_ms / 1_000.0);
    out.key("typical_seconds").maybe_float(mean);
    let serving = serving.of_kind(kind);
    out.key("served").bool(serving.is_served(app, kind));
    out.key("workers").list(serving.workers, |out, worker| out.text(worker));
    for state in State::ALL {
        out.key(state.as_str()).number(by_state[state as usize]);
    }
    out.end();
}
