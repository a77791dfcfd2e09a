//! A steady load on PostgreSQL, while somebody else leaves a transaction open for a while: what is done a second before,
//! meanwhile and long after, and how the tables grow.

use std::{iter::repeat_n, sync::Arc, time::Duration};

use raincheck::{
    bench::{Options, broken::broken, report::Row, series::Series, server::Server},
    cli::exit::Failure,
};
use raincheck_store::{PostgresOptions, Stranger, TableSize};
use tokio::time::Instant;

use crate::steady::Load;

/// Pieces of the run, each with a figure of its own: half minutes of half an hour.
const PIECES: u32 = 60;
/// The first ones warm up and do not count.
const WARM: usize = 2;
/// From here to there the transaction is open; the last third shows what stays.
const OPEN: usize = PIECES as usize / 3;
const SHUT: usize = PIECES as usize / 2;
const AFTER: usize = PIECES as usize * 2 / 3;
/// Finished jobs go soon, so that they are cleaned up after as well.
const SETTINGS: &str = "[defaults]\nretention = { succeeded = \"1m\" }\n";

/// What was seen of a run.
struct Seen {
    /// Jobs a second that came to their end, piece by piece.
    rates: Vec<f64>,
    /// Jobs that waited or ran, after each piece.
    waiting: Vec<usize>,
    /// At the start, when the transaction was begun, when it was ended, at the end.
    sizes: Vec<Vec<TableSize>>,
}

/// Measures it.
pub async fn measure(options: &Options, minutes: f64) -> Result<Vec<Row>, Failure> {
    let Some(store) = options.store.as_ref().filter(|store| store.is_postgres()) else {
        return Err(Failure::usage("`bloat` is about PostgreSQL: it needs --store postgres://USER@HOST/DATABASE"));
    };
    let folder = options.scratch()?;
    let settings = folder.path().join("raincheck.toml");
    std::fs::write(&settings, format!("{SETTINGS}{}", std::fs::read_to_string(&settings)?))?;
    let server = Server::start(options, folder.path())?;
    let database = PostgresOptions::at(store.reveal(), &folder.path().join("data/blobs"));
    let load = Arc::new(Load::default());
    let piece = Duration::from_secs_f64(minutes * 60.0) / PIECES;
    // Whatever fails, nothing goes on for half an hour that is void.
    let (seen, ()) = tokio::try_join!(watch(&load, &database, piece), load.keep_up(&server, options.callers))?;
    server.stop()?;
    Ok(rows(&seen, piece, load.done(), options.callers))
}

/// Looks at the load, and opens and ends the transaction. The load is over when all is seen.
async fn watch(load: &Load, database: &PostgresOptions, piece: Duration) -> Result<Seen, Failure> {
    let watcher = Stranger::open(database).await.map_err(broken)?;
    let holder = Stranger::open(database).await.map_err(broken)?;
    let mut seen =
        Seen { rates: Vec::new(), waiting: Vec::new(), sizes: vec![watcher.tables().await.map_err(broken)?] };
    let begin = Instant::now();
    let (mut then, mut before) = (begin, load.done());
    for number in 0..PIECES as usize {
        match number {
            OPEN => {
                seen.sizes.push(watcher.tables().await.map_err(broken)?);
                holder.hold().await.map_err(broken)?;
            }
            SHUT => {
                seen.sizes.push(watcher.tables().await.map_err(broken)?);
                holder.roll_back().await.map_err(broken)?;
            }
            _ => {}
        }
        let end = piece * u32::try_from(number + 1).map_err(broken)?;
        tokio::time::sleep_until(begin + end).await;
        let (now, done) = (Instant::now(), load.done());
        let rate = (done - before) as f64 / (now - then).as_secs_f64();
        (then, before) = (now, done);
        seen.rates.push(rate);
        seen.waiting.push(load.waiting());
        let open = if (OPEN..SHUT).contains(&number) { ", a foreign transaction open" } else { "" };
        eprintln!("{:.2} min: {rate:.0} jobs/s, {} waiting{open}", end.as_secs_f64() / 60.0, load.waiting());
    }
    seen.sizes.push(watcher.tables().await.map_err(broken)?);
    load.end();
    Ok(seen)
}

fn rows(seen: &Seen, piece: Duration, jobs: usize, callers: usize) -> Vec<Row> {
    let part = |from: usize, to: usize| seen.rates[from..to].iter().copied().collect::<Series>();
    let (before, open, after) = (part(WARM, OPEN), part(OPEN, SHUT), part(AFTER, PIECES as usize));
    let against = |part: &Series| repeat_n(before.median(), part.rounds()).collect::<Series>();
    let most = seen.waiting.iter().max().copied().unwrap_or_default();
    let seconds = piece.as_secs_f64();
    let note = format!("a figure each {seconds} s; {jobs} jobs in all, at most {most} waiting or running");
    let what = format!("full lives on PostgreSQL, {callers} callers, batches of 32");
    let (in_open, in_after) = (against(&open), against(&after));
    let mut rows = vec![
        Row::new("B", what, before.clone(), "jobs/s").note(note),
        Row::new("B", "the same, a foreign transaction open", open, "jobs/s").over("before", &in_open),
        Row::new("B", "the same, in the last third, long after it", after, "jobs/s")
            .over("before", &in_after)
            .at_least(0.9)
            .course(seen.rates.clone()),
    ];
    let Some(end) = seen.sizes.last() else { return rows };
    for table in end {
        let all: Vec<&TableSize> = seen.sizes.iter().flatten().filter(|other| other.name == table.name).collect();
        if all.iter().any(|size| size.live + size.dead > 0) {
            rows.push(growth(table, &all));
        }
    }
    rows
}

/// A row about a table.
fn growth(end: &TableSize, all: &[&TableSize]) -> Row {
    let mib = |size: &TableSize| size.bytes as f64 / f64::from(1 << 20);
    let way = |part: &dyn Fn(&TableSize) -> String| all.iter().map(|size| part(size)).collect::<Vec<_>>().join(" → ");
    let note = format!(
        "start → transaction begun → ended → end: {} MiB; live rows {}; dead rows {}",
        way(&|size| format!("{:.1}", mib(size))),
        way(&|size| size.live.to_string()),
        way(&|size| size.dead.to_string()),
    );
    Row::new("B", format!("table `{}` with its indexes, at the end", end.name), mib(end), "MiB").note(note)
}
