//! Which errors of SQLite say something about the data.

use rusqlite::{Error, ErrorCode};

/// Whether reading was given up because it took too long.
pub(crate) fn is_interrupted(error: &Error) -> bool {
    error.sqlite_error_code() == Some(ErrorCode::OperationInterrupted)
}

/// Whether an error says that the data is damaged, not that reading failed this time.
pub(crate) fn is_damage(error: &Error) -> bool {
    use ErrorCode::{DatabaseCorrupt, NotADatabase, OutOfMemory, SystemIoFailure, TooBig, Unknown};
    match error {
        Error::FromSqlConversionFailure(..)
        | Error::InvalidColumnType(..)
        | Error::IntegralValueOutOfRange(..)
        | Error::Utf8Error(..)
        | Error::SqlInputError { .. } => true,
        // A length that is not what it was asks for more memory than there is.
        Error::SqliteFailure(failure, _) => {
            matches!(failure.code, DatabaseCorrupt | NotADatabase | OutOfMemory | SystemIoFailure | TooBig | Unknown)
        }
        _ => false,
    }
}
