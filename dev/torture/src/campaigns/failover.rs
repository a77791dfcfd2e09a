//! Two nodes over a PostgreSQL that moves to its standby, is led to it by mistake, loses an answer or stands still, under
//! load; and one that loses on the way what was acknowledged last, or goes on in two places.

mod crowd;
mod figure;
mod holders;
mod lost;
mod node;
mod pair;

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use pgcluster::{Proxy, Replication, Stop};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use uuid::Uuid;

use crate::campaign::{Order, runtime};
use crate::load::Mix;
use crate::round::Round;
use crate::server::Launch;
use crate::tally::Tally;
use crate::test_server::until;
use figure::Figure;
use holders::Holders;
use node::{NODES, Node, SOON};
use pair::{DATABASE, Pair};

/// How long it stands still.
const STILL: Duration = Duration::from_secs(30);

/// After one of each fault, so many promotions in a row.
const IN_A_ROW: u32 = 20;

/// Of six loops four lose nothing, and are one round; the others lose what was acknowledged last. So sixty are twenty
/// failovers in a row of either sort, and some more.
pub fn run(order: &Order) -> Result<Tally> {
    let lossy = order.loops / 3;
    let runtime = runtime()?;
    let mut tally = runtime.block_on(seamless(order, order.loops - lossy))?;
    if lossy > 0 {
        tally += runtime.block_on(lost::round(order, lossy))?;
    }
    Ok(Tally { loops: order.loops.into(), ..tally })
}

/// What happens to the database, and nothing is lost.
#[derive(Clone, Copy, Debug)]
enum Fault {
    /// The primary dies, and its synchronous standby takes over.
    Promotion,
    /// The network leads to the standby, and back without ending a session.
    Standby,
    /// A commit is done, its answer is lost, and who is asked next is a standby that does not know of it yet.
    LostAnswer,
    /// Nothing gets through, and nothing ends.
    Stillness,
}

/// How long it took until both have taken a write.
async fn all_write(nodes: &[Node]) -> Result<Duration> {
    let [one, other] = nodes else { bail!("not {NODES} nodes") };
    let (one, other) = tokio::try_join!(one.writes(), other.writes())?;
    Ok(one.max(other))
}

/// What was measured.
struct Took {
    promotion: Figure,
    back: Figure,
    notified: Figure,
}

impl Default for Took {
    fn default() -> Self {
        Took {
            promotion: Figure::new("from a promotion to the first write of each node", Duration::from_secs(1)),
            back: Figure::new(
                "from the way back from a standby to the first write of each node",
                Duration::from_secs(5),
            ),
            notified: Figure::new(
                "from a write to its refusal by a node whose database stands still",
                Duration::from_secs(10),
            ),
        }
    }
}

async fn seamless(order: &Order, faults: u32) -> Result<Tally> {
    let mut rng = StdRng::seed_from_u64(order.seed);
    let mut pair = Pair::start(Replication::Synchronous)?;
    let way = Proxy::to(pair.primary.port())?;
    let mut round = Round::new(order.name, order.seed, Mix { stalls: true, ..Mix::default() })?;
    for _ in 0..NODES {
        round.start(&Launch::new(round.folder())?.on(&way.url(DATABASE))).await?;
    }
    let nodes: Vec<Node> = round.urls().iter().map(|url| Node::at(url, &round.log)).collect::<Result<_>>()?;
    let mut took = Took::default();
    for number in 0..faults {
        let kind = match number {
            0..4 => number,
            _ if number < 4 + IN_A_ROW => 0,
            // Mostly what matters most.
            _ => rng.random_range(0..12),
        };
        let fault = match kind {
            1 => Fault::Standby,
            2 => Fault::LostAnswer,
            3 => Fault::Stillness,
            _ => Fault::Promotion,
        };
        let holders = Holders::start(&nodes).await?;
        tokio::time::sleep(Duration::from_millis(rng.random_range(300..1_500))).await;
        let done = match fault {
            Fault::Promotion => promote(&mut rng, &mut pair, &way, &nodes, &mut took).await,
            Fault::Standby => lead_astray(&pair, &way, &nodes, &mut took).await,
            Fault::LostAnswer => lose_answer(&mut rng, &pair, &way, &nodes).await,
            Fault::Stillness => stand_still(&way, &nodes, &mut took).await,
        };
        done.with_context(|| format!("fault {number}, {fault:?}"))?;
        round.down();
        holders.end().await.with_context(|| format!("fault {number}, {fault:?}"))?;
    }
    for node in &nodes {
        let changes = node.changes().await?;
        ensure!(changes == 0, "nothing was lost, and {changes} other histories were seen");
    }
    let tally = round.judge().await?;
    let notes = [took.promotion, took.back, took.notified].map(|figure| figure.to_string());
    Ok(Tally { notes: notes.into(), ..tally })
}

