//! Taking a database into use: its tables are made, brought up to date, or found not to be ours.
//!
//! Where the database can, all of it is one transaction. Where it cannot (MySQL commits at each CREATE), each step can be
//! repeated, and the version is written last: a start that was killed is finished by the next.

use super::connection::{Access, Connection};
use super::dialect::Dialect;
use super::old_tables::OldTables;
use super::reading::Columns;
use super::rules;
use super::statement::Statement;
use super::value::Bind;
use crate::store::schema::{self, MIGRATIONS, TABLES, TableId, VERSION};
use crate::store::{Opening, StoreError, TableNames};

/// What a start may do to a database.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Migrate {
    /// Make what is missing, bring up what is older.
    Automatically,
    /// Refuse what is not as this version wants it, and say by which command it gets so.
    OnlyCheck,
}

/// A database in the middle of being taken into use.
pub(crate) struct Migration<'a> {
    pub(crate) connection: &'a mut dyn Connection,
    pub(crate) dialect: Dialect,
    pub(crate) names: &'a TableNames,
    /// Told what an operator should know.
    pub(crate) note: &'a mut dyn FnMut(&str),
}

impl Migration<'_> {
    /// Brings the tables up to [`VERSION`], inside the caller's transaction. Returns what is to be taken over from tables of
    /// 2006 before the version is [noted](Self::note_version), `None` where that is done.
    pub(crate) fn run(&mut self, migrate: Migrate) -> Result<Option<OldTables>, StoreError> {
        let found = self.version()?;
        let mut old = None;
        match found {
            VERSION => {}
            newer if newer > VERSION => return Err(schema(format!("version {newer}"))),
            older if migrate == Migrate::OnlyCheck => return Err(StoreError::NotMigrated { found: older }),
            0 => old = Some(self.create()?),
            older => self.bring_up(older)?,
        }
        self.check_columns()?;
        self.check_character_set()?;
        self.watch_rules(migrate)?;
        Ok(old)
    }

    /// Returns the version the tables have, 0 where there are none, or those of 2006, or they were not all made.
    pub(crate) fn version(&mut self) -> Result<u32, StoreError> {
        let table = self.names.of(TableId::Version);
        if self.columns(table)?.is_empty() {
            let old = self.tables_of_2006()?;
            return match self.existing_table(&old)? {
                Some(name) => Err(StoreError::Schema {
                    found: format!("table `{name}` without `{table}`"),
                    expected: "none of the tables, or those of 2006; `scripts/db import` takes over other servers'"
                        .into(),
                }),
                None => Ok(0),
            };
        }
        let found = self.number(&format!("SELECT version FROM {} WHERE id = 1", self.dialect.quoted(table)))?;
        let version = found.and_then(|version| u32::try_from(version).ok());
        version.ok_or_else(|| schema(format!("no version in `{table}`")))
    }

    /// Makes what is not there. The row that says the version comes first, and says 0 until all is done: from then on tables
    /// that are there were made by a start that did not come to its end.
    fn create(&mut self) -> Result<OldTables, StoreError> {
        let (version, others) = schema::create_all(self.dialect, self.names);
        for statement in version {
            self.execute(&statement)?;
        }
        let old = self.tables_of_2006()?;
        if !old.is_empty() {
            self.set_aside(&old)?;
        }
        for statement in others {
            self.execute(&statement)?;
        }
        let owner = self.dialect.quoted(self.names.of(TableId::Owner));
        if self.number(&format!("SELECT epoch FROM {owner} WHERE id = 1"))?.is_none() {
            self.execute(&format!("INSERT INTO {owner} (id, owner, epoch, heartbeat) VALUES (1, '', 0, 0)"))?;
        }
        let old = self.old_tables()?;
        self.go_on()?;
        Ok(old)
    }

    fn bring_up(&mut self, found: u32) -> Result<(), StoreError> {
        for step in MIGRATIONS.iter().filter(|step| step.to > found) {
            for statement in (step.statements)(self.dialect, self.names) {
                self.execute(&statement)?;
            }
        }
        self.note_version()?;
        self.go_on()
    }

    /// Notes that the tables are those of this version.
    pub(crate) fn note_version(&mut self) -> Result<(), StoreError> {
        let version = self.dialect.quoted(self.names.of(TableId::Version));
        self.execute(&format!("UPDATE {version} SET version = {VERSION} WHERE id = 1"))
    }

    /// Goes on in a new transaction where a CREATE ends the one it is in.
    fn go_on(&mut self) -> Result<(), StoreError> {
        match self.dialect {
            Dialect::MySql => Ok(self.connection.begin(Access::Write)?),
            Dialect::Postgres | Dialect::Sqlite => Ok(()),
        }
    }

    fn existing_table(&mut self, but: &[TableId]) -> Result<Option<String>, StoreError> {
        for table in TABLES {
            let name = self.names.of(table.id);
            if !but.contains(&table.id) && !self.columns(name)?.is_empty() {
                return Ok(Some(name.to_owned()));
            }
        }
        Ok(None)
    }

    /// Refuses tables that say they are ours and lack a column: they were changed, or their names in the script were.
    pub(super) fn check_columns(&mut self) -> Result<(), StoreError> {
        for table in TABLES {
            let name = self.names.of(table.id);
            let found = self.columns(name)?;
            let missing = table.columns.iter().find(|column| !found.iter().any(|found| found == column.name));
            match missing {
                Some(_) if found.is_empty() => return Err(schema(format!("version {VERSION} without table `{name}`"))),
                Some(column) => return Err(schema(format!("table `{name}` without column `{}`", column.name))),
                None => {}
            }
        }
        Ok(())
    }

    /// Refuses a database that cannot hold every text.
    fn check_character_set(&mut self) -> Result<(), StoreError> {
        if self.dialect != Dialect::Postgres {
            return Ok(());
        }
        match self.text("SHOW server_encoding")?.as_deref() {
            Some("UTF8") => Ok(()),
            found => Err(StoreError::Schema {
                found: format!("encoding {}", found.unwrap_or("unknown")),
                expected: "a database with ENCODING 'UTF8'".into(),
            }),
        }
    }

    /// Makes the triggers that write down whose rules change, or finds them made.
    fn watch_rules(&mut self, migrate: Migrate) -> Result<(), StoreError> {
        let are_there = match rules::find_triggers(self.dialect) {
            // A table that somebody dropped and made anew has none.
            None => false,
            Some(query) => self.number(&query)? == Some(rules::TRIGGERS),
        };
        if are_there {
            return Ok(());
        }
        if migrate == Migrate::OnlyCheck && self.dialect != Dialect::Sqlite {
            return Err(schema(format!("no triggers on `{}`", self.names.of(TableId::XcapXml))));
        }
        for statement in rules::triggers(self.dialect, self.names) {
            self.execute(&statement)?;
        }
        self.go_on()
    }

    pub(super) fn columns(&mut self, table: &str) -> Result<Vec<String>, StoreError> {
        columns(self.connection, self.dialect, table)
    }

    /// Reads what the last run left behind, and makes a secret where there is none.
    pub(crate) fn opening(
        &mut self,
        was_clean: bool,
        epoch: i64,
        random: &mut dyn FnMut(&mut [u8]),
    ) -> Result<Opening, StoreError> {
        let (secret, next_publication_id) = (self.secret(random)?, self.next_publication_id()?);
        Ok(Opening { secret, was_clean, epoch: epoch.unsigned_abs(), next_publication_id })
    }

    fn secret(&mut self, random: &mut dyn FnMut(&mut [u8])) -> Result<[u8; 32], StoreError> {
        let name = self.names.of(TableId::Secret);
        let table = self.dialect.quoted(name);
        let stored = Statement::new(self.dialect, &format!("SELECT secret FROM {table} WHERE name = 'tags'"));
        let mut found = None;
        self.connection.query(&stored, &[], &mut |row| found = Some(Columns::new(row, &["secret"]).bytes()))?;
        if let Some(found) = found {
            return found.map_err(|unreadable| schema(format!("a row of `{name}` whose {unreadable}")));
        }
        let mut secret = [0; 32];
        random(&mut secret);
        let made = Statement::new(self.dialect, &format!("INSERT INTO {table} (name, secret) VALUES ('tags', ?)"));
        self.connection.run(&made, &[Bind::Blob(&secret)])?;
        Ok(secret)
    }

    /// Returns an id above those in use. Another program's row may have any, and must not use them up.
    pub(crate) fn next_publication_id(&mut self) -> Result<u64, StoreError> {
        let table = self.dialect.quoted(self.names.of(TableId::Presentity));
        let query = format!("SELECT id FROM {table} WHERE id < {FOREIGN_IDS_FROM} ORDER BY id DESC LIMIT 1");
        Ok(u64::try_from(self.number(&query)?.unwrap_or(0)).unwrap_or(0) + 1)
    }

    /// Returns the number in the first row, if there is a row.
    pub(crate) fn number(&mut self, query: &str) -> Result<Option<i64>, StoreError> {
        let (statement, mut number) = (Statement::new(self.dialect, query), None);
        self.connection.query(&statement, &[], &mut |row| number = Columns::new(row, &["number"]).number().ok())?;
        Ok(number)
    }

    /// Returns the text in the first row, if there is a row.
    pub(crate) fn text(&mut self, query: &str) -> Result<Option<String>, StoreError> {
        let (statement, mut text) = (Statement::new(self.dialect, query), None);
        self.connection.query(&statement, &[], &mut |row| {
            text = Columns::new(row, &["text"]).text().ok().map(String::from);
        })?;
        Ok(text)
    }

    pub(super) fn execute(&mut self, statement: &str) -> Result<(), StoreError> {
        self.connection.run(&Statement::verbatim(statement), &[])?;
        Ok(())
    }
}

