//! Whose fault a failed statement is, by SQLSTATE and, where that says nothing, by the server's number.

use std::fmt;

use mysql::Error;

use crate::store::sql::connection::{Failure, Fault};

/// Classifies the failure of a statement. What the server itself did not say leaves the session in doubt.
pub(super) fn of_a_statement(error: Error) -> Failure {
    let fault = match &error {
        Error::MySqlError(error) => fault(error.code, &error.state),
        _ => Fault::Session,
    };
    Failure { fault, error: Box::new(Said(error)) }
}

/// A value that the server takes in no message.
pub(super) fn too_long() -> Failure {
    Failure { fault: Fault::Data, error: "a value is longer than the server's max_allowed_packet".into() }
}

fn fault(code: u16, state: &str) -> Fault {
    match (code, state) {
        // A row, a number or a text that cannot be held, in a class that says nothing of it.
        (1118 | 1364 | 1366, _) => Fault::Data,
        // The server ends the session, or has done so.
        (1053 | 1077 | 1079 | 1152 | 1159 | 1160 | 1161 | 1317 | 1927, _) => Fault::Session,
        // What was prepared is not what is there any more; a new session prepares it anew.
        (1243 | 1615, _) => Fault::Session,
        (1205, _) => Fault::Held,
        (_, state) if state.starts_with("08") || state.starts_with("42") => Fault::Session,
        // Bad data, a constraint, a deadlock, a trigger that refuses.
        (_, state) if ["22", "23", "40", "45"].iter().any(|class| state.starts_with(class)) => Fault::Data,
        _ => Fault::World,
    }
}

/// An error of the server, in words that hold no value of a row: the server quotes those in its own.
struct Said(Error);

impl fmt::Debug for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Error::MySqlError(error) if fault(error.code, &error.state) == Fault::Data => {
                write!(f, "error {} ({})", error.code, error.state)
            }
            Error::MySqlError(error) => write!(f, "error {} ({}): {}", error.code, error.state, error.message),
            other => other.fmt(f),
        }
    }
}

impl std::error::Error for Said {}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(code: u16, state: &str, expected: Fault) {
        assert_eq!(fault(code, state), expected, "{code} {state}");
    }

    #[test]
    fn what_the_row_holds_is_the_decisions_fault() {
        check(1062, "23000", Fault::Data);
        check(1406, "22001", Fault::Data);
        check(1366, "HY000", Fault::Data);
        check(1213, "40001", Fault::Data);
        check(1644, "45000", Fault::Data);
    }

    #[test]
    fn what_the_database_suffers_is_nobodys() {
        // Disk full, table full, read-only.
        for code in [1021, 1114, 1290, 1030] {
            check(code, "HY000", Fault::World);
        }
        check(1205, "HY000", Fault::Held);
        check(1040, "08004", Fault::Session);
        check(1053, "08S01", Fault::Session);
        check(1927, "70100", Fault::Session);
        check(1146, "42S02", Fault::Session);
    }
}
