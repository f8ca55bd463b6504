//! `presence-db check`, `create`, `ddl`, `migrate`: the tables of a database on which no server runs.

use std::path::Path;

use presence::store::owner::Owner;
use presence::store::schema::{VERSION, ddl};
use presence::store::sql::dialect::Dialect;
use presence::store::url::DatabaseUrl;
use presence::store::{Durability, Migrate, Opening, SqlStore, Store, TakeOver, Taking};

use crate::arguments::{Ddl, Kind, Target};
use crate::import::TIMEOUT;

/// Says whether a server would serve the database.
pub(crate) fn check(target: &Target) -> Result<(), String> {
    let url = url(target)?;
    let found = url.inspect(TIMEOUT, &target.tables.names()).map_err(|error| format!("{url}: {error}"))?;
    match found.version {
        0 => println!("{url}: none of the tables"),
        version => println!("{url}: version {version}, owned by {}", found.holder),
    }
    match found.version {
        VERSION => Ok(()),
        0 if found.is_of_2006 => Err("tables of 2006: `scripts/db migrate URL` adopts them".into()),
        _ => Err(format!("version {VERSION} is served: `scripts/db migrate URL` brings it up")),
    }
}

/// Makes the tables where there are none.
pub(crate) fn create(target: &Target) -> Result<(), String> {
    let url = url(target)?;
    // A file that is not there holds nothing.
    let is_absent = matches!(&url, DatabaseUrl::Sqlite { path } if !Path::new(path).exists());
    if !is_absent {
        let found = url.inspect(TIMEOUT, &target.tables.names()).map_err(|error| format!("{url}: {error}"))?;
        if found.version != 0 || found.is_of_2006 {
            return Err(format!("{url}: there are tables already; `scripts/db check URL` says which"));
        }
    }
    migrate(target)
}

/// Brings the tables up to this version.
pub(crate) fn migrate(target: &Target) -> Result<(), String> {
    let url = url(target)?;
    let failed = |error| format!("{url}: {error}");
    let (mut store, opening) = open(&url, target).map_err(failed)?;
    if opening.was_clean {
        // What the last server owed nobody, the next does not owe either.
        store.close_cleanly().map_err(failed)?;
    }
    println!("{url}: version {VERSION}");
    Ok(())
}

/// Prints the statements that make the tables.
pub(crate) fn print(arguments: &Ddl) -> Result<(), String> {
    let names = arguments.tables.names();
    names.check().map_err(|bad| bad.to_string())?;
    let dialect = match arguments.kind {
        Kind::Mysql => Dialect::MySql,
        Kind::Postgres => Dialect::Postgres,
        Kind::Sqlite => Dialect::Sqlite,
    };
    print!("{}", ddl(dialect, &names));
    Ok(())
}

fn url(target: &Target) -> Result<DatabaseUrl, String> {
    DatabaseUrl::parse(&target.url).map_err(|expected| format!("URL: expected {expected}"))
}

fn open(url: &DatabaseUrl, target: &Target) -> Result<(SqlStore, Opening), presence::store::StoreError> {
    let (names, owner) = (target.tables.names(), Owner::this_process().to_string());
    let taking = Taking {
        names: &names,
        owner: &owner,
        take_over: TakeOver::IfOwnerIsGone,
        migrate: Migrate::Automatically,
        random: &mut |bytes| getrandom::fill(bytes).expect("the system has random numbers"),
        note: &mut |note| println!("{note}"),
    };
    url.open(Durability::Full, TIMEOUT, taking)
}
