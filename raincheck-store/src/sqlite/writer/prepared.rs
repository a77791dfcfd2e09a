//! The statements that every job needs, prepared once and held by the writer for as long as it lives. To look one up by
//! its text each time, to copy that text and to clear what was bound costs as much as a good part of the statement.

use std::sync::LazyLock;

use rusqlite::{Connection, PrepFlags, Result, Statement};

use crate::columns::number::QUEUED;
use crate::sqlite::tables::{claims, events, rows};

static READY: LazyLock<String> = LazyLock::new(|| {
    format!(
        "SELECT {} FROM job j WHERE j.state={QUEUED} AND j.queue=?1 AND j.kind=?2 ORDER BY j.rank, j.no LIMIT ?3",
        rows::JOB
    )
});
static SPEC: LazyLock<String> = LazyLock::new(|| format!("SELECT {}, s.input FROM spec s WHERE s.no=?1", rows::SPEC));

/// A statement that is prepared when it is first needed.
pub(crate) struct Prepared<'c> {
    db: &'c Connection,
    sql: &'static str,
    statement: Option<Statement<'c>>,
}

/// All of them.
pub(crate) struct Statements<'c> {
    pub begin: Prepared<'c>,
    pub commit: Prepared<'c>,
    pub job: Prepared<'c>,
    pub ready: Prepared<'c>,
    pub spec: Prepared<'c>,
    pub insert_job: Prepared<'c>,
    pub update_job: Prepared<'c>,
    pub insert_spec: Prepared<'c>,
    pub insert_result: Prepared<'c>,
    pub insert_event: Prepared<'c>,
}

impl<'c> Statements<'c> {
    /// None prepared yet.
    pub fn new(db: &'c Connection) -> Self {
        let prepared = |sql| Prepared { db, sql, statement: None };
        Statements {
            begin: prepared("BEGIN IMMEDIATE"),
            commit: prepared("COMMIT"),
            job: prepared(claims::job_sql()),
            ready: prepared(&READY),
            spec: prepared(&SPEC),
            insert_job: prepared(rows::INSERT_JOB),
            update_job: prepared(rows::UPDATE_JOB),
            insert_spec: prepared(rows::INSERT_SPEC),
            insert_result: prepared(rows::INSERT_RESULT),
            insert_event: prepared(events::INSERT),
        }
    }
}

impl<'c> Prepared<'c> {
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