/// No publication of ours ever gets an id as high as this.
const FOREIGN_IDS_FROM: i64 = 1 << 62;

/// Returns the names of a table's columns, none if there is no such table.
pub(crate) fn columns(
    connection: &mut dyn Connection,
    dialect: Dialect,
    table: &str,
) -> Result<Vec<String>, StoreError> {
    let query = match dialect {
        Dialect::Sqlite => "SELECT name FROM pragma_table_info(?)",
        Dialect::MySql => {
            "SELECT column_name FROM information_schema.columns WHERE table_schema = DATABASE() AND table_name = ? \
             ORDER BY ordinal_position"
        }
        Dialect::Postgres => {
            // Of `information_schema` one sees what one may use; a table that is another's is there all the same.
            "SELECT CAST(a.attname AS text) FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid \
             JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = current_schema() \
             AND c.relname = CAST(? AS text) AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum"
        }
    };
    let (statement, mut found) = (Statement::new(dialect, query), Vec::new());
    connection.query(&statement, &[Bind::Text(table)], &mut |row| {
        found.extend(Columns::new(row, &["name"]).text().map(String::from));
    })?;
    Ok(found)
}

fn schema(found: String) -> StoreError {
    StoreError::Schema { found, expected: format!("version {VERSION}, or none of its tables") }
}
