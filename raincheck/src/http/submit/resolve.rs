//! From the wire's words to the core's: checks every member, fills in the defaults, fingerprints what was asked for.

use std::borrow::Cow;

use bytes::Bytes;
use raincheck_core::{Content, Digest, Method, Name, NewJob, OnLost, Timestamp, limits};
use raincheck_store::Unclaimed;

use crate::http::App;
use crate::http::options::Policy;
use crate::http::problem::Violation;
use crate::http::wire::{Duration, Fingerprint, NewJobBody, Object, cut, escape, time};

/// An input and what it is compared by.
#[derive(Debug, Default)]
pub struct Input {
    /// Themselves.
    pub content: Content,
    /// What comes of comparing it.
    pub sameness: Sameness,
    /// Its file, until the job is handed in.
    pub file: Option<Unclaimed>,
}

impl Input {
    /// How much there is to compare, bytes.
    pub fn size(&self) -> usize {
        match &self.sameness {
            Sameness::Json(text) => text.len(),
            Sameness::Empty | Sameness::Bytes(_) => 0,
        }
    }
}

/// By what two inputs are the same.
#[derive(Clone, Debug, Default)]
pub enum Sameness {
    /// There is none.
    #[default]
    Empty,
    /// By the canonical form of this JSON.
    Json(Bytes),
    /// By the digest of the bytes.
    Bytes(Digest),
}

/// Checks the members of one job one after the other and collects what is wrong with them.
struct Check<'e> {
    pointer: &'e str,
    errors: &'e mut Vec<Violation>,
}

impl Check<'_> {
    fn refuse(&mut self, member: &str, detail: impl Into<Cow<'static, str>>) {
        self.errors.push(Violation::new(format!("{}/{member}", self.pointer), detail));
    }

    fn name(&mut self, member: &str, text: &str) -> Option<Name> {
        Name::new(text).map_err(|error| self.refuse(member, error.to_string())).ok()
    }

    fn text(&mut self, member: &str, text: &str, least: usize, most: usize) {
        if text.len() < least || text.len() > most {
            self.refuse(member, format!("must be {least} to {most} bytes long"));
        } else if text.contains(|c: char| c.is_control()) {
            self.refuse(member, "must not hold control characters");
        }
    }

    fn time(&mut self, member: &str, text: &str) -> Option<Timestamp> {
        let at = time::parse(text);
        if at.is_none() {
            self.refuse(member, "must be a time in RFC 3339, such as 2027-01-31T08:00:00Z");
        }
        at
    }

    fn word<T: Copy>(&mut self, member: &str, text: &str, words: &[(&str, T)]) -> Option<T> {
        let known = words.iter().find(|(word, _)| *word == text);
        if known.is_none() {
            let words: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
            self.refuse(member, format!("must be one of {}", words.join(", ")));
        }
        known.map(|(_, meaning)| *meaning)
    }
}

/// Makes a job of a body whose input is dealt with already. `pointer` leads to the body's members. Answers nothing
/// when it had something to add to `errors`.
pub fn resolve(app: &App, body: &NewJobBody<'_>, pointer: &str, errors: &mut Vec<Violation>) -> Option<NewJob> {
    let before = errors.len();
    let mut check = Check { pointer, errors };
    let kind = check.name("kind", &body.kind);
    let asked_queue = body.queue.as_deref().map(|queue| check.name("queue", queue));
    let method = body
        .method
        .as_deref()
        .and_then(|word| check.word("method", word, &[("GET", Method::Get), ("POST", Method::Post)]));
    let run_at = body.run_at.as_deref().and_then(|text| check.time("run_at", text));
    check_members(&mut check, body);
    let policy = policy(&mut check, body);
    let kind = kind?;
    let defaults = app.options.defaults.get();
    let options = defaults.kinds.get(&kind);
    let queue = match asked_queue {
        Some(queue) => queue?,
        None => options.and_then(|kind| kind.queue.clone()).unwrap_or_else(|| app.default_queue.clone()),
    };
    if !defaults.auto_queues && !defaults.owns_queue(&queue) && app.engine.queue(&queue).is_none() {
        check.refuse("queue", "is not a queue of this server");
    }
    let method = method.or(options.and_then(|kind| kind.method)).unwrap_or(Method::Post);
    if body.max_age.is_some() && method != Method::Get {
        check.refuse("max_age", "is for method GET only");
    }
    if check.errors.len() > before {
        return None;
    }
    let resolved = defaults.resolve(&queue, &kind, policy);
    let mut new = NewJob::new(queue, kind);
    new.method = method;
    new.priority = body.priority.unwrap_or(0) as i32;
    new.run_at = run_at;
    new.delay = body.delay.map_or(0, |Duration(millis)| millis);
    new.start_by = body.start_by.map(|moment| moment.after(app.engine.now()));
    new.timeout = resolved.timeout;
    new.on_lost = resolved.on_lost;
    new.retention = resolved.retention;
    new.max_age = body.max_age.map(|Duration(millis)| millis);
    new.lost = new.max_age.and_then(|_| app.damaged.results());
    new.spec.retry = resolved.retry;
    new.spec.label = body.label.as_deref().map(Box::from);
    new.spec.key = body.key.as_deref().map(Box::from);
    new.spec.tags.clone_from(&body.tags.0);
    Some(new)
}

