//! The client's own append-only log: what was sent, and what the server said to it.

use std::collections::HashMap;

use parking_lot::Mutex;
use uuid::Uuid;

use crate::content::Content;
use crate::tally::Tally;
use crate::wire::State;

/// One log for all actors of a round.
#[derive(Default)]
pub struct Log(Mutex<Records>);

/// What is known for certain, and what is not.
#[derive(Default)]
pub struct Records {
    /// Jobs by their number, which is their label.
    pub submits: Vec<Submit>,
    /// Leases by job and attempt.
    pub leases: HashMap<(Uuid, u32), LeaseRecord>,
    /// Jobs whose cancel was answered 200.
    pub canceled: Vec<Uuid>,
    /// What readers of the whole feed saw, in order.
    pub readers: Vec<Vec<(Uuid, u32)>>,
    /// What readers of single jobs saw: number and state.
    pub glimpses: Vec<(Uuid, u32, State)>,
    /// Acknowledged jobs, in the order in which that was heard.
    pub acknowledged: Vec<(usize, Uuid)>,
    /// Broken promises.
    pub complaints: Vec<Complaint>,
    /// Requests that wrote and whose answer never came.
    pub unknown: u64,
    /// Requests that were answered, but not at the first try.
    pub repeated: u64,
    /// Faults so far.
    pub faults: u32,
}

/// A broken promise.
#[derive(Clone, Debug)]
pub struct Complaint {
    /// Which, in one word; `lost` and `doubled` are counted apart.
    pub kind: &'static str,
    /// What was seen.
    pub text: String,
}

/// A job that was sent.
#[derive(Clone, Debug)]
pub struct Submit {
    /// Its input.
    pub input: Content,
    /// Its kind.
    pub kind: &'static str,
    /// Its queue.
    pub queue: &'static str,
    /// Its idempotency key.
    pub key: Option<String>,
    /// The id that the client chose.
    pub chosen: Option<Uuid>,
    /// What became of it.
    pub fate: Fate,
}

/// What the server said to a submit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// Nothing yet, or nothing ever.
    Unknown,
    /// It took it under this id, after so many faults.
    Acknowledged(Uuid, u32),
    /// It refused it, and the connection never broke before.
    Refused,
}

/// A lease that was handed out.
#[derive(Clone, Debug)]
pub struct LeaseRecord {
    /// The lease.
    pub lease: String,
    /// The request that got it.
    pub request: String,
    /// What was sent as its end, and what was said to that.
    pub end: Option<(End, EndFate)>,
}

/// The end of a run, as sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// With this result, the bytes of this number.
    Complete(Content, u64),
    /// With an error, to be tried again or not.
    Fail(bool),
    /// Given back.
    Release,
}

/// What the server said to an end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndFate {
    /// Sent; no answer, or a refusal after a try without an answer.
    Unknown,
    /// Taken; the job's state after it.
    Taken(State),
    /// Refused at the first try.
    Refused,
}

impl Log {
    /// A look at all of it.
    pub fn read<T>(&self, look: impl FnOnce(&Records) -> T) -> T {
        look(&self.0.lock())
    }

    /// A change.
    pub fn write<T>(&self, change: impl FnOnce(&mut Records) -> T) -> T {
        change(&mut self.0.lock())
    }

    /// Notes that a job is about to be sent; answers its number.
    pub fn plan(&self, submit: Submit) -> usize {
        self.write(|records| {
            records.submits.push(submit);
            records.submits.len() - 1
        })
    }

    /// Notes that the server took it.
    pub fn acknowledged(&self, number: usize, id: Uuid) {
        self.write(|records| {
            records.submits[number].fate = Fate::Acknowledged(id, records.faults);
            records.acknowledged.push((number, id));
        });
    }

    /// Notes that the server refused it.
    pub fn refused(&self, number: usize) {
        self.write(|records| records.submits[number].fate = Fate::Refused);
    }

    /// Notes that a connection broke on a request that writes.
    pub fn unknown(&self) {
        self.write(|records| records.unknown += 1);
    }

    /// Notes that a request was answered after it had to be sent again, if it had to.
    pub fn answered(&self, again: bool) {
        self.write(|records| records.repeated += u64::from(again));
    }

    /// Notes a broken promise.
    pub fn complain(&self, kind: &'static str, text: String) {
        self.write(|records| records.complaints.push(Complaint { kind, text }));
    }
}

impl Records {
    /// What it comes to.
    pub fn tally(&self) -> Tally {
        let count = |wanted: fn(&Fate) -> bool| self.submits.iter().filter(|it| wanted(&it.fate)).count() as u64;
        let complaints = |kind| self.complaints.iter().filter(|it| it.kind == kind).count() as u64;
        let taken = |record: &&LeaseRecord| matches!(record.end, Some((_, EndFate::Taken(_))));
        Tally {
            faults: u64::from(self.faults),
            submits: count(|fate| matches!(fate, Fate::Acknowledged(..))),
            ends: self.leases.values().filter(taken).count() as u64,
            unknown: self.unknown,
            refused: count(|fate| *fate == Fate::Refused),
            lost: complaints("lost"),
            doubled: complaints("doubled"),
            ..Tally::default()
        }
    }
}
