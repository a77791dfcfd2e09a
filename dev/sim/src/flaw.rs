//! Faults planted on purpose in the simulated store, to show that the simulation finds them.

use std::fmt;
use std::str::FromStr;

macro_rules! flaws {
    ($($(#[doc = $doc:literal])* $flaw:ident = $word:literal,)*) => {
        /// What the simulated store does wrong when told to.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Flaw { $($(#[doc = $doc])* $flaw,)* }

        impl Flaw {
            /// Every flaw.
            pub const ALL: &[Flaw] = &[$(Flaw::$flaw),*];

            /// Its name on the command line.
            pub fn word(self) -> &'static str {
                match self { $(Flaw::$flaw => $word),* }
            }
        }
    };
}

flaws! {
    /// Callers are answered before the transaction is on disk.
    ReplyBeforeCommit = "reply-before-commit",
    /// Readers are told before the transaction is on disk.
    TellBeforeCommit = "tell-before-commit",
    /// Events are written by themselves after the transaction of the change.
    EventAfterCommit = "event-after-commit",
    /// A key is looked up before the transaction begins, and no unique index stands behind it.
    LookThenInsert = "look-then-insert",
    /// A run is settled whichever attempt it was.
    SettleWithoutAttempt = "settle-without-attempt",
    /// The sweeper's settle does not look at the deadline again.
    SweepWithoutDeadline = "sweep-without-deadline",
    /// Retention looks at age alone, not at the state.
    PurgeWithoutState = "purge-without-state",
    /// Leases are judged by the wall clock.
    LeaseByWallClock = "lease-by-wall-clock",
    /// Leases run on while the server stands still.
    StandstillCounts = "standstill-counts",
    /// Time limits of runs stand still with the server.
    TimeoutStandsStill = "timeout-stands-still",
    /// Time goes back when the wall clock is set back.
    TimeGoesBack = "time-goes-back",
    /// After a restart leases count the downtime.
    RestartWithoutGrace = "restart-without-grace",
    /// After a restart numbers start from the clock alone.
    NumbersFromClock = "numbers-from-clock",
    /// A purge forgets the keys of the job as well.
    PurgeForgetsKeys = "purge-forgets-keys",
    /// A purge takes the events of the job out of the feed.
    PurgeDropsEvents = "purge-drops-events",
    /// Trimming the feed takes events of jobs that are there.
    TrimTakesAll = "trim-takes-all",
    /// A refused batch keeps the jobs before the refused one.
    HalfABatch = "half-a-batch",
    /// The request id of a batch is not written down.
    BatchWithoutName = "batch-without-name",
    /// What follows from a decision is not carried out.
    FollowUpsDropped = "follow-ups-dropped",
    /// What is too much for a transaction is forgotten.
    RestForgotten = "rest-forgotten",
    /// A lease does not look how many run already.
    CapIgnored = "cap-ignored",
}

impl fmt::Display for Flaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

impl FromStr for Flaw {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        let known = || Flaw::ALL.iter().map(|flaw| flaw.word()).collect::<Vec<_>>().join(", ");
        Flaw::ALL.iter().copied().find(|flaw| flaw.word() == word).ok_or_else(|| format!("flaws are: {}", known()))
    }
}
