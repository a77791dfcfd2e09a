//! The statements that every job needs, prepared once and held by the writer for as long as it lives. To look one up by
//! its text each time, to copy that text and to clear what was bound costs as much as a good part of the statement.

use rusqlite::{Connection, PrepFlags, Result, Statement};

use super::{claims, events, ready, rows};

/// A statement that is prepared when it is first needed.
pub(super) struct Kept<'c> {
    db: &'c Connection,
    sql: &'static str,
    statement: Option<Statement<'c>>,
}

/// All of them.
pub(super) struct Statements<'c> {
    pub begin: Kept<'c>,
    pub commit: Kept<'c>,
    pub job: Kept<'c>,
    pub ready: Kept<'c>,
    pub spec: Kept<'c>,
    pub insert_job: Kept<'c>,
    pub update_job: Kept<'c>,
    pub insert_spec: Kept<'c>,
    pub insert_result: Kept<'c>,
    pub insert_event: Kept<'c>,
}

impl<'c> Statements<'c> {
    /// None prepared yet.
    pub fn new(db: &'c Connection) -> Self {
        let kept = |sql| Kept { db, sql, statement: None };
        Statements {
            begin: kept("BEGIN IMMEDIATE"),
            commit: kept("COMMIT"),
            job: kept(claims::job_sql()),
            ready: kept(&ready::READY),
            spec: kept(&ready::SPEC),
            insert_job: kept(rows::INSERT_JOB),
            update_job: kept(rows::UPDATE_JOB),
            insert_spec: kept(rows::INSERT_SPEC),
            insert_result: kept(rows::INSERT_RESULT),
            insert_event: kept(events::INSERT),
        }
    }
}

impl<'c> Kept<'c> {
    /// The statement. Who runs it binds all of its parameters: the last ones are still there.
    pub fn get(&mut self) -> Result<&mut Statement<'c>> {
        match &mut self.statement {
            Some(statement) => Ok(statement),
            // Persistent, so that it leaves the connection's small and quick memory to what comes and goes.
            none => Ok(none.insert(self.db.prepare_with_flags(self.sql, PrepFlags::SQLITE_PREPARE_PERSISTENT)?)),
        }
    }

    /// Runs one that has no parameters.
    pub fn run(&mut self) -> Result<()> {
        self.get()?.raw_execute().map(|_| ())
    }
}
