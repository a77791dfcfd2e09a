//! P5b: whole lives of jobs, submitted one a call and leased in batches.

use std::{sync::Arc, time::Instant};

use tokio::task::JoinSet;

use super::{
    Options,
    broken::broken,
    connection::{post, request},
    feed, load,
    report::Row,
    series::Series,
    server::{Server, job},
};
use crate::cli::exit::Failure;

/// Measures lives: single submits by many callers while workers drain in batches of 32.
pub async fn measure(options: &Options) -> Result<Vec<Row>, Failure> {
    let mut lives = Series::default();
    for _ in 0..options.rounds {
        lives.push(round(options).await?);
    }
    Ok(vec![row(lives, options.callers)])
}

/// One round, of a server of its own: lives a second.
pub async fn round(options: &Options) -> Result<f64, Failure> {
    let request = post("/jobs", &job());
    let folder = options.scratch()?;
    let server = Server::start(options, folder.path())?;
    // As many as the callers submit in about the time asked for.
    let probe = load::run(server.address, &request, 202, options.callers, options.time() / 5).await?;
    feed::drain(server.address, waiting(&server).await?, 32).await?;
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count")]
    let count = (probe.rate * options.time().as_secs_f64() / 2.0) as usize;
    let begin = Instant::now();
    let (submitted, drained) =
        tokio::join!(submit(&server, &request, count, options.callers), feed::drain(server.address, count, 32));
    submitted?;
    drained?;
    Ok(count as f64 / begin.elapsed().as_secs_f64())
}

/// The figure of the rounds.
pub fn row(lives: Series, callers: usize) -> Row {
    Row::new("P5b", format!("full lives, single submits by {callers} callers, batches of 32"), lives, "jobs/s")
}

/// Submits `count` jobs, one a call.
async fn submit(server: &Server, request: &[u8], count: usize, callers: usize) -> Result<(), Failure> {
    let request: Arc<[u8]> = request.into();
    let mut tasks = JoinSet::new();
    for caller in 0..callers {
        let (mut connection, request) = (server.connect().await?, request.clone());
        let share = count / callers + usize::from(caller < count % callers);
        tasks.spawn(async move {
            for _ in 0..share {
                connection.expect(&request, 202).await?;
            }
            Ok::<_, Failure>(())
        });
    }
    while let Some(ended) = tasks.join_next().await {
        ended.map_err(broken)??;
    }
    Ok(())
}

/// How many jobs wait.
async fn waiting(server: &Server) -> Result<usize, Failure> {
    let mut connection = server.connect().await?;
    let answer = connection.expect(&request("GET", "/queues/default", &[], b""), 200).await?;
    usize::try_from(answer.number("queued")?).map_err(broken)
}
