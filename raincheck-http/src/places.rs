//! How many bodies may be on their way to files.

use std::ops::RangeInclusive;

use raincheck_store::BlobUse;

use super::problem::{self, Problem};
use super::watch::slots::{Slot, Slots};

/// A sender is told to come again so many seconds after there was no place.
const NO_PLACE: RangeInclusive<u64> = 2..=6;

/// Places for bodies on their way to files. Results have their own: work that is done can be handed in however many
/// inputs there are.
#[derive(Debug)]
pub struct Places {
    inputs: Slots,
    results: Slots,
}

impl Places {
    /// At most so many inputs, and as many results.
    pub fn new(most: usize) -> Self {
        Places { inputs: Slots::new(most), results: Slots::new(most) }
    }

    /// Bodies on their way now.
    pub fn open(&self) -> usize {
        self.inputs.open() + self.results.open()
    }

    /// A place for one more.
    pub fn take(&self, of: BlobUse) -> Result<Slot, Problem> {
        let places = match of {
            BlobUse::Input => &self.inputs,
            BlobUse::Result => &self.results,
        };
        places.take().ok_or_else(|| {
            no_place(
                of,
                &format!(
                    "{} large bodies are on their way in, as many as there may be (`uploads` in [limits])",
                    places.most()
                ),
            )
        })
    }
}

/// Why a body is not taken now; its sender is told to come again.
pub fn no_place(of: BlobUse, why: &str) -> Problem {
    no_room(of).detail(format!("{why}: send it again later")).retry_after(rand::random_range(NO_PLACE))
}

/// A submit is refused as at every other bound; of a result there is no queue.
pub fn no_room(of: BlobUse) -> Problem {
    Problem::new(match of {
        BlobUse::Input => problem::QUEUE_FULL,
        BlobUse::Result => problem::STORE,
    })
}
