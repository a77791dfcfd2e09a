//! What follows from decisions, in rounds until nothing does.

use crate::command::{Cancel, Command};
use crate::follow_up::FollowUp;
use crate::job::Job;
use crate::limits;

impl FollowUp {
    /// How it is carried out.
    pub fn command(self) -> Command {
        match self {
            FollowUp::RunNow(no) => Command::RunNow(no, None),
            FollowUp::Cancel(no) => Command::Cancel(Cancel { no, force: true, seq: None }),
        }
    }
}

/// What follows when a job ends, as a test may have it.
pub type FollowRule = fn(&Job) -> Option<FollowUp>;

/// How a store deals with follow-ups. Only tests change anything of it.
#[derive(Clone, Copy, Debug)]
pub struct Following {
    /// What follows beside what the rules of [`crate::decide`] say.
    pub rule: Option<FollowRule>,
    /// Most rounds in one transaction: a follow-up may name others.
    pub rounds: usize,
    /// Most of them in one transaction.
    pub most: usize,
}

impl Default for Following {
    fn default() -> Self {
        Following { rule: None, rounds: limits::FOLLOW_UP_ROUNDS, most: limits::FOLLOW_UPS }
    }
}

/// The follow-ups of one transaction. A store names those that it meets among the changes it writes, carries out rounds of
/// them before leases and at the end, and writes down what is left over, for [`Command::CatchUp`].
#[derive(Debug, Default)]
pub struct FollowUps {
    following: Following,
    named: Vec<FollowUp>,
    left: Vec<FollowUp>,
    rounds: usize,
    taken: usize,
    leasing: bool,
}

impl FollowUps {
    /// Of a transaction that begins.
    pub fn new(following: Following) -> Self {
        FollowUps { following, ..FollowUps::default() }
    }

    /// What follows when a job ends, beside what the rules say.
    pub fn rule(&self) -> Option<FollowRule> {
        self.following.rule
    }

    /// One more transaction begins.
    pub fn begin(&mut self) {
        *self = FollowUps::new(self.following);
    }

    /// A decision named this one.
    pub fn name(&mut self, follow_up: FollowUp) {
        self.named.push(follow_up);
    }

    /// Whether those named so far go before this command: leases see what follows from the commands before them. Leases in
    /// a row are one.
    pub fn go_before(&mut self, command: &Command) -> bool {
        let goes_on = std::mem::replace(&mut self.leasing, matches!(command, Command::Lease(_)));
        self.leasing && !goes_on
    }

    /// The next round, of all that was named since the last one, as far as the bounds allow.
    pub fn next_round(&mut self) -> Option<Vec<FollowUp>> {
        if self.named.is_empty() {
            return None;
        }
        let mut round = std::mem::take(&mut self.named);
        let room = if self.rounds < self.following.rounds { self.following.most - self.taken } else { 0 };
        self.left.extend(round.drain(room.min(round.len())..));
        self.rounds += 1;
        self.taken += round.len();
        (!round.is_empty()).then_some(round)
    }

    /// How many of those that were left over before may be taken up, when so many are asked for.
    pub fn room(&self, asked: usize) -> usize {
        asked.min(self.following.most)
    }

    /// These were left over before: they go first.
    pub fn take_up(&mut self, left: Vec<FollowUp>) {
        self.named.splice(..0, left);
    }

    /// This one can't be carried out now.
    pub fn leave(&mut self, follow_up: FollowUp) {
        self.left.push(follow_up);
    }

    /// What is left over at the end, to be written down.
    pub fn take_left(&mut self) -> Vec<FollowUp> {
        std::mem::take(&mut self.left)
    }
}
