use std::borrow::Cow;

use raincheck_core::interpreter::NotAsked;
use rusqlite::ErrorCode;
use rusqlite::types::FromSqlError;

use crate::StoreError;
use crate::codec::CodecError;

/// Why something asked of the database was not done. Nothing of it crosses the seam.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SqliteError {
    /// SQLite said no.
    #[error(transparent)]
    Database(#[from] rusqlite::Error),
    /// A row does not say what it should.
    #[error("unreadable: {0}")]
    Unreadable(Cow<'static, str>),
    /// What was to be written would have broken a promise.
    #[error("refused: {0}")]
    Refused(Cow<'static, str>),
    /// The machine does not give what the store needs.
    #[error("{0}")]
    Unsuitable(String),
}

pub(crate) type Result<T> = std::result::Result<T, SqliteError>;

impl SqliteError {
    /// A row does not say what it should.
    pub fn unreadable(what: impl Into<Cow<'static, str>>) -> Self {
        SqliteError::Unreadable(what.into())
    }

    /// What was to be written would have broken a promise: a rule is wrong, or something is not as a rule found it.
    pub fn refused(what: impl Into<Cow<'static, str>>) -> Self {
        SqliteError::Refused(what.into())
    }

    pub fn unsuitable(what: impl ToString) -> Self {
        SqliteError::Unsuitable(what.to_string())
    }

    /// What SQLite calls it.
    pub fn code(&self) -> Option<ErrorCode> {
        match self {
            SqliteError::Database(error) => error.sqlite_error_code(),
            _ => None,
        }
    }

    /// The database, or this program, kept a promise from being broken.
    pub fn is_refusal(&self) -> bool {
        matches!(self, SqliteError::Refused(_)) || self.code() == Some(ErrorCode::ConstraintViolation)
    }
}

impl From<FromSqlError> for SqliteError {
    fn from(error: FromSqlError) -> Self {
        SqliteError::unreadable(error.to_string())
    }
}

impl From<NotAsked> for SqliteError {
    fn from(missing: NotAsked) -> Self {
        SqliteError::refused(missing.0)
    }
}

impl From<CodecError> for SqliteError {
    fn from(error: CodecError) -> Self {
        match error {
            CodecError::Write(_) => SqliteError::refused(error.to_string()),
            CodecError::Read(_) => SqliteError::unreadable(error.to_string()),
        }
    }
}

impl From<SqliteError> for StoreError {
    fn from(error: SqliteError) -> Self {
        match error.code() {
            Some(ErrorCode::DiskFull) => StoreError::NoSpace,
            _ => StoreError::Other(error.to_string()),
        }
    }
}

/// What a caller of the store gets.
pub(crate) fn other(error: impl Into<SqliteError>) -> StoreError {
    error.into().into()
}
