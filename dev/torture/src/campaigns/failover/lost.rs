//! An asynchronous standby takes over, and what was acknowledged last is lost; in every other loop the old primary lives
//! on, and a node with it. Whatever is lost is reported, and nothing of it is mixed with what is new.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use pgcluster::{Proxy, Replication, Stop};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use uuid::Uuid;

use super::crowd::Crowd;
use super::figure::Figure;
use super::node::{NODES, Node, SOON};
use super::pair::{DATABASE, Pair};
use crate::campaign::Order;
use crate::log::Log;
use crate::round::{doctor, verdict};
use crate::scratch::Scratch;
use crate::server::{Launch, Server};
use crate::tally::Tally;
use crate::test_server::until;
use crate::wire::Jobs;

/// Events that the database itself says are missing, in SQL.
const RECORDED: &str = "SELECT coalesce(sum(lost - last), 0) FROM history WHERE lost > last";

/// Runs so many failovers in a row.
pub async fn round(order: &Order, failovers: u32) -> Result<Tally> {
    let mut rng = StdRng::seed_from_u64(order.seed);
    let scratch = Scratch::new("failover-lost")?;
    let log = Arc::new(Log::default());
    let mut pair = Pair::start(Replication::Asynchronous)?;
    let (mut ways, mut servers, mut nodes) = (Vec::new(), Vec::<(Launch, Server)>::new(), Vec::new());
    for _ in 0..NODES {
        let way = Proxy::to(pair.primary.port())?;
        let launch = Launch::new(scratch.path())?.on(&way.url(DATABASE));
        let server = launch.start()?;
        nodes.push(Node::at(&server.url, &log)?);
        servers.push((launch, server));
        ways.push(way);
    }
    let crowd = Crowd::start(&nodes);
    // What was said to be missing of each period.
    let mut recorded = HashMap::<u32, u64>::new();
    let goal = Duration::from_secs(3);
    let mut noticed_in = Figure::new("from a promotion that loses something to its being noticed", goal);
    for number in 0..failovers {
        tokio::time::sleep(Duration::from_millis(rng.random_range(500..1_000))).await;
        let before = (nodes[0].changes().await?, nodes[1].changes().await?);
        let missing_before = nodes[0].metric("raincheck_missing_events").await?;
        let recorded_before: u64 = pair.primary.run(DATABASE, RECORDED)?.parse()?;
        // What was acknowledged in even periods is safe, in odd ones it is not.
        crowd.known.now.fetch_add(1, Relaxed);
        pair.standby.catch_up(&pair.primary)?;
        pair.standby.stop_following()?;
        tokio::time::sleep(Duration::from_millis(rng.random_range(300..1_000))).await;
        let is_split = number % 2 == 1;
        if is_split {
            pair.standby.promote()?;
            ways[1].lead(pair.standby.port());
            ways[1].cut();
            nodes[1].writes().await?;
            tokio::time::sleep(Duration::from_millis(rng.random_range(0..1_500))).await;
        } else {
            pair.primary.stop(Stop::Kill)?;
            pair.standby.promote()?;
        }
        for way in &ways {
            way.lead(pair.standby.port());
        }
        ways[0].cut();
        let noticed = until("another history is noticed", SOON, async || {
            // The other node of a split has lost nothing, so far as it could see.
            Ok(nodes[0].changes().await? > before.0 && (is_split || nodes[1].changes().await? > before.1))
        });
        let noticed = noticed.await.and_then(|took| noticed_in.take(took));
        noticed.with_context(|| format!("failover {number}"))?;
        for node in &nodes {
            node.writes().await?;
        }
        let missing = nodes[0].metric("raincheck_missing_events").await? - missing_before;
        let record = pair.standby.run(DATABASE, RECORDED)?.parse::<u64>()? - recorded_before;
        ensure!(record >= missing, "a node misses {missing} events, and the database says {record}");
        recorded.insert(crowd.known.now.load(Relaxed), record);
        pair.renew(Replication::Asynchronous)?;
        crowd.known.now.fetch_add(1, Relaxed);
    }
    let known = crowd.end().await?;
    let jobs = all(&nodes[1]).await?;
    let mut lost_in = HashMap::<u32, u64>::new();
    for (id, period) in known.acknowledged.lock().iter().filter(|(id, _)| !jobs.contains(id)) {
        *lost_in.entry(*period).or_default() += 1;
        if !recorded.contains_key(period) {
            log.complain("lost", format!("{id} was acknowledged while nothing was being lost, in period {period}"));
        }
    }
    for (period, lost) in &lost_in {
        // Each of them was an event at least.
        let record = recorded.get(period).copied().unwrap_or_default();
        if record < *lost {
            log.complain(
                "lost",
                format!("{lost} jobs are lost in period {period}, and {record} events are recorded as such"),
            );
        }
    }
    let lost: u64 = lost_in.values().sum();
    ensure!(lost > 0, "nothing was lost: the campaign has missed what it is for");
    ensure!(known.resets.load(Relaxed) > 0, "no follower was told that its place is gone");
    let launch = servers[0].0.clone();
    for (_, server) in servers {
        server.terminate()?;
    }
    doctor(&log, &launch)?;
    let said = std::fs::read_to_string(scratch.path().join("server.log"))?;
    let lines =
        said.lines().filter(|line| line.contains("another history") && line.contains(r#""level":"error""#)).count();
    ensure!(lines >= failovers as usize, "{failovers} failovers lost something, and {lines} lines of the log say so");
    let note = format!(
        "{failovers} promotions of a standby that was behind: {lost} acknowledged jobs lost, of {} events that the database \
         records as lost; followers were told {} times",
        recorded.values().sum::<u64>(),
        known.resets.load(Relaxed)
    );
    let acknowledged = known.acknowledged.lock().len() as u64;
    let tally = Tally {
        faults: failovers.into(),
        submits: acknowledged,
        ends: known.ended.load(Relaxed),
        notes: vec![noticed_in.to_string(), note],
        ..Tally::default()
    };
    verdict(scratch.path(), tally, &log.read(|records| records.complaints.clone()))
}

/// Every job, each of the kind that it was submitted as.
async fn all(node: &Node) -> Result<HashSet<Uuid>> {
    let (mut all, mut cursor) = (HashSet::new(), String::new());
    loop {
        let page: Jobs = node.0.fetch(&format!("/jobs?limit=1000{cursor}")).await?;
        for job in page.items.into_iter().filter(|job| job.label.is_some()) {
            ensure!(job.label.as_deref() == Some(&job.kind), "a job of {} was submitted as {:?}", job.kind, job.label);
            all.insert(job.id);
        }
        match page.next_cursor {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return Ok(all),
        }
    }
}
