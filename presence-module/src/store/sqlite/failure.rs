//! Whose fault a failed statement is: a decision's, or the world's.
//!
//! Diesel hands out SQLite's result code for the commonest violations only; the rest is known by SQLite's own sentence
//! for the code, which has not changed in its lifetime. What is not known is the world's fault: no decision is blamed.

use diesel::result::{DatabaseErrorKind, Error};

use crate::store::sql::connection::{Failure, Fault};

/// Classifies the failure of a statement. What is not known makes the connection suspect, and a new one takes its place.
pub(super) fn of_a_statement(error: Error) -> Failure {
    let fault = match &error {
        error if is_data(error) => Fault::Data,
        error if is_passing(error) => Fault::World,
        _ => Fault::Session,
    };
    Failure { fault, error: Box::new(error) }
}

/// Returns whether another connection holds the database, or the disk is full: nothing is wrong with ours.
fn is_passing(error: &Error) -> bool {
    let sentences = [" is locked", " is full"];
    matches!(error, Error::DatabaseError(_, information)
        if sentences.iter().any(|sentence| information.message().contains(sentence)))
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
        assert_eq!(of_a_statement(error).fault == Fault::Data, is_data, "{sentence}");
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
        assert_eq!(of_a_statement(error).fault, Fault::Data);
    }
}
