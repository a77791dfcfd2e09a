use raincheck_core::JobNo;
use tokio_postgres::error::SqlState;

use crate::StoreError;
use crate::codec::CodecError;

/// Why something asked of the database was not done. Nothing of it crosses the seam.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PgError {
    /// The database said no, or the connection ended.
    #[error("{}", message_of(.0))]
    Database(#[from] tokio_postgres::Error),
    /// There is no connection to be had.
    #[error("the database cannot be reached: {0}")]
    Unreachable(String),
    /// It starts, follows another, or has no room for another connection.
    #[error("no server takes writes yet: {0}")]
    NotYet(String),
    /// It was asked and does not answer.
    #[error("the database does not answer")]
    Silent,
    /// Commits hang.
    #[error("commits wait for a synchronous standby, and none confirms them")]
    NoStandby,
    /// A commit is on the server alone: somebody ended its wait for a standby.
    #[error("the wait of a commit for a standby was cut short")]
    CutShort,
    /// It is a server that takes no writes.
    #[error("it is a standby, or read-only")]
    Standby,
    /// It is not the server that this node is on, nor one that came after that.
    #[error("{0}")]
    Elsewhere(String),
    /// It does not have the history that this node knows of.
    #[error("the database has another history")]
    OtherHistory,
    /// This node was silent for so long that others count it as dead: it may write nothing under the number that it had.
    #[error("this node was silent for too long and counts as dead")]
    Fenced,
    /// A payload was taken for an orphan while this node was silent.
    #[error("a payload was removed while this node was silent; it must be sent again")]
    Swept,
    /// The server is not one to trust data to.
    #[error("{0}")]
    Unsuitable(String),
    /// There is no number for another node.
    #[error("{0} nodes serve this data, or were killed within the last minute")]
    Full(i32),
    /// A row does not say what it should.
    #[error("unreadable: {0}")]
    Unreadable(String),
    /// What was to be written would have broken a promise.
    #[error("refused: {0}")]
    Refused(&'static str),
    /// There is no partition for a job of this number.
    #[error("there is no partition for {0:?}")]
    Uncovered(JobNo),
    /// Some names were forgotten since this node read them.
    #[error("names were forgotten meanwhile")]
    Renamed,
    /// There are as many names as there may be, unless some can be forgotten.
    #[error("there is no room for another name")]
    Crowded,
    /// Another node was quicker; from the beginning all is well.
    #[error("another node was quicker: {0}")]
    Again(&'static str),
}

const POOLER: &str = "there is a pooler before the database that does not keep prepared statements: PgBouncer does from \
    1.21 on, with max_prepared_statements above 0; or name the database itself";

/// An error with what the server says about it; by itself it says only "db error".
pub(crate) fn message_of(error: &tokio_postgres::Error) -> String {
    if forgets(error) {
        return POOLER.to_owned();
    }
    match (error.as_db_error(), std::error::Error::source(error)) {
        (Some(db), _) => db.to_string(),
        (None, Some(source)) => format!("{error}: {source}"),
        (None, None) => error.to_string(),
    }
}

/// What was prepared on one connection was asked for on another.
pub(crate) fn forgets(error: &tokio_postgres::Error) -> bool {
    matches!(error.code(), Some(&SqlState::INVALID_SQL_STATEMENT_NAME | &SqlState::DUPLICATE_PSTATEMENT))
}

impl PgError {
    /// Why a host takes no connection.
    pub fn of_connecting(error: tokio_postgres::Error) -> Self {
        let io = std::error::Error::source(&error).and_then(|e| e.downcast_ref::<std::io::Error>());
        // Who would connect is told to come again: the server starts or recovers, has no room for more, or a pooler has no
        // server.
        let later = [&SqlState::CANNOT_CONNECT_NOW, &SqlState::TOO_MANY_CONNECTIONS, &SqlState::PROTOCOL_VIOLATION];
        match io {
            // The driver's own word for a server that takes no writes.
            Some(io) if io.kind() == std::io::ErrorKind::PermissionDenied && io.raw_os_error().is_none() => {
                PgError::Standby
            }
            Some(io) => PgError::Unreachable(io.to_string()),
            None if error.code().is_some_and(|code| later.contains(&code)) => PgError::NotYet(message_of(&error)),
            None => PgError::Unreachable(message_of(&error)),
        }
    }

    /// What each host of an address said. It is worth waiting where one of them may come to take writes.
    pub fn of_hosts<'a>(said: impl IntoIterator<Item = (&'a str, PgError)>) -> Self {
        let (mut is_not_yet, mut all) = (false, Vec::new());
        for (place, error) in said {
            is_not_yet |= matches!(error, PgError::Standby | PgError::Elsewhere(_) | PgError::NotYet(_));
            all.push(format!("{place}: {}", error.why()));
        }
        let all = all.join("; ");
        if is_not_yet { PgError::NotYet(all) } else { PgError::Unreachable(all) }
    }

    /// The same without what the kind of error is, where that was said before.
    pub fn why(&self) -> String {
        match self {
            PgError::Unreachable(why) | PgError::NotYet(why) => why.clone(),
            PgError::Silent => "it does not answer".to_owned(),
            other => other.to_string(),
        }
    }

    /// The connection is of no use any more, or there never was one.
    pub fn is_loss(&self) -> bool {
        match self {
            PgError::Database(error) => error.code().is_none_or(|code| is_loss(code.code())),
            PgError::Unreachable(_)
            | PgError::NotYet(_)
            | PgError::Silent
            | PgError::Standby
            | PgError::Elsewhere(_)
            | PgError::OtherHistory
            | PgError::CutShort => true,
            _ => false,
        }
    }

    /// Somebody has locked what is needed, for longer than a caller waits.
    pub fn is_locked_out(&self) -> bool {
        matches!(self, PgError::Database(error) if error.code() == Some(&SqlState::LOCK_NOT_AVAILABLE))
    }

    /// Nothing is wrong but the moment.
    pub fn is_race(&self) -> bool {
        match self {
            PgError::Database(error) => {
                matches!(error.code(), Some(&SqlState::T_R_SERIALIZATION_FAILURE | &SqlState::T_R_DEADLOCK_DETECTED))
            }
            PgError::Again(_) | PgError::Fenced | PgError::Renamed | PgError::Crowded => true,
            _ => false,
        }
    }

    /// A partition that this node knew of is gone.
    pub fn is_uncovered(&self) -> bool {
        match self {
            // No table has checks of its own.
            PgError::Database(error) => error.code() == Some(&SqlState::CHECK_VIOLATION),
            PgError::Uncovered(_) => true,
            _ => false,
        }
    }

    /// The database, or this program, kept a promise from being broken.
    pub fn is_refusal(&self) -> bool {
        match self {
            PgError::Database(error) => error.code().is_some_and(|code| code.code().starts_with("23")),
            PgError::Refused(_) | PgError::Unreadable(_) => true,
            _ => false,
        }
    }
}

/// Whether a server says so that shuts down, starts, takes no more connections or ends this one; that takes no writes; or
/// by a connection that is left in a transaction.
fn is_loss(code: &str) -> bool {
    code.starts_with("57P") || code.starts_with("08") || matches!(code, "25006" | "25P02" | "25P03" | "53300")
}

impl From<CodecError> for PgError {
    fn from(error: CodecError) -> Self {
        PgError::Unreadable(error.to_string())
    }
}

impl From<PgError> for StoreError {
    fn from(error: PgError) -> Self {
        match &error {
            PgError::Database(error) if error.code() == Some(&SqlState::DISK_FULL) => StoreError::NoSpace,
            _ => StoreError::Other(error.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_takes_no_writes_is_a_loss_and_a_wrong_row_is_none() {
        for code in ["25006", "25P02", "57P01", "57P03", "08P01", "53300"] {
            assert!(is_loss(code), "{code}");
        }
        for code in ["23505", "40001", "55P03", "53100", "57014"] {
            assert!(!is_loss(code), "{code}");
        }
    }
}
