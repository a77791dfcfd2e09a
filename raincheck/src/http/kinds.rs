//! Kinds: what there is to ask for, how long it takes, who does it.

use std::collections::{BTreeMap, HashMap};

use axum::extract::State as AppState;
use axum::response::Response;
use http::StatusCode;
use raincheck_core::{Name, Pattern, State, limits};

use super::App;
use super::answer::json;
use super::path::NamePath;
use super::problem::{self, Problem};
use super::query::Query;
use super::wire::Json;

type ByState = [u64; 7];

/// So many patterns of workers are held against each kind.
const PATTERNS: usize = 100;
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
        out.key("items").list(&kinds, |out, (name, figures)| write(out, &app, name, figures, &serving));
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
    let figures = kinds.get(&name).ok_or_else(|| Problem::new(problem::NOT_FOUND))?;
    let mut out = Json::with_capacity(512);
    write(&mut out, &app, &name, figures, &Serving::of(&app));
    Ok(json(StatusCode::OK, out))
}

async fn known(app: &App) -> Result<BTreeMap<Name, ByState>, Problem> {
    let defaults = app.options.defaults.get();
    let configured = defaults.kinds.keys().map(|name| (name.clone(), ByState::default()));
    let mut kinds: BTreeMap<Name, ByState> = configured.collect();
    kinds.extend(app.engine.figures().await?.kinds.into_iter().map(|kind| (kind.name, kind.by_state)));
    Ok(kinds)
}

/// Workers by what they serve; of very many, as many as an answer has room for.
struct Serving {
    by_kind: HashMap<Name, Vec<Box<str>>>,
    by_pattern: Vec<(Pattern, Box<str>)>,
}

impl Serving {
    fn of(app: &App) -> Self {
        let mut by_kind: HashMap<Name, Vec<Box<str>>> = HashMap::new();
        let (mut by_pattern, mut room) = (Vec::new(), limits::RIDING_BYTES);
        for worker in app.engine.workers() {
            for kind in worker.kinds.iter() {
                room = room.saturating_sub(worker.name.len() + 3);
                if room > 0 {
                    by_kind.entry(kind.clone()).or_default().push(worker.name.clone());
                }
            }
            by_pattern.extend(worker.patterns.iter().map(|pattern| (pattern.clone(), worker.name.clone())));
        }
        by_pattern.truncate(PATTERNS);
        Serving { by_kind, by_pattern }
    }

    fn of_kind<'s>(&'s self, kind: &'s Name) -> impl Iterator<Item = &'s str> {
        let by_name = self.by_kind.get(kind).map_or(&[][..], Vec::as_slice);
        let matching =
            self.by_pattern.iter().filter(|(pattern, name)| pattern.matches(kind) && !by_name.contains(name));
        by_name.iter().chain(matching.map(|(_, name)| name)).map(AsRef::as_ref)
    }
}

fn write(out: &mut Json, app: &App, name: &Name, by_state: &ByState, serving: &Serving) {
    let defaults = app.options.defaults.get();
    let told = app.options.kinds.get();
    let (defaults, options) = (defaults.kinds.get(name), told.get(name));
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
    let mean = app.engine.kind_stats(name).map(|stats| stats.mean_ms / 1_000.0);
    out.key("typical_seconds").maybe_float(mean);
    out.key("served").bool(app.engine.served(None, name));
    out.key("workers").list(serving.of_kind(name), |out, worker| out.text(worker));
    for state in State::ALL {
        out.key(state.as_str()).number(by_state[state as usize]);
    }
    out.end();
}