fn check_members(check: &mut Check<'_>, body: &NewJobBody<'_>) {
    if let Some(label) = &body.label {
        check.text("label", label, 0, limits::LABEL_BYTES);
    }
    if let Some(key) = &body.key {
        check.text("key", key, 1, limits::KEY_BYTES);
    }
    for (name, value) in &body.tags.0 {
        let member = format!("tags/{}", escape(cut(name, limits::DETAIL_BYTES)));
        check.text(&member, name, 1, limits::TAG_BYTES);
        check.text(&member, value, 0, limits::TAG_BYTES);
    }
    let most = i64::from(limits::PRIORITY);
    if body.priority.is_some_and(|priority| !(-most..=most).contains(&priority)) {
        check.refuse("priority", "must be between -100 and 100");
    }
    if body.run_at.is_some() && body.delay.is_some() {
        check.refuse("delay", "and run_at exclude each other");
    }
}

fn policy(check: &mut Check<'_>, body: &NewJobBody<'_>) -> Policy {
    let millis = |duration: Option<Duration>| duration.map(|Duration(millis)| millis);
    let on_lost = body.on_lost.as_deref();
    let on_lost =
        on_lost.and_then(|word| check.word("on_lost", word, &[("retry", OnLost::Retry), ("fail", OnLost::Fail)]));
    if millis(body.timeout) == Some(0) {
        check.refuse("timeout", "must be longer than nothing");
    }
    let Object(retry) = body.retry.unwrap_or_default();
    let Object(retention) = body.retention.unwrap_or_default();
    if retry.max_attempts.is_some_and(|n| !(1..=limits::MAX_ATTEMPTS).contains(&n)) {
        check.refuse("retry/max_attempts", "must be between 1 and 1000");
    }
    if retry.factor.is_some_and(|factor| !(1.0..=1_000.0).contains(&factor)) {
        check.refuse("retry/factor", "must be between 1 and 1000");
    }
    Policy {
        timeout: millis(body.timeout),
        on_lost,
        max_attempts: retry.max_attempts,
        retry_initial: millis(retry.initial),
        retry_factor: retry.factor,
        retry_max: millis(retry.max),
        retry_jitter: retry.jitter,
        keep_succeeded: millis(retention.succeeded),
        keep_failed: millis(retention.failed),
    }
}

/// Gives the job its input, and the digests by which it is compared where anything can be compared. Answers the input's
/// file, which is nobody's until the job is handed in.
pub fn attach(new: &mut NewJob, body: &NewJobBody<'_>, input: Input) -> Option<Unclaimed> {
    if new.spec.key.is_some() || new.id.is_some() {
        new.fingerprint = asked_for(body, &input);
    }
    if new.method == Method::Get && new.delay == 0 && new.run_at.is_none() {
        new.equal = Some(equal(new, body, &input));
    }
    new.spec.input = input.content;
    input.file
}

fn add_input(digest: &mut Fingerprint, input: &Input) {
    digest.maybe("content_type", input.content.content_type.as_deref());
    digest.maybe("filename", input.content.filename.as_deref());
    match &input.sameness {
        Sameness::Empty => {}
        Sameness::Json(text) => digest.json("input", text),
        Sameness::Bytes(bytes) => digest.add("bytes", bytes),
    }
}

/// Everything the client wrote, but for the key itself. What it left out is not compared, so that a change of the
/// server's defaults turns no repeated request into a different one.
fn asked_for(body: &NewJobBody<'_>, input: &Input) -> Digest {
    let mut digest = Fingerprint::default();
    digest.add("kind", body.kind.as_bytes());
    digest.maybe("label", body.label.as_deref());
    digest.maybe("queue", body.queue.as_deref());
    digest.maybe("method", body.method.as_deref());
    digest.number("priority", body.priority);
    digest.number("delay", body.delay.map(|d| d.0));
    digest.maybe("run_at", body.run_at.as_deref());
    digest.number("max_age", body.max_age.map(|d| d.0));
    for (name, value) in &body.tags.0 {
        digest.add("tag", name.as_bytes());
        digest.add("value", value.as_bytes());
    }
    add_run_options(&mut digest, body);
    add_input(&mut digest, input);
    digest.finish()
}

fn add_run_options(digest: &mut Fingerprint, body: &NewJobBody<'_>) {
    use crate::http::wire::Moment;
    match body.start_by {
        Some(Moment::At(at)) => digest.number("start_by", Some(at.0)),
        Some(Moment::In(millis)) => digest.number("start_within", Some(millis)),
        None => {}
    }
    digest.number("timeout", body.timeout.map(|d| d.0));
    digest.maybe("on_lost", body.on_lost.as_deref());
    let (Object(retry), Object(retention)) = (body.retry.unwrap_or_default(), body.retention.unwrap_or_default());
    digest.number("max_attempts", retry.max_attempts.map(i64::from));
    digest.number("initial", retry.initial.map(|d| d.0));
    digest.maybe("factor", retry.factor.map(f64::to_le_bytes));
    digest.number("max", retry.max.map(|d| d.0));
    digest.number("jitter", retry.jitter.map(i64::from));
    digest.number("succeeded", retention.succeeded.map(|d| d.0));
    digest.number("failed", retention.failed.map(|d| d.0));
}

/// What makes two `GET` jobs one: queue, kind, input, and how it is run.
fn equal(new: &NewJob, body: &NewJobBody<'_>, input: &Input) -> Digest {
    let mut digest = Fingerprint::default();
    digest.add("queue", new.queue.as_str().as_bytes());
    digest.add("kind", new.kind.as_str().as_bytes());
    add_run_options(&mut digest, body);
    add_input(&mut digest, input);
    digest.finish()
}
