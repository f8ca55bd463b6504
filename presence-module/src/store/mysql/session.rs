//! The connection to the server, opened with our settings.

use std::thread;
use std::time::{Duration, Instant};

use mysql::consts::{CapabilityFlags, ColumnType};
use mysql::prelude::Queryable;
use mysql::{Conn, OptsBuilder, Params, SslOpts, Value};

use super::failure;
use crate::store::StoreError;
use crate::store::sql::connection::{
    Access, Connection, Failure, Fault, HELD_UP_FOR, SessionNumber, Version, check_met,
};
use crate::store::sql::dialect::Dialect;
use crate::store::sql::grouping::grouped;
use crate::store::sql::reading::Columns;
use crate::store::sql::statement::{Statement, Write};
use crate::store::sql::value::{Bind, Cell, Row};
use crate::store::url::{Server, Tls};

/// A session with a server.
pub(super) struct Session {
    connection: Conn,
    /// What the server takes in one message: it ends the session of whoever sends more.
    packet_bytes_max: usize,
    /// Whether it takes the values of many rows for the statement of one, as MariaDB does. It inserts so in four fifths of the
    /// time it takes for one statement with all rows in it, and updates and deletes so in more.
    takes_rows: bool,
    /// How long a row is waited for that another session holds.
    held_up_for: Duration,
    number: SessionNumber,
}

/// How often it is looked whether a row is still held: the server itself waits for whole seconds, or not at all.
const HELD_LOOK: Duration = Duration::from_millis(5);

/// How much of a message is not the value in it, at most.
const PACKET_HEAD_BYTES: usize = 64;

/// What all sessions of the server did to rows, but for what this one did. A commit is counted after it can be seen.
const DONE_BY_OTHERS: &str = "SELECT CAST(SUM(a.VARIABLE_VALUE - o.VARIABLE_VALUE) AS SIGNED) \
     FROM information_schema.GLOBAL_STATUS a JOIN information_schema.SESSION_STATUS o USING (VARIABLE_NAME) \
     WHERE VARIABLE_NAME IN ('HANDLER_COMMIT', 'HANDLER_DELETE', 'HANDLER_UPDATE', 'HANDLER_WRITE')";

/// The number of the character set of columns that hold bytes.
const BINARY: u16 = 63;

impl Session {
    /// Connects; no answer is waited for longer than `timeout`.
    pub(super) fn open(server: &Server, timeout: Duration) -> Result<Self, StoreError> {
        if let Tls::On { ca_file: Some(file) } = &server.tls {
            // The driver does not say which file it could not read.
            let unreadable = |error| StoreError::Database(format!("tls_ca `{}`: {error}", file.display()).into());
            std::fs::File::open(file).map_err(unreadable)?;
        }
        let connected = || {
            let mut connection = Conn::new(options(server, timeout))?;
            let about: Option<(usize, String)> = connection.query_first("SELECT @@max_allowed_packet, VERSION()")?;
            let (packet_bytes_max, version) = about.unwrap_or_default();
            let takes_rows = version.contains("MariaDB");
            let (held_up_for, number) = (timeout / HELD_UP_FOR, SessionNumber::next());
            Ok(Self { connection, packet_bytes_max, takes_rows, held_up_for, number })
        };
        connected().map_err(|error: mysql::Error| failure::of_a_statement(error).into())
    }

    /// Runs a statement and returns how many rows it met.
    fn execute(&mut self, text: &str, values: impl Fn() -> Vec<Value>) -> Result<u64, Failure> {
        self.until_free(|session| {
            let values = values();
            session.check_lengths(&values)?;
            let run = |connection: &mut Conn| {
                let statement = connection.prep(text)?;
                connection.exec_drop(&statement, Params::Positional(values))?;
                Ok(connection.affected_rows())
            };
            run(&mut session.connection).map_err(failure::of_a_statement)
        })
    }

    /// Runs a statement about one row for the values of many.
    fn execute_for_rows(&mut self, text: &str, rows: impl Fn() -> Vec<Vec<Value>>) -> Result<(), Failure> {
        self.until_free(|session| {
            let rows = rows();
            rows.iter().try_for_each(|values| session.check_lengths(values))?;
            let run = |connection: &mut Conn| {
                let statement = connection.prep(text)?;
                connection.exec_batch(&statement, rows.into_iter().map(Params::Positional))
            };
            run(&mut session.connection).map_err(failure::of_a_statement)
        })
    }

