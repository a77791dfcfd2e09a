//! P5b, P6: whole lives of jobs, submitted one a call; leased in batches, or one by one.

use std::{sync::Arc, time::Instant};

use tokio::task::JoinSet;

use super::{
    Options, bare,
    broken::broken,
    connection::{Connection, leases, post, request},
    feed, load,
    report::Row,
    series::Series,
    server::{Server, job},
};
use crate::cli::exit::Failure;

/// Measures lives: single submits by many callers while workers drain in batches of 32.
pub async fn measure(options: &Options) -> Result<Vec<Row>, Failure> {
    let answers = options.scratch()?;
    let request = post("/jobs", &job());
    let (mut lives, mut limit) = (Series::default(), Series::default());
    for _ in 0..options.rounds {
        let folder = options.scratch()?;
        let server = Server::start(folder.path())?;
        bare::keep(answers.path(), "submit", &server.connect().await?.expect(&request, 202).await?)?;
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
        lives.push(count as f64 / begin.elapsed().as_secs_f64());
        drop(server);
        let bare = Server::bare(answers.path())?;
        limit.push(load::run(bare.address, &request, 202, options.callers, options.time() / 2).await?.rate);
    }
    let what = format!("full lives, single submits by {} callers, batches of 32", options.callers);
    Ok(vec![Row::new("P5b", what, lives, "jobs/s").over("bare axum handler", &limit).at_least(0.25)])
}

/// Connections that lease and finish one by one.
const SINGLES: usize = 32;

/// Measures one lease and one completion a request.
pub async fn single(options: &Options) -> Result<Vec<Row>, Failure> {
    let answers = options.scratch()?;
    let request = post("/jobs", &job());
    let count = options.each_second(4_000).max(10 * SINGLES);
    let (mut lives, mut limit) = (Series::default(), Series::default());
    for _ in 0..options.rounds {
        let folder = options.scratch()?;
        let server = Server::start(folder.path())?;
        bare::keep(answers.path(), "submit", &server.connect().await?.expect(&request, 202).await?)?;
        server.fill(count + SINGLES).await?;
        one_by_one(&mut server.connect().await?, SINGLES).await?;
        let begin = Instant::now();
        let mut workers = JoinSet::new();
        for _ in 0..SINGLES {
            let mut connection = server.connect().await?;
            workers.spawn(async move { one_by_one(&mut connection, count / SINGLES).await });
        }
        while let Some(ended) = workers.join_next().await {
            ended.map_err(broken)??;
        }
        lives.push((count / SINGLES * SINGLES) as f64 / begin.elapsed().as_secs_f64());
        drop(server);
        let bare = Server::bare(answers.path())?;
        limit.push(load::run(bare.address, &request, 202, SINGLES, options.time() / 2).await?.rate);
    }
    let what = format!("lease 1, complete 1, {SINGLES} connections");
    Ok(vec![Row::new("P6", what, lives, "jobs/s").over("bare axum handler", &limit).at_least(0.15)])
}

async fn one_by_one(connection: &mut Connection, count: usize) -> Result<(), Failure> {
    let ask = post("/leases", b"{\"worker\":{\"name\":\"bench\"},\"kinds\":[\"bench\"],\"max\":1,\"wait\":\"5s\"}");
    for _ in 0..count {
        let answer = connection.expect(&ask, 200).await?;
        let lease = leases(answer.body)
            .into_iter()
            .next()
            .map(|range| String::from_utf8_lossy(&answer.body[range]).into_owned());
        let lease = lease.ok_or_else(|| broken("a lease request was answered without a lease"))?;
        connection.expect(&post(&format!("/leases/{lease}/complete"), b"{\"ok\":true}"), 200).await?;
    }
    Ok(())
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
