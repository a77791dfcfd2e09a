//! What a transaction knows of a row, and what it is to say: the pieces of a [`Batch`](super::batch::Batch).

use std::collections::{BTreeMap, BTreeSet};

use raincheck_core::interpreter::NamedObject;
use raincheck_core::{Job, LeaseRef, Millis, Name, Object, ObjectKind, Spec, State};

use crate::leases::KeptLease;

/// A job and what is known of its row.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    /// As this transaction leaves it.
    pub job: Job,
    /// State, attempt and number of the last event in the row, as it was read or written last; `None` before there is
    /// one.
    pub row: Option<(State, u32, u32)>,
    /// The row says something else than `job`.
    pub dirty: bool,
    /// What the client asked for, of a new job that is not written yet.
    pub spec: Option<Box<Spec>>,
}

/// What becomes of a lease once the transaction is on disk.
pub(crate) enum LeaseChange {
    Start(KeptLease),
    /// Of this length, until then.
    Extend(LeaseRef, Millis, Millis),
    AskToStop(LeaseRef),
    End(LeaseRef),
}

/// Kind and name.
pub(crate) type ObjectKey = (ObjectKind, Name);

/// An object and what is known of its row.
#[derive(Clone, Debug, Default)]
pub(crate) struct KnownObject {
    /// As this transaction leaves it.
    pub object: Option<Object>,
    /// The version in the row; `None` where there is none.
    pub row: Option<i64>,
}

impl KnownObject {
    pub fn is_dirty(&self) -> bool {
        self.object.as_ref().map(|object| object.version) != self.row
    }
}

/// The named objects that a transaction has looked at.
#[derive(Default)]
pub(crate) struct Objects {
    pub known: BTreeMap<ObjectKey, KnownObject>,
    /// Kinds of which there was no room for one more.
    pub full: BTreeSet<ObjectKind>,
}

impl Objects {
    /// What a command must know; `None` when it is still to be looked up.
    pub fn named(&self, kind: ObjectKind, name: &Name) -> Option<NamedObject> {
        let object = self.known.get(&(kind, name.clone()))?.object.clone();
        Some(NamedObject { has_room: !self.full.contains(&kind), object })
    }

    pub fn put(&mut self, object: Object) {
        let key = (object.kind, object.name.clone());
        self.known.entry(key).or_default().object = Some(object);
    }

    pub fn delete(&mut self, kind: ObjectKind, name: Name) {
        self.known.entry((kind, name)).or_default().object = None;
    }

    pub fn is_dirty(&self) -> bool {
        self.known.values().any(KnownObject::is_dirty)
    }

    /// The rows say now what is known here.
    pub fn written(&mut self) {
        self.known.values_mut().for_each(|kept| kept.row = kept.object.as_ref().map(|object| object.version));
    }
}

/// What a transaction changes of where the feed is cut, to be written when it has its place there.
#[derive(Debug, Default)]
pub(crate) struct FeedCut {
    /// The cursor of the last event that was removed.
    pub last_removed: Option<i64>,
    /// The cursor up to where it was trimmed.
    pub trimmed: Option<i64>,
    /// What came to the events of forgotten jobs, less what went, bytes.
    pub bytes: i64,
}

impl FeedCut {
    pub fn remove(&mut self, cursor: Option<i64>) {
        self.last_removed = self.last_removed.max(cursor);
    }

    pub fn is_empty(&self) -> bool {
        self.last_removed.is_none() && self.trimmed.is_none() && self.bytes == 0
    }
}
