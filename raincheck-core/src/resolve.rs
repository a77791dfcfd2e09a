//! From what was asked for to a job with nothing left open, within the limits of what may be asked for.

use std::borrow::Cow;

use crate::defaults::{Defaults, Policy};
use crate::job::{Method, NewJob};
use crate::limits;
use crate::name::Name;
use crate::request::{Deadline, JobRequest};
use crate::time::Timestamp;

/// A member of a request that is not as it may be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{member} {detail}")]
pub struct Invalid {
    /// Its name; one that stands within another has that one's and a slash before it.
    pub member: &'static str,
    /// Which of `tags`: its name, or the beginning of a very long one.
    pub tag: Option<Box<str>>,
    /// What is wrong with it.
    pub detail: Cow<'static, str>,
}

impl Invalid {
    /// `detail` is wrong with `member`.
    pub fn new(member: &'static str, detail: impl Into<Cow<'static, str>>) -> Self {
        Invalid { member, tag: None, detail: detail.into() }
    }
}

/// The job that `request` asks for, but for its input, with everything that it leaves out taken from `defaults`; or all
/// that is wrong with it. `is_queue` tells which queues there are besides those of the defaults.
pub fn resolve(
    request: &JobRequest<'_>,
    defaults: &Defaults,
    now: impl Fn() -> Timestamp,
    is_queue: impl FnOnce(&Name) -> bool,
) -> Result<NewJob, Vec<Invalid>> {
    let mut check = Check(Vec::new());
    let kind = check.name("kind", request.kind);
    let queue = request.queue.map(|queue| check.name("queue", queue));
    let tags = check.members(request);
    check.policy(&request.policy);
    check.durations(request);
    check.moments(request, &now);
    let Some(kind) = kind else { return Err(check.0) };
    let of_kind = defaults.kinds.get(&kind);
    let queue = match queue {
        Some(Some(queue)) => queue,
        Some(None) => return Err(check.0),
        None => of_kind.and_then(|kind| kind.queue.as_ref()).unwrap_or(&defaults.queue).clone(),
    };
    if !defaults.auto_queues && !defaults.owns_queue(&queue) && !is_queue(&queue) {
        check.refuse("queue", "is not a queue of this server");
    }
    let method = request.method.or(of_kind.and_then(|kind| kind.method)).unwrap_or(Method::Post);
    if request.max_age.is_some() && method != Method::Get {
        check.refuse("max_age", "is for method GET only");
    }
    if !check.0.is_empty() {
        return Err(check.0);
    }
    let policy = defaults.under(request.policy, of_kind, &queue);
    let mut new = NewJob::new(queue, kind);
    new.id = request.id;
    new.method = method;
    new.priority = request.priority.unwrap_or(0) as i32;
    new.run_at = request.run_at;
    new.delay = request.delay.unwrap_or(0);
    new.start_by = request.start_by.map(|deadline| match deadline {
        Deadline::At(at) => at,
        Deadline::In(millis) => now().plus(millis),
    });
    new.timeout = policy.timeout();
    new.on_lost = policy.on_lost();
    new.max_losses = policy.max_losses();
    new.retention = policy.retention();
    new.max_age = request.max_age;
    new.spec.retry = policy.retry();
    new.spec.label = request.label.map(Box::from);
    new.spec.key = request.key.map(Box::from);
    new.spec.tags = tags;
    Ok(new)
}

/// Checks the members one after the other and collects what is wrong with them.
struct Check(Vec<Invalid>);

impl Check {
    fn refuse(&mut self, member: &'static str, detail: impl Into<Cow<'static, str>>) {
        self.0.push(Invalid::new(member, detail));
    }

    fn name(&mut self, member: &'static str, text: &str) -> Option<Name> {
        Name::new(text).map_err(|error| self.refuse(member, error.to_string())).ok()
    }

    fn text(&mut self, member: &'static str, text: &str, least: usize, most: usize) {
        if let Some(detail) = wrong(text, least, most) {
            self.refuse(member, detail);
        }
    }

