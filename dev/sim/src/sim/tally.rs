//! How often what happened: a simulation that never meets a crash shows nothing about crashes.

use std::collections::BTreeMap;

use raincheck_core::{Again, Command, EventData, FailureCode, Refusal, Reply, Submitted};

use crate::check::Done;

/// Counts by name.
#[derive(Clone, Debug, Default)]
pub struct Tally(BTreeMap<&'static str, u64>);

impl Tally {
    /// One more.
    pub fn count(&mut self, what: &'static str) {
        *self.0.entry(what).or_default() += 1;
    }

    /// So many of it.
    pub fn of(&self, what: &str) -> u64 {
        self.0.get(what).copied().unwrap_or(0)
    }

    /// All, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> {
        self.0.iter().map(|(what, n)| (*what, *n))
    }

    /// Adds another.
    pub fn add(&mut self, other: &Tally) {
        for (what, n) in other.iter() {
            *self.0.entry(what).or_default() += n;
        }
    }

    /// What a command did.
    pub fn done(&mut self, done: &Done) {
        for event in &done.events {
            self.count(match &event.data {
                EventData::Failed(failure) => match failure.code {
                    FailureCode::Lost => "event: failed, poison",
                    FailureCode::Expired => "event: failed, expired",
                    FailureCode::Timeout => "event: failed, timeout",
                    FailureCode::Failed | FailureCode::Canceled => "event: failed",
                },
                EventData::Created { .. } => "event: created",
                EventData::Queued => "event: queued",
                EventData::Blocked => "event: blocked",
                EventData::Started { .. } => "event: started",
                EventData::Progress(_) => "event: progress",
                EventData::Retrying { .. } => "event: retrying",
                EventData::Lost { .. } => "event: lost",
                EventData::Released => "event: released",
                EventData::CancelRequested => "event: cancel requested",
                EventData::Succeeded => "event: succeeded",
                EventData::Canceled => "event: canceled",
                EventData::Gone(_) => "event: of a forgotten job",
            });
        }
        if !done.is_asked {
            self.count(if done.events.is_empty() { "follow-up: refused" } else { "follow-up: carried out" });
        }
        match &done.reply {
            Reply::Submitted(all) => all.iter().for_each(|one| {
                self.count(match one {
                    Submitted::New(_) => "submit: new",
                    Submitted::Replayed(_) => "submit: replayed by key",
                    Submitted::Existing(_) => "submit: chosen id again",
                    Submitted::Coalesced(_) => "submit: coalesced",
                    Submitted::Cached(_) => "submit: cached",
                });
            }),
            Reply::Again(all) => all.iter().for_each(|one| {
                self.count(match one {
                    Again::Here(_) => "submit: replayed by batch",
                    Again::Purged(_) => "submit: replayed by batch, purged",
                });
            }),
            Reply::Refused(_, why) => self.count(match why {
                Refusal::KeyReused(_) => "refused: key reused",
                Refusal::KeyTwice(_) => "refused: key twice",
                Refusal::BatchReused => "refused: request id reused",
                Refusal::BatchForgotten => "refused: batch forgotten",
                Refusal::IdConflict(_) => "refused: id conflict",
                Refusal::Purged(_) => "refused: purged",
                Refusal::QueueFull(..) => "refused: queue full",
                Refusal::StoreFull(_) => "refused: store full",
                Refusal::TooManyNames => "refused: too many names",
            }),
            Reply::LeaseLost(_) => self.count("answer: lease lost"),
            Reply::TooLong(_) => self.count("answer: too long a hand-over"),
            Reply::Gone => self.count("answer: gone"),
            Reply::Finished(_) | Reply::Shared(_) | Reply::NotWaiting(_) | Reply::NotFinished(_) => {
                self.count("answer: not now");
            }
            Reply::Purged(_) => self.count("purged: by hand"),
            Reply::Swept(n, _) => {
                let what = match done.command {
                    Command::PurgeExpired(_) => "purged: by retention",
                    Command::CatchUp(_) => "follow-up: caught up",
                    Command::DropTombstones(_) => "tombstones dropped",
                    Command::Trim(_) => "events trimmed",
                    _ => return,
                };
                *self.0.entry(what).or_default() += *n as u64;
            }
            Reply::Put { is_new: true, .. } => self.count("object: made"),
            Reply::Put { is_new: false, .. } => self.count("object: replaced"),
            Reply::OtherVersion(_) => self.count("object: other version"),
            Reply::Deleted => self.count("object: deleted"),
            Reply::Leased(_) | Reply::Job(_) | Reply::Appended(_) | Reply::Full | Reply::Queue(_) => {}
        }
    }
}
