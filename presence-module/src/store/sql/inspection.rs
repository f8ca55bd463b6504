//! What is in a database, for who looks and changes nothing.

use super::connection::{Access, Connection};
use super::dialect::Dialect;
use super::migration::Migration;
use super::ownership;
use crate::store::owner::Holder;
use crate::store::{StoreError, TableNames};

/// What was found.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Inspection {
    /// The version of the tables, 0 for none, for those of 2006, and for some that are not finished.
    pub version: u32,
    /// Whether there are tables of the module of 2006 under our names.
    pub is_of_2006: bool,
    /// Who has the database.
    pub holder: Holder,
}

impl Inspection {
    pub(crate) fn of(
        connection: &mut dyn Connection,
        dialect: Dialect,
        names: &TableNames,
    ) -> Result<Self, StoreError> {
        names.check().map_err(|bad| StoreError::Database(Box::new(bad)))?;
        connection.begin(Access::Read)?;
        let mut migration = Migration { connection, dialect, names, note: &mut |_| () };
        let version = migration.version()?;
        let is_of_2006 = !migration.tables_of_2006()?.is_empty();
        let nobody = Holder { owner: None, heartbeat_age_s: 0, was_clean: true };
        let holder = match version {
            0 => None,
            _ => {
                migration.check_columns()?;
                ownership::holder(&mut migration)?
            }
        };
        migration.connection.roll_back()?;
        Ok(Self { version, is_of_2006, holder: holder.unwrap_or(nobody) })
    }
}
