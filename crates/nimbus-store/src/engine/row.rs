//! Results of statements: rows read column by column, alike on both engines.

use std::ops::Range;

use jiff::civil::Date;
use nimbus_core::{ids, time::Ts};
use rusqlite::types::ValueRef;
use tokio_postgres::types::{FromSql, Type};
use uuid::Uuid;

use super::value::{POSTGRES_EPOCH, POSTGRES_EPOCH_MICROS, each_id};
use crate::error::{Error, Result};

/// One row of a result. It has no `Debug`: it may hold patient data.
pub struct Row(pub(super) Cells);

pub(super) enum Cells {
    Sqlite(Copied),
    Postgres(tokio_postgres::Row),
}

/// The cells of an SQLite row, copied out of the statement: their texts and bytes stand one after the other in two
/// buffers, because an allocation for each cell took longer than the query of a small row.
pub(super) struct Copied {
    cells: Vec<Place>,
    texts: String,
    bytes: Vec<u8>,
}

enum Place {
    Null,
    Int(i64),
    Text(Range<usize>),
    Bytes(Range<usize>),
    Other,
}

/// What the texts, and what the bytes, of a usual row need.
const TEXTS: usize = 256;
const BYTES: usize = 512;

impl Copied {
    pub(super) fn with_width(width: usize) -> Self {
        Self {
            cells: Vec::with_capacity(width),
            texts: String::with_capacity(TEXTS),
            bytes: Vec::with_capacity(BYTES),
        }
    }

    pub(super) fn push(&mut self, value: ValueRef<'_>) -> Result<()> {
        self.cells.push(match value {
            ValueRef::Null => Place::Null,
            ValueRef::Integer(v) => Place::Int(v),
            ValueRef::Text(v) => {
                let start = self.texts.len();
                self.texts.push_str(str::from_utf8(v).map_err(|_| Error::Corrupt("a text is not UTF-8"))?);
                Place::Text(start..self.texts.len())
            }
            ValueRef::Blob(v) => {
                let start = self.bytes.len();
                self.bytes.extend_from_slice(v);
                Place::Bytes(start..self.bytes.len())
            }
            ValueRef::Real(_) => Place::Other,
        });
        Ok(())
    }

    fn cell(&self, index: usize) -> Result<Cell<'_>> {
        Ok(match self.cells.get(index).ok_or(MISSING)? {
            Place::Null => Cell::Null,
            Place::Int(v) => Cell::Int(*v),
            Place::Text(range) => Cell::Text(&self.texts[range.clone()]),
            Place::Bytes(range) => Cell::Bytes(&self.bytes[range.clone()]),
            Place::Other => Cell::Other,
        })
    }
}

impl Row {
    /// A cursor over the columns, in the order of the statement.
    pub fn columns(&self) -> Columns<'_> {
        Columns { row: self, next: 0 }
    }
}

/// Reads the columns of a row one after the other.
pub struct Columns<'a> {
    row: &'a Row,
    next: usize,
}

impl Columns<'_> {
    /// The next column.
    ///
    /// # Errors
    /// [`Error::Corrupt`] if there is none, or it cannot be read as `T`.
    pub fn take<T: FromColumn>(&mut self) -> Result<T> {
        let index = self.next;
        self.next += 1;
        let cell = match &self.row.0 {
            Cells::Sqlite(copied) => copied.cell(index)?,
            Cells::Postgres(row) if index < row.len() => {
                row.try_get(index).map_err(|_| Error::Corrupt("a column of an unknown type"))?
            }
            Cells::Postgres(_) => return Err(MISSING),
        };
        T::from_column(cell)
    }
}

const MISSING: Error = Error::Corrupt("a column is missing");

