//! How the database is opened, and brought to the present format.

use std::time::Duration;

use rusqlite::Connection;

use super::error::SqliteError;
use super::mark::mark;
use super::options::SqliteOptions;
use crate::StoreError;

mod migrations {
    refinery::embed_migrations!("src/sqlite/migrations");
}

/// What SQLite calls `synchronous = FULL`.
const FULL: i64 = 2;

/// How long a transaction waits for others of this database, which are none but the checkpointer.
pub(super) const BUSY: Duration = Duration::from_secs(10);

/// Whether this SQLite has a known corruption bug.
pub(super) fn is_too_old() -> bool {
    rusqlite::version_number() < 3_051_003
}

/// The connection of the writer.
pub(super) fn connect(options: &SqliteOptions) -> Result<Connection, SqliteError> {
    let db = Connection::open(&options.path)?;
    db.set_prepared_statement_cache_capacity(128);
    keep_plans(&db)?;
    db.busy_timeout(BUSY)?;
    db.execute_batch("PRAGMA page_size = 4096; PRAGMA foreign_keys = OFF;")?;
    // Before there is a log, so that from its first page on the file itself says whose it is.
    mark(&db)?;
    let mode: String = db.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0))?;
    // Folding the log back belongs to the checkpointer; the writer steps in only when that cannot keep up.
    db.execute_batch("PRAGMA wal_autocheckpoint = 0; PRAGMA cache_size = -32768; PRAGMA temp_store = MEMORY;")?;
    db.execute_batch(if options.durable { "PRAGMA synchronous = FULL;" } else { "PRAGMA synchronous = NORMAL;" })?;
    // SQLite goes on without a word where a file system can't do what was asked; what is promised rests on it.
    let synchronous: i64 = db.query_row("PRAGMA synchronous", [], |row| row.get(0))?;
    if mode != "wal" || (options.durable && synchronous != FULL) {
        let what = format!("the file system does not allow a write-ahead log that is synced: {mode}, {synchronous}");
        return Err(SqliteError::Unsuitable(what));
    }
    Ok(db)
}

/// The format of the data, 0 when it has none yet, and the newest that this program knows.
pub(super) fn formats(db: &Connection) -> (i64, i64) {
    let known = migrations::migrations::runner().get_migrations().iter().map(|m| i64::from(m.version())).max();
    let found =
        db.query_row("SELECT max(version) FROM refinery_schema_history", [], |row| row.get::<_, Option<i64>>(0));
    (found.ok().flatten().unwrap_or(0), known.unwrap_or(0))
}

/// Brings the data to the present format.
pub(super) fn migrate(db: &mut Connection) -> Result<(), StoreError> {
    let (found, known) = formats(db);
    if found > known {
        return Err(StoreError::TooNew { found, known });
    }
    migrations::migrations::runner().run(db).map(|_| ()).map_err(|e| StoreError::Other(format!("migration: {e}")))
}

/// Plans statements once: without this, SQLite plans those anew at every call whose bound values it once compared
/// with the condition of a partial index, which costs more than the statements themselves.
pub(super) fn keep_plans(db: &Connection) -> rusqlite::Result<()> {
    db.set_db_config(rusqlite::config::DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true).map(|_| ())
}
