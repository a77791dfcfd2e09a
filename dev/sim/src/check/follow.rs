//! What must follow from the ends of jobs: in the transaction that they are in, or left over by it, once.

use std::collections::BTreeMap;

use raincheck_core::interpreter::FollowUp;
use raincheck_core::{Command, JobId};

use super::verdict::{Verdict, Violation};
use crate::model::Model;
use crate::sim::ask;

/// How often what must still follow.
#[derive(Debug, Default)]
pub(super) struct Owed(BTreeMap<FollowUp, usize>);

impl Owed {
    /// The job of this id has ended.
    pub fn owe(&mut self, id: JobId) {
        if let Some(follow_up) = ask::named(id) {
            *self.0.entry(follow_up).or_default() += 1;
        }
    }

    /// Nobody asked for this, and it was carried out, or refused.
    pub fn pay(&mut self, command: &Command) -> Verdict {
        let follow_up = match command {
            Command::RunNow(no, _) => FollowUp::RunNow(*no),
            Command::Cancel(cancel) => FollowUp::Cancel(cancel.no),
            other => return Err(Violation { job: None, what: format!("nothing is followed by {other:?}") }),
        };
        let Some(count) = self.0.get_mut(&follow_up) else {
            return Err(Violation { job: None, what: format!("it follows from nothing: {follow_up:?}") });
        };
        *count -= 1;
        if *count == 0 {
            self.0.remove(&follow_up);
        }
        Ok(())
    }

    /// A transaction is on disk, and with it all that must still follow.
    pub fn is_left_over(&self, store: &Model) -> Verdict {
        let mut left = BTreeMap::new();
        for follow_up in store.left_over() {
            *left.entry(follow_up).or_insert(0) += 1;
        }
        if left != self.0 {
            return Err(Violation { job: None, what: format!("{:?} must follow, left over are {left:?}", self.0) });
        }
        Ok(())
    }
}
