//! Where a clinic ships free of charge, as administrators set it.

use axum::extract::State;
use nimbus_app::{
    Rendered,
    actor::ADMINISTRATORS,
    carriers::{self, FreeShipping, MAX_RULES},
};
use nimbus_core::{ids::ClinicId, us::State as UsState};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    Web,
    body::Incoming,
    checks::{state, text},
    failure::Answer,
    fields::Fields,
    partner_api::envelope::{self, Success},
};

#[derive(ToSchema)]
pub struct FreeShippingBody {
    /// They take the place of those before.
    #[schema(min_items = 1, max_items = 500)]
    pub rules: Vec<FreeShippingRuleBody>,
}

/// Free to a state, by a service.
#[derive(ToSchema)]
pub struct FreeShippingRuleBody {
    /// Left out: to every state.
    #[schema(example = "TX")]
    pub state: Option<String>,
    /// Left out: by every service.
    #[schema(max_length = 50, example = "ups_ground")]
    pub service_id: Option<String>,
}

#[derive(Serialize, ToSchema)]
pub struct FreeShippingView {
    pub rules: Vec<FreeShippingRuleView>,
}

#[derive(Serialize, ToSchema)]
pub struct FreeShippingRuleView {
    /// `null`: to every state.
    #[schema(example = "TX")]
    pub state: Option<&'static str>,
    /// `null`: by every service.
    #[schema(example = "ups_ground")]
    pub service_id: Option<String>,
}

impl From<&[FreeShipping]> for FreeShippingView {
    fn from(rules: &[FreeShipping]) -> Self {
        let view = |rule: &FreeShipping| FreeShippingRuleView {
            state: rule.state.map(UsState::code),
            service_id: rule.service_id.clone(),
        };
        Self { rules: rules.iter().map(view).collect() }
    }
}

fn read_rules(f: &mut Fields<'_>) -> Option<Vec<FreeShipping>> {
    f.objects(true, "rules", 1..=MAX_RULES, read_rule)
}

fn read_rule(f: &mut Fields<'_>) -> Option<FreeShipping> {
    let (only_state, service_id) = (f.optional("state", state), f.optional("service_id", text(1..=50)));
    let state = only_state.and_then(|code| UsState::parse(&code).ok());
    Some(FreeShipping { state, service_id })
}

fn render(rules: &Vec<FreeShipping>) -> Rendered {
    envelope::written(FreeShippingView::from(rules.as_slice()), "OK")
}

#[utoipa::path(get, path = "/admin/clinics/{id}/free-shipping", tag = "Clinics",
    operation_id = "getFreeShipping",
    security(("OpsToken" = ["super_admin"])),
    params(("id" = String, Path, description = "The clinic's id")),
    responses((status = 200, description = "The clinic's rules", body = Success<FreeShippingView>)))]
pub(crate) async fn show(State(web): State<Web>, request: Incoming) -> Answer {
    let call = web.staff(&request, ADMINISTRATORS).await?;
    let clinic: ClinicId = request.id("id", "Clinic")?;
    let rules = carriers::free_shipping(&web.app, &call, clinic).await?;
    Ok(envelope::found(FreeShippingView::from(rules.as_slice())))
}

/// A parcel for which any of the rules holds costs the clinic's patient nothing.
#[utoipa::path(put, path = "/admin/clinics/{id}/free-shipping", tag = "Clinics",
    operation_id = "setFreeShipping",
    security(("OpsToken" = ["super_admin"])),
    params(("id" = String, Path, description = "The clinic's id")),
    request_body(content = FreeShippingBody, description = "The rules"),
    responses((status = 200, description = "The rules now", body = Success<FreeShippingView>)))]
pub(crate) async fn set(State(web): State<Web>, mut request: Incoming) -> Answer {
    let mut call = web.staff(&request, ADMINISTRATORS).await?;
    let clinic: ClinicId = request.id("id", "Clinic")?;
    let rules = request.json(&mut call, read_rules).await?;
    Ok(envelope::reply(carriers::set_free_shipping(&web.app, &call, clinic, rules, render).await?))
}

#[utoipa::path(delete, path = "/admin/clinics/{id}/free-shipping", tag = "Clinics",
    operation_id = "endFreeShipping",
    security(("OpsToken" = ["super_admin"])),
    params(("id" = String, Path, description = "The clinic's id")),
    responses((status = 200, description = "Nothing is free", body = Success<FreeShippingView>)))]
pub(crate) async fn end(State(web): State<Web>, request: Incoming) -> Answer {
    let call = web.staff(&request, ADMINISTRATORS).await?;
    let clinic: ClinicId = request.id("id", "Clinic")?;
    Ok(envelope::reply(carriers::set_free_shipping(&web.app, &call, clinic, Vec::new(), render).await?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fields::assert_described;

    #[test]
    fn schemas_describe_what_is_read() {
        assert_described::<FreeShippingBody, _>(read_rules);
        assert_described::<FreeShippingRuleBody, _>(read_rule);
    }
}
