//! Who takes part, and what each has in mind.

use raincheck_core::{Command, Cursor, LeaseJobs, LeaseRef, Outcome};

/// One caller.
#[derive(Debug, Default)]
pub(super) struct Client {
    /// The request it waits for.
    pub waiting: Option<u64>,
    /// What it will ask for again, because it does not know what became of it.
    pub again: Option<Command>,
}

/// One worker.
#[derive(Debug, Default)]
pub(super) struct Worker {
    /// The request it waits for.
    pub waiting: Option<u64>,
    pub runs: Vec<Run>,
    /// A lease request whose answer did not come, to be asked again under its id.
    pub again: Option<LeaseJobs>,
}

#[derive(Clone, Debug)]
pub(super) struct Run {
    pub lease: LeaseRef,
    /// What it has reported already and will say again until it hears.
    pub ending: Option<Outcome>,
}

/// One reader.
#[derive(Debug, Default)]
pub(super) struct Reader {
    pub after: Cursor,
}

impl Reader {
    /// How far it came.
    pub fn after(&self) -> Cursor {
        self.after
    }
}
