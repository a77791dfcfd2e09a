//! The database as a file: SQLite's own check of pages, rows and indexes.

use rusqlite::Result;

use crate::checkup::Invariant;
use crate::sqlite::check::damage::is_interrupted;
use crate::sqlite::check::stage::{Look, Stage};

/// Faults after which SQLite stops looking.
const FAULTS: u32 = 100;

/// One statement that can't be cut in pieces: beside a server it is given up when it takes too long.
pub(crate) struct Database;

impl Stage for Database {
    fn advance(&mut self, look: &mut Look<'_>) -> Result<bool> {
        let said = look
            .db
            .prepare(&format!("PRAGMA integrity_check({FAULTS})"))
            .and_then(|mut check| check.query_map([], |row| row.get::<_, String>(0))?.collect::<Result<Vec<_>>>());
        match said {
            Ok(lines) => lines.iter().filter(|line| *line != "ok").for_each(|line| {
                look.page.found(Invariant::Database, "raincheck.db", line.replace('\n', "; "));
            }),
            Err(error) if !look.throttle.alone && is_interrupted(&error) => {
                let why = "it takes longer than a server should be kept waiting; a backup can be judged";
                look.page.unjudged.push((Invariant::Database, why.into()));
            }
            Err(error) => return Err(error),
        }
        Ok(false)
    }

    fn judges(&self) -> &'static [Invariant] {
        &[]
    }
}