async fn promote(rng: &mut StdRng, pair: &mut Pair, way: &Proxy, nodes: &[Node], took: &mut Took) -> Result<()> {
    match rng.random_range(0..3) {
        0 => pair.primary.stop(Stop::Kill)?,
        1 => pair.primary.stop(Stop::Immediate)?,
        // Its sessions stay open, until whoever leads elsewhere ends them.
        _ => pair.primary.freeze()?,
    }
    pair.standby.promote()?;
    way.lead(pair.standby.port());
    way.cut();
    took.promotion.take(all_write(nodes).await?)?;
    pair.renew(Replication::Synchronous).map(drop)
}

async fn lead_astray(pair: &Pair, way: &Proxy, nodes: &[Node], took: &mut Took) -> Result<()> {
    way.lead(pair.standby.port());
    way.cut();
    for node in nodes {
        until("a node that is led to a standby is not ready", SOON, async || Ok(!node.is_ready().await)).await?;
    }
    way.lead(pair.primary.port());
    took.back.take(all_write(nodes).await?)
}

async fn lose_answer(rng: &mut StdRng, pair: &Pair, way: &Proxy, nodes: &[Node]) -> Result<()> {
    let (id, before) = (Uuid::from_u128(rng.random()), way.commits_lost());
    pair.standby.pause_replay()?;
    way.lose_commit(&id.to_string(), pair.standby.port());
    let answer = nodes[0].put(id, &id.to_string()).await;
    let refused = answer.as_ref().ok().filter(|answer| answer.status != 202);
    ensure!(refused.is_none(), "a submit whose commit was done was answered {answer:?}");
    ensure!(way.commits_lost() == before + 1, "no answer was lost");
    way.lead(pair.primary.port());
    for node in nodes {
        node.writes().await?;
    }
    pair.standby.resume_replay()?;
    let there = nodes[1].0.get(&format!("/jobs/{id}")).await.is_ok_and(|answer| answer.status == 202);
    ensure!(there, "a job whose commit was done is not there");
    nodes[1].call_off(id).await
}

async fn stand_still(way: &Proxy, nodes: &[Node], took: &mut Took) -> Result<()> {
    let begin = Instant::now();
    way.freeze();
    let id = Uuid::from_u128(rand::random());
    for node in nodes {
        let asked = Instant::now();
        let answer = node.put(id, "").await;
        took.notified.take(asked.elapsed())?;
        ensure!(answer.as_ref().map_or(true, |answer| answer.status == 503), "it was answered {answer:?}");
        until("a node is not ready while the database stands still", SOON, async || Ok(!node.is_ready().await)).await?;
    }
    tokio::time::sleep(STILL.saturating_sub(begin.elapsed())).await;
    way.thaw();
    for node in nodes {
        node.writes().await?;
    }
    // One of the two may have been taken after all, if nobody was told otherwise.
    let there = nodes[0].0.get(&format!("/jobs/{id}")).await.is_ok_and(|answer| answer.is_success());
    if there { nodes[0].call_off(id).await } else { Ok(()) }
}
