//! What each clinic may order: entries of the formulary, and drugs of its own, as staff list them.

use nimbus_core::{
    formulary::{Drug, DrugSpecies, Unit, check, check_units},
    identifiers::Ndc,
    ids::ClinicId,
    prescription::DrugSchedule,
};
use nimbus_store::{
    Tx,
    clinic_drugs::{self as store, MAX_LISTED},
    tenants,
};
use uuid::Uuid;

use crate::{
    App,
    actor::{Call, MANAGERS},
    error::{Error, Result},
    outbox::Changes,
    unit::{Cx, Render, Reply},
};

/// A drug that a clinic may order.
#[derive(Debug, Clone)]
pub struct Orderable {
    pub drug: Drug,
    /// Not of the formulary, but the clinic's own.
    pub own: bool,
}

#[derive(Debug, Clone)]
pub struct ClinicFormulary {
    /// Whether the clinic may order only some of the formulary.
    pub restricted: bool,
    pub drugs: Vec<Orderable>,
}

/// Everything that a clinic may order, in the order of the formulary, its own drugs last.
pub async fn list(app: &App, call: &Call, clinic: ClinicId) -> Result<ClinicFormulary> {
    call.staff(MANAGERS)?;
    app.read(call, clinic, |tx, cx, &clinic| {
        Box::pin(async move {
            must_exist(tx, clinic).await?;
            let list = store::clinic_list(tx, clinic).await?;
            let listed = cx.app.formulary().drugs().filter(|drug| list.allows(drug));
            let mut drugs: Vec<Orderable> =
                listed.map(|drug| Orderable { drug: drug.clone(), own: false }).collect();
            let restricted = !list.listed.is_empty();
            drugs.extend(list.own.into_iter().map(|drug| Orderable { drug, own: true }));
            Ok((ClinicFormulary { restricted, drugs }, Vec::new()))
        })
    })
    .await
}

/// What is put on a clinic's list.
#[derive(Debug, Clone)]
pub enum Add {
    /// An entry of the formulary, by its id.
    Entry(String),
    Own(NewDrug),
}

/// A drug of a clinic's own.
#[derive(Debug, Clone)]
pub struct NewDrug {
    pub name: String,
    pub form: String,
    pub strength: String,
    /// What it is counted in; as the form says if it is not given.
    pub unit: Option<Unit>,
    pub schedule: DrugSchedule,
    pub refrigerated: bool,
    pub compounded: bool,
    pub ndc: Option<Ndc>,
    pub species: DrugSpecies,
}

impl NewDrug {
    fn into_drug(self) -> Drug {
        Drug {
            // Two clinics' own drugs are never one, whatever they are called: nor is their stock.
            id: format!("own-{}", Uuid::now_v7().simple()),
            name: self.name,
            aliases: Vec::new(),
            unit: self.unit.or_else(|| Unit::of_form(&self.form)).unwrap_or(Unit::Each),
            packages: Vec::new(),
            form: self.form,
            strength: self.strength,
            schedule: self.schedule,
            refrigerated: self.refrigerated,
            compounded: self.compounded,
            ndcs: self.ndc.into_iter().collect(),
            species: self.species,
        }
    }
}

/// Puts a drug on a clinic's list. The first entry of the formulary on it confines the clinic to those that are; a
/// drug of its own does not. An entry that is listed already stays so.
pub async fn add(
    app: &App,
    call: &Call,
    clinic: ClinicId,
    command: Add,
    render: Render<Orderable>,
) -> Result<Reply> {
    call.staff(MANAGERS)?;
    app.write(call, (clinic, command), render, |tx, cx, command| Box::pin(add_in(tx, cx, command))).await
}

async fn add_in(tx: &mut Tx, cx: &Cx, (clinic, command): &(ClinicId, Add)) -> Result<Orderable> {
    must_exist(tx, *clinic).await?;
    let list = store::clinic_list(tx, *clinic).await?;
    if list.listed.len() + list.own.len() >= MAX_LISTED {
        return Err(Error::field("drug_id", format!("a clinic's list has at most {MAX_LISTED} drugs")));
    }
    let added = match command {
        Add::Entry(id) => {
            let drug = cx.app.formulary().get(id).ok_or_else(|| Error::field("drug_id", "Drug not found"))?;
            store::clinic_drug_list(tx, *clinic, id, cx.now).await?;
            Orderable { drug: drug.clone(), own: false }
        }
        Add::Own(new) => {
            let drug = new.clone().into_drug();
            must_be_possible(cx, &list.own, &drug)?;
            store::clinic_drug_add(tx, *clinic, &drug, cx.now).await?;
            Orderable { drug, own: true }
        }
    };
    audited(tx, cx, *clinic, "formulary.add").await?;
    Ok(added)
}

fn must_be_possible(cx: &Cx, own: &[Drug], drug: &Drug) -> Result<()> {
    if let Some(problem) = check_units(drug).into_iter().next() {
        return Err(Error::field("unit", format!("is not possible: {problem}")));
    }
    if let Some(problem) = check(drug).into_iter().next() {
        return Err(Error::field("name", format!("is not possible: {problem}")));
    }
    if cx.app.formulary().has_twin(drug) {
        return Err(Error::field(
            "name",
            "is a drug of the formulary in this strength and form: list it by its id",
        ));
    }
    let same = |other: &Drug| {
        (&other.name, &other.strength, &other.form) == (&drug.name, &drug.strength, &drug.form)
    };
    if own.iter().any(same) {
        return Err(Error::field("name", "is on the clinic's list in this strength and form"));
    }
    Ok(())
}

/// Takes a drug off a clinic's list. Prescriptions of it keep what they know of it.
pub async fn remove(
    app: &App,
    call: &Call,
    clinic: ClinicId,
    drug_id: String,
    render: Render<()>,
) -> Result<Reply> {
    call.staff(MANAGERS)?;
    app.write(call, (clinic, drug_id), render, |tx, cx, (clinic, drug_id)| {
        Box::pin(async move {
            must_exist(tx, *clinic).await?;
            if !store::clinic_drug_remove(tx, *clinic, drug_id).await? {
                return Err(Error::NotFound("Drug"));
            }
            audited(tx, cx, *clinic, "formulary.remove").await
        })
    })
    .await
}

async fn must_exist(tx: &mut Tx, clinic: ClinicId) -> Result<()> {
    let found = tenants::clinic_get(tx, clinic).await?;
    found.filter(|clinic| clinic.deleted_at.is_none()).map(|_| ()).ok_or(Error::NotFound("Clinic"))
}

async fn audited(tx: &mut Tx, cx: &Cx, clinic: ClinicId, action: &'static str) -> Result<()> {
    let mut changes = Changes::default();
    changes.audit.push(cx.audit(Some(clinic), action, "clinic", Some(clinic.0)));
    changes.write(tx, cx).await
}
