//! Readers: of the whole feed from its beginning, and of single jobs.

use std::time::Duration;

use rand::RngExt as _;

use super::actor::{Actor, Phase};
use crate::http::Broken;
use crate::wire::{Events, Job};

/// Until a look that was turned away is repeated.
const PAUSE: Duration = Duration::from_millis(20);

/// Follows the feed across every restart; what it saw must be the feed as it is at the end.
pub async fn feed(actor: Actor) {
    let mut after = "0".to_owned();
    let (mut seen, mut again) = (Vec::new(), false);
    loop {
        // Asked before the look: what is seen after that is all there is.
        let over = actor.phase() == Phase::Over;
        let Ok(answer) = actor.http.get(&format!("/events?after={after}&wait=500ms")).await else {
            again = true;
            continue;
        };
        if actor.is_turned_away(&answer) {
            tokio::time::sleep(PAUSE).await;
            continue;
        }
        actor.log.answered(std::mem::take(&mut again));
        if answer.status != 200 {
            actor
                .log
                .complain("feed", format!("a reader of the feed was answered {}: {}", answer.status, answer.text()));
            break;
        }
        match answer.json::<Events>() {
            Ok(page) => {
                if over && page.items.is_empty() {
                    break;
                }
                seen.extend(page.items.iter().map(|event| (event.job, event.seq)));
                after = page.next_after;
            }
            Err(error) => actor.log.complain("feed", format!("{error:#}")),
        }
    }
    actor.log.write(|records| records.readers.push(seen));
}

/// Looks at acknowledged jobs: each must be there, and what was seen of it must stay true.
pub async fn jobs(mut actor: Actor) {
    while actor.phase() < Phase::Over {
        let chance: f64 = actor.rng.random();
        let picked = actor.log.read(|records| {
            let at = (records.acknowledged.len() as f64 * chance) as usize;
            records.acknowledged.get(at).copied()
        });
        let Some((_, id)) = picked else {
            tokio::time::sleep(Duration::from_millis(5)).await;
            continue;
        };
        let mut again = false;
        let answer = loop {
            match actor.http.get(&format!("/jobs/{id}?on_failure=200&wait=20ms")).await {
                Ok(answer) if actor.is_turned_away(&answer) => tokio::time::sleep(PAUSE).await,
                Ok(answer) => break answer,
                Err(Broken) => again = true,
            }
        };
        actor.log.answered(again);
        match answer.json::<Job>() {
            Ok(job) if answer.is_success() => {
                actor.log.write(|records| records.glimpses.push((id, job.seq, job.state)));
            }
            _ if matches!(answer.status, 404 | 410) => {
                actor.log.complain("lost", format!("{id} was acknowledged; a look: {}", answer.text()));
            }
            _ => actor.log.complain("answer", format!("a look was answered {}: {}", answer.status, answer.text())),
        }
    }
}
