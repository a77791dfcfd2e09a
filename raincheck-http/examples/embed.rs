//! Raincheck beside the routes of a program of one's own: its API under a prefix, a function as worker.
//!
//! `cargo run -p raincheck-http --example embed`

use std::path::Path;
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::routing::get;
use raincheck_core::{Clock, Content, Failure, FailureCode, Name, SteadyClock};
use raincheck_engine::{Engine, Handlers, LocalOptions, LocalWorker, Settings, Task, json};
use raincheck_http::Options;
use raincheck_store::{SqliteOptions, SqliteStore};
use tokio::net::TcpListener;

type Anything = Box<dyn std::error::Error + Send + Sync>;

#[tokio::main]
async fn main() -> Result<(), Anything> {
    let folder = tempfile::tempdir()?;
    let listener = TcpListener::bind("127.0.0.1:8300").await?;
    let url = format!("http://{}", listener.local_addr()?);
    let program = Program::start(folder.path(), &url).await?;
    println!(
        "curl -i -d '\"to be or not to be\"' -H 'Content-Type: application/json' '{url}/raincheck/kinds/text.count/jobs'"
    );
    println!("curl {url}/finished");
    let (routes, engine) = (program.routes.clone(), program.engine.clone());
    let stop = async move {
        if let Err(error) = tokio::signal::ctrl_c().await {
            eprintln!("cannot wait for Ctrl-C: {error}");
        }
        // Ends what waits and streams, so that the server has only short requests to wait for.
        engine.drain();
    };
    axum::serve(listener, routes).with_graceful_shutdown(stop).await?;
    program.stop().await;
    Ok(())
}

/// A program with slow work.
pub struct Program {
    /// Its own, and Raincheck's under `/raincheck`.
    pub routes: Router,
    /// For its own handlers, too.
    pub engine: Engine,
    worker: LocalWorker,
}

impl Program {
    /// With its state in `folder`, reached at `url`.
    pub async fn start(folder: &Path, url: &str) -> Result<Self, Anything> {
        let clock: Arc<dyn Clock> = Arc::new(SteadyClock::default());
        let store = SqliteStore::open(SqliteOptions { clock: clock.clone(), ..SqliteOptions::in_folder(folder) })?;
        let engine = Engine::start(store, clock, Settings::default()).await?;

        let mut handlers = Handlers::new();
        handlers.register(Name::new("text.count")?, count);
        let worker = LocalWorker::start(&engine, handlers, LocalOptions::default());

        let options = Options { public_url: Some(format!("{url}/raincheck")), ..Options::default() };
        let work = raincheck_http::router(engine.clone(), options)?;
        let routes =
            Router::new().route("/finished", get(finished)).with_state(engine.clone()).nest("/raincheck", work);
        Ok(Program { routes, engine, worker })
    }

    /// Finishes what runs and closes the store.
    pub async fn stop(self) {
        self.worker.stop().await;
        self.engine.stop().await;
    }
}

/// A route of the program's own, which uses the same engine: how many jobs have succeeded since it started.
async fn finished(State(engine): State<Engine>) -> String {
    engine.counters().succeeded.load(std::sync::atomic::Ordering::Relaxed).to_string()
}

/// Counts the words of its input.
async fn count(task: Task) -> Result<Content, Failure> {
    let input = task.input().await.map_err(|why| Failure::of(FailureCode::Failed, why.to_string()))?;
    Ok(json(String::from_utf8_lossy(&input).split_whitespace().count().to_string()))
}
