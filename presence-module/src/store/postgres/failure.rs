//! Whose fault a failed statement is, by SQLSTATE.

use std::fmt;

use tokio_postgres::Error;

use crate::store::sql::connection::{Failure, Fault};

/// Classifies the failure of a statement. What the server itself did not say leaves the session in doubt.
pub(super) fn of_a_statement(error: Error) -> Failure {
    let fault = match error.code() {
        Some(state) => fault(state.code()),
        // A value that cannot be put into the message, such as one past 1 GB.
        None if error.to_string().contains("serializing") => Fault::Data,
        None => Fault::Session,
    };
    Failure { fault, error: Box::new(Said(error)) }
}

/// An answer that did not come in time.
pub(super) fn too_late() -> Failure {
    Failure { fault: Fault::Session, error: "the database server does not answer".into() }
}

fn fault(state: &str) -> Fault {
    match state {
        // The server ends the session.
        "57P01" | "57P02" | "57P03" | "57P05" => Fault::Session,
        "55P03" => Fault::Held,
        // A row that is too wide for its key.
        "54000" => Fault::Data,
        // What was prepared is not what is there any more; a new session prepares it anew.
        "0A000" | "26000" => Fault::Session,
        state if state.starts_with("08") || state.starts_with("42") => Fault::Session,
        // Bad data, a constraint, a deadlock or a serialisation failure, a trigger that refuses.
        state if ["22", "23", "40", "45", "P0"].iter().any(|class| state.starts_with(class)) => Fault::Data,
        _ => Fault::World,
    }
}

/// An error of the server, in words that hold no value of a row: its details quote those.
struct Said(Error);

impl fmt::Debug for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.as_db_error() {
            Some(error) if fault(error.code().code()) == Fault::Data => write!(f, "error {}", error.code().code()),
            Some(error) => write!(f, "error {}: {}", error.code().code(), error.message()),
            None => {
                self.0.fmt(f)?;
                let cause = std::error::Error::source(&self.0);
                cause.map_or(Ok(()), |cause| write!(f, ": {cause}"))
            }
        }
    }
}

impl std::error::Error for Said {}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(state: &str, expected: Fault) {
        assert_eq!(fault(state), expected, "{state}");
    }

    #[test]
    fn what_the_row_holds_is_the_decisions_fault() {
        for state in ["23505", "22021", "22001", "40001", "40P01", "P0001", "45000", "54000"] {
            check(state, Fault::Data);
        }
    }

    #[test]
    fn what_the_database_suffers_is_nobodys() {
        for state in ["53100", "53200", "25006"] {
            check(state, Fault::World);
        }
        check("55P03", Fault::Held);
        for state in ["57P01", "08006", "0A000", "42P01"] {
            check(state, Fault::Session);
        }
    }
}
