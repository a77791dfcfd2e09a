//! kill -9 of a server that runs commands: they and their children die with it, and their jobs run once again.

use std::time::Duration;

use anyhow::{Context, Result};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::campaign::{Order, runtime};
use crate::tally::Tally;
use crate::test_server::{TestServer, until};
use crate::wire::{Event, Job, State, What};

/// A killed server's processes are gone within this.
const GONE: Duration = Duration::from_secs(2);
/// A run that died with its server is noticed when its lease, fresh at the restart, has run out.
const AGAIN: Duration = Duration::from_secs(60);
/// Jobs of a loop: one for each kind.
const KINDS: [&str; 2] = ["plain", "warm"];

/// The events of one job.
#[derive(Deserialize)]
struct OwnEvents {
    items: Vec<Event>,
}

/// One loop is one kill.
pub fn run(order: &Order) -> Result<Tally> {
    runtime()?.block_on(campaign(order))
}

async fn campaign(order: &Order) -> Result<Tally> {
    let mark = format!("torture-nap-{}", std::process::id());
    // The first run naps with a child, the next ends at once. `warm` answers line by line, as long as it lives.
    let plain =
        format!("if [ $RAINCHECK_ATTEMPT = 1 ]; then sleep 300 & sh -c 'sleep 300 # {mark}'; fi; echo '\"awake\"'");
    let warm = format!(
        r#"while read -r job; do id=${{job#*\"id\":\"}}; id=${{id%%\"*}}; n=${{job##*\"attempt\":}}; n=${{n%%[,\}}]*}}
           if [ $n = 1 ]; then sh -c 'sleep 300 # {mark}'; fi
           printf '{{"job":"%s","attempt":%s,"result":"awake"}}\n' $id $n; done"#
    );
    let settings = format!(
        "[kinds.plain]\nrun = [\"sh\", \"-c\", {}]\nworkers = 64\n[kinds.warm]\nrun = [\"sh\", \"-c\", {}]\nkeep = true\nworkers = 64\n",
        json!(plain),
        json!(warm)
    );
    let mut test = TestServer::new(order.name, &settings)?;
    let mut rng = StdRng::seed_from_u64(order.seed);
    let (mut jobs, mut slowest) = (Vec::new(), Duration::ZERO);
    for _ in 0..order.loops {
        for kind in KINDS {
            let answer = test.http.post("/jobs", &json!({"kind": kind})).await.ok().context("the connection broke")?;
            jobs.push(answer.json::<Job>()?.id);
        }
        let started = until("the commands run", AGAIN, async || Ok(processes(&mark)? >= KINDS.len()));
        started.await?;
        tokio::time::sleep(Duration::from_millis(rng.random_range(0..300))).await;
        test.kill()?;
        let gone = until("the processes of a killed server are gone", GONE, async || Ok(processes(&mark)? == 0));
        slowest = slowest.max(gone.await?);
        test.start()?;
    }
    for id in &jobs {
        let path = format!("/jobs/{id}?on_failure=200");
        let ended = until("it runs again", AGAIN, async || {
            let answer = test.http.get(&path).await.ok().context("the connection broke")?;
            Ok(answer.json::<Job>()?.state.is_final())
        });
        ended.await?;
        let job: Job = test.http.fetch(&path).await?;
        let events: OwnEvents = test.http.fetch(&format!("/jobs/{id}/events?after=0")).await?;
        let losses = events.items.iter().filter(|event: &&Event| event.what == What::Lost).count();
        if (job.state, job.attempt, losses) != (State::Succeeded, 2, 1) || value(&job) != "awake" {
            let detail = format!("{id} is {:?} after {} attempts and {losses} losses", job.state, job.attempt);
            test.log.complain("again", detail);
        }
    }
    let note = format!("processes of a killed server were gone after {} ms at most", slowest.as_millis());
    let (loops, ends) = (u64::from(order.loops), jobs.len() as u64);
    test.close(Tally { loops, faults: loops, submits: ends, ends, notes: vec![note], ..Tally::default() })
}

/// The result, less the end of the line.
fn value(job: &Job) -> String {
    let text = job.result.as_ref().and_then(|result| result.value.as_ref()).map_or("", |value| value.get());
    serde_json::from_str::<Value>(text)
        .ok()
        .and_then(|it| it.as_str().map(|it| it.trim().to_owned()))
        .unwrap_or_default()
}

/// How many processes nap for `mark`; the shells whose script says so are none of them.
fn processes(mark: &str) -> Result<usize> {
    let mut found = 0;
    for entry in std::fs::read_dir("/proc")? {
        let Some(pid) = entry?.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else { continue };
        // One that ended while we looked has none.
        let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let words: Vec<&[u8]> = line.split(|byte| *byte == 0).collect();
        let naps = words.iter().any(|word| word.starts_with(b"sleep 300 # ") && word.ends_with(mark.as_bytes()));
        found += usize::from(naps);
    }
    Ok(found)
}
