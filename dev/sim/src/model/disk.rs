//! The part of the store that a crash leaves as the last commit made it.

use std::sync::Arc;

use bytes::Bytes;
use raincheck_core::interpreter::{ChunkPlace, FollowUp, Part};
use raincheck_core::{
    ClaimScope, Content, Digest, Event, Failure, JobId, JobNo, LeaseRef, Name, Object, ObjectKind, Progress,
    QueueSettings, Spec, Timestamp,
};

use super::jobs::Jobs;
use super::table::Table;

/// Where a claim is unique, and what it is: see [`ClaimScope`].
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Claim {
    Id(JobId),
    Key(Name, Box<[u8]>),
    Equal(Name, Box<[u8]>),
    Batch(Box<[u8]>),
}

impl Claim {
    pub fn of(scope: ClaimScope, queue: &Name, key: &[u8]) -> Option<Claim> {
        Some(match scope {
            ClaimScope::Id => Claim::Id(JobId(uuid::Uuid::from_slice(key).ok()?)),
            ClaimScope::Key => Claim::Key(queue.clone(), key.into()),
            ClaimScope::Equal => Claim::Equal(queue.clone(), key.into()),
            ClaimScope::Batch => Claim::Batch(key.into()),
        })
    }
}

/// What is kept of a queue beside its jobs.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct QueueRow {
    pub settings: QueueSettings,
    pub tickets: i64,
    pub served: i64,
}

/// A stream or log.
#[derive(Clone, Debug, Default)]
pub struct Chunks {
    pub bytes: Vec<Bytes>,
    pub part: Part,
}

/// Numbers that stand by themselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Meta {
    /// The highest cursor that was removed.
    Floor,
    /// Up to here only events of jobs that are there are left.
    Trimmed,
    /// The highest number whose tombstone was forgotten.
    LastDropped,
}

macro_rules! disk {
    ($($(#[doc = $doc:literal])* $table:ident: $type:ty,)*) => {
        /// Every table, in one transaction.
        #[derive(Debug, Default)]
        pub struct Disk {
            pub jobs: Jobs,
            $($(#[doc = $doc])* pub $table: $type,)*
        }

        impl Disk {
            pub fn commit(&mut self) {
                self.jobs.commit();
                $(self.$table.commit();)*
            }

            pub fn rollback(&mut self) {
                self.jobs.rollback();
                $(self.$table.rollback();)*
            }
        }
    };
}

disk! {
    specs: Table<JobNo, Spec>,
    results: Table<JobNo, Content>,
    failures: Table<JobNo, Failure>,
    progress: Table<JobNo, Progress>,
    events: Table<(JobNo, u32), Event>,
    /// The whole feed: cursor to event.
    feed: Table<i64, (JobNo, u32)>,
    claims: Table<Claim, (JobNo, Digest)>,
    claims_of: Table<JobNo, Vec<Claim>>,
    /// All jobs that a request id stands for.
    batches: Table<Claim, Arc<[JobNo]>>,
    tombstones: Table<JobNo, (JobId, Timestamp)>,
    /// Answers to lease requests that may be asked again.
    requests: Table<Digest, (Timestamp, Vec<LeaseRef>)>,
    queues: Table<Name, QueueRow>,
    chunks: Table<ChunkPlace, Chunks>,
    objects: Table<(ObjectKind, Name), Object>,
    /// Those that were left over, oldest first.
    follow_ups: Table<i64, FollowUp>,
    meta: Table<Meta, i64>,
}

impl Disk {
    pub fn meta(&self, what: Meta) -> i64 {
        self.meta.get(&what).copied().unwrap_or(0)
    }

    pub fn raise(&mut self, what: Meta, value: i64) {
        if value > self.meta(what) {
            self.meta.set(what, value);
        }
    }

    pub fn has_tombstone(&self, no: JobNo) -> bool {
        self.tombstones.get(&no).is_some()
    }
}
