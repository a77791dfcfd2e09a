//! Raincheck inside a program: worker tasks instead of worker processes, and no HTTP.
//!
//! `cargo run -p raincheck-engine --example embedded`

use std::sync::Arc;
use std::time::Duration;

use raincheck_core::{Clock, Failure, FailureCode, JobRequest, Name, Progress, SteadyClock};
use raincheck_engine::{Engine, Handlers, LocalOptions, LocalWorker, Settings, Task, Until, json};
use raincheck_store::{Found, SqliteOptions, SqliteStore};

type Anything = Box<dyn std::error::Error + Send + Sync>;

#[tokio::main]
async fn main() -> Result<(), Anything> {
    let folder = tempfile::tempdir()?;
    let clock: Arc<dyn Clock> = Arc::new(SteadyClock::default());
    let store = SqliteStore::open(SqliteOptions { clock: clock.clone(), ..SqliteOptions::in_folder(folder.path()) })?;
    let engine = Engine::start(store, clock, Settings::default()).await?;

    let mut handlers = Handlers::new();
    handlers.register(Name::new("text.count")?, count);
    handlers.register(Name::new("number.square")?, square);
    let workers: Vec<_> = (1..=2)
        .map(|n| {
            let options =
                LocalOptions { name: format!("worker-{n}").into(), concurrency: 4, ..LocalOptions::default() };
            LocalWorker::start(&engine, handlers.clone(), options)
        })
        .collect();

    // Jobs may have a time limit of their own, a key under which they are made once, and all else that a client may ask
    // for; what they leave out is filled in from the engine's defaults.
    let jobs = (0..20).map(|n| {
        let (kind, input) = if n % 2 == 0 {
            ("text.count", format!("{:?}", "rain ".repeat(n)))
        } else {
            ("number.square", n.to_string())
        };
        let label = format!("#{n}");
        let request = JobRequest { kind, label: Some(&label), ..JobRequest::default() };
        engine.new_job(&request, json(input))
    });
    let submitted = engine.submit(jobs.collect::<Result<_, _>>()?).await?;

    for one in &submitted {
        let Found::Here(record) = engine.wait(one.job().id, Until::Done, 30_000).await? else { continue };
        let result = record.result.and_then(|result| result.value).unwrap_or_default();
        let label = record.spec.label.unwrap_or_default();
        println!("{label:>4} {:<14} {:<10} {}", record.job.kind, record.job.state.as_str(), result.escape_ascii());
    }

    for worker in workers {
        worker.stop().await;
    }
    engine.stop().await;
    Ok(())
}

/// Counts words, slowly enough to have something to report.
async fn count(task: Task) -> Result<raincheck_core::Content, Failure> {
    let input = task.input().await.map_err(failed)?;
    let words = String::from_utf8_lossy(&input).split_whitespace().count();
    for percent in [25.0, 50.0, 75.0] {
        let progress = Progress { percent: Some(percent), ..Progress::default() };
        task.progress(progress).await.map_err(failed)?;
        tokio::select! {
            () = tokio::time::sleep(Duration::from_millis(20)) => {}
            () = task.cancel.cancelled() => return Err(failed("called off")),
        }
    }
    Ok(json(words.to_string()))
}

async fn square(task: Task) -> Result<raincheck_core::Content, Failure> {
    let input = task.input().await.map_err(failed)?;
    let number: i64 = String::from_utf8_lossy(&input).parse().map_err(failed)?;
    Ok(json((number * number).to_string()))
}

/// A failed attempt; the job is tried again as it says.
fn failed(why: impl std::fmt::Display) -> Failure {
    Failure::of(FailureCode::Failed, why.to_string())
}
