//! Reading rows into core types, and judging what a compare-and-set has changed.

use nimbus_core::{ids::ClinicId, quantity::Quantity};
use uuid::Uuid;

use crate::{
    engine::{Columns, Row, Tx},
    error::{Error, Result, SealError},
    page::{Entry, Page, Slice},
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
///
/// # Errors
/// [`SealError::Altered`] if one cannot be opened.
pub(crate) async fn read_rows<T>(tx: &mut Tx, rows: Vec<Row>, read: Read<T>) -> Result<Vec<T>> {
    let mut items = Vec::with_capacity(rows.len());
    for row in &rows {
        let (mut columns, clinic) = begun(row)?;
        match tx.keys(clinic).await {
            Ok(keys) => items.push(read(&mut columns, clinic, &keys)?),
            Err(Error::Seal(SealError::NoKeys)) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(items)
}

/// Reads the rows of a page, which begin with their clinic and their id. Those that cannot be opened are left out, so
/// that the others are there.
pub(crate) async fn list_rows<T>(
    tx: &mut Tx,
    rows: Vec<Row>,
    page: &Page,
    read: Read<T>,
) -> Result<Slice<T>> {
    let mut entries = Vec::with_capacity(rows.len());
    for row in &rows {
        let (mut columns, clinic) = begun(row)?;
        let id = columns.take()?;
        let opened = entry(tx, clinic, |keys| {
            let (mut columns, _) = begun(row)?;
            read(&mut columns, clinic, keys)
        });
        entries.push((id, opened.await?));
    }
    Ok(page.slice(entries))
}

/// How a record is read that several rows in succession tell of.
pub(crate) struct Whole<T> {
    /// The clinic and the id of the record that a row belongs to.
    pub(crate) record: fn(&Row) -> Result<(ClinicId, Uuid)>,
    /// Reads the rows of one record.
    pub(crate) read: fn(&[Row], &ClinicKeys) -> Result<T>,
}

/// A record is read of no fewer than one row.
pub(crate) const NO_ROWS: Error = Error::Corrupt("a record without rows");

impl<T> Whole<T> {
    /// As [`read_rows`].
    pub(crate) async fn read_all(&self, tx: &mut Tx, rows: &[Row]) -> Result<Vec<T>> {
        let mut items = Vec::new();
        for (clinic, _, rows) in self.records(rows)? {
            match tx.keys(clinic).await {
                Ok(keys) => items.push((self.read)(rows, &keys)?),
                Err(Error::Seal(SealError::NoKeys)) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(items)
    }

    /// As [`list_rows`].
    pub(crate) async fn list(&self, tx: &mut Tx, rows: &[Row], page: &Page) -> Result<Slice<T>> {
        let mut entries = Vec::new();
        for (clinic, id, rows) in self.records(rows)? {
            entries.push((id, entry(tx, clinic, |keys| (self.read)(rows, keys)).await?));
        }
        Ok(page.slice(entries))
    }

    /// The rows of each record.
    pub(crate) fn records<'a>(&self, rows: &'a [Row]) -> Result<Vec<(ClinicId, Uuid, &'a [Row])>> {
        let mut records = Vec::new();
        let mut begins = 0;
        for (at, row) in rows.iter().enumerate() {
            let (clinic, id) = (self.record)(row)?;
            let ends = at + 1;
            let goes_on = rows.get(ends).map(|next| (self.record)(next)).transpose()? == Some((clinic, id));
            if !goes_on {
                records.push((clinic, id, &rows[begins..ends]));
                begins = ends;
            }
        }
        Ok(records)
    }
}

fn begun(row: &Row) -> Result<(Columns<'_>, ClinicId)> {
    let mut columns = row.columns();
    let clinic = columns.take()?;
    Ok((columns, clinic))
}

/// Reads a record of a list with the keys of its clinic. What cannot be opened is noted in the transaction.
pub(crate) async fn entry<T>(
    tx: &mut Tx,
    clinic: ClinicId,
    read: impl Fn(&ClinicKeys) -> Result<T>,
) -> Result<Entry<T>> {
    match opened(tx, clinic, read).await {
        Ok(item) => Ok(Entry::Whole(item)),
        Err(Error::Seal(SealError::NoKeys)) => Ok(Entry::Erased),
        Err(error) => {
            let place = error.unreadable().ok_or(error)?;
            tx.leave_out(place);
            Ok(Entry::Unreadable)
        }
    }
}

/// Reads with the keys of a clinic. Where a value names a key that is not among those known here, they are read again,
/// once: what no table has is no key, but a value that was altered.
pub(crate) async fn opened<T>(
    tx: &mut Tx,
    clinic: ClinicId,
    read: impl Fn(&ClinicKeys) -> Result<T>,
) -> Result<T> {
    let keys = tx.keys(clinic).await?;
    match read(&keys) {
        Err(Error::Seal(SealError::UnknownVersion(_))) => read(&*tx.keys(clinic).await?),
        read => read,
    }
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
