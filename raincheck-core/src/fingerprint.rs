//! What makes two requests one: a digest of everything that was asked for, and one of what equal `GET` jobs share.

use bytes::Bytes;
use sha2::{Digest as _, Sha256};

use crate::id::JobId;
use crate::job::{Method, NewJob, OnLost};
use crate::payload::Digest;
use crate::request::{Deadline, JobRequest};

/// By what two inputs are the same.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Sameness {
    /// There is none.
    #[default]
    Empty,
    /// By the canonical form of this text, which may be spelled in other ways.
    Text(Bytes),
    /// By the digest of the bytes.
    Bytes(Digest),
}

impl Sameness {
    /// The one spelling of a text that stands for all of them.
    fn spelled(&self, canonical: fn(&[u8]) -> Vec<u8>) -> Vec<u8> {
        match self {
            Sameness::Text(text) => canonical(text),
            Sameness::Empty | Sameness::Bytes(_) => Vec::new(),
        }
    }
}

impl NewJob {
    /// Whether there is anything to compare it by: a name, or that it may be one with others.
    pub fn is_compared(&self) -> bool {
        self.is_named() || self.may_join()
    }

    /// Works out the digests by which the job is compared with others, where there is anything to compare it by. It was
    /// resolved from `request` and has its input; `canonical` makes one spelling of all those that a text may have.
    pub fn compare_by(&mut self, request: &JobRequest<'_>, input: &Sameness, canonical: fn(&[u8]) -> Vec<u8>) {
        if !self.is_compared() {
            return;
        }
        let text = input.spelled(canonical);
        if self.is_named() {
            let mut digest = self.asked_for(request);
            self.add_input(&mut digest, input, &text);
            self.fingerprint = digest.finish();
        }
        if self.may_join() {
            let mut digest = Fingerprint::default();
            digest.add("queue", self.queue.as_str().as_bytes());
            digest.add("kind", self.kind.as_str().as_bytes());
            add_run_options(&mut digest, request);
            self.add_input(&mut digest, input, &text);
            self.equal = Some(digest.finish());
        }
    }

    /// The same for one that runs `of` again: what was asked for is that, and another input where there is one.
    pub fn compare_again(&mut self, of: JobId, input: Option<&Sameness>, canonical: fn(&[u8]) -> Vec<u8>) {
        if !self.is_named() {
            return;
        }
        let mut digest = Fingerprint::default();
        digest.add("rerun_of", of.0.as_bytes());
        if let Some(input) = input {
            self.add_input(&mut digest, input, &input.spelled(canonical));
        }
        self.fingerprint = digest.finish();
    }

    fn is_named(&self) -> bool {
        self.spec.key.is_some() || self.id.is_some() || self.of_batch
    }

    fn may_join(&self) -> bool {
        self.method == Method::Get && self.delay == 0 && self.run_at.is_none()
    }

    /// Everything that was asked for, but for the key or id itself. What was left out is not compared, so that a change of
    /// the defaults turns no repeated request into a different one.
    fn asked_for(&self, request: &JobRequest<'_>) -> Fingerprint {
        let mut digest = Fingerprint::default();
        digest.add("kind", request.kind.as_bytes());
        digest.maybe("label", request.label);
        digest.maybe("queue", request.queue);
        digest.maybe("method", request.method.map(Method::as_str));
        digest.number("priority", request.priority);
        digest.number("delay", request.delay);
        digest.number("run_at", request.run_at.map(|at| at.0));
        digest.number("max_age", request.max_age);
        // Sorted, as those of the request need not be.
        for (name, value) in &self.spec.tags {
            digest.add("tag", name.as_bytes());
            digest.add("value", value.as_bytes());
        }
        add_run_options(&mut digest, request);
        digest
    }

    fn add_input(&self, digest: &mut Fingerprint, input: &Sameness, text: &[u8]) {
        digest.maybe("content_type", self.spec.input.content_type.as_deref());
        digest.maybe("filename", self.spec.input.filename.as_deref());
        match input {
            Sameness::Empty => {}
            Sameness::Text(_) => digest.add("input", text),
            Sameness::Bytes(bytes) => digest.add("bytes", bytes),
        }
    }
}

/// The digest of all that the jobs of a batch ask for, in their order, what each goes by included.
pub(crate) fn batch_fingerprint(jobs: &[NewJob]) -> Digest {
    let mut digest = Fingerprint::default();
    for new in jobs {
        digest.add("job", &new.fingerprint);
        digest.maybe("key", new.spec.key.as_deref());
        digest.maybe("id", new.id.as_ref().map(|id| id.0.as_bytes()));
    }
    digest.finish()
}

fn add_run_options(digest: &mut Fingerprint, request: &JobRequest<'_>) {
    match request.start_by {
        Some(Deadline::At(at)) => digest.number("start_by", Some(at.0)),
        Some(Deadline::In(millis)) => digest.number("start_within", Some(millis)),
        None => {}
    }
    let policy = &request.policy;
    digest.number("timeout", policy.timeout);
    digest.maybe("on_lost", policy.on_lost.map(OnLost::as_str));
    digest.number("max_losses", policy.max_losses.map(i64::from));
    digest.number("max_attempts", policy.max_attempts.map(i64::from));
    digest.number("initial", policy.retry_initial);
    digest.maybe("factor", policy.retry_factor.map(f64::to_le_bytes));
    digest.number("max", policy.retry_max);
    digest.number("jitter", policy.retry_jitter.map(i64::from));
    digest.number("succeeded", policy.keep_succeeded);
    digest.number("failed", policy.keep_failed);
}

/// A digest over named parts, each told apart by its length.
#[derive(Clone, Debug, Default)]
struct Fingerprint(Sha256);

impl Fingerprint {
    /// Adds a part.
    fn add(&mut self, name: &str, value: &[u8]) {
        for part in [name.as_bytes(), value] {
            self.0.update((part.len() as u64).to_le_bytes());
            self.0.update(part);
        }
    }

    /// Adds a part that may be missing, which is not the same as empty.
    fn maybe(&mut self, name: &str, value: Option<impl AsRef<[u8]>>) {
        if let Some(value) = value {
            self.add(name, value.as_ref());
        }
    }

    /// Adds a number that may be missing.
    fn number(&mut self, name: &str, value: Option<i64>) {
        self.maybe(name, value.map(i64::to_le_bytes));
    }

    fn finish(self) -> Digest {
        first_half(self.0)
    }
}

/// The digest of `bytes`.
pub fn digest(bytes: &[u8]) -> Digest {
    first_half(Sha256::new_with_prefix(bytes))
}

/// The part of a SHA-256 (FIPS 180-4) that is kept.
pub fn first_half(hash: Sha256) -> Digest {
    let whole: [u8; 32] = hash.finalize().into();
    let mut digest = Digest::default();
    digest.copy_from_slice(&whole[..16]);
    digest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_are_the_first_half_of_sha_256() {
        // FIPS 180-4 example: SHA-256("abc") begins so.
        let expected = [0xba, 0x78, 0x16, 0xbf, 0x8f, 0x01, 0xcf, 0xea, 0x41, 0x41, 0x40, 0xde, 0x5d, 0xae, 0x22, 0x23];
        assert_eq!(digest(b"abc"), expected);
    }
}