    /// Answers the tags, sorted by their names.
    fn members(&mut self, request: &JobRequest<'_>) -> Vec<(Box<str>, Box<str>)> {
        if let Some(label) = request.label {
            self.text("label", label, 0, limits::LABEL_BYTES);
        }
        if let Some(key) = request.key {
            self.text("key", key, 1, limits::KEY_BYTES);
        }
        let tags = self.tags(request.tags);
        let most = i64::from(limits::PRIORITY);
        if request.priority.is_some_and(|priority| !(-most..=most).contains(&priority)) {
            self.refuse("priority", "must be between -100 and 100");
        }
        if request.run_at.is_some() && request.delay.is_some() {
            self.refuse("delay", "and run_at exclude each other");
        }
        tags
    }

    fn tags(&mut self, tags: &[(Box<str>, Box<str>)]) -> Vec<(Box<str>, Box<str>)> {
        if tags.len() > limits::TAGS {
            self.refuse("tags", "must be at most 32");
            return Vec::new();
        }
        let mut sorted = tags.to_vec();
        if !sorted.is_sorted_by(|one, next| one.0 < next.0) {
            sorted.sort();
        }
        for (index, (name, value)) in sorted.iter().enumerate() {
            let is_twice = index > 0 && sorted[index - 1].0 == *name;
            let twice = is_twice.then(|| "is there twice".to_owned());
            let (name_wrong, value_wrong) = (wrong(name, 1, limits::TAG_BYTES), wrong(value, 0, limits::TAG_BYTES));
            for detail in [twice, name_wrong, value_wrong].into_iter().flatten() {
                let tag = &name[..name.floor_char_boundary(limits::DETAIL_BYTES.min(name.len()))];
                self.0.push(Invalid { tag: Some(tag.into()), ..Invalid::new("tags", detail) });
            }
        }
        sorted
    }

    fn policy(&mut self, policy: &Policy) {
        if policy.timeout == Some(0) {
            self.refuse("timeout", "must be longer than nothing");
        }
        if policy.max_attempts.is_some_and(|n| !(1..=limits::MAX_ATTEMPTS).contains(&n)) {
            self.refuse("retry/max_attempts", "must be between 1 and 1000");
        }
        if policy.max_losses.is_some_and(|n| n > limits::MAX_LOSSES) {
            self.refuse("max_losses", "must be between 0 and 1000");
        }
        if policy.retry_factor.is_some_and(|factor| !(1.0..=1_000.0).contains(&factor)) {
            self.refuse("retry/factor", "must be between 1 and 1000");
        }
    }

    fn durations(&mut self, request: &JobRequest<'_>) {
        let policy = &request.policy;
        let start_within = match request.start_by {
            Some(Deadline::In(millis)) => Some(millis),
            Some(Deadline::At(_)) | None => None,
        };
        for (member, millis) in [
            ("delay", request.delay),
            ("start_by", start_within),
            ("max_age", request.max_age),
            ("timeout", policy.timeout),
            ("retry/initial", policy.retry_initial),
            ("retry/max", policy.retry_max),
            ("retention/succeeded", policy.keep_succeeded),
            ("retention/failed", policy.keep_failed),
        ] {
            if millis.is_some_and(|millis| !(0..=limits::DURATION_MILLIS).contains(&millis)) {
                self.refuse(member, "must be between nothing and ten years");
            }
        }
    }

    fn moments(&mut self, request: &JobRequest<'_>, now: impl Fn() -> Timestamp) {
        let start_at = match request.start_by {
            Some(Deadline::At(at)) => Some(at),
            Some(Deadline::In(_)) | None => None,
        };
        for (member, at) in [("run_at", request.run_at), ("start_by", start_at)] {
            if at.is_some_and(|at| at > now().plus(limits::MOMENT_MILLIS)) {
                self.refuse(member, "must be at most a hundred years from now");
            }
        }
    }
}

/// What is wrong with a text that is to be so many bytes long and one line, if anything.
pub fn wrong(text: &str, least: usize, most: usize) -> Option<String> {
    if text.len() < least || text.len() > most {
        return Some(format!("must be {least} to {most} bytes long"));
    }
    text.contains(|c: char| c.is_control()).then(|| "must not hold control characters".to_owned())
}
