//! A client that submits: with keys and without, under ids of its own, in batches, as raw bytes.

use std::time::Duration;

use rand::RngExt as _;
use reqwest::Method;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::actor::{Actor, Phase};
use crate::content::Content;
use crate::http::{Answer, Broken};
use crate::log::Submit;
use crate::wire::{Batch, Job};

/// Queues and how often they are chosen; `round` bounds the last two.
const QUEUES: &[&str] = &["default", "default", "default", "wide", "narrow", "small"];
/// After a refusal; shorter than the server asks for, so that the refusals are many.
const PAUSE: Duration = Duration::from_millis(10);
const KINDS: &[&str] = &["count", "render", "mail"];

/// Submits until the phase ends. What has a key or an id is repeated until it is answered.
pub async fn run(mut actor: Actor) {
    while actor.phase() == Phase::Load {
        match actor.rng.random_range(0..1_000) {
            0..600 => one(&mut actor, true).await,
            600..700 => one(&mut actor, false).await,
            700..800 => batch(&mut actor).await,
            800..900 => chosen(&mut actor).await,
            _ => raw(&mut actor).await,
        }
    }
}

impl Actor {
    fn draw(&mut self, input: Content) -> Submit {
        let (queue, kind) = (self.rng.random_range(0..QUEUES.len()), self.rng.random_range(0..KINDS.len()));
        let fate = crate::log::Fate::Unknown;
        Submit { input, kind: KINDS[kind], queue: QUEUES[queue], key: None, chosen: None, fate }
    }

    fn json(&mut self) -> Submit {
        let letters = self.rng.random_range(0..400);
        self.draw(Content::Json(letters))
    }

    fn key(&mut self) -> String {
        Uuid::from_u128(self.rng.random()).to_string()
    }

    /// The body of job `number`; the order of its members stays, as the input is compared byte for byte.
    fn body(&mut self, number: usize) -> Map<String, Value> {
        let mut body = self.log.read(|records| {
            let submit = &records.submits[number];
            let mut body = options(submit, number);
            let input = submit.input.bytes(number as u64);
            body.insert("input".into(), serde_json::from_slice(&input).unwrap_or_default());
            body
        });
        if self.rng.random_ratio(1, 20) {
            body.insert("delay".into(), "100ms".into());
        }
        body
    }

    /// Sends until it is answered, if `again` is safe. None when it is not known what became of it.
    async fn insist(&self, again: bool, method: Method, path: &str, media: &str, body: &[u8]) -> Option<Answer> {
        let (mut broken, mut turned_away) = (false, false);
        loop {
            match self.http.send(method.clone(), path, media, body.to_vec()).await {
                // An earlier try may have been taken, so this is no answer to it yet.
                Ok(answer) if broken && answer.status == 503 => {
                    tokio::time::sleep(PAUSE).await;
                }
                // A full queue is an answer; that a server goes or does not take it now is none.
                Ok(answer) if self.mix.patient && answer.status == 503 && answer.slug() != "queue-full" => {
                    turned_away = true;
                    tokio::time::sleep(PAUSE).await;
                }
                Ok(answer) => {
                    self.log.answered(broken || turned_away);
                    return Some(answer);
                }
                Err(Broken) => {
                    self.log.unknown();
                    broken = true;
                    if !again {
                        return None;
                    }
                }
            }
        }
    }

    async fn note(&self, numbers: &[usize], answer: &Answer) {
        let ids = match (answer.is_success(), numbers.len()) {
            (true, 1) => answer.json::<Job>().map(|job| vec![job.id]).or_else(|_| batch_ids(answer)),
            (true, _) => batch_ids(answer),
            (false, _) => {
                if answer.status != 503 {
                    let text = format!("a good submit was answered {}: {}", answer.status, answer.text());
                    self.log.complain("answer", text);
                }
                numbers.iter().for_each(|number| self.log.refused(*number));
                return tokio::time::sleep(PAUSE).await;
            }
        };
        match ids {
            Ok(ids) if ids.len() == numbers.len() => {
                numbers.iter().zip(ids).for_each(|(number, id)| self.log.acknowledged(*number, id));
            }
            other => self.log.complain("answer", format!("{} jobs were answered with {other:?}", numbers.len())),
        }
    }
}

