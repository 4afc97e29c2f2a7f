//! What each clinic may order, as staff list it.

use axum::extract::State;
use nimbus_app::{
    Rendered,
    actor::MANAGERS,
    formulary::{self, Add, NewDrug, Orderable},
};
use nimbus_core::{
    formulary::{DrugSpecies, MAX_ID},
    identifiers::Ndc,
    ids::ClinicId,
    prescription::DrugSchedule,
};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    Web,
    body::Incoming,
    checks::{boolean, ndc, one_of, text, unit},
    failure::Answer,
    fields::Fields,
    partner_api::envelope::{self, Nothing, Success},
    words,
};

/// An entry of the formulary by its `drug_id`, or a drug of the clinic's own by everything else.
#[derive(ToSchema)]
pub struct DrugAdd {
    /// Without it, `name`, `form` and `strength` are required.
    #[schema(min_length = 1, max_length = 64, example = "tretinoin-cream-05")]
    pub drug_id: Option<String>,
    #[schema(min_length = 1, max_length = 200, example = "House Serum")]
    pub name: Option<String>,
    #[schema(min_length = 1, max_length = 100, example = "cream")]
    pub form: Option<String>,
    /// A number and its unit.
    #[schema(min_length = 1, max_length = 100, example = "2%")]
    pub strength: Option<String>,
    /// What it is dispensed and counted in, in any usual writing; as the form says, if not given.
    #[schema(min_length = 1, max_length = 50, example = "g")]
    pub unit: Option<String>,
    /// `unscheduled`, if not given.
    #[schema(value_type = Option<words::Schedule>)]
    pub schedule: Option<String>,
    pub refrigerated: Option<bool>,
    pub compounded: Option<bool>,
    pub ndc: Option<String>,
    /// `human`, if not given.
    #[schema(value_type = Option<words::DrugSpecies>)]
    pub species: Option<String>,
}

#[derive(Serialize, ToSchema)]
pub struct DrugView {
    #[schema(example = "tretinoin-cream-05")]
    pub drug_id: String,
    #[schema(example = "Tretinoin")]
    pub name: String,
    #[schema(example = "cream")]
    pub form: String,
    #[schema(example = "0.05%")]
    pub strength: String,
    /// What it is dispensed in, and counted in in stock.
    #[schema(value_type = words::DrugUnit)]
    pub unit: &'static str,
    #[schema(value_type = words::Schedule)]
    pub schedule: &'static str,
    pub refrigerated: bool,
    pub compounded: bool,
    #[schema(example = json!(["0009-0417-01"]))]
    pub ndcs: Vec<String>,
    #[schema(value_type = words::DrugSpecies)]
    pub species: &'static str,
    /// Not of the formulary, but the clinic's own.
    pub own: bool,
}

#[derive(Serialize, ToSchema)]
pub struct ClinicFormularyView {
    /// Whether the clinic may order only some of the formulary.
    pub restricted: bool,
    pub drugs: Vec<DrugView>,
}

impl From<&Orderable> for DrugView {
    fn from(Orderable { drug, own }: &Orderable) -> Self {
        Self {
            drug_id: drug.id.clone(),
            name: drug.name.clone(),
            form: drug.form.clone(),
            strength: drug.strength.clone(),
            unit: drug.unit.as_str(),
            schedule: drug.schedule.as_str(),
            refrigerated: drug.refrigerated,
            compounded: drug.compounded,
            ndcs: drug.ndcs.iter().map(Ndc::to_string).collect(),
            species: drug.species.as_str(),
            own: *own,
        }
    }
}

