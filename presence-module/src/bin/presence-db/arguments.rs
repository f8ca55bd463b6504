//! The command line. URLs are read later than the rest: what clap complains about it shows, and they hold passwords.

use clap::{Args, Parser, Subcommand, ValueEnum};
use presence::store::TableNames;

/// Looks after the database of a presence server.
#[derive(Debug, Parser)]
#[command(name = "presence-db", version)]
pub(crate) struct Arguments {
    /// What is to be done.
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What can be done. URLs are as in db_url: sqlite://FILE, mysql://USER:PASSWORD@HOST/DATABASE, postgres://…
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Says whether a server would serve the database as it is: the version of its tables, and who has it. Changes nothing.
    Check(Target),
    /// Makes the tables in a database that has none of them.
    Create(Target),
    /// Prints the statements that make the tables, for who runs them by hand.
    Ddl(Ddl),
    /// Takes over publications, subscriptions with their dialogs, and rules from the database of Kamailio 5, OpenSIPS 3 or
    /// the module of 2006.
    ///
    /// Stop the other server first: what it does afterwards is not seen. Nothing is written into its database. Then start
    /// the new one on the same address; it tells every watcher the present state.
    Import(Import),
    /// Brings the tables up to this version: makes them, brings those of an earlier version up, adopts those of 2006, which
    /// stay beside them under names that end in _2006.
    Migrate(Target),
}

/// Which database.
#[derive(Args, Debug)]
pub(crate) struct Target {
    /// The database.
    pub(crate) url: String,
    /// Its tables.
    #[command(flatten)]
    pub(crate) tables: Tables,
}

/// In whose language.
#[derive(Args, Debug)]
pub(crate) struct Ddl {
    /// The kind of database.
    pub(crate) kind: Kind,
    /// Its tables.
    #[command(flatten)]
    pub(crate) tables: Tables,
}

/// A kind of database.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Kind {
    /// MariaDB and MySQL.
    Mysql,
    /// PostgreSQL.
    Postgres,
    /// SQLite.
    Sqlite,
}

/// From where, and where to.
#[derive(Args, Debug)]
pub(crate) struct Import {
    /// The database that is taken over from.
    pub(crate) source_url: String,
    /// The database of the new server: without tables, or with empty ones.
    pub(crate) target_url: String,
    /// The tables of the new server.
    #[command(flatten)]
    pub(crate) tables: Tables,
    /// The source's table of publications.
    #[arg(long, value_name = "TABLE")]
    pub(crate) source_presentity_table: Option<String>,
    /// The source's table of subscriptions.
    #[arg(long, value_name = "TABLE")]
    pub(crate) source_active_watchers_table: Option<String>,
    /// The source's table of authorisation states.
    #[arg(long, value_name = "TABLE")]
    pub(crate) source_watchers_table: Option<String>,
    /// The source's table of documents.
    #[arg(long, value_name = "TABLE")]
    pub(crate) source_xcap_table: Option<String>,
}

/// What the server's tables are called, as its parameters of the same names say.
#[derive(Args, Debug)]
pub(crate) struct Tables {
    /// Publications.
    #[arg(long, value_name = "TABLE", default_value = "presentity")]
    presentity_table: String,
    /// Subscriptions.
    #[arg(long, value_name = "TABLE", default_value = "active_watchers")]
    active_watchers_table: String,
    /// Authorisation states.
    #[arg(long, value_name = "TABLE", default_value = "watchers")]
    watchers_table: String,
    /// Rules documents.
    #[arg(long, value_name = "TABLE", default_value = "xcap_xml")]
    xcap_table: String,
}

impl Tables {
    /// Returns the names.
    pub(crate) fn names(&self) -> TableNames {
        TableNames {
            presentity: self.presentity_table.clone(),
            active_watchers: self.active_watchers_table.clone(),
            watchers: self.watchers_table.clone(),
            xcap: self.xcap_table.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_sound_and_tables_are_called_as_in_the_server() {
        Arguments::command().debug_assert();
        let read = Arguments::try_parse_from(["presence-db", "import", "sqlite://a", "sqlite://b"]).unwrap();
        let Command::Import(import) = read.command else { panic!("{read:?}") };
        assert_eq!(import.tables.names(), TableNames::default());
    }
}
