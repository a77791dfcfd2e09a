//! P6: jobs leased and finished one by one.

use std::time::Instant;

use raincheck::{
    bench::{
        Options,
        broken::broken,
        connection::{Connection, leases, post},
        report::Row,
        series::Series,
        server::Server,
    },
    cli::exit::Failure,
};
use tokio::task::JoinSet;

use crate::bare::{self, Limit};

/// Connections that lease and finish one by one.
const SINGLES: usize = 32;

/// Measures one lease and one completion a request.
pub async fn measure(options: &Options) -> Result<Vec<Row>, Failure> {
    let limit = Limit::of_submits(options).await?;
    let count = options.each_second(4_000).max(10 * SINGLES);
    let (mut lives, mut limits) = (Series::default(), Series::default());
    for _ in 0..options.rounds {
        let folder = options.scratch()?;
        let server = Server::start(options, folder.path())?;
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
        limits.push(limit.rate(SINGLES, options.time() / 2).await?);
    }
    let what = format!("lease 1, complete 1, {SINGLES} connections");
    Ok(vec![Row::new("P6", what, lives, "jobs/s").over(bare::NAME, &limits).at_least(0.15)])
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
