//! A database of a PostgreSQL server.

use std::error::Error;
use std::path::Path;
use std::sync::Arc;

use postgres::config::SslMode;
use postgres::{Client, Config, NoTls, SimpleQueryMessage};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::address::Address;
use super::{Connection, SqlError};

pub(super) struct PostgreSql(Client);

impl PostgreSql {
    pub(super) fn connect(address: &Address) -> Result<Self, SqlError> {
        let mut config = Config::new();
        config.host(&address.host).port(address.port).dbname(&address.database);
        config.user(&address.user).password(&address.password);
        let client = match &address.tls_ca {
            Some(file) => config.ssl_mode(SslMode::Require).connect(MakeRustlsConnect::new(trusting(file))),
            None => config.connect(NoTls),
        };
        Ok(Self(client?))
    }
}

/// Returns what TLS is spoken by: only those whom the authority in `file` vouches for are trusted.
fn trusting(file: &Path) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    let certificates =
        CertificateDer::pem_file_iter(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    for certificate in certificates {
        roots.add(certificate.expect("a certificate in PEM")).expect("a certificate of an authority");
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    config.expect("the provider knows TLS 1.2 and 1.3").with_root_certificates(roots).with_no_client_auth()
}

impl Connection for PostgreSql {
    fn execute(&mut self, statement: &str) -> Result<u64, SqlError> {
        let met = |message: &SimpleQueryMessage| match message {
            SimpleQueryMessage::CommandComplete(rows) => *rows,
            _ => 0,
        };
        Ok(self.0.simple_query(statement)?.iter().map(met).sum())
    }

    fn script(&mut self, statements: &str) -> Result<(), SqlError> {
        Ok(self.0.batch_execute(statements)?)
    }

    fn lines(&mut self, query: &str) -> Result<Vec<String>, SqlError> {
        let line = |message| match message {
            SimpleQueryMessage::Row(row) => Some(row.get(0).unwrap_or("NULL").to_owned()),
            _ => None,
        };
        Ok(self.0.simple_query(query)?.into_iter().filter_map(line).collect())
    }
}

impl From<postgres::Error> for SqlError {
    fn from(error: postgres::Error) -> Self {
        match error.as_db_error() {
            Some(refusal) => Self { code: refusal.code().code().into(), message: refusal.message().into() },
            None => Self::connection(
                error.source().map_or_else(|| error.to_string(), |source| format!("{error}: {source}")),
            ),
        }
    }
}
