//! The pharmacy's licences in the states.

use nimbus_core::{
    ids::LicenseId,
    license::{License, LicenseCategory},
    time::Date,
    us::State,
};

use crate::{
    engine::{Row, Statement, Tx, Value},
    error::{Error, Result},
    rows::{changed_one, word},
};

/// The most licences that are kept; far more than states and kinds.
pub const MAX_LICENSES: usize = 2000;

const INSERT: &str = "insert into licenses
    (id, state, category, number, expires_on, version, created_at, updated_at)
    values ($1, $2, $3, $4, $5, $6, $7, $8)
    on conflict (state, category, number) do nothing";

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "select id, state, category, number, expires_on, version, created_at, updated_at from licenses ",
            $rest
        )
    };
}

fn read(row: &Row) -> Result<License> {
    let mut columns = row.columns();
    Ok(License {
        id: columns.take()?,
        state: State::parse(&columns.take::<String>()?).map_err(|_| Error::Corrupt("licenses.state"))?,
        category: word(&columns.take::<String>()?, LicenseCategory::parse, "licenses.category")?,
        number: columns.take()?,
        expires_on: columns.take()?,
        version: columns.take()?,
        created_at: columns.take()?,
        updated_at: columns.take()?,
    })
}

fn args(license: &License) -> Vec<Value> {
    vec![
        license.id.into(),
        license.state.code().into(),
        license.category.as_str().into(),
        license.number.as_str().into(),
        license.expires_on.into(),
        license.version.into(),
        license.created_at.into(),
        license.updated_at.into(),
    ]
}

/// Adds a licence; `false` if there is one of this state, kind and number.
pub async fn license_insert(tx: &mut Tx, license: &License) -> Result<bool> {
    Ok(tx.execute(INSERT, &args(license)).await? == 1)
}

/// Adds those of the licences that are not there.
pub async fn license_insert_many(tx: &mut Tx, licenses: &[License]) -> Result<()> {
    tx.batch(licenses.iter().map(|license| Statement::new(INSERT, args(license))).collect()).await?;
    Ok(())
}

/// Writes the number and last day of a licence that was read at `license.version`.
///
/// # Errors
/// `Conflict` if somebody has written it since.
pub async fn license_update(tx: &mut Tx, license: &License) -> Result<()> {
    let sql = "update licenses set number = $2, expires_on = $3, version = $4 + 1, updated_at = $5
        where id = $1 and version = $4";
    let args = [
        license.id.into(),
        license.number.as_str().into(),
        license.expires_on.into(),
        license.version.into(),
        license.updated_at.into(),
    ];
    changed_one(tx.execute(sql, &args).await?)
}

/// Deletes a licence; `false` if there is none.
pub async fn license_delete(tx: &mut Tx, id: LicenseId) -> Result<bool> {
    Ok(tx.execute("delete from licenses where id = $1", &[id.into()]).await? == 1)
}

pub async fn license_get(tx: &mut Tx, id: LicenseId) -> Result<Option<License>> {
    tx.query_opt(select!("where id = $1"), &[id.into()]).await?.as_ref().map(read).transpose()
}

/// Whether there is another licence of this state, kind and number.
pub async fn license_taken(tx: &mut Tx, license: &License) -> Result<bool> {
    let sql = "select count(*) from licenses
        where state = $1 and category = $2 and number = $3 and id <> $4";
    let args = [
        license.state.code().into(),
        license.category.as_str().into(),
        license.number.as_str().into(),
        license.id.into(),
    ];
    let count: i64 = tx.query_one(sql, &args).await?.columns().take()?;
    Ok(count > 0)
}

/// All of them, or those of one state: by state, kind and last day.
pub async fn license_list(tx: &mut Tx, state: Option<State>) -> Result<Vec<License>> {
    let sql =
        select!("where (state = $1 or $1 is null) order by state, category, expires_on, number limit 2000");
    let rows = tx.query(sql, &[state.map(State::code).into()]).await?;
    rows.iter().map(read).collect()
}

/// For which kinds the pharmacy has a licence in a state that holds on a day.
pub async fn license_categories(tx: &mut Tx, state: State, on: Date) -> Result<Vec<LicenseCategory>> {
    let sql =
        "select distinct category from licenses where state = $1 and expires_on >= $2 order by category";
    let rows = tx.query(sql, &[state.code().into(), on.into()]).await?;
    rows.iter()
        .map(|row| word(&row.columns().take::<String>()?, LicenseCategory::parse, "licenses.category"))
        .collect()
}
