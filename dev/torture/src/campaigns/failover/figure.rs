//! How long something takes that people wait for.

use std::fmt;
use std::time::Duration;

use anyhow::{Result, ensure};

/// A machine may be busy: no more than so many times the goal is a failure.
const TIMES: u32 = 3;

/// A time with a goal, the longest so far.
pub struct Figure {
    what: &'static str,
    goal: Duration,
    count: u32,
    longest: Duration,
}

impl Figure {
    pub fn new(what: &'static str, goal: Duration) -> Self {
        Figure { what, goal, count: 0, longest: Duration::ZERO }
    }

    /// One more; it is told at once, and an error when it is far from the goal.
    pub fn take(&mut self, took: Duration) -> Result<()> {
        let Figure { what, goal, .. } = *self;
        self.count += 1;
        self.longest = self.longest.max(took);
        println!("{:3}: {:.2} s {what}", self.count, took.as_secs_f64());
        ensure!(took <= TIMES * goal, "{took:?} {what}: the goal is {goal:?}");
        Ok(())
    }
}

impl fmt::Display for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Figure { what, goal, count, longest } = self;
        write!(f, "{:.2} s at most {what}, {count} times (goal: {} s)", longest.as_secs_f64(), goal.as_secs())
    }
}
