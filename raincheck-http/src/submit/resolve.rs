//! From the wire's words to what the core is asked for, and from what is wrong with that to the places in the body.

use std::borrow::Cow;

use bytes::Bytes;
use raincheck_core::{Content, Digest, Invalid, JobRequest, Method, NewJob, OnLost, Policy, Sameness};
use raincheck_engine::{compare, digest};
use raincheck_store::{BlobUse, Unclaimed};

use crate::app::App;
use crate::problem::{Problem, Violation};
use crate::upload;
use crate::wire::{Duration, Moment, NewJobBody, Object, Present, escape, time, too_deep};

/// An input and what it is compared by.
#[derive(Debug, Default)]
pub struct Input {
    /// What the job is to work on.
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
            Sameness::Text(text) => text.len(),
            Sameness::Empty | Sameness::Bytes(_) => 0,
        }
    }
}

/// Makes a job of a body whose input is dealt with already. `pointer` leads to the body's members. Answers nothing
/// when it had something to add to `errors`.
pub fn resolve(app: &App, body: &NewJobBody<'_>, pointer: &str, errors: &mut Vec<Violation>) -> Option<NewJob> {
    let before = errors.len();
    let request = request(body, |member, detail| {
        errors.push(Violation::new(format!("{pointer}/{member}"), detail));
    });
    match app.engine.resolve(&request) {
        Ok(mut new) => {
            new.lost = new.max_age.and_then(|_| app.damaged.results());
            (errors.len() == before).then_some(new)
        }
        Err(invalid) => {
            errors.extend(invalid.into_iter().map(|invalid| violation(pointer, invalid)));
            None
        }
    }
}

fn violation(pointer: &str, Invalid { member, tag, detail }: Invalid) -> Violation {
    match tag {
        Some(tag) => Violation::new(format!("{pointer}/{member}/{}", escape(&tag)), detail),
        None => Violation::new(format!("{pointer}/{member}"), detail),
    }
}

/// What the body asks for; tells which of its words are none.
fn request<'a>(body: &'a NewJobBody<'_>, mut refuse: impl FnMut(&str, Cow<'static, str>)) -> JobRequest<'a> {
    let methods = [Method::Get, Method::Post].map(|method| (method.as_str(), method));
    let method = body.method.as_deref().and_then(|text| word("method", text, &methods, &mut refuse));
    let run_at = body.run_at.as_deref().and_then(|text| {
        let at = time::parse(text);
        if at.is_none() {
            refuse("run_at", "must be a time in RFC 3339, such as 2027-01-31T08:00:00Z".into());
        }
        at
    });
    let ways = [OnLost::Retry, OnLost::Fail].map(|way| (way.as_str(), way));
    let on_lost = body.on_lost.as_deref().and_then(|text| word("on_lost", text, &ways, &mut refuse));
    let millis = |duration: Option<Duration>| duration.map(|Duration(millis)| millis);
    let Object(retry) = body.retry.unwrap_or_default();
    let Object(retention) = body.retention.unwrap_or_default();
    JobRequest {
        kind: &body.kind,
        queue: body.queue.as_deref(),
        label: body.label.as_deref(),
        key: body.key.as_deref(),
        id: None,
        method,
        priority: body.priority,
        delay: millis(body.delay),
        run_at,
        start_by: body.start_by.map(|Moment(deadline)| deadline),
        max_age: millis(body.max_age),
        policy: Policy {
            timeout: millis(body.timeout),
            on_lost,
            max_losses: body.max_losses,
            max_attempts: retry.max_attempts,
            retry_initial: millis(retry.initial),
            retry_factor: retry.factor,
            retry_max: millis(retry.max),
            retry_jitter: retry.jitter,
            keep_succeeded: millis(retention.succeeded),
            keep_failed: millis(retention.failed),
        },
        tags: &body.tags.0,
    }
}

fn word<T: Copy>(
    member: &str,
    text: &str,
    words: &[(&str, T)],
    refuse: &mut impl FnMut(&str, Cow<'static, str>),
) -> Option<T> {
    let known = words.iter().find(|(word, _)| *word == text);
    if known.is_none() {
        let words: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
        refuse(member, format!("must be one of {}", words.join(", ")).into());
    }
    known.map(|(_, meaning)| *meaning)
}

/// Gives the job its input, and what it is compared by where anything can be compared. Answers the input's file, which
/// is nobody's until the job is handed in.
pub fn attach(new: &mut NewJob, body: &NewJobBody<'_>, input: Input) -> Option<Unclaimed> {
    new.spec.input = input.content;
    if new.is_compared() {
        // What was wrong with it was reported when it was resolved.
        compare(new, &request(body, |_, _| {}), &input.sameness);
    }
    input.file
}

/// The `input` member of a JSON body; a part of it, not a copy.
pub async fn json_input(app: &App, text: &Bytes, input: Option<Present<'_>>) -> Result<Input, Problem> {
    let Some(Present(raw)) = input else { return Ok(Input::default()) };
    let bytes = text.slice_ref(raw.get().as_bytes());
    if too_deep(&bytes) {
        return Err(Problem::bad("the input is nested deeper than 128")
            .errors(vec![Violation::new("/input", "is nested too deeply")]));
    }
    let (payload, file) = upload::keep(app, BlobUse::Input, bytes.clone()).await?;
    // Of what is kept apart from its job, to tell later whether it is what it was.
    let digest = if file.is_some() { digest(&bytes) } else { Digest::default() };
    Ok(Input { content: Content { payload, digest, ..Content::default() }, sameness: Sameness::Text(bytes), file })
}
