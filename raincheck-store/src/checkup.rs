//! What a look through a store for broken promises tells.

use async_trait::async_trait;

use crate::StoreError;

/// A look through everything a store holds, a piece at a time. It only reads.
#[async_trait]
pub trait Checkup: Send {
    /// The next piece, seen at one moment; `None` when everything was looked at.
    async fn page(&mut self) -> Result<Option<CheckPage>, StoreError>;
}

/// What one piece told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CheckPage {
    /// What is not as it must be.
    pub findings: Vec<Finding>,
    /// What could not be judged, and why.
    pub unjudged: Vec<(Invariant, Box<str>)>,
    /// What is so beside what must be.
    pub notes: Vec<(Invariant, Box<str>)>,
    /// How many rows and files were looked at.
    pub examined: u64,
}

/// One thing that is not as it must be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Which promise it breaks.
    pub invariant: Invariant,
    /// The job, file or figure it is about.
    pub subject: Box<str>,
    /// What is wrong with it.
    pub detail: Box<str>,
}

/// What must hold, as far as it can be judged from a store's data alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs, reason = "see `Invariant::says`")]
pub enum Invariant {
    Database,
    Journal,
    Format,
    Library,
    Events,
    FinalEvent,
    Feed,
    Acknowledged,
    Attempts,
    States,
    Rows,
    Leases,
    Keys,
    Claims,
    Belongings,
    FollowUps,
    Counters,
    Objects,
    Ready,
    Files,
    Owner,
    Orphans,
    Permissions,
    Space,
    Log,
    Clock,
    History,
}

/// What is found of a place without a mark while jobs have payloads, and why these are not asked for one by one.
pub(crate) const ELSEWHERE: (&str, &str) = (
    "jobs have large payloads, and it bears no mark of their store: they lie elsewhere",
    "the payloads lie elsewhere: see `owner`",
);
const DAMAGED: &str = "keep a copy of the data folder as it is, then go back to a backup; a disk that lost or changed data, or a bug, did this: report it with these lines";

impl Invariant {
    /// Every one, in the order they are shown.
    pub const ALL: [Invariant; 27] = {
        use Invariant::*;
        [
            Database,
            Journal,
            Format,
            Library,
            Events,
            FinalEvent,
            Feed,
            Acknowledged,
            Attempts,
            States,
            Rows,
            Leases,
            Keys,
            Claims,
            Belongings,
            FollowUps,
            Counters,
            Objects,
            Ready,
            Files,
            Owner,
            Orphans,
            Permissions,
            Space,
            Log,
            Clock,
            History,
        ]
    };

    /// Its name for programs.
    pub fn as_str(self) -> &'static str {
        self.about().0
    }

    /// What holds.
    pub fn says(self) -> &'static str {
        self.about().1
    }

    /// What to do when it does not hold.
    pub fn next_step(self) -> &'static str {
        self.about().2
    }

    /// Whether it is only worth knowing: nothing that was promised is broken.
    pub fn is_remark(self) -> bool {
        matches!(
            self,
            Invariant::Orphans | Invariant::Permissions | Invariant::Log | Invariant::Clock | Invariant::History
        )
    }

    fn about(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Invariant::Database => ("database", "the database is sound: pages, rows and indexes agree", DAMAGED),
            Invariant::Journal => (
                "journal",
                "changes go through a write-ahead log",
                "start a server on it once: it sets the mode of SQLite, or says why it can't; PostgreSQL is set by its owner",
            ),
            Invariant::Format => (
                "format",
                "the data has a format that this program knows",
                "use the program that wrote it, or a newer one; an older format is brought up by the next `serve`",
            ),
            Invariant::Library => {
                ("library", "the database program is free of known corruption bugs", "use a newer one")
            }
            Invariant::Events => ("events", "every job's events are numbered from 1 without a hole", DAMAGED),
            Invariant::FinalEvent => {
                ("final-event", "a finished job has exactly one final event, its last; others have none", DAMAGED)
            }
            Invariant::Feed => ("feed", "the change feed is in order and has no hole", DAMAGED),
            Invariant::Acknowledged => (
                "acknowledged",
                "the feed goes as far as was acknowledged",
                "go back to a backup; or accept the loss: stop the server, remove raincheck.mark and start it again. A write-ahead log that was damaged or removed did this",
            ),
            Invariant::Attempts => {
                ("attempts", "attempts are numbered from 1 without a hole, and at most one is open", DAMAGED)
            }
            Invariant::States => ("states", "a job's row agrees with its last event, by lawful steps", DAMAGED),
            Invariant::Rows => ("rows", "a job has what its state asks for, and nothing else", DAMAGED),
            Invariant::Leases => ("leases", "what runs has a lease, what does not has none", DAMAGED),
            Invariant::Keys => ("keys", "a job's key and chosen id stand for it and for no other", DAMAGED),
            Invariant::Claims => {
                ("claims", "every key, id and batch stands for a job, or for one that was purged", DAMAGED)
            }
            Invariant::Belongings => ("belongings", "what belongs to a job has its job; none vanished", DAMAGED),
            Invariant::FollowUps => ("follow-ups", "what is still to follow is something that may follow", DAMAGED),
            Invariant::Counters => ("counters", "the kept counters equal a recount", DAMAGED),
            Invariant::Objects => (
                "objects",
                "named objects can be read, and no reader of the feed is beyond its end",
                "a reader goes on with the oldest event after `raincheck reader set NAME --cursor 0`, and may miss some; report it with these lines",
            ),
            Invariant::Ready => ("ready", "the index of ready work holds the queued jobs, and no others", DAMAGED),
            Invariant::Files => ("files", "every payload is there in full, as it was written", DAMAGED),
            Invariant::Owner => (
                "owner",
                "the place of large payloads is marked as this store's",
                "a server does not start on it: mount the disk that the payloads lie on, or name the place (`blobs` in `[store]`, beside the `url` of this database); else see docs/backup.md",
            ),
            Invariant::Orphans => (
                "orphans",
                "every file belongs to a job",
                "nothing is wrong: a server moves those aside that are of its making, at its start or after a day, and removes them a day later",
            ),
            Invariant::Permissions => (
                "permissions",
                "only its owner may read and write the data",
                "the next start of the server takes it from the others; `chmod go-w` the data folder itself",
            ),
            Invariant::Space => (
                "space",
                "there is room for more",
                "free some on that disk; submits are refused meanwhile, the rest is served",
            ),
            Invariant::Clock => (
                "clock",
                "the clock is not behind the last change of the data",
                "set it right; where the data was written by a clock that was ahead, see docs/backup.md",
            ),
            Invariant::History => (
                "history",
                "nothing was lost when the data moved to another server or came back",
                "it stays lost: those who submitted it may submit it again. A synchronous standby keeps it from happening again: see docs/failover.md",
            ),
            Invariant::Log => (
                "log",
                "the write-ahead log is short",
                "look for a reader that keeps a transaction open; the log shrinks once it ends",
            ),
        }
    }
}

impl CheckPage {
    /// Adds what is not as it must be.
    pub(crate) fn found(&mut self, invariant: Invariant, subject: impl Into<Box<str>>, detail: impl Into<Box<str>>) {
        self.findings.push(Finding { invariant, subject: subject.into(), detail: detail.into() });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_invariant_is_listed_in_its_place_under_a_name_of_its_own() {
        for (place, invariant) in Invariant::ALL.into_iter().enumerate() {
            assert_eq!(invariant as usize, place, "{invariant:?}");
            assert_eq!(Invariant::ALL.iter().filter(|other| other.as_str() == invariant.as_str()).count(), 1);
        }
    }
}
