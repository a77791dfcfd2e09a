//! A client that calls jobs off.

use std::time::Duration;

use rand::RngExt as _;
use serde_json::Value;

use super::actor::{Actor, Phase};
use crate::wire::{Job, State};

/// Cancels one of the jobs acknowledged last, again and again.
pub async fn run(mut actor: Actor) {
    while actor.phase() == Phase::Load {
        tokio::time::sleep(Duration::from_millis(actor.rng.random_range(5..40))).await;
        let back = actor.rng.random_range(1..50);
        let picked = actor.log.read(|records| records.acknowledged.iter().rev().nth(back).copied());
        let Some((_, id)) = picked else { continue };
        let Ok(answer) = actor.http.post(&format!("/jobs/{id}/cancel"), &Value::Null).await else {
            actor.log.unknown();
            continue;
        };
        match (answer.status, answer.json::<Job>()) {
            (200, Ok(job)) if job.state == State::Canceled => actor.log.write(|records| records.canceled.push(id)),
            // It runs and was asked to stop, it has ended, or nothing can be written just now.
            (202 | 409 | 503, _) => {}
            (404 | 410, _) => {
                actor.log.complain("lost", format!("{id} was acknowledged; its cancel: {}", answer.text()))
            }
            (status, _) => actor.log.complain("answer", format!("a cancel was answered {status}: {}", answer.text())),
        }
    }
}
