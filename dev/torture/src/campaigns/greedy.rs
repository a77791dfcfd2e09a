//! Callers that take what they can get: whatever they send, the server's memory and threads are bounded, it says that it
//! is alive, and others are served beside them.

mod attacks;
mod caller;
mod gauge;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::json;

use crate::campaign::{Order, runtime};
use crate::http::Http;
use crate::tally::Tally;
use crate::test_server::TestServer;
use crate::wire::Leases;

use attacks::ATTACKS;
use caller::Caller;
use gauge::{Gauge, Peaks};

/// Over what an idle server has.
const MEMORY_MIB: u64 = 256;
/// Threads over those of an idle server: what works aside is bounded.
const THREADS: u64 = 64;
/// `/livez` is answered within this on a machine that has a processor for everybody, and later by what somebody who does
/// nothing else has needed for it at worst so far: the callers take their part of the machine, too, and so may others.
const LIVE: Duration = Duration::from_millis(100);

/// One loop is every attack, one after the other.
pub fn run(order: &Order) -> Result<Tally> {
    runtime()?.block_on(campaign(order))
}

async fn campaign(order: &Order) -> Result<Tally> {
    let test = TestServer::new(order.name, "")?;
    let caller = Caller::new(&test.server()?.url)?;
    let (stop, served) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let ordinary = tokio::spawn(ordinary(test.http.clone(), stop.clone(), served.clone()));
    tokio::time::sleep(Duration::from_millis(500)).await;
    let gauge = Gauge::start(test.server()?.pid()?, caller.address)?;
    let idle = gauge.take();
    let mut tally = Tally { loops: order.loops.into(), ..Tally::default() };
    let mut worst = Peaks::default();
    for _ in 0..order.loops {
        for attack in ATTACKS {
            let before = served.load(Relaxed);
            let begin = Instant::now();
            let done = tokio::time::timeout(attacks::LONGEST, (attack.run)(caller)).await;
            done.with_context(|| format!("{} did not end", attack.name))?
                .with_context(|| format!("{}: {}", attack.name, attack.about))?;
            // A fact to wait for: others were served after it began, too.
            crate::test_server::until("an ordinary client is served", Duration::from_secs(10), async || {
                ensure!(!ordinary.is_finished(), "the ordinary client gave up");
                Ok(served.load(Relaxed) > before + 1)
            })
            .await
            .with_context(|| format!("beside {}", attack.name))?;
            let peaks = gauge.take();
            worst = worst.max(peaks);
            let over = peaks.resident.saturating_sub(idle.resident);
            let live = LIVE.mul_f64(gauge::crowd()?);
            println!(
                "{:16} {:5.1} s, {over:4} MiB over idle, {:3} threads more, /livez at most {:.1} ms (bare {:.1})",
                attack.name,
                begin.elapsed().as_secs_f64(),
                peaks.threads.saturating_sub(idle.threads),
                peaks.live.as_secs_f64() * 1e3,
                peaks.bare.as_secs_f64() * 1e3,
            );
            for (fault, is_so) in [
                (format!("{over} MiB over idle, at most {MEMORY_MIB}"), over > MEMORY_MIB),
                (
                    format!("{} threads, {} when idle", peaks.threads, idle.threads),
                    peaks.threads > idle.threads + THREADS,
                ),
                (
                    format!("/livez took {:?}, at most {live:?} over {:?}", peaks.live, worst.bare),
                    peaks.live > live + worst.bare,
                ),
            ] {
                if is_so {
                    test.log.complain("greedy", format!("{}: {fault}", attack.name));
                }
            }
            tally.faults += 1;
        }
    }
    stop.store(true, Relaxed);
    ordinary.await?.context("the ordinary client")?;
    drop(gauge);
    tally.submits = served.load(Relaxed);
    tally.ends = tally.submits;
    tally.notes.push(format!(
        "{} attacks: at most {} MiB over the {} MiB of an idle server, /livez within {:.1} ms, a bare server within {:.1}",
        ATTACKS.len(),
        worst.resident.saturating_sub(idle.resident),
        idle.resident,
        worst.live.as_secs_f64() * 1e3,
        worst.bare.as_secs_f64() * 1e3
    ));
    test.close(tally)
}

/// Submits a job, works on it and asks for it, one after the other, and is never refused.
async fn ordinary(http: Http, stop: Arc<AtomicBool>, served: Arc<AtomicU64>) -> Result<()> {
    let call = async |path: &str, body: serde_json::Value| {
        let answer = http.post(path, &body).await.ok().context("a connection broke")?;
        ensure!(answer.is_success(), "POST {path} was answered {} {}", answer.status, answer.text());
        Ok(answer)
    };
    while !stop.load(Relaxed) {
        call("/jobs", json!({"kind": "ordinary", "queue": "ordinary"})).await?;
        let ask = json!({"worker": {"name": "ordinary"}, "kinds": ["ordinary"], "queues": ["ordinary"], "wait": "5s"});
        let leases: Leases = call("/leases", ask).await?.json()?;
        for leased in leases.leases {
            call(&format!("/leases/{}/heartbeat", leased.lease), json!({})).await?;
            call(&format!("/leases/{}/complete", leased.lease), json!("done")).await?;
            served.fetch_add(1, Relaxed);
        }
    }
    Ok(())
}