fn read_add(f: &mut Fields<'_>) -> Option<Add> {
    let drug_id = f.optional("drug_id", text(1..=MAX_ID));
    let is_own = !f.has("drug_id");
    let name = f.required_if(is_own, "name", text(1..=200));
    let form = f.required_if(is_own, "form", text(1..=100));
    let strength = f.required_if(is_own, "strength", text(1..=100));
    let unit = f.optional("unit", unit);
    let schedule = f.optional("schedule", one_of(DrugSchedule::ALL, DrugSchedule::as_str));
    let refrigerated = f.optional("refrigerated", boolean);
    let compounded = f.optional("compounded", boolean);
    let ndc = f.optional("ndc", ndc).and_then(|text| Ndc::parse(&text).ok());
    let species = f.optional("species", one_of(DrugSpecies::ALL, DrugSpecies::as_str));
    if let Some(id) = drug_id {
        return Some(Add::Entry(id));
    }
    Some(Add::Own(NewDrug {
        name: name?,
        form: form?,
        strength: strength?,
        unit,
        schedule: schedule.unwrap_or(DrugSchedule::Unscheduled),
        refrigerated: refrigerated.unwrap_or(false),
        compounded: compounded.unwrap_or(false),
        ndc,
        species: species.unwrap_or(DrugSpecies::Human),
    }))
}

/// Without a list of its own, a clinic may order the whole formulary.
#[utoipa::path(get, path = "/admin/clinics/{id}/formulary", tag = "Formulary",
    operation_id = "listClinicFormulary",
    security(("OpsToken" = ["super_admin", "pharmacist"])),
    params(("id" = String, Path, description = "The clinic's id")),
    responses((status = 200, description = "What the clinic may order", body = Success<ClinicFormularyView>)))]
pub(crate) async fn list(State(web): State<Web>, request: Incoming) -> Answer {
    let call = web.staff(&request, MANAGERS).await?;
    let found = formulary::list(&web.app, &call, request.id("id", "Clinic")?).await?;
    let drugs = found.drugs.iter().map(DrugView::from).collect();
    Ok(envelope::found(ClinicFormularyView { restricted: found.restricted, drugs }))
}

/// The first entry of the formulary that is listed confines the clinic to those that are.
#[utoipa::path(post, path = "/admin/clinics/{id}/formulary", tag = "Formulary", operation_id = "addClinicDrug",
    security(("OpsToken" = ["super_admin", "pharmacist"])),
    params(("id" = String, Path, description = "The clinic's id")),
    request_body(content = DrugAdd, description = "The drug"),
    responses((status = 200, description = "On the clinic's list", body = Success<DrugView>)))]
pub(crate) async fn add(State(web): State<Web>, mut request: Incoming) -> Answer {
    let mut call = web.staff(&request, MANAGERS).await?;
    let clinic: ClinicId = request.id("id", "Clinic")?;
    let drug = request.json(&mut call, read_add).await?;
    let render: fn(&Orderable) -> Rendered = |added| envelope::written(DrugView::from(added), "OK");
    Ok(envelope::reply(formulary::add(&web.app, &call, clinic, drug, render).await?))
}

/// Prescriptions of the drug keep what they know of it.
#[utoipa::path(delete, path = "/admin/clinics/{id}/formulary/{drug_id}", tag = "Formulary",
    operation_id = "removeClinicDrug",
    security(("OpsToken" = ["super_admin", "pharmacist"])),
    params(
        ("id" = String, Path, description = "The clinic's id"),
        ("drug_id" = String, Path, description = "The drug's id", example = "tretinoin-cream-05")),
    responses((status = 200, description = "Off the clinic's list", body = Success<Nothing>)))]
pub(crate) async fn remove(State(web): State<Web>, request: Incoming) -> Answer {
    let call = web.staff(&request, MANAGERS).await?;
    let clinic: ClinicId = request.id("id", "Clinic")?;
    let drug: String = request.id("drug_id", "Drug")?;
    let render = |(): &()| envelope::written(Nothing {}, "Drug removed successfully");
    Ok(envelope::reply(formulary::remove(&web.app, &call, clinic, drug, render).await?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fields::assert_described;

    #[test]
    fn schemas_describe_what_is_read() {
        assert_described::<DrugAdd, _>(read_add);
    }
}
