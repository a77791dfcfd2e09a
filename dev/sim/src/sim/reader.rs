//! Readers of the whole feed, who remember how far they came.

use rand::RngExt;

use super::Sim;
use crate::check::Verdict;

impl Sim {
    pub(super) fn reader_reads(&mut self, who: usize) -> Verdict {
        let (head, floor) = self.server.store.feed_bounds();
        let after = self.readers[who].after;
        if after < floor {
            self.server.op("reads: cursor too old");
            self.readers[who].after = head;
        } else {
            self.server.op("reads");
            let limit = self.rng.random_range(1..200);
            let (events, to) = self.server.store.events(after, limit);
            self.server.check.read(after, &events, to)?;
            self.readers[who].after = to;
        }
        let slowest = self.readers.iter().map(|reader| reader.after).min().unwrap_or_default();
        self.server.check.all_read(slowest);
        Ok(())
    }
}
