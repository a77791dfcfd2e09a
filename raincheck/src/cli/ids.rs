//! Ids on the command line: themselves, handles (URLs), or `-` for one a line on standard input.

use std::io::BufRead as _;

use clap::Args;

use super::{
    exit::{Exit, Failure},
    report::report,
};

/// One or more jobs.
#[derive(Args, Clone, Debug)]
pub struct Ids {
    /// Ids or handles (URLs) of jobs; `-` reads them from standard input, one a line.
    #[arg(required = true, value_name = "ID")]
    ids: Vec<String>,
}

/// One job.
#[derive(Args, Clone, Debug)]
pub struct Id {
    /// Id or handle (URL) of a job; `-` reads it from standard input.
    #[arg(value_name = "ID")]
    id: String,
}

impl Ids {
    /// The ids themselves.
    ///
    /// # Errors
    /// When standard input can't be read or holds none.
    pub fn read(&self) -> Result<Vec<String>, Failure> {
        let mut ids = Vec::new();
        for id in &self.ids {
            if id == "-" {
                for line in std::io::stdin().lock().lines() {
                    // The first column, below its name: what `raincheck list` prints in a pipe can be fed back.
                    ids.extend(line?.split_whitespace().next().filter(|id| *id != "ID").map(bare));
                }
            } else {
                ids.push(bare(id));
            }
        }
        if ids.is_empty() { Err(Failure::usage("standard input holds no ids")) } else { Ok(ids) }
    }

    /// Does it for one after the other. What one of them is refused is said with its id, and the others have their turn; the
    /// first that did not go well is answered.
    ///
    /// # Errors
    /// As [`Ids::read`], and what would be the same for all of them: no server, no right.
    pub async fn each(&self, mut act: impl AsyncFnMut(&str) -> Result<Exit, Failure>) -> Result<Exit, Failure> {
        let mut exit = Exit::Done;
        for id in self.read()? {
            exit = exit.and(said(&id, act(&id).await)?);
        }
        Ok(exit)
    }
}

impl Id {
    /// The id itself.
    ///
    /// # Errors
    /// As [`Ids::read`].
    pub fn read(&self) -> Result<String, Failure> {
        let mut ids = Ids { ids: vec![self.id.clone()] }.read()?;
        if ids.len() > 1 {
            return Err(Failure::usage(format!("expected one id on standard input, got {}", ids.len())));
        }
        Ok(ids.remove(0))
    }
}

/// Says what kept one job from what was asked of it; answers the exit code.
///
/// # Errors
/// What is not about that job alone.
pub fn said(id: &str, done: Result<Exit, Failure>) -> Result<Exit, Failure> {
    match done.map_err(|failure| failure.about(id)) {
        Err(failure) if failure.is_of_one => {
            report(&failure);
            Ok(failure.exit)
        }
        done => done,
    }
}

/// The id within a handle.
pub(super) fn bare(text: &str) -> String {
    let id = text.rsplit_once("/jobs/").map_or(text, |(_, id)| id);
    id.split(['/', '?', '#']).next().unwrap_or(id).to_owned()
}

#[cfg(test)]
mod tests {
    use super::bare;

    #[test]
    fn a_handle_is_as_good_as_an_id() {
        for text in ["x-1", "http://h:1/jobs/x-1", "http://h/p/jobs/x-1/events?after=0"] {
            assert_eq!(bare(text), "x-1");
        }
    }
}