/// One column of one row, as the engine gave it. SQLite knows only null, integer, text and blob.
#[derive(Clone, Copy)]
pub enum Cell<'a> {
    Null,
    Bool(bool),
    Int(i64),
    Text(&'a str),
    Bytes(&'a [u8]),
    Uuid(Uuid),
    /// Microseconds since 1970.
    Ts(i64),
    Date(Date),
    /// A type that the store does not use.
    Other,
}

impl<'a> FromSql<'a> for Cell<'a> {
    fn from_sql(ty: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn std::error::Error + Sync + Send>> {
        Ok(match *ty {
            Type::BOOL => Self::Bool(bool::from_sql(ty, raw)?),
            Type::INT2 => Self::Int(i64::from(i16::from_sql(ty, raw)?)),
            Type::INT4 => Self::Int(i64::from(i32::from_sql(ty, raw)?)),
            Type::INT8 => Self::Int(i64::from_sql(ty, raw)?),
            Type::TEXT | Type::VARCHAR | Type::BPCHAR | Type::NAME | Type::UNKNOWN | Type::JSON => {
                Self::Text(std::str::from_utf8(raw)?)
            }
            Type::JSONB => Self::Text(std::str::from_utf8(raw.get(1..).unwrap_or_default())?),
            Type::BYTEA => Self::Bytes(raw),
            Type::UUID => Self::Uuid(Uuid::from_sql(ty, raw)?),
            Type::TIMESTAMPTZ => {
                Self::Ts(i64::from_sql(&Type::INT8, raw)?.saturating_add(POSTGRES_EPOCH_MICROS))
            }
            Type::DATE => {
                let days = i64::from(i32::from_sql(&Type::INT4, raw)?);
                Self::Date(POSTGRES_EPOCH.checked_add(jiff::Span::new().try_days(days)?)?)
            }
            _ => Self::Other,
        })
    }

    fn from_sql_null(_: &Type) -> Result<Self, Box<dyn std::error::Error + Sync + Send>> {
        Ok(Self::Null)
    }

    fn accepts(_: &Type) -> bool {
        true
    }
}

/// A type that a column can be read as.
pub trait FromColumn: Sized {
    /// # Errors
    /// [`Error::Corrupt`] if the cell holds something else.
    fn from_column(cell: Cell<'_>) -> Result<Self>;
}

macro_rules! from_column {
    ($($type:ty, $what:literal: { $($pattern:pat => $made:expr,)* })*) => {$(
        impl FromColumn for $type {
            fn from_column(cell: Cell<'_>) -> Result<Self> {
                match cell {
                    $($pattern => $made,)*
                    _ => Err(Error::Corrupt(concat!("a column is not ", $what))),
                }
            }
        }
    )*};
}

from_column! {
    bool, "a truth value": {
        Cell::Bool(v) => Ok(v),
        Cell::Int(v @ (0 | 1)) => Ok(v == 1),
    }
    i64, "an integer": {
        Cell::Int(v) => Ok(v),
    }
    i32, "an integer": {
        Cell::Int(v) => i32::try_from(v).map_err(|_| OUT_OF_RANGE),
    }
    u16, "an integer": {
        Cell::Int(v) => u16::try_from(v).map_err(|_| OUT_OF_RANGE),
    }
    u32, "an integer": {
        Cell::Int(v) => u32::try_from(v).map_err(|_| OUT_OF_RANGE),
    }
    String, "text": {
        Cell::Text(v) => Ok(v.to_owned()),
    }
    Vec<u8>, "bytes": {
        Cell::Bytes(v) => Ok(v.to_vec()),
    }
    Uuid, "an id": {
        Cell::Uuid(v) => Ok(v),
        Cell::Bytes(v) => Uuid::from_slice(v).map_err(|_| Error::Corrupt("a column is not an id")),
    }
    Ts, "a time": {
        Cell::Ts(v) | Cell::Int(v) => Ok(Ts::from_micros(v)),
    }
    Date, "a day": {
        Cell::Date(v) => Ok(v),
        Cell::Text(v) => nimbus_core::time::parse_date(v).ok_or(Error::Corrupt("a column is not a day")),
    }
}

const OUT_OF_RANGE: Error = Error::Corrupt("an integer is out of range");

impl<T: FromColumn> FromColumn for Option<T> {
    fn from_column(cell: Cell<'_>) -> Result<Self> {
        match cell {
            Cell::Null => Ok(None),
            other => T::from_column(other).map(Some),
        }
    }
}

macro_rules! read_ids {
    ($($id:ident)*) => {$(
        impl FromColumn for ids::$id {
            fn from_column(cell: Cell<'_>) -> Result<Self> {
                Uuid::from_column(cell).map(Self)
            }
        }
    )*};
}
each_id!(read_ids);
