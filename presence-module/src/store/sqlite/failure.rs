//! Whose fault a failed statement is: a decision's, or the world's (see [`CommitError`]).
//!
//! Diesel hands out SQLite's result code for the commonest violations only; the rest is known by SQLite's own sentence
//! for the code, which has not changed in its lifetime. What is not known is the world's fault: no decision is blamed.

use diesel::result::{DatabaseErrorKind, Error};

use crate::store::{CommitError, StoreError};

/// Classifies the failure of a statement that wrote a row.
pub(super) fn of_a_row(error: Error) -> CommitError {
    if is_data(&error) { CommitError::Data(Box::new(error)) } else { CommitError::World(Box::new(error)) }
}

impl From<Error> for CommitError {
    /// Wraps the failure of a statement that no decision is answerable for; `of_a_row` looks closer.
    fn from(error: Error) -> Self {
        Self::World(Box::new(error))
    }
}

impl From<StoreError> for CommitError {
    fn from(error: StoreError) -> Self {
        Self::World(Box::new(error))
    }
}

impl From<Error> for StoreError {
    fn from(error: Error) -> Self {
        Self::Database(Box::new(error))
    }
}

/// Returns whether another connection holds the database: nothing is wrong with ours.
pub(super) fn is_busy(error: &Error) -> bool {
    matches!(error, Error::DatabaseError(_, information) if information.message().contains(" is locked"))
}

fn is_data(error: &Error) -> bool {
    match error {
        Error::DatabaseError(
            DatabaseErrorKind::UniqueViolation
            | DatabaseErrorKind::ForeignKeyViolation
            | DatabaseErrorKind::NotNullViolation
            | DatabaseErrorKind::CheckViolation,
            _,
        ) => true,
        Error::DatabaseError(_, information) => {
            DATA_SENTENCES.iter().any(|sentence| information.message().contains(sentence))
        }
        // A value longer than SQLite's lengths can say.
        Error::SerializationError(_) => true,
        _ => false,
    }
}

/// SQLITE_CONSTRAINT (a trigger that refuses a row says the word too), SQLITE_MISMATCH, SQLITE_TOOBIG.
const DATA_SENTENCES: &[&str] = &["constraint", "datatype mismatch", "string or blob too big"];

#[cfg(test)]
mod tests {
    use super::*;

    fn check(sentence: &str, is_data: bool) {
        let error = Error::DatabaseError(DatabaseErrorKind::Unknown, Box::new(sentence.to_owned()));
        assert_eq!(matches!(of_a_row(error), CommitError::Data(_)), is_data, "{sentence}");
    }

    #[test]
    fn what_the_row_holds_is_the_decisions_fault() {
        check("NOT NULL constraint failed: presentity.etag", true);
        check("constraint failed", true);
        check("datatype mismatch", true);
        check("string or blob too big", true);
    }

    #[test]
    fn what_the_database_suffers_is_nobodys() {
        for sentence in [
            "database is locked",
            "database disk image is malformed",
            "database or disk is full",
            "disk I/O error",
            "unable to open database file",
            "attempt to write a readonly database",
            "out of memory",
            "interrupted",
            "no such table: presentity",
            "file is not a database",
        ] {
            check(sentence, false);
        }
    }

    #[test]
    fn a_violation_diesel_names_is_the_decisions_fault() {
        let error = Error::DatabaseError(DatabaseErrorKind::UniqueViolation, Box::new(String::new()));
        assert!(matches!(of_a_row(error), CommitError::Data(_)));
    }
}
