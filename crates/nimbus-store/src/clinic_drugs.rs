//! What each clinic may order, and its own drugs.

use nimbus_core::{
    formulary::{ClinicList, Drug, DrugSpecies, Unit},
    identifiers::Ndc,
    ids::ClinicId,
    prescription::DrugSchedule,
    time::Ts,
};

use crate::{
    engine::{Columns, Row, Statement, Tx},
    error::{Error, Result},
    rows::{word, word_opt},
};

/// The most rows of one clinic's list.
pub const MAX_LISTED: usize = 1000;

const LIST: &str =
    "select drug_id, name, form, strength, schedule, refrigerated, compounded, ndc, species, unit
    from clinic_drugs where clinic_id = $1 order by drug_id limit 1000";

/// A clinic's list; empty for a clinic that may order the whole formulary.
pub async fn clinic_list(tx: &mut Tx, clinic: ClinicId) -> Result<ClinicList> {
    let rows = tx.query(LIST, &[clinic.into()]).await?;
    read_list(&rows)
}

/// What [`clinic_list`] asks, for [`read_list`].
pub(crate) fn of_clinic(clinic: ClinicId) -> Statement {
    Statement::new(LIST, vec![clinic.into()])
}

pub(crate) fn read_list(rows: &[Row]) -> Result<ClinicList> {
    let mut list = ClinicList::default();
    for row in rows {
        let mut columns = row.columns();
        let id: String = columns.take()?;
        match columns.take::<Option<String>>()? {
            Some(name) => list.own.push(read_own(&mut columns, id, name)?),
            None => {
                list.listed.insert(id);
            }
        }
    }
    Ok(list)
}

fn read_own(columns: &mut Columns<'_>, id: String, name: String) -> Result<Drug> {
    let mut drug = Drug {
        id,
        name,
        aliases: Vec::new(),
        form: columns.take()?,
        strength: columns.take()?,
        unit: Unit::Each,
        packages: Vec::new(),
        schedule: word(&columns.take::<String>()?, DrugSchedule::parse, "clinic_drugs.schedule")?,
        refrigerated: columns.take()?,
        compounded: columns.take()?,
        ndcs: match columns.take::<Option<String>>()? {
            Some(text) => vec![Ndc::parse(&text).map_err(|_| Error::Corrupt("clinic_drugs.ndc"))?],
            None => Vec::new(),
        },
        species: word(&columns.take::<String>()?, DrugSpecies::parse, "clinic_drugs.species")?,
    };
    // A drug of before they had a unit is counted as its form says.
    let unit = word_opt(columns.take()?, Unit::parse, "clinic_drugs.unit")?;
    drug.unit = unit.or_else(|| Unit::of_form(&drug.form)).unwrap_or(Unit::Each);
    Ok(drug)
}

/// Lists an entry of the formulary; `false` if it is listed already.
pub async fn clinic_drug_list(tx: &mut Tx, clinic: ClinicId, drug_id: &str, now: Ts) -> Result<bool> {
    let sql = "insert into clinic_drugs (clinic_id, drug_id, added_at) values ($1, $2, $3)
        on conflict (clinic_id, drug_id) do nothing";
    Ok(tx.execute(sql, &[clinic.into(), drug_id.into(), now.into()]).await? == 1)
}

/// Adds a drug of the clinic's own, which has at most one drug code; `false` if its id is taken.
pub async fn clinic_drug_add(tx: &mut Tx, clinic: ClinicId, drug: &Drug, now: Ts) -> Result<bool> {
    let sql = "insert into clinic_drugs (clinic_id, drug_id, name, form, strength, schedule, refrigerated,
            compounded, ndc, species, unit, added_at)
        values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
        on conflict (clinic_id, drug_id) do nothing";
    let ndc = drug.ndcs.first().map(Ndc::to_string);
    let args = [
        clinic.into(),
        drug.id.as_str().into(),
        drug.name.as_str().into(),
        drug.form.as_str().into(),
        drug.strength.as_str().into(),
        drug.schedule.as_str().into(),
        drug.refrigerated.into(),
        drug.compounded.into(),
        ndc.as_deref().into(),
        drug.species.as_str().into(),
        drug.unit.as_str().into(),
        now.into(),
    ];
    Ok(tx.execute(sql, &args).await? == 1)
}

/// The drug of its own that any clinic has by this id.
pub async fn clinic_drug_own_any(tx: &mut Tx, drug_id: &str) -> Result<Option<Drug>> {
    let sql = "select name, form, strength, schedule, refrigerated, compounded, ndc, species, unit
        from clinic_drugs where drug_id = $1 and name is not null limit 1";
    let Some(row) = tx.query_opt(sql, &[drug_id.into()]).await? else { return Ok(None) };
    let mut columns = row.columns();
    let name = columns.take()?;
    read_own(&mut columns, drug_id.to_owned(), name).map(Some)
}

/// Takes a drug off a clinic's list; `false` if it is not on it.
pub async fn clinic_drug_remove(tx: &mut Tx, clinic: ClinicId, drug_id: &str) -> Result<bool> {
    let sql = "delete from clinic_drugs where clinic_id = $1 and drug_id = $2";
    Ok(tx.execute(sql, &[clinic.into(), drug_id.into()]).await? == 1)
}