fn batch_ids(answer: &Answer) -> anyhow::Result<Vec<Uuid>> {
    Ok(answer.json::<Batch>()?.jobs.iter().map(|job| job.id).collect())
}

fn options(submit: &Submit, number: usize) -> Map<String, Value> {
    let mut body = Map::new();
    body.insert("kind".into(), submit.kind.into());
    body.insert("queue".into(), submit.queue.into());
    body.insert("label".into(), number.to_string().into());
    body.insert("retry".into(), json!({"initial": "20ms", "max": "100ms", "max_attempts": 4}));
    if let Some(key) = &submit.key {
        body.insert("key".into(), key.as_str().into());
    }
    body
}

async fn one(actor: &mut Actor, keyed: bool) {
    let mut submit = actor.json();
    submit.key = keyed.then(|| actor.key());
    let number = actor.log.plan(submit);
    let body = Value::from(actor.body(number)).to_string();
    let answer = actor.insist(keyed, Method::POST, "/jobs", "application/json", body.as_bytes()).await;
    if let Some(answer) = answer {
        actor.note(&[number], &answer).await;
    }
}

async fn batch(actor: &mut Actor) {
    let size = actor.rng.random_range(2..30);
    // A name for all of them makes it as safe to ask again as a name for each.
    let request_id = actor.rng.random::<bool>().then(|| actor.key());
    let mut numbers = Vec::with_capacity(size);
    for _ in 0..size {
        let mut submit = actor.json();
        // A batch is all or none: only a queue without a small bound takes it for sure.
        submit.queue = "wide";
        submit.key = if request_id.is_none() { Some(actor.key()) } else { None };
        numbers.push(actor.log.plan(submit));
    }
    let jobs: Vec<Value> = numbers.iter().map(|number| actor.body(*number).into()).collect();
    let body = json!({ "jobs": jobs, "request_id": request_id }).to_string();
    let answer = actor.insist(true, Method::POST, "/jobs/batch", "application/json", body.as_bytes()).await;
    if let Some(answer) = answer {
        actor.note(&numbers, &answer).await;
    }
}

async fn chosen(actor: &mut Actor) {
    let mut submit = actor.json();
    let id = Uuid::from_u128(actor.rng.random());
    submit.chosen = Some(id);
    let number = actor.log.plan(submit);
    let body = Value::from(actor.body(number)).to_string();
    let answer = actor.insist(true, Method::PUT, &format!("/jobs/{id}"), "application/json", body.as_bytes()).await;
    if let Some(answer) = answer {
        actor.note(&[number], &answer).await;
    }
}

async fn raw(actor: &mut Actor) {
    // Of a hundred raw ones: `files` is told in thousandths of all submits.
    let large = actor.rng.random_range(0..100) < actor.mix.files;
    let length = if large { actor.rng.random_range(250_000..350_000) } else { actor.rng.random_range(1..6_000) };
    let mut submit = actor.draw(Content::Raw(length));
    let key = actor.key();
    submit.key = Some(key.clone());
    let (kind, queue, input) = (submit.kind, submit.queue, submit.input);
    let number = actor.log.plan(submit);
    let retry = "retry.initial=20ms&retry.max=100ms&retry.max_attempts=4";
    let path = format!("/kinds/{kind}/jobs?queue={queue}&label={number}&key={key}&{retry}");
    let answer = actor.insist(true, Method::POST, &path, input.media_type(), &input.bytes(number as u64)).await;
    if let Some(answer) = answer {
        actor.note(&[number], &answer).await;
    }
}
