//! How what has no column of its own is written down: small JSON texts, members added but never renamed.

use std::sync::Arc;

use bytes::Bytes;
use raincheck_core::{EventData, EventType, Failure, FailureCode, JobNo, Progress, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// Numbers of jobs in a row: of each the difference to the one before, zigzag, in groups of seven bits, least first.
pub(crate) fn packed_jobs(jobs: &[JobNo]) -> Vec<u8> {
    let (mut packed, mut before) = (Vec::with_capacity(jobs.len() + 8), 0_i64);
    for JobNo(no) in jobs {
        let step = no.wrapping_sub(before);
        let mut rest = ((step << 1) ^ (step >> 63)).cast_unsigned();
        while rest >= 0x80 {
            packed.push(rest as u8 | 0x80);
            rest >>= 7;
        }
        packed.push(rest as u8);
        before = *no;
    }
    packed
}

/// The numbers of jobs that were packed so; `None` where that is damaged.
pub(crate) fn unpacked_jobs(packed: &[u8]) -> Option<Arc<[JobNo]>> {
    let (mut jobs, mut before, mut rest, mut shift) = (Vec::with_capacity(packed.len()), 0_i64, 0_u64, 0_u32);
    for byte in packed {
        rest |= u64::from(byte & 0x7f).checked_shl(shift)?;
        shift += 7;
        if byte & 0x80 == 0 {
            before = before.wrapping_add((rest >> 1).cast_signed() ^ -((rest & 1).cast_signed()));
            jobs.push(JobNo(before));
            (rest, shift) = (0, 0);
        }
    }
    (shift == 0 && !jobs.is_empty()).then(|| jobs.into())
}

#[derive(Serialize, Deserialize)]
struct StoredFailure {
    code: Box<str>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    kind: Option<Box<str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    title: Option<Box<str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    detail: Option<Box<str>>,
}

#[derive(Serialize, Deserialize)]
struct StoredProgress {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    percent: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    current: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    total: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    message: Option<Box<str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    data: Option<Box<RawValue>>,
}

#[derive(Default, Serialize, Deserialize)]
struct StoredEvent {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    key: Option<Box<str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    worker: Option<Box<str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    progress: Option<StoredProgress>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    failure: Option<StoredFailure>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    run_at: Option<i64>,
}

impl From<&Failure> for StoredFailure {
    fn from(f: &Failure) -> Self {
        StoredFailure {
            code: f.code.slug().into(),
            kind: f.kind.clone(),
            title: f.title.clone(),
            detail: f.detail.clone(),
        }
    }
}

impl From<StoredFailure> for Failure {
    fn from(f: StoredFailure) -> Self {
        let code = FailureCode::from_slug(&f.code).unwrap_or(FailureCode::Failed);
        Failure { code, kind: f.kind, title: f.title, detail: f.detail }
    }
}

impl From<&Progress> for StoredProgress {
    fn from(p: &Progress) -> Self {
        // Text that is not JSON was refused at the door; should it come here all the same, the rest is kept.
        let data = p.data.as_deref().and_then(|d| serde_json::from_slice(d).ok());
        StoredProgress { percent: p.percent, current: p.current, total: p.total, message: p.message.clone(), data }
    }
}

impl From<StoredProgress> for Progress {
    fn from(p: StoredProgress) -> Self {
        let data = p.data.map(|d| Bytes::from(String::from(Box::<str>::from(d))));
        Progress { percent: p.percent, current: p.current, total: p.total, message: p.message, data }
    }
}

/// A text that does not say what its column should, or a value that cannot be written as one.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CodecError {
    #[error("cannot be written: {0}")]
    Write(serde_json::Error),
    #[error("cannot be read: {0}")]
    Read(serde_json::Error),
}

type Result<T> = std::result::Result<T, CodecError>;

fn text(value: &impl Serialize) -> Result<String> {
    serde_json::to_string(value).map_err(CodecError::Write)
}

fn read<'a, T: Deserialize<'a>>(text: &'a str) -> Result<T> {
    serde_json::from_str(text).map_err(CodecError::Read)
}

