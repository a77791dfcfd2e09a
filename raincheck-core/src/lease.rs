use crate::failure::Failure;
use crate::id::JobNo;
use crate::limits;
use crate::payload::Content;
use crate::time::Millis;

/// One run of one job: what a lease is bound to, and what guards every write of that run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LeaseRef {
    /// The job.
    pub no: JobNo,
    /// Which lease of it, from 1.
    pub attempt: u32,
}

impl LeaseRef {
    /// No attempt comes so far.
    const VOID: u32 = i32::MAX as u32;

    /// A run of this job that never was: what is asked of it is refused as if it were over.
    pub fn void(self) -> LeaseRef {
        LeaseRef { attempt: Self::VOID, ..self }
    }
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// With a result.
    Complete(Content),
    /// With an error.
    Fail {
        /// What went wrong.
        failure: Failure,
        /// Whether another attempt makes sense.
        retryable: bool,
        /// Wait this long before the next attempt instead of what the policy says.
        retry_after: Option<Millis>,
    },
    /// Given back without using up an attempt, to be queued again after `delay`.
    Release {
        /// How long it is not ready, milliseconds.
        delay: Millis,
    },
    /// Nobody reported within the lease.
    Lost,
    /// The attempt ran over its timeout.
    TimedOut,
}

/// Why a running lease needs the sweeper.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Overdue {
    /// No heartbeat within its length.
    Lost,
    /// Longer than the job's timeout.
    TimedOut,
}

impl Overdue {
    /// Why a run is over that has so much left of its lease and of its job's timeout, milliseconds. No silence moves the
    /// timeout, as it is the job's own; so where both have passed, the run took too long, whoever could not be heard.
    pub fn of(lease_left: Millis, time_left: Millis) -> Option<Overdue> {
        if time_left <= 0 { Some(Overdue::TimedOut) } else { (lease_left <= 0).then_some(Overdue::Lost) }
    }
}

/// The two byte logs of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum ChunkKind {
    /// What the run sends to the caller.
    Stream = 0,
    /// What the run writes for operators.
    Log = 1,
}

/// Most bytes that a log may have while this attempt writes it, where that of a first run may have `most`: however much
/// earlier runs wrote, a later one has room to say how it begins and ends. Never more than twice as many.
pub fn log_bytes(most: u64, attempt: u32) -> u64 {
    let later = u64::from(attempt.saturating_sub(1)).saturating_mul(limits::LOG_RETRY_BYTES);
    most.saturating_add(later.min(most))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_took_too_long_is_not_lost() {
        let cases = [(1, 1), (0, 1), (-9, 1), (1, 0), (1, -9), (0, 0), (-9, -1)];
        let (lost, late) = (Some(Overdue::Lost), Some(Overdue::TimedOut));
        assert_eq!(cases.map(|(lease, time)| Overdue::of(lease, time)), [None, lost, lost, late, late, late, late]);
    }

    #[test]
    fn a_later_run_finds_room_in_a_full_log() {
        assert_eq!([1, 2, 3].map(|attempt| log_bytes(8 << 20, attempt)), [8 << 20, 8_454_144, 8_519_680]);
        assert_eq!([1_000, u32::MAX].map(|attempt| log_bytes(8 << 20, attempt)), [16 << 20; 2]);
        assert_eq!((log_bytes(10, 2), log_bytes(0, 5), log_bytes(u64::MAX, 9)), (20, 0, u64::MAX));
    }
}
