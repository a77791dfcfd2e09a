/// Why a store did not do what it was asked.
#[derive(Clone, Debug, thiserror::Error)]
pub enum StoreError {
    /// Another process has this data open.
    #[error("{0} is in use by another process; two servers must not share one data folder")]
    InUse(String),
    /// The SQLite library has a known corruption bug.
    #[error("SQLite {0} is too old: versions before 3.51.3 can corrupt a write-ahead log on reset")]
    TooOld(String),
    /// The data was written by a newer version of this program.
    #[error("the data has format {found}, this program knows up to {known}; use the newer program")]
    TooNew {
        /// What the data says.
        found: i64,
        /// What this program knows.
        known: i64,
    },
    /// The disk is full, or nearly so; only what frees space goes on.
    #[error("no space left for the data")]
    NoSpace,
    /// The place of large payloads can't be used.
    #[error("cannot use {place}: {why}")]
    Payloads {
        /// Where they are to be.
        place: String,
        /// What the file system or bucket answered.
        why: String,
    },
    /// The place is not taken: what lies there is not this store's, or a part of it is missing.
    #[error("{why}; {next}")]
    Refused {
        /// What is wrong with it.
        why: String,
        /// What to do about it.
        next: String,
    },
    /// The store failed and takes nothing until the program is started anew; what was acknowledged is safe.
    #[error("the store stopped: {0}")]
    Stopped(String),
    /// The connection to the database ended in the moment of a commit, and nobody can tell what became of it: it may have
    /// been done. Callers should see a broken connection, which says the same.
    #[error("it is not known whether it was done: {0}")]
    Unknown(String),
    /// Something else, named by the store.
    #[error("store: {0}")]
    Other(String),
}
