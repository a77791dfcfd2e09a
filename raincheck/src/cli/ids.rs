//! Ids on the command line: themselves, handles (URLs), or `-` for one a line on standard input.

use std::io::BufRead as _;

use clap::Args;

use super::exit::Failure;

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
                    // The first column: what `raincheck list` prints in a pipe can be fed back.
                    ids.extend(line?.split_whitespace().next().map(bare));
                }
            } else {
                ids.push(bare(id));
            }
        }
        if ids.is_empty() { Err(Failure::usage("standard input holds no ids")) } else { Ok(ids) }
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
