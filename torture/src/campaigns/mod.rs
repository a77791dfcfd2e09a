//! Every campaign.

mod kill;

use crate::campaign::Campaign;

/// In the order in which the short form runs them.
pub const CAMPAIGNS: &[Campaign] = &[Campaign {
    name: "kill",
    about: "kill -9 of the server under load, at a random moment",
    short_loops: 100,
    run: kill::run,
}];
