//! A worker: leases a few at a time, hands in most ends with the next request, works slowly on some, forgets some.

use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::task::JoinSet;
use uuid::Uuid;

use super::actor::{Actor, Phase};
use crate::content::Content;
use crate::http::Broken;
use crate::log::{End, EndFate, LeaseRecord};
use crate::wire::{Finished, Leased, Leases, State};

/// An end to hand in with the next request.
struct Due {
    run: (Uuid, u32),
    lease: String,
    end: End,
    tried: bool,
}

/// Works until all is over.
pub async fn run(mut actor: Actor) {
    let (mut due, mut slow) = (Vec::new(), JoinSet::new());
    for number in 0_u64.. {
        while slow.try_join_next().is_some() {}
        let over = actor.phase() == Phase::Over;
        if over && due.is_empty() {
            break;
        }
        // With an id a lost answer is repeated, without one its leases run out.
        let id = actor.rng.random_ratio(2, 3).then(|| format!("{}-{number}", actor.number));
        let Some(answer) = ask(&actor, &mut due, id.as_deref(), if over { 0 } else { 8 }).await else { continue };
        let request = id.unwrap_or_else(|| format!("{}-{number} unnamed", actor.number));
        settle(&actor, &mut due, &answer.finished);
        if answer.drain && answer.leases.is_empty() {
            // Another server is asked, or the next start of this one.
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        for leased in answer.leases {
            if record_lease(&actor, &leased, &request).await {
                begin(&mut actor, leased, &mut due, &mut slow);
            }
        }
    }
    slow.join_all().await;
}

/// One request for work. None when the answer is lost for good.
async fn ask(actor: &Actor, due: &mut [Due], id: Option<&str>, max: u32) -> Option<Leases> {
    let finish: Vec<Value> = due.iter().map(body).collect();
    let mut body = json!({"worker": {"name": format!("worker {}", actor.number)}, "kinds": ["count", "render", "mail"],
        "max": max, "wait": "200ms", "ttl": "2s", "finish": finish});
    if let Some(id) = id {
        body["request_id"] = id.into();
    }
    let mut again = false;
    loop {
        match actor.http.post("/leases", &body).await {
            Ok(answer) if answer.status == 204 => {
                actor.log.answered(again);
                return Some(Leases { leases: Vec::new(), finished: Vec::new(), drain: false });
            }
            Ok(answer) if answer.status == 200 => match answer.json() {
                Ok(leases) => {
                    actor.log.answered(again);
                    return Some(leases);
                }
                Err(error) => actor.log.complain("answer", format!("{error:#}")),
            },
            // A store that cannot write just now: nothing was done.
            Ok(answer) if answer.status == 503 => {
                again = true;
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            Ok(answer) => {
                actor.log.complain("answer", format!("a lease was answered {}: {}", answer.status, answer.text()));
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            Err(Broken) => {
                actor.log.unknown();
                due.iter_mut().for_each(|due| due.tried = true);
                again = true;
                id?;
            }
        }
    }
}

fn body(due: &Due) -> Value {
    match due.end {
        End::Complete(content, number) => {
            let result: Value = serde_json::from_slice(&content.bytes(number)).unwrap_or_default();
            json!({"lease": due.lease, "complete": {"result": result}})
        }
        End::Fail(retryable) => {
            json!({"lease": due.lease, "fail": {"error": {"type": "Drawn", "title": "drawn to fail"}, "retryable": retryable}})
        }
        End::Release => json!({"lease": due.lease, "release": {}}),
    }
}

fn settle(actor: &Actor, due: &mut Vec<Due>, finished: &[Finished]) {
    if finished.len() != due.len() {
        actor.log.complain("answer", format!("{} ends were answered with {}", due.len(), finished.len()));
    }
    for (due, finished) in due.drain(..).zip(finished) {
        let fate = match (finished.state, finished.problem.as_ref().map(|problem| problem.slug())) {
            (Some(state), _) => EndFate::Taken(state),
            (None, Some("lease-lost")) if due.tried => EndFate::Unknown,
            (None, Some("lease-lost")) => EndFate::Refused,
            (None, other) => {
                actor.log.complain("lost", format!("the end of {:?} was answered {other:?}", due.run));
                EndFate::Unknown
            }
        };
        ended(actor, due.run, due.end, fate);
    }
}

fn ended(actor: &Actor, run: (Uuid, u32), end: End, fate: EndFate) {
    if let (End::Complete(..), EndFate::Taken(state)) = (end, fate)
        && state != State::Succeeded
    {
        actor.log.complain("final", format!("the completion of {run:?} was answered {state:?}"));
    }
    actor.log.write(|records| {
        if let Some(record) = records.leases.get_mut(&run) {
            record.end = Some((end, fate));
        }
    });
}

/// Notes a lease; whether it is new, rather than an answer that was repeated.
async fn record_lease(actor: &Actor, leased: &Leased, request: &str) -> bool {
    let run = (leased.job.id, leased.attempt);
    let new = LeaseRecord { lease: leased.lease.clone(), request: request.to_owned(), end: None };
    let before = actor.log.write(|records| records.leases.insert(run, new.clone()));
    if let Some(before) = before {
        if before.request != request || before.lease != leased.lease {
            let text = format!("attempt {} of {} was leased to {} and to {request}", run.1, run.0, before.request);
            actor.log.complain("doubled", text);
        }
        return false;
    }
    let number = leased.job.label.as_deref().and_then(|label| label.parse::<usize>().ok());
    let content = number.and_then(|number| actor.log.read(|records| records.submits.get(number).map(|it| it.input)));
    let (Some(number), Some(content)) = (number, content) else {
        actor.log.complain("invented", format!("{} was leased and never sent", leased.job.id));
        return true;
    };
    let expected = content.bytes(number as u64);
    let given = match &leased.job.input {
        Some(text) => Some(text.get().as_bytes().to_vec()),
        None => match actor.http.get(&format!("/leases/{}/input", leased.lease)).await {
            Ok(answer) if answer.status == 200 => Some(answer.body.to_vec()),
            // It ran out meanwhile, or the connection broke: whoever gets it next looks again.
            Ok(answer) if answer.status == 409 || actor.is_turned_away(&answer) => None,
            Err(Broken) => None,
            Ok(answer) => {
                actor.log.complain("lost", format!("the input of job {number}: {} {}", answer.status, answer.text()));
                None
            }
        },
    };
    if given.is_some_and(|given| given != expected) {
        actor.log.complain("lost", format!("the input of job {number} is not what was sent"));
    }
    true
}

/// Decides how a run goes.
fn begin(actor: &mut Actor, leased: Leased, due: &mut Vec<Due>, slow: &mut JoinSet<()>) {
    let run = (leased.job.id, leased.attempt);
    let letters = actor.rng.random_range(0..200);
    let complete = End::Complete(Content::Json(letters), actor.rng.random::<u32>().into());
    let drawn = actor.rng.random_range(0..100);
    let end = match if actor.phase() == Phase::Load { drawn } else { 0 } {
        0..80 => complete,
        80..86 => End::Fail(true),
        86..88 => End::Fail(false),
        88..92 => End::Release,
        92..99 => {
            let files = actor.mix.files;
            let fork = Actor {
                http: actor.http.clone(),
                log: actor.log.clone(),
                phase: actor.phase.clone(),
                rng: StdRng::seed_from_u64(actor.rng.random()),
                ..*actor
            };
            slow.spawn(slowly(fork, leased, files));
            return;
        }
        // Forgotten: it runs out.
        _ => return,
    };
    actor.log.write(|records| {
        if let Some(record) = records.leases.get_mut(&run) {
            record.end = Some((end, EndFate::Unknown));
        }
    });
    due.push(Due { run, lease: leased.lease, end, tried: false });
}

/// Beats and reports for a while, then hands in bytes.
async fn slowly(mut actor: Actor, leased: Leased, files: u32) {
    let run = (leased.job.id, leased.attempt);
    for beat in 1..=actor.rng.random_range(1..4) {
        tokio::time::sleep(Duration::from_millis(actor.rng.random_range(10..150))).await;
        let body = json!({"progress": {"percent": beat * 25}});
        match actor.http.post(&format!("/leases/{}/heartbeat", leased.lease), &body).await {
            Ok(answer) if answer.status == 409 && answer.slug() == "lease-lost" => return,
            Ok(answer) if matches!(answer.status, 200 | 503) => {}
            Ok(answer) => {
                actor.log.complain("answer", format!("a heartbeat was answered {}: {}", answer.status, answer.text()));
            }
            Err(Broken) => {}
        }
    }
    let large = actor.rng.random_range(0..100) < files;
    let length = if large { actor.rng.random_range(250_000..350_000) } else { actor.rng.random_range(1..6_000) };
    let (content, number) = (Content::Raw(length), u64::from(actor.rng.random::<u32>()));
    let end = End::Complete(content, number);
    ended(&actor, run, end, EndFate::Unknown);
    let (mut tried, mut again) = (false, false);
    loop {
        let path = format!("/leases/{}/complete", leased.lease);
        match actor.http.send(Method::POST, &path, content.media_type(), content.bytes(number)).await {
            Ok(answer) if answer.status == 200 => {
                actor.log.answered(again);
                let state = answer.json::<crate::wire::Job>().map_or(State::Failed, |job| job.state);
                return ended(&actor, run, end, EndFate::Taken(state));
            }
            Ok(answer) if answer.status == 409 => {
                actor.log.answered(again);
                return ended(&actor, run, end, if tried { EndFate::Unknown } else { EndFate::Refused });
            }
            Ok(answer) if answer.status == 503 => {
                again = true;
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            Ok(answer) => {
                let text = format!("a completion was answered {}: {}", answer.status, answer.text());
                return actor.log.complain("answer", text);
            }
            Err(Broken) => {
                actor.log.unknown();
                (tried, again) = (true, true);
            }
        }
    }
}
