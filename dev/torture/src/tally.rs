//! What a campaign did, as a row for a table.

use std::fmt;
use std::ops::AddAssign;

/// Counts of one campaign.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// Loops run.
    pub loops: u64,
    /// Faults made.
    pub faults: u64,
    /// Submits that were acknowledged.
    pub submits: u64,
    /// Ends of runs that were acknowledged.
    pub ends: u64,
    /// Requests that wrote and whose answer never came.
    pub unknown: u64,
    /// Submits that were refused.
    pub refused: u64,
    /// Acknowledged and not there afterwards.
    pub lost: u64,
    /// There more than once.
    pub doubled: u64,
    /// What else is worth saying.
    pub notes: Vec<String>,
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Tally) {
        self.loops += other.loops;
        self.faults += other.faults;
        self.submits += other.submits;
        self.ends += other.ends;
        self.unknown += other.unknown;
        self.refused += other.refused;
        self.lost += other.lost;
        self.doubled += other.doubled;
        self.notes.extend(other.notes);
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Tally { loops, faults, submits, ends, unknown, refused, lost, doubled, notes } = self;
        writeln!(f, "| loops | faults | acknowledged | submits | ends | unknown | refused | lost | doubled |")?;
        writeln!(f, "|---|---|---|---|---|---|---|---|---|")?;
        let all = submits + ends;
        writeln!(
            f,
            "| {loops} | {faults} | {all} | {submits} | {ends} | {unknown} | {refused} | {lost} | {doubled} |"
        )?;
        notes.iter().try_for_each(|note| writeln!(f, "{note}"))
    }
}
