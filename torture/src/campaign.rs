//! What a campaign is. `campaigns/` holds one file for each.

use anyhow::Result;

use crate::tally::Tally;

/// A row of the table: all that a new campaign needs besides its file.
pub struct Campaign {
    /// What it is called on the command line.
    pub name: &'static str,
    /// One line for the list.
    pub about: &'static str,
    /// Loops within `cargo xtask test`.
    pub short_loops: u32,
    /// Runs it; an error is a broken promise.
    pub run: fn(&Order) -> Result<Tally>,
}

/// What is asked of a campaign.
pub struct Order {
    /// Its name, which names its scratch folder too.
    pub name: &'static str,
    /// How often to hurt.
    pub loops: u32,
    /// Draws jobs, keys, load and the moments of the faults.
    pub seed: u64,
}
