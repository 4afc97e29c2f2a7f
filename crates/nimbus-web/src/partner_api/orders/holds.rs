//! Resolving a hold with what it asks for.

use axum::extract::State;
use nimbus_app::holds::{self, Resolve};
use nimbus_core::{access::Scope, gates::Answer, order::Order};

use super::{
    NOUN,
    types::{OrderView, ResolveBody},
};
use crate::{
    Web,
    body::Incoming,
    checks::{count, measure, ndc, quantity, text},
    failure::Answer as Answered,
    fields::Fields,
    partner_api::{
        envelope::{self, Success},
        patients::read_address,
    },
};

fn render(order: &Order) -> nimbus_app::Rendered {
    envelope::written(OrderView::of_order(order), "Hold resolved; the order goes on")
}

fn read_answer(f: &mut Fields<'_>) -> Option<Answer> {
    Some(Answer {
        shipping_address: f.object("shipping_address", read_address),
        medication: f.optional("medication", text(1..=200)),
        ndc: f.optional("ndc", ndc),
        direction: f.optional("direction", text(1..=1000)),
        quantity: f.optional("quantity", quantity),
        unit_of_measure: f.optional("unit_of_measure", text(1..=50)),
        days_supply: f.optional("days_supply", count(1..=365)),
        reason_for_compounding: f.optional("reason_for_compounding", text(1..=500)),
        additional_context: f.optional("reason_for_compounding_additional_context", text(1..=2000)),
        animal_owner_name: f.optional("animal_owner_name", text(1..=200)),
        weight: f.optional("weight", measure),
        note: f.optional("note", text(1..=1000)),
    })
}

/// For holds whose `resolvable_by` is `partner`: `address` takes `shipping_address`, `clarification` what its
/// `required_fields` name. What does not satisfy the hold is refused by field, and the hold stays. Else it is
/// released, and the medication request goes on from the state that it left. After a change of the drug, its
/// directions or its quantity a pharmacist looks at it again first. A hold that asks for the practitioner's
/// `dea_number` is released by `PATCH /practitioner/{id}`, and refused here.
#[utoipa::path(post, path = "/medication-order/{id}/holds/{holdId}/resolve", tag = "Medication Requests",
    operation_id = "resolveHold",
    security(("ApiKeyAuth" = ["orders:write"])),
    params(("id" = String, Path, description = "The order's id"),
        ("holdId" = String, Path, description = "The hold's id, as the order shows it")),
    request_body(content = ResolveBody, description = "What the hold asks for"),
    responses((status = 200, description = "Released", body = Success<OrderView>)))]
pub(crate) async fn resolve(State(web): State<Web>, mut request: Incoming) -> Answered {
    let mut call = web.partner(&request, Scope::OrdersWrite).await?;
    let (order, hold) = (request.id("id", NOUN)?, request.id("holdId", "Hold")?);
    let answer = request.json(&mut call, read_answer).await?;
    let command = Resolve { order, hold, answer };
    Ok(envelope::reply(holds::resolve(&web.app, &call, command, render).await?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fields::assert_described;

    #[test]
    fn schemas_describe_what_is_read() {
        assert_described::<ResolveBody, _>(read_answer);
    }
}
