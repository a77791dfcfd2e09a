//! What follows from the decisions of a transaction, and what earlier ones left over.

use raincheck_core::interpreter::FollowUp;
use raincheck_core::{Command, Purged, Reply};

use super::{Model, Stop};
use crate::Flaw;

impl Model {
    /// Whether what follows from the commands so far is carried out before this one.
    pub fn follows_before(&mut self, command: &Command) -> bool {
        self.follow_ups.go_before(command)
    }

    /// What follows from the commands so far, or from the round before.
    pub fn next_round(&mut self) -> Option<Vec<FollowUp>> {
        self.follow_ups.next_round()
    }

    pub(super) fn name(&mut self, follow_up: FollowUp) {
        if !self.has(Flaw::FollowUpsDropped) {
            self.follow_ups.name(follow_up);
        }
    }

    /// Writes down what was too much for this transaction.
    pub fn leave_over(&mut self) -> Result<(), Stop> {
        for follow_up in self.follow_ups.take_left() {
            self.effect()?;
            if !self.has(Flaw::RestForgotten) {
                let last = self.disk.follow_ups.iter().next_back().map_or(0, |(id, _)| *id);
                self.disk.follow_ups.set(last + 1, follow_up);
            }
        }
        Ok(())
    }

    /// Takes up what earlier transactions left over.
    pub(super) fn catch_up(&mut self, limit: usize) -> Result<Reply, Stop> {
        self.effect()?;
        let most = self.follow_ups.room(limit);
        let left: Vec<_> = self.disk.follow_ups.iter().take(most).map(|(id, it)| (*id, *it)).collect();
        for (id, _) in &left {
            self.disk.follow_ups.remove(id);
        }
        let count = left.len();
        self.follow_ups.take_up(left.into_iter().map(|(_, follow_up)| follow_up).collect());
        Ok(Reply::Swept(count, Purged::default()))
    }

    /// What was left over and is still to be done.
    pub fn left_over(&self) -> impl Iterator<Item = FollowUp> {
        self.disk.follow_ups.iter().map(|(_, follow_up)| *follow_up)
    }
}
