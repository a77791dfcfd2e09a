//! Leases a running server holds in memory, beside the rows of their jobs.

use std::sync::Arc;
use std::time::Instant;

use raincheck_core::LeaseRef;
use rusqlite::{Result, params};

use crate::checkup::Invariant;
use crate::columns::joined;
use crate::columns::number::RUNNING;
use crate::sqlite::check::stage::{Look, Stage};
use crate::sqlite::shared::Shared;

const RUNS: &str = joined!(["SELECT 1 FROM job WHERE no=?1 AND attempt=?2 AND state=", RUNNING]);

/// Looks at what is suspected. The row and the memory are not of one moment: a lease begins and ends a moment after
/// its row was written, so only what stays suspected from look to look is a fault.
const LOOKS: u32 = 3;

/// Leases without a run.
pub(crate) struct Held {
    shared: Arc<Shared>,
    suspects: Vec<LeaseRef>,
    looks: u32,
}

impl Held {
    pub fn new(shared: Arc<Shared>) -> Self {
        Held { shared, suspects: Vec::new(), looks: 0 }
    }
}

impl Stage for Held {
    fn advance(&mut self, look: &mut Look<'_>) -> Result<bool> {
        let held = self.shared.leases.lock().all();
        look.page.examined += held.len() as u64;
        let mut suspects = Vec::new();
        for lease in held.into_iter().filter(|lease| self.looks == 0 || self.suspects.contains(lease)) {
            let mut running = look.db.prepare_cached(RUNS)?;
            if !running.exists(params![lease.no.0, lease.attempt])? {
                suspects.push(lease);
            }
        }
        self.suspects = suspects;
        self.looks += 1;
        if self.suspects.is_empty() {
            return Ok(false);
        }
        if self.looks < LOOKS {
            // The next look is in a transaction of its own.
            look.until = Instant::now();
            return Ok(true);
        }
        for lease in &self.suspects {
            let detail = format!("attempt {} is leased, its row says that it does not run", lease.attempt);
            look.page.found(Invariant::Leases, format!("job number {}", lease.no.0), detail);
        }
        Ok(false)
    }

    fn judges(&self) -> &'static [Invariant] {
        &[Invariant::Leases]
    }
}
