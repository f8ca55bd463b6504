//! Values as the protocol has them: each written as its parameter's type wants it, each read by its column's type.

use std::error::Error;

use bytes::{BufMut, BytesMut};
use tokio_postgres::types::{FromSql, IsNull, ToSql, Type, to_sql_checked};

use crate::store::sql::value::{Bind, Cell, Row};

impl ToSql for Bind<'_> {
    fn to_sql(&self, ty: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        match self {
            Bind::Blob(bytes) => out.put_slice(bytes),
            Bind::Made(text) => out.put_slice(text.as_bytes()),
            Bind::Text(text) => out.put_slice(text.as_bytes()),
            Bind::Integer(number) if *ty == Type::INT4 => out.put_i32(i32::try_from(*number)?),
            Bind::Integer(number) => out.put_i64(*number),
        }
        Ok(IsNull::No)
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    to_sql_checked!();
}

/// A value as it came.
struct Raw<'a> {
    sql_type: Type,
    bytes: &'a [u8],
}

impl<'a> FromSql<'a> for Raw<'a> {
    fn from_sql(ty: &Type, bytes: &'a [u8]) -> Result<Self, Box<dyn Error + Sync + Send>> {
        Ok(Self { sql_type: ty.clone(), bytes })
    }

    fn accepts(_: &Type) -> bool {
        true
    }
}

impl<'a> Raw<'a> {
    fn cell(self) -> Cell<'a> {
        let Self { sql_type, bytes } = self;
        let integer = match sql_type {
            Type::BYTEA => return Cell::Bytes(bytes),
            Type::TEXT | Type::VARCHAR | Type::BPCHAR | Type::NAME => {
                return str::from_utf8(bytes).map_or(Cell::TextOfOtherCharset, Cell::Text);
            }
            Type::INT8 => bytes.try_into().ok().map(i64::from_be_bytes),
            Type::INT4 => bytes.try_into().ok().map(|bytes| i32::from_be_bytes(bytes).into()),
            Type::INT2 => bytes.try_into().ok().map(|bytes| i16::from_be_bytes(bytes).into()),
            _ => None,
        };
        integer.map_or(Cell::Other, Cell::Integer)
    }
}

/// A row with the types of its columns.
pub(super) struct PostgresRow(pub(super) tokio_postgres::Row);

impl Row for PostgresRow {
    fn cell(&self, position: usize, read: &mut dyn FnMut(Cell<'_>)) {
        if position >= self.0.len() {
            return read(Cell::Missing);
        }
        match self.0.try_get::<_, Option<Raw<'_>>>(position) {
            Ok(Some(raw)) => read(raw.cell()),
            Ok(None) => read(Cell::Null),
            Err(_) => read(Cell::Other),
        }
    }
}
