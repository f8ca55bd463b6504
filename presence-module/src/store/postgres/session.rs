//! The connection to the server, opened with our settings.
//!
//! The driver is asynchronous; its runtime lives in the one thread that writes and runs only while an answer is waited for.

use std::collections::HashMap;
use std::future::Future;
use std::pin::pin;
use std::time::Duration;

use futures_util::StreamExt;
use tokio::runtime::{Builder, Runtime};
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Config, NoTls};

use super::failure;
use super::pipeline::InOrder;
use super::tls;
use super::value::PostgresRow;
use crate::store::sql::connection::{Access, Connection, Failure, HELD_UP_FOR, check_met};
use crate::store::sql::dialect::Dialect;
use crate::store::sql::reading::Columns;
use crate::store::sql::statement::{Statement, Write};
use crate::store::sql::value::{Bind, Row};
use crate::store::url::{Server, Tls};
use crate::store::{Durability, StoreError};

/// A session with a server.
pub(super) struct Session {
    // Dropped before the runtime its connection runs on.
    client: Client,
    prepared: HashMap<String, tokio_postgres::Statement>,
    timeout: Duration,
    runtime: Runtime,
}

impl Session {
    /// Connects; no answer is waited for longer than `timeout`.
    pub(super) fn open(server: &Server, durability: Durability, timeout: Duration) -> Result<Self, StoreError> {
        let runtime = Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| StoreError::Database(Box::new(error)))?;
        let client = wait(&runtime, timeout, connect(server, timeout))??;
        let mut session = Self { client, prepared: HashMap::new(), timeout, runtime };
        let commit = match durability {
            Durability::Full => "on",
            Durability::Relaxed => "off",
        };
        let lock_timeout = (timeout / HELD_UP_FOR).as_millis().max(1);
        session.batch(&format!("SET synchronous_commit = {commit}; SET lock_timeout = {lock_timeout}"))?;
        Ok(session)
    }

    fn batch(&mut self, text: &str) -> Result<(), Failure> {
        let done = wait(&self.runtime, self.timeout, self.client.batch_execute(text))?;
        done.map_err(failure::of_a_statement)
    }

    fn prepared(&mut self, statement: &Statement) -> Result<tokio_postgres::Statement, Failure> {
        if let Some(prepared) = self.prepared.get(statement.text()) {
            return Ok(prepared.clone());
        }
        let prepared = wait(&self.runtime, self.timeout, self.client.prepare(statement.text()))?;
        let prepared = prepared.map_err(failure::of_a_statement)?;
        self.prepared.insert(statement.text().to_owned(), prepared.clone());
        Ok(prepared)
    }

    fn text(&mut self, query: &str) -> Result<String, Failure> {
        let mut text = String::new();
        self.query(&Statement::new(Dialect::Postgres, query), &[], &mut |row| {
            text = Columns::new(row, &["text"]).text().unwrap_or_default().into();
        })?;
        Ok(text)
    }
}

impl Connection for Session {
    fn begin(&mut self, access: Access) -> Result<(), Failure> {
        self.batch(match access {
            Access::Read => "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
            Access::Write => "BEGIN",
        })
    }

    fn commit(&mut self) -> Result<(), Failure> {
        self.batch("COMMIT")
    }

    fn roll_back(&mut self) -> Result<(), Failure> {
        self.batch("ROLLBACK")
    }

    fn run(&mut self, statement: &Statement, binds: &[Bind<'_>]) -> Result<u64, Failure> {
        if binds.is_empty() {
            self.batch(statement.text())?;
            return Ok(0);
        }
        let prepared = self.prepared(statement)?;
        let met = wait(&self.runtime, self.timeout, self.client.execute_raw(&prepared, parameters(binds)))?;
        met.map_err(failure::of_a_statement)
    }

    fn write(&mut self, writes: &[Write<'_>]) -> Result<(), Failure> {
        let prepared: Result<Vec<_>, _> = writes.iter().map(|write| self.prepared(write.statement)).collect();
        let prepared = prepared?;
        // All are sent before the first is answered.
        let client = &self.client;
        let run = |position: usize| {
            let (write, prepared): (&Write<'_>, _) = (&writes[position], &prepared[position]);
            client.execute_raw(prepared, parameters(&write.binds))
        };
        let all = InOrder::new((0..writes.len()).map(run));
        let met = wait(&self.runtime, self.timeout, all)?;
        for (write, met) in writes.iter().zip(met) {
            check_met(write.statement, met.map_err(failure::of_a_statement)?)?;
        }
        Ok(())
    }

    fn query(
        &mut self,
        statement: &Statement,
        binds: &[Bind<'_>],
        visit: &mut dyn FnMut(&dyn Row),
    ) -> Result<(), Failure> {
        let prepared = self.prepared(statement)?;
        let rows = wait(&self.runtime, self.timeout, self.client.query_raw(&prepared, parameters(binds)))?;
        let rows = rows.map_err(failure::of_a_statement)?;
        self.runtime.block_on(async {
            let mut rows = pin!(rows);
            loop {
                match tokio::time::timeout(self.timeout, rows.next()).await {
                    Err(_) => return Err(failure::too_late()),
                    Ok(None) => return Ok(()),
                    Ok(Some(row)) => visit(&PostgresRow(row.map_err(failure::of_a_statement)?)),
                }
            }
        })
    }

    fn durability_caveat(&mut self) -> Result<Option<String>, Failure> {
        for setting in ["fsync", "full_page_writes"] {
            if self.text(&format!("SHOW {setting}"))? != "on" {
                let caveat = "is not on: what it commits may be lost with its machine";
                return Ok(Some(format!("the database server's {setting} {caveat}")));
            }
        }
        Ok(None)
    }
}

async fn connect(server: &Server, timeout: Duration) -> Result<Client, StoreError> {
    let mut config = Config::new();
    config.host(&server.host).port(server.port).dbname(&server.database).user(&server.user);
    config.password(&server.password).connect_timeout(timeout).application_name("presence");
    let failed = |error| StoreError::from(failure::of_a_statement(error));
    match &server.tls {
        Tls::Off => {
            config.ssl_mode(tokio_postgres::config::SslMode::Disable);
            let (client, connection) = config.connect(NoTls).await.map_err(failed)?;
            tokio::spawn(connection);
            Ok(client)
        }
        Tls::On { ca_file } => {
            config.ssl_mode(tokio_postgres::config::SslMode::Require);
            let (client, connection) = config.connect(tls::connector(ca_file.as_deref())?).await.map_err(failed)?;
            tokio::spawn(connection);
            Ok(client)
        }
    }
}

/// Waits for an answer, for so long and no longer.
fn wait<T>(runtime: &Runtime, timeout: Duration, answer: impl Future<Output = T>) -> Result<T, Failure> {
    let in_time = runtime.block_on(async { tokio::time::timeout(timeout, answer).await });
    in_time.map_err(|_| failure::too_late())
}

fn parameters<'a>(binds: &'a [Bind<'a>]) -> impl ExactSizeIterator<Item = &'a (dyn ToSql + Sync)> {
    binds.iter().map(|bind| bind as &(dyn ToSql + Sync))
}
