use raincheck_core::interpreter::{self, Carried, Facts};
use raincheck_core::{Batch, Command, Reply};

use super::state::WriterState;
use super::{purge, trim};
use crate::sqlite::error::Result;

impl WriterState<'_> {
    /// Loads the facts of one command, lets the rules decide, and writes what they say.
    pub(super) fn apply(&mut self, command: Command) -> Result<Reply> {
        if self.follow_ups.go_before(&command) {
            self.follow()?;
        }
        match command {
            Command::Submit(jobs) => self.submit(jobs, None),
            Command::SubmitBatch(Batch { name, jobs }) => self.submit_batch(name, jobs),
            Command::Lease(request) => self.lease(&request),
            Command::CatchUp(limit) => self.catch_up(limit),
            Command::DropTombstones(limit) => Ok(purge::drop_tombstones(self, limit)?),
            Command::Trim(trim) => Ok(trim::trim(self, trim)?),
            Command::Settle(_)
            | Command::Progress(..)
            | Command::Append(_)
            | Command::Extend(..)
            | Command::Cancel(_)
            | Command::RunNow(_)
            | Command::Purge(_)
            | Command::SetQueue(..)
            | Command::Put(_)
            | Command::Delete(_)
            | Command::Promote(_)
            | Command::Expire(_)
            | Command::PurgeExpired(_) => self.carry_out(command),
        }
    }

    pub(super) fn carry_out(&mut self, command: Command) -> Result<Reply> {
        let mut facts = Facts::default();
        loop {
            let needs = interpreter::needs(&command, &facts);
            if needs.is_empty() {
                break;
            }
            self.look_up(needs, &mut facts)?;
        }
        let carried = self.decide(|moment| interpreter::carry_out(command, facts, moment));
        self.write(carried?)
    }

    pub(super) fn write(&mut self, Carried { changes, more, mut reply }: Carried) -> Result<Reply> {
        let mut blobs = self.apply_changes(changes)?;
        for changes in more {
            blobs.extend(self.apply_changes(changes)?);
        }
        if let Reply::Purged(purged) | Reply::Swept(_, purged) = &mut reply {
            purged.blobs = blobs;
        }
        Ok(reply)
    }
}
