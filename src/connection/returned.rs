//! What an error says of the statement that it came from.

use diesel::result::{DatabaseErrorKind, Error};

use crate::dialect::Dialect;

/// How a statement returned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Returned {
    /// Without an error.
    Done,
    /// With an error by which the server undid what it did.
    Refused,
    /// With an error that the server gave: it is no longer at work.
    Answered,
    /// With an error that may have been on the way: the server may still be at work.
    Unknown,
}

impl Returned {
    /// What `error` says on a connection of that dialect.
    pub(crate) fn of(error: Option<&Error>, dialect: Option<Dialect>) -> Self {
        match error {
            None => Self::Done,
            // rule: only-these-errors-undo-the-commit
            Some(Error::DatabaseError(
                DatabaseErrorKind::UniqueViolation
                | DatabaseErrorKind::ForeignKeyViolation
                | DatabaseErrorKind::NotNullViolation
                | DatabaseErrorKind::CheckViolation
                | DatabaseErrorKind::RestrictViolation
                | DatabaseErrorKind::ExclusionViolation
                | DatabaseErrorKind::SerializationFailure
                | DatabaseErrorKind::ReadOnlyTransaction,
                _,
            )) => Self::Refused,
            // SQLite runs in this process: what has returned is over.
            Some(_) if dialect == Some(Dialect::Sqlite) => Self::Answered,
            // Diesel's own: nothing was sent, or the answer was read.
            Some(
                Error::InvalidCString(_)
                | Error::QueryBuilderError(_)
                | Error::SerializationError(_)
                | Error::DeserializationError(_),
            ) => Self::Answered,
            // rule: an-error-on-the-way-is-not-an-answer
            Some(Error::DatabaseError(DatabaseErrorKind::Unknown, info)) => match dialect {
                // libpq has read to the end of the answer, and the connection is alive:
                // Diesel says `ClosedConnection` where it is not.
                Some(Dialect::Postgres) => Self::Answered,
                Some(Dialect::Mysql) if is_mysql_servers(info.message()) => Self::Answered,
                _ => Self::Unknown,
            },
            Some(_) => Self::Unknown,
        }
    }
}

/// Whether MySQL's server could not read the text, and so has run nothing of it.
pub(crate) fn is_syntax_error(error: Option<&Error>) -> bool {
    match error {
        Some(Error::DatabaseError(DatabaseErrorKind::Unknown, info)) => {
            info.message().starts_with(SYNTAX_ERROR)
        }
        _ => false,
    }
}

const SYNTAX_ERROR: &str = "You have an error in your SQL syntax";

/// Whether MySQL's server, and not its client library, wrote the message. Diesel hides
/// the error's number, which would tell; a message that is not known, or is in another
/// language, counts as the client's.
fn is_mysql_servers(message: &str) -> bool {
    const STARTS: [&str; 28] = [
        "Access denied",
        "BIGINT ",
        "CONSTRAINT `",
        "Cannot add or update",
        "Cannot delete or update",
        "Cannot truncate a table",
        "Check constraint",
        "Column ",
        "DOUBLE value",
        "Data too long",
        "Data truncated",
        "Deadlock found",
        "Division by 0",
        "Duplicate ",
        "FUNCTION ",
        "Field '",
        "Illegal mix of collations",
        "Incorrect ",
        "Lock wait timeout exceeded",
        "Operand should contain",
        "Out of range",
        "PROCEDURE ",
        "Query execution was interrupted",
        "SAVEPOINT ",
        "Subquery returns",
        "Table '",
        "Unknown ",
        SYNTAX_ERROR,
    ];
    STARTS.iter().any(|start| message.starts_with(start))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unknown(message: &str) -> Error {
        Error::DatabaseError(DatabaseErrorKind::Unknown, Box::new(message.to_owned()))
    }

    #[test]
    fn only_what_the_server_wrote_is_an_answer() {
        let mysql = |message| Returned::of(Some(&unknown(message)), Some(Dialect::Mysql));
        assert_eq!(mysql("Table 'a.b' doesn't exist"), Returned::Answered);
        for message in [
            "MySQL server has gone away",
            "Server has gone away",
            "Lost connection to MySQL server during query",
            "Lost connection to server during query",
            "Commands out of sync; you can't run this command now",
            "",
        ] {
            assert_eq!(mysql(message), Returned::Unknown, "{message}");
        }
        let closed =
            Error::DatabaseError(DatabaseErrorKind::ClosedConnection, Box::new(String::new()));
        assert_eq!(
            Returned::of(Some(&closed), Some(Dialect::Postgres)),
            Returned::Unknown
        );
        assert_eq!(
            Returned::of(Some(&closed), Some(Dialect::Sqlite)),
            Returned::Answered
        );
        assert_eq!(Returned::of(None, None), Returned::Done);
    }
}
