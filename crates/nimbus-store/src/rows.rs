//! Reading rows into core types, and judging what a compare-and-set has changed.

use nimbus_core::{ids::ClinicId, quantity::Quantity};

use crate::{
    engine::{Columns, Row, Tx},
    error::{Error, Result, SealError},
    seal::ClinicKeys,
};

/// A list of columns, each after the same prefix: `""`, or the alias of a table that is joined with others.
macro_rules! list_columns {
    ($of:literal: $first:ident $($rest:ident)*) => {
        concat!($of, stringify!($first) $(, ", ", $of, stringify!($rest))*)
    };
}
pub(crate) use list_columns;

/// Reads one row of a tenant table, whose first column, the clinic, has been read already.
pub(crate) type Read<T> = fn(&mut Columns<'_>, ClinicId, &ClinicKeys) -> Result<T>;

/// Reads rows that begin with their clinic, each with the keys of its clinic. Rows of a clinic whose keys were destroyed
/// are erased: they are passed over.
pub(crate) async fn read_rows<T>(tx: &mut Tx, rows: Vec<Row>, read: Read<T>) -> Result<Vec<T>> {
    let mut items = Vec::with_capacity(rows.len());
    for row in &rows {
        let mut columns = row.columns();
        let clinic = columns.take()?;
        match tx.keys(clinic).await {
            Ok(keys) => items.push(read(&mut columns, clinic, &keys)?),
            Err(Error::Seal(SealError::NoKeys)) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(items)
}

/// [`read_rows`] of at most one row.
pub(crate) async fn read_opt<T>(tx: &mut Tx, row: Option<Row>, read: Read<T>) -> Result<Option<T>> {
    Ok(read_rows(tx, row.into_iter().collect(), read).await?.pop())
}

/// A member of a closed set by its stored word. `column` names the column in the error.
pub(crate) fn word<T>(text: &str, parse: fn(&str) -> Option<T>, column: &'static str) -> Result<T> {
    parse(text).ok_or(Error::Corrupt(column))
}

/// [`word`] of a column that may be null.
pub(crate) fn word_opt<T>(
    text: Option<String>,
    parse: fn(&str) -> Option<T>,
    column: &'static str,
) -> Result<Option<T>> {
    text.map(|text| word(&text, parse, column)).transpose()
}

/// A quantity of stored thousandths.
pub(crate) fn quantity(thousandths: i64, column: &'static str) -> Result<Quantity> {
    Quantity::from_thousandths(thousandths).ok_or(Error::Corrupt(column))
}

/// What a compare-and-set by primary key has changed: one row, or it lost.
pub(crate) fn changed_one(rows: u64) -> Result<()> {
    if rows == 1 { Ok(()) } else { Err(Error::Conflict) }
}