pub(crate) fn failure_text(failure: &Failure) -> Result<String> {
    text(&StoredFailure::from(failure))
}

pub(crate) fn failure(text: &str) -> Result<Failure> {
    read::<StoredFailure>(text).map(Failure::from)
}

pub(crate) fn progress_text(progress: &Progress) -> Result<String> {
    text(&StoredProgress::from(progress))
}

pub(crate) fn progress(text: &str) -> Result<Progress> {
    read::<StoredProgress>(text).map(Progress::from)
}

pub(crate) fn tags_text(tags: &[(Box<str>, Box<str>)]) -> Result<Option<String>> {
    if tags.is_empty() {
        return Ok(None);
    }
    let map: serde_json::Map<_, _> =
        tags.iter().map(|(k, v)| (k.to_string(), serde_json::Value::String(v.to_string()))).collect();
    text(&map).map(Some)
}

pub(crate) fn tags(text: &str) -> Result<Vec<(Box<str>, Box<str>)>> {
    let map: std::collections::BTreeMap<Box<str>, Box<str>> = read(text)?;
    Ok(map.into_iter().collect())
}

pub(crate) fn event_text(data: &EventData) -> Result<Option<String>> {
    let stored = match data {
        EventData::Created { key: Some(key) } => StoredEvent { key: Some(key.clone()), ..StoredEvent::default() },
        EventData::Started { worker } | EventData::Lost { worker } => {
            StoredEvent { worker: Some(worker.clone()), ..StoredEvent::default() }
        }
        EventData::Progress(progress) => StoredEvent { progress: Some(progress.into()), ..StoredEvent::default() },
        EventData::Retrying { failure, run_at } => {
            StoredEvent { failure: Some(failure.into()), run_at: Some(run_at.0), ..StoredEvent::default() }
        }
        EventData::Failed(failure) => StoredEvent { failure: Some(failure.into()), ..StoredEvent::default() },
        _ => return Ok(None),
    };
    text(&stored).map(Some)
}

pub(crate) fn event_data(kind: EventType, stored: Option<&str>) -> Result<EventData> {
    let stored: StoredEvent = stored.map(read).transpose()?.unwrap_or_default();
    let worker = stored.worker.unwrap_or_default();
    let failure = || stored.failure.map_or_else(|| Failure::of(FailureCode::Failed, ""), Failure::from);
    Ok(match kind {
        EventType::Created => EventData::Created { key: stored.key },
        EventType::Queued => EventData::Queued,
        EventType::Blocked => EventData::Blocked,
        EventType::Started => EventData::Started { worker },
        EventType::Progress => EventData::Progress(stored.progress.map(Progress::from).unwrap_or_default()),
        EventType::Retrying => {
            EventData::Retrying { failure: failure(), run_at: Timestamp(stored.run_at.unwrap_or_default()) }
        }
        EventType::Lost => EventData::Lost { worker },
        EventType::Released => EventData::Released,
        EventType::CancelRequested => EventData::CancelRequested,
        EventType::Succeeded => EventData::Succeeded,
        EventType::Failed => EventData::Failed(failure()),
        EventType::Canceled => EventData::Canceled,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_jobs_are_packed_and_read_back() {
        let new: Vec<i64> = (0..1_000).map(|n| (1_760_000_000_000 << 15) + n).collect();
        for nos in [&new[..], &[0], &[7, 7, 3, i64::MAX, i64::MIN, -1], &[i64::MIN, i64::MAX]] {
            let jobs: Vec<JobNo> = nos.iter().map(|no| JobNo(*no)).collect();
            assert_eq!(unpacked_jobs(&packed_jobs(&jobs)).as_deref(), Some(&jobs[..]));
        }
        let jobs: Vec<JobNo> = new.into_iter().map(JobNo).collect();
        assert!(packed_jobs(&jobs).len() < 1_010, "a new one takes a byte");
        for damaged in [&[][..], &[0x80], &[2, 0x81], &[0xff; 11]] {
            assert_eq!(unpacked_jobs(damaged), None, "{damaged:?}");
        }
    }
}
