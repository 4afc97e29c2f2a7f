//! The rules pack in force, and a clinic's thresholds over it.

use axum::extract::State;
use nimbus_app::{
    Rendered,
    actor::{ADMINISTRATORS, MANAGERS},
    refill_thresholds::{self, ClinicThresholds, Put},
    rules,
};
use nimbus_core::{eligibility::OwnThresholds, ids::ClinicId};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::rules_view::RulesView;
use crate::{
    Web,
    body::Incoming,
    checks::{count, date},
    failure::Answer,
    fields::Fields,
    partner_api::envelope::{self, Success},
};

/// What a decision of today goes by; or of another day, the packs being chosen by date.
#[utoipa::path(get, path = "/admin/rules", tag = "Rules", operation_id = "getRules",
    security(("OpsToken" = ["super_admin", "pharmacist"])),
    params(("on" = Option<String>, Query, format = Date, description = "The pack in force on this day instead of today")),
    responses((status = 200, description = "The pack in force", body = Success<RulesView>)))]
pub(crate) async fn show(State(web): State<Web>, request: Incoming) -> Answer {
    let call = web.staff(&request, MANAGERS).await?;
    let on = request.query(|f| Some(f.optional("on", date)))?;
    Ok(envelope::found(RulesView::from(rules::in_force(&web.app, &call, on)?)))
}

/// What is left out, or `null`, is the deployment's.
#[derive(ToSchema)]
pub struct ThresholdsBody {
    /// How much of a fill must be used up before the next one, in hundredths of its days.
    #[schema(minimum = 1, maximum = 100, example = 80)]
    pub percent: Option<u32>,
    /// The same for controlled drugs.
    #[schema(minimum = 1, maximum = 100, example = 90)]
    pub controlled_percent: Option<u32>,
}

#[derive(Serialize, ToSchema)]
pub struct ThresholdsView {
    pub clinic_id: Uuid,
    /// `null`: the deployment's.
    pub percent: Option<u32>,
    /// `null`: the deployment's.
    pub controlled_percent: Option<u32>,
    /// What decides today.
    pub in_force: InForceView,
}

#[derive(Serialize, ToSchema)]
pub struct InForceView {
    pub percent: u32,
    pub controlled_percent: u32,
}

impl From<&ClinicThresholds> for ThresholdsView {
    fn from(found: &ClinicThresholds) -> Self {
        Self {
            clinic_id: found.clinic_id.0,
            percent: found.own.percent,
            controlled_percent: found.own.controlled_percent,
            in_force: InForceView {
                percent: found.in_force.percent,
                controlled_percent: found.in_force.controlled_percent,
            },
        }
    }
}

fn read_thresholds(f: &mut Fields<'_>) -> Option<OwnThresholds> {
    let percent = f.optional("percent", count(1..=100));
    let controlled_percent = f.optional("controlled_percent", count(1..=100));
    Some(OwnThresholds { percent, controlled_percent })
}

/// When a refill is too soon for a clinic.
#[utoipa::path(get, path = "/admin/clinics/{id}/refill-thresholds", tag = "Rules", operation_id = "getRefillThresholds",
    security(("OpsToken" = ["super_admin"])),
    params(("id" = String, Path, description = "The clinic's id")),
    responses((status = 200, description = "The clinic's thresholds", body = Success<ThresholdsView>)))]
pub(crate) async fn thresholds(State(web): State<Web>, request: Incoming) -> Answer {
    let call = web.staff(&request, ADMINISTRATORS).await?;
    let clinic: ClinicId = request.id("id", "Clinic")?;
    let found = refill_thresholds::get(&web.app, &call, clinic).await?;
    Ok(envelope::found(ThresholdsView::from(&found)))
}

fn render(found: &ClinicThresholds) -> Rendered {
    envelope::written(ThresholdsView::from(found), "OK")
}

/// In force for what is asked from now on. Decisions on record keep the thresholds that they were made by.
#[utoipa::path(put, path = "/admin/clinics/{id}/refill-thresholds", tag = "Rules", operation_id = "putRefillThresholds",
    security(("OpsToken" = ["super_admin"])),
    params(("id" = String, Path, description = "The clinic's id")),
    request_body(content = ThresholdsBody, description = "The clinic's own thresholds"),
    responses((status = 200, description = "The clinic's thresholds now", body = Success<ThresholdsView>)))]
pub(crate) async fn put_thresholds(State(web): State<Web>, mut request: Incoming) -> Answer {
    let mut call = web.staff(&request, ADMINISTRATORS).await?;
    let clinic_id: ClinicId = request.id("id", "Clinic")?;
    let thresholds = request.json(&mut call, read_thresholds).await?;
    let command = Put { clinic_id, thresholds };
    Ok(envelope::reply(refill_thresholds::put(&web.app, &call, command, render).await?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fields::assert_described;

    #[test]
    fn schemas_describe_what_is_read() {
        assert_described::<ThresholdsBody, _>(read_thresholds);
    }
}
