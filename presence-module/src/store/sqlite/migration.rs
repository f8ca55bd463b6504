//! Taking a database into use: its tables are made or found to be ours, its epoch is raised, its secret is read.
//!
//! All of it is one transaction: a start that fails, or is killed, leaves the database as it was.

use diesel::SqliteConnection;

use super::link::{for_each_row, run};
use super::statements::{Bind, Statement};
use crate::store::owner::Owner;
use crate::store::schema::{MIGRATIONS, TABLES, TableId, VERSION, create_all};
use crate::store::{Opening, StoreError, TableNames, rules_journal};

/// Brings the tables up to [`VERSION`], inside the caller's transaction.
pub(super) fn migrate(connection: &mut SqliteConnection, names: &TableNames) -> Result<(), StoreError> {
    let found = version(connection, names)?;
    if found > VERSION {
        return Err(schema(format!("version {found}")));
    }
    let statements = match found {
        0 => create_all(names),
        _ => MIGRATIONS.iter().filter(|step| step.to > found).flat_map(|step| (step.statements)(names)).collect(),
    };
    for statement in statements {
        run(connection, &Statement::fixed(&statement).with(&[]))?;
    }
    if found == 0 {
        let owner =
            format!("INSERT INTO `{}` (id, owner, epoch, heartbeat) VALUES (1, '', 0, 0)", names.of(TableId::Owner));
        run(connection, &Statement::fixed(&owner).with(&[]))?;
    }
    if found < VERSION {
        let table = names.of(TableId::Version);
        let noted = Statement::fixed(&format!("INSERT OR REPLACE INTO `{table}` (id, version) VALUES (1, ?)"));
        run(connection, &noted.with(&[Bind::Integer(i64::from(VERSION))]))?;
    }
    check_columns(connection, names)?;
    for statement in rules_journal::triggers(names) {
        run(connection, &Statement::fixed(&statement).with(&[]))?;
    }
    Ok(())
}

/// Makes `owner` the owner, inside the caller's transaction, and returns the new epoch with what the last one left.
pub(super) fn take_over(
    connection: &mut SqliteConnection,
    names: &TableNames,
    owner: &str,
    random: &mut dyn FnMut(&mut [u8]),
) -> Result<(i64, Opening), StoreError> {
    let table = names.of(TableId::Owner);
    let holder = one_text(connection, &format!("SELECT owner FROM `{table}` WHERE id = 1"))?;
    if let Some(holder) = holder.as_deref().and_then(Owner::from_column).filter(Owner::is_alive_here) {
        return Err(StoreError::Owned(holder));
    }
    let was_clean = number(connection, &format!("SELECT clean FROM `{table}` WHERE id = 1"))?;
    let taken = Statement::fixed(&format!(
        "UPDATE `{table}` SET owner = ?, epoch = epoch + 1, heartbeat = unixepoch(), clean = 0 WHERE id = 1"
    ));
    run(connection, &taken.with(&[Bind::Text(owner)]))?;
    let epoch = number(connection, &format!("SELECT epoch FROM `{table}` WHERE id = 1"))?
        .ok_or_else(|| schema(format!("no row in `{table}`")))?;
    let opening = Opening {
        secret: secret(connection, names, random)?,
        was_clean: was_clean == Some(1),
        next_publication_id: next_publication_id(connection, names)?,
    };
    Ok((epoch, opening))
}

/// Returns the version the tables have, 0 where there are none.
fn version(connection: &mut SqliteConnection, names: &TableNames) -> Result<u32, StoreError> {
    let table = names.of(TableId::Version);
    if columns(connection, table)?.is_empty() {
        return match existing_table(connection, names)? {
            Some(name) => Err(schema(format!("table `{name}` without `{table}`"))),
            None => Ok(0),
        };
    }
    let found = number(connection, &format!("SELECT version FROM `{table}` WHERE id = 1"))?;
    let version = found.and_then(|version| u32::try_from(version).ok()).filter(|version| *version > 0);
    version.ok_or_else(|| schema(format!("no version in `{table}`")))
}

fn existing_table(connection: &mut SqliteConnection, names: &TableNames) -> Result<Option<String>, StoreError> {
    for table in TABLES {
        let name = names.of(table.id);
        if !columns(connection, name)?.is_empty() {
            return Ok(Some(name.to_owned()));
        }
    }
    Ok(None)
}

/// Refuses tables that say they are ours and lack a column: they were changed, or their names in the script were.
fn check_columns(connection: &mut SqliteConnection, names: &TableNames) -> Result<(), StoreError> {
    for table in TABLES {
        let name = names.of(table.id);
        let found = columns(connection, name)?;
        let missing = table.columns.iter().find(|column| !found.iter().any(|found| found == column.name));
        match missing {
            Some(_) if found.is_empty() => return Err(schema(format!("version {VERSION} without table `{name}`"))),
            Some(column) => return Err(schema(format!("table `{name}` without column `{}`", column.name))),
            None => {}
        }
    }
    Ok(())
}

/// Returns the names of a table's columns, none if there is no such table.
fn columns(connection: &mut SqliteConnection, table: &str) -> Result<Vec<String>, StoreError> {
    let statement = Statement::fixed("SELECT name FROM pragma_table_info(?)");
    let mut found = Vec::new();
    let binds = [Bind::Text(table)];
    for_each_row(connection, statement.with(&binds), &["name"], |mut columns| {
        found.extend(columns.text().map(String::from));
    })?;
    Ok(found)
}

fn secret(
    connection: &mut SqliteConnection,
    names: &TableNames,
    random: &mut dyn FnMut(&mut [u8]),
) -> Result<[u8; 32], StoreError> {
    let table = names.of(TableId::Secret);
    let stored = Statement::fixed(&format!("SELECT secret FROM `{table}` WHERE name = 'tags'"));
    let mut found = None;
    for_each_row(connection, stored.with(&[]), &["secret"], |mut columns| found = Some(columns.bytes()))?;
    if let Some(found) = found {
        return found.map_err(|unreadable| schema(format!("a row of `{table}` whose {unreadable}")));
    }
    let mut secret = [0; 32];
    random(&mut secret);
    let made = Statement::fixed(&format!("INSERT INTO `{table}` (name, secret) VALUES ('tags', ?)"));
    run(connection, &made.with(&[Bind::Blob(&secret)]))?;
    Ok(secret)
}

fn next_publication_id(connection: &mut SqliteConnection, names: &TableNames) -> Result<u64, StoreError> {
    let table = names.of(TableId::Presentity);
    let highest = number(connection, &format!("SELECT id FROM `{table}` ORDER BY id DESC LIMIT 1"))?.unwrap_or(0);
    Ok(u64::try_from(highest).unwrap_or(0) + 1)
}

/// Returns the number in the first row, if there is a row.
fn one_text(connection: &mut SqliteConnection, query: &str) -> Result<Option<String>, StoreError> {
    let mut found = None;
    for_each_row(connection, Statement::fixed(query).with(&[]), &["text"], |mut columns| {
        found = columns.text().ok().map(String::from);
    })?;
    Ok(found)
}

fn number(connection: &mut SqliteConnection, query: &str) -> Result<Option<i64>, StoreError> {
    let mut number = None;
    for_each_row(connection, Statement::fixed(query).with(&[]), &["number"], |mut columns| {
        number = columns.number().ok();
    })?;
    Ok(number)
}

fn schema(found: String) -> StoreError {
    StoreError::Schema { found, expected: format!("version {VERSION}, or none of its tables") }
}
