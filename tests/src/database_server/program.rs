//! What MariaDB and PostgreSQL do each in its own way.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::certificates::Certificates;
use super::programs::Account;
use crate::database::Database;

/// A database server as a program.
pub(super) trait Program: Sync {
    /// What it is called.
    fn name(&self) -> &'static str;

    /// The scheme of its URLs.
    fn scheme(&self) -> &'static str;

    /// What it says of its version.
    fn version(&self) -> String;

    /// Makes an empty data directory in which there are [`super::ADMINISTRATOR`] and [`super::USER`].
    fn make_data(&self, directory: &Path, account: Account);

    /// Readies a copy of that directory for its first start.
    fn configure(&self, start: &Start);

    /// Returns the command that runs it in the foreground, its log on stderr.
    fn command(&self, start: &Start) -> Command;

    /// Does what is left to be done after the first start.
    fn prepare(&self, administrator: &mut Database, start: &Start);

    /// The database that is always there.
    fn administrative_database(&self) -> &'static str;

    /// Creates a database that is [`super::USER`]'s, of the character set named or of the usual one.
    fn create_database(&self, administrator: &mut Database, name: &str, character_set: Option<&str>);

    /// Ends the connections of [`super::USER`].
    fn cut_connections(&self, administrator: &mut Database);

    /// The signal that stops it without waiting for its clients.
    fn stop_signal(&self) -> nix::sys::signal::Signal;

    /// Removes what it may have left outside its directory when it was killed.
    fn tidy(&self, data: &Path);
}

/// What a server is started with.
pub(super) struct Start {
    pub(super) data: PathBuf,
    pub(super) port: u16,
    pub(super) cache_mib: u32,
    pub(super) certificates: Option<Certificates>,
}
