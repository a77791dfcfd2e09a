use std::borrow::Cow;

use rusqlite::ErrorCode;
use rusqlite::types::FromSqlError;

use crate::StoreError;
use crate::codec::CodecError;

/// Why something asked of the database was not done. Nothing of it crosses the seam.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Trouble {
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

pub(crate) type Result<T> = std::result::Result<T, Trouble>;

impl Trouble {
    /// A row does not say what it should.
    pub fn unreadable(what: impl Into<Cow<'static, str>>) -> Self {
        Trouble::Unreadable(what.into())
    }

    /// What was to be written would have broken a promise: a rule is wrong, or something is not as a rule found it.
    pub fn refused(what: impl Into<Cow<'static, str>>) -> Self {
        Trouble::Refused(what.into())
    }

    pub fn unsuitable(what: impl ToString) -> Self {
        Trouble::Unsuitable(what.to_string())
    }

    /// What SQLite calls it.
    pub fn code(&self) -> Option<ErrorCode> {
        match self {
            Trouble::Database(error) => error.sqlite_error_code(),
            _ => None,
        }
    }

    /// The database, or this program, kept a promise from being broken.
    pub fn is_refusal(&self) -> bool {
        matches!(self, Trouble::Refused(_)) || self.code() == Some(ErrorCode::ConstraintViolation)
    }
}

impl From<FromSqlError> for Trouble {
    fn from(error: FromSqlError) -> Self {
        Trouble::unreadable(error.to_string())
    }
}

impl From<CodecError> for Trouble {
    fn from(error: CodecError) -> Self {
        match error {
            CodecError::Write(_) => Trouble::refused(error.to_string()),
            CodecError::Read(_) => Trouble::unreadable(error.to_string()),
        }
    }
}

impl From<Trouble> for StoreError {
    fn from(trouble: Trouble) -> Self {
        match trouble.code() {
            Some(ErrorCode::DiskFull) => StoreError::NoSpace,
            _ => StoreError::Other(trouble.to_string()),
        }
    }
}
