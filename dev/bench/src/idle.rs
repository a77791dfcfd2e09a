//! P15: what a server costs that nobody asks for anything.

use std::time::{Duration, Instant};

use raincheck::{
    bench::{Options, broken::broken, connection::request, report::Row, series::Series, server::Server},
    cli::exit::Failure,
    config::StoreUrl,
};
use raincheck_store::{PostgresOptions, Stranger};

/// Until what belongs to the start is over.
const SETTLE: Duration = Duration::from_secs(2);
/// So late may PostgreSQL count what an idle connection has done.
const LATE: Duration = Duration::from_secs(10);

/// Measures processor time, and queries where strace is there to see them.
pub async fn measure(options: &Options) -> Result<Vec<Row>, Failure> {
    let folder = options.scratch()?;
    let server = Server::start(options, folder.path())?;
    tokio::time::sleep(SETTLE.min(options.time())).await;
    let mut shares = Series::default();
    for _ in 0..options.rounds {
        let (begin, before) = (Instant::now(), processor(&server)?);
        tokio::time::sleep(options.time() * 2).await;
        let used = processor(&server)?.saturating_sub(before);
        shares.push(100.0 * used.as_secs_f64() / begin.elapsed().as_secs_f64());
    }
    drop(server);
    let mut rows = vec![Row::new("P15", "processor time, idle", shares, "% of a core").at_most(0.2)];
    if let Some(store) = options.store.as_ref().filter(|store| store.is_postgres()) {
        let rate = transactions(options, store).await?;
        rows.push(Row::new("P15", "transactions of the database, idle", rate, "/s").at_most(1.0));
        return Ok(rows);
    }
    match queries(options).await {
        Ok(queries) => {
            rows.push(Row::new("P15", "locks of the database taken for queries, idle", queries, "/s").at_most(0.0))
        }
        Err(failure) => eprintln!("the queries of an idle server are not counted: {failure}"),
    }
    Ok(rows)
}

/// Processor time that all threads of the server have had. Linux only.
fn processor(server: &Server) -> Result<Duration, Failure> {
    let mut nanos = 0;
    for thread in std::fs::read_dir(format!("/proc/{}/task", server.pid()))? {
        // A thread that has ended meanwhile was of a pool that shrinks, with next to nothing to its name.
        if let Ok(text) = std::fs::read_to_string(thread?.path().join("schedstat")) {
            let first = text.split_whitespace().next().and_then(|number| number.parse::<u64>().ok());
            nanos += first.ok_or_else(|| broken("this system does not tell the processor time of a thread"))?;
        }
    }
    Ok(Duration::from_nanos(nanos))
}

/// Transactions a second, as PostgreSQL counts them: some seconds late, so over a longer time.
async fn transactions(options: &Options, store: &StoreUrl) -> Result<f64, Failure> {
    let folder = options.scratch()?;
    let database = PostgresOptions::at(store.reveal(), &folder.path().join("data/blobs"));
    let server = Server::start(options, folder.path())?;
    let stranger = Stranger::open(&database).await.map_err(broken)?;
    tokio::time::sleep(LATE.min(options.time() * 4)).await;
    let (begin, before) = (Instant::now(), stranger.transactions().await.map_err(broken)?);
    tokio::time::sleep(LATE.max(options.time() * 4)).await;
    let after = stranger.transactions().await.map_err(broken)?;
    let (rate, elapsed) = ((after - before) as f64, begin.elapsed().as_secs_f64());
    server.stop()?;
    Ok(rate / elapsed)
}

/// Locks taken a second. SQLite begins and ends every query on a shared database with one.
async fn queries(options: &Options) -> Result<f64, Failure> {
    let folder = options.scratch()?;
    let trace = folder.path().join("trace");
    let server = Server::start_traced(options, folder.path(), "fcntl", &trace)?;
    tokio::time::sleep(SETTLE.min(options.time())).await;
    let locks = || {
        let text = std::fs::read_to_string(&trace).map_err(broken)?;
        Ok::<_, Failure>(text.lines().filter(|line| line.contains("F_SETLK")).count())
    };
    // If a query were not seen, none would mean nothing.
    let started = locks()?;
    server.connect().await?.expect(&request("GET", "/jobs", &[], b""), 200).await?;
    let before = locks()?;
    if before <= started {
        return Err(broken("a query is not seen by strace"));
    }
    let begin = Instant::now();
    tokio::time::sleep(options.time() * 2).await;
    Ok((locks()? - before) as f64 / begin.elapsed().as_secs_f64())
}