    /// Runs something that may be begun anew; if another session holds a row that it needs, again and again for a while.
    fn until_free<T>(&mut self, mut run: impl FnMut(&mut Self) -> Result<T, Failure>) -> Result<T, Failure> {
        let give_up = Instant::now() + self.held_up_for;
        loop {
            match run(self) {
                Err(Failure { fault: Fault::Held, .. }) if Instant::now() < give_up => thread::park_timeout(HELD_LOOK),
                done => return done,
            }
        }
    }

    fn check_lengths(&self, values: &[Value]) -> Result<(), Failure> {
        let is_too_long = |value: &Value| matches!(value, Value::Bytes(bytes) if bytes.len() + PACKET_HEAD_BYTES > self.packet_bytes_max);
        if values.iter().any(is_too_long) { Err(failure::too_long()) } else { Ok(()) }
    }

    /// Runs a statement for many different rows, as many as can be at a time.
    fn run_many(&mut self, statement: &Statement, mut writes: &[&Write<'_>]) -> Result<(), Failure> {
        let Some(many) = statement.many_rows() else { return self.run_each(writes) };
        if many.is_insert && self.takes_rows && writes.len() > 1 {
            let rows = || writes.iter().map(|write| write.binds.iter().map(value).collect()).collect();
            return self.execute_for_rows(statement.text(), rows);
        }
        while !writes.is_empty() {
            let Some((places, text)) = many.for_rows(writes.len()) else {
                return self.run_each(writes);
            };
            let (now, later) = writes.split_at(writes.len().min(*places));
            let met = self.execute(text, || many.values(now, *places).into_iter().map(value).collect())?;
            if met < now.len() as u64 {
                // Which of them is not there shows when fewer are written at a time.
                check_met(statement, 0)?;
            }
            writes = later;
        }
        Ok(())
    }

    fn run_each(&mut self, writes: &[&Write<'_>]) -> Result<(), Failure> {
        writes.iter().try_for_each(|write| check_met(write.statement, self.run(write.statement, &write.binds)?))
    }
}

impl Connection for Session {
    fn begin(&mut self, access: Access) -> Result<(), Failure> {
        let begin: &[&str] = match access {
            // For the next transaction only: a view of one moment.
            Access::Read => &["SET TRANSACTION ISOLATION LEVEL REPEATABLE READ", "START TRANSACTION READ ONLY"],
            Access::Write => &["START TRANSACTION READ WRITE"],
        };
        begin.iter().try_for_each(|text| self.connection.query_drop(text)).map_err(failure::of_a_statement)
    }

    fn commit(&mut self) -> Result<(), Failure> {
        self.connection.query_drop("COMMIT").map_err(failure::of_a_statement)
    }

    fn roll_back(&mut self) -> Result<(), Failure> {
        self.connection.query_drop("ROLLBACK").map_err(failure::of_a_statement)
    }

    fn run(&mut self, statement: &Statement, binds: &[Bind<'_>]) -> Result<u64, Failure> {
        if binds.is_empty() {
            // Not everything can be prepared: no trigger can.
            self.connection.query_drop(statement.text()).map_err(failure::of_a_statement)?;
            return Ok(self.connection.affected_rows());
        }
        self.execute(statement.text(), || binds.iter().map(value).collect())
    }

    fn write(&mut self, writes: &[Write<'_>]) -> Result<(), Failure> {
        grouped(writes).iter().try_for_each(|run| self.run_many(run[0].statement, run))
    }

    fn query(
        &mut self,
        statement: &Statement,
        binds: &[Bind<'_>],
        visit: &mut dyn FnMut(&dyn Row),
    ) -> Result<(), Failure> {
        let params = match binds {
            [] => Params::Empty,
            binds => Params::Positional(binds.iter().map(value).collect()),
        };
        let read = || {
            let prepared = self.connection.prep(statement.text())?;
            for row in self.connection.exec_iter(&prepared, params)? {
                visit(&MySqlRow(row?));
            }
            Ok(())
        };
        read().map_err(failure::of_a_statement)
    }

    fn version_before_walk(&mut self) -> Result<Option<Version>, Failure> {
        // MySQL has these tables no more.
        if !self.takes_rows {
            return Ok(None);
        }
        let (statement, session, mut version) = (Statement::verbatim(DONE_BY_OTHERS), self.number, None);
        self.query(&statement, &[], &mut |row| {
            version = Columns::new(row, &["done_by_others"]).number().ok().map(|number| Version { session, number });
        })?;
        Ok(version)
    }

    fn durability_caveat(&mut self) -> Result<Option<String>, Failure> {
        let query = Statement::new(
            Dialect::MySql,
            "SELECT CAST(@@innodb_flush_log_at_trx_commit AS SIGNED), CAST(@@sync_binlog AS SIGNED), \
             CAST(@@log_bin AS SIGNED)",
        );
        let mut caveat = None;
        self.query(&query, &[], &mut |row| {
            let mut columns = Columns::new(row, &["innodb_flush_log_at_trx_commit", "sync_binlog", "log_bin"]);
            let [flush, sync_binlog, log_bin] = [(); 3].map(|()| columns.number::<i64>().unwrap_or(-1));
            let lacks = match (flush, sync_binlog, log_bin) {
                (1, 1, _) | (1, _, 0) => return,
                (1, other, _) => format!("sync_binlog is {other}"),
                (other, ..) => format!("innodb_flush_log_at_trx_commit is {other}"),
            };
            caveat = Some(format!("the database server's {lacks}: what it commits may be lost with its machine"));
        })?;
        Ok(caveat)
    }
}

fn options(server: &Server, timeout: Duration) -> OptsBuilder {
    let tls = match &server.tls {
        Tls::Off => None,
        Tls::On { ca_file: None } => Some(SslOpts::default()),
        Tls::On { ca_file: Some(file) } => Some(SslOpts::default().with_root_cert_path(Some(file.clone()))),
    };
    OptsBuilder::new()
        .ip_or_hostname(Some(&server.host))
        .tcp_port(server.port)
        .user(Some(&server.user))
        .pass(Some(&server.password))
        .db_name(Some(&server.database))
        .ssl_opts(tls)
        .prefer_socket(false)
        .tcp_connect_timeout(Some(timeout))
        .read_timeout(Some(timeout))
        .write_timeout(Some(timeout))
        .stmt_cache_size(256)
        // An UPDATE counts the rows it met, whether or not it changed them.
        .additional_capabilities(CapabilityFlags::CLIENT_FOUND_ROWS)
        .init(SETTINGS.iter().map(|setting| (*setting).to_owned()).collect())
}

/// Each on its own.
const SETTINGS: &[&str] = &[
    "SET NAMES utf8mb4 COLLATE utf8mb4_bin",
    // Nothing is cut to fit, and no engine is taken that has no transactions.
    "SET SESSION sql_mode = 'STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION,NO_ZERO_DATE,ERROR_FOR_DIVISION_BY_ZERO'",
    "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED",
    // In seconds; MySQL makes it 1.
    "SET SESSION innodb_lock_wait_timeout = 0",
];

fn value(bind: &Bind<'_>) -> Value {
    match bind {
        Bind::Blob(bytes) => Value::Bytes(bytes.to_vec()),
        Bind::Integer(number) => Value::Int(*number),
        Bind::Made(text) => Value::Bytes(text.as_bytes().to_vec()),
        Bind::Text(text) => Value::Bytes(text.as_bytes().to_vec()),
    }
}

/// A row with the types of its columns.
struct MySqlRow(mysql::Row);

impl Row for MySqlRow {
    fn cell(&self, position: usize, read: &mut dyn FnMut(Cell<'_>)) {
        let columns = self.0.columns_ref();
        let (Some(value), Some(column)) = (self.0.as_ref(position), columns.get(position)) else {
            return read(Cell::Missing);
        };
        match value {
            Value::NULL => read(Cell::Null),
            Value::Int(number) => read(Cell::Integer(*number)),
            Value::UInt(number) => read(i64::try_from(*number).map_or(Cell::Other, Cell::Integer)),
            Value::Bytes(bytes) if is_decimal(column.column_type()) => {
                let number = str::from_utf8(bytes).ok().and_then(|text| text.parse().ok());
                read(number.map_or(Cell::Other, Cell::Integer));
            }
            Value::Bytes(bytes) if column.character_set() == BINARY => read(Cell::Bytes(bytes)),
            Value::Bytes(bytes) => read(str::from_utf8(bytes).map_or(Cell::TextOfOtherCharset, Cell::Text)),
            Value::Float(_) | Value::Double(_) | Value::Date(..) | Value::Time(..) => read(Cell::Other),
        }
    }
}

fn is_decimal(column_type: ColumnType) -> bool {
    matches!(column_type, ColumnType::MYSQL_TYPE_DECIMAL | ColumnType::MYSQL_TYPE_NEWDECIMAL)
}
