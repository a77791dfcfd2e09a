//! What stands beside a job: what it asks for, what it came to, and what is shown of both.

use std::borrow::Cow;

use bytes::Bytes;
use raincheck_core::{Content, Digest, Job, JobId, JobNo, Payload, RetryPolicy, Spec};

use super::number::INLINE_BYTES;
use super::{joined, row};
use crate::codec::{self, CodecError};
use crate::records::{Record, ResultInfo};

row! {
    /// What a job asks for, without the bytes of its input. `max_attempts` stands with the job.
    #[derive(Clone, Debug)]
    pub(crate) struct Asked<'a> as "s" {
        label: Option<Cow<'a, str>>,
        key: Option<Cow<'a, str>>,
        tags: Option<Cow<'a, str>>,
        content_type: Option<Cow<'a, str>>,
        filename: Option<Cow<'a, str>>,
        size: i64,
        blob: Option<Cow<'a, str>>,
        retry_initial: i64,
        retry_factor: f64,
        retry_max: i64,
        retry_jitter: bool,
        rerun_of: Option<JobId>,
        traceparent: Option<Cow<'a, str>>,
        tracestate: Option<Cow<'a, str>>,
    }
}

row! {
    /// What a job came to.
    #[derive(Clone, Debug)]
    pub(crate) struct Kept<'a> as "r" {
        no: JobNo,
        content_type: Option<Cow<'a, str>>,
        filename: Option<Cow<'a, str>>,
        digest: Digest,
        size: i64,
        blob: Option<Cow<'a, str>>,
        bytes: Option<&'a [u8]>,
    }
}

/// The text of a result, where it is JSON and small.
const VALUE: &str = joined!(["CASE WHEN r.content_type IS NULL AND r.size <= ", INLINE_BYTES, " THEN r.bytes END"]);

row! {
    /// A report as a record shows it, after the job and what it asks for.
    #[derive(Clone, Debug)]
    pub(crate) struct Reported<'a> as "p" {
        progress: Option<Cow<'a, str>>,
        failure: Option<Cow<'a, str>>,
    }
}

row! {
    /// A result as a record shows it, where there is one.
    #[derive(Clone, Debug)]
    pub(crate) struct Shown<'a> as "r" {
        content_type: Option<Cow<'a, str>>,
        filename: Option<Cow<'a, str>>,
        digest: Option<Digest>,
        size: Option<i64>,
        value: Option<&'a [u8]> = VALUE,
    }
}

fn lent(text: Option<&str>) -> Option<Cow<'_, str>> {
    text.map(Cow::Borrowed)
}

fn owned(text: Option<Cow<'_, str>>) -> Option<Box<str>> {
    text.map(Box::from)
}

/// The two columns of a payload: its bytes, or the name of its file.
pub(crate) fn split(payload: &Payload) -> (Option<&[u8]>, Option<&str>) {
    match payload {
        Payload::Empty => (None, None),
        Payload::Inline(bytes) => (Some(bytes), None),
        Payload::Blob { name, .. } => (None, Some(name)),
    }
}

impl<'a> Asked<'a> {
    pub fn of(spec: &'a Spec) -> Result<Self, CodecError> {
        let Spec { label, key, tags, input, retry, rerun_of, traceparent, tracestate } = spec;
        Ok(Asked {
            label: lent(label.as_deref()),
            key: lent(key.as_deref()),
            tags: codec::tags_text(tags)?.map(Cow::Owned),
            content_type: lent(input.content_type.as_deref()),
            filename: lent(input.filename.as_deref()),
            size: input.payload.size().cast_signed(),
            blob: lent(split(&input.payload).1),
            retry_initial: retry.initial,
            retry_factor: retry.factor,
            retry_max: retry.max,
            retry_jitter: retry.jitter,
            rerun_of: *rerun_of,
            traceparent: lent(traceparent.as_deref()),
            tracestate: lent(tracestate.as_deref()),
        })
    }

    /// The spec, with the bytes of its input where they are asked for.
    pub fn spec(self, max_attempts: u32, input: Option<Bytes>) -> Result<Spec, CodecError> {
        let size = self.size.cast_unsigned();
        Ok(Spec {
            label: owned(self.label),
            key: owned(self.key),
            tags: self.tags.as_deref().map(codec::tags).transpose()?.unwrap_or_default(),
            input: Content {
                payload: match (owned(self.blob), input) {
                    (Some(name), _) => Payload::Blob { name, size },
                    (None, Some(bytes)) => Payload::Inline(bytes),
                    (None, None) => Payload::Empty,
                },
                content_type: owned(self.content_type),
                filename: owned(self.filename),
                digest: Digest::default(),
            },
            retry: RetryPolicy {
                max_attempts,
                initial: self.retry_initial,
                factor: self.retry_factor,
                max: self.retry_max,
                jitter: self.retry_jitter,
            },
            rerun_of: self.rerun_of,
            traceparent: owned(self.traceparent),
            tracestate: owned(self.tracestate),
        })
    }
}

impl<'a> Kept<'a> {
    pub fn of(no: JobNo, result: &'a Content) -> Self {
        let (bytes, blob) = split(&result.payload);
        Kept {
            no,
            content_type: lent(result.content_type.as_deref()),
            filename: lent(result.filename.as_deref()),
            digest: result.digest,
            size: result.payload.size().cast_signed(),
            blob: lent(blob),
            bytes,
        }
    }
}

impl Shown<'_> {
    /// The result, if there is one.
    pub fn info(self) -> Option<ResultInfo> {
        let digest = self.digest?;
        Some(ResultInfo {
            content_type: owned(self.content_type),
            filename: owned(self.filename),
            size: self.size.unwrap_or_default().cast_unsigned(),
            digest,
            value: self.value.map(Bytes::copy_from_slice),
        })
    }
}

impl Reported<'_> {
    /// The record of the job that asks for that and came to this result.
    pub fn record(self, job: Job, asked: Asked<'_>, result: Option<ResultInfo>) -> Result<Record, CodecError> {
        Ok(Record {
            progress: self.progress.as_deref().map(codec::progress).transpose()?,
            failure: self.failure.as_deref().map(codec::failure).transpose()?,
            input_size: asked.size.cast_unsigned(),
            spec: asked.spec(job.max_attempts, None)?,
            job,
            result,
        })
    }
}
