//! Labels that were bought and came to no good end, for staff to look at.

use axum::extract::State;
use nimbus_app::{
    actor::READERS,
    label_purchases::{List as Wanted, list_needing_attention},
};
use nimbus_core::label::{LabelPurchase, NextStep};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{
    Web,
    body::Incoming,
    checks::id,
    failure::Answer,
    paging::{PageParams, page},
    partner_api::envelope::{self, List},
    wire::{Dollars, Time},
    words,
};

/// The purchase of a label, by ids alone: whose parcel it is, its order says.
#[derive(Serialize, ToSchema)]
pub struct LabelPurchaseView {
    /// The provider knows the label by it, as `external_shipment_id`.
    pub id: Uuid,
    pub clinic_id: Uuid,
    /// What the parcel is to hold.
    pub medication_orders: Vec<Uuid>,
    #[schema(example = "se-11226")]
    pub carrier_id: String,
    #[schema(example = "ups_ground")]
    pub service_id: String,
    #[schema(value_type = words::LabelPurchaseState)]
    pub state: &'static str,
    #[schema(value_type = Option<words::LabelNextStep>)]
    pub next_step: Option<&'static str>,
    /// The same as a sentence.
    #[schema(example = "Wait: it is being found out whether the label was made.")]
    pub what_to_do: Option<&'static str>,
    /// Why it failed last: the provider's code, or one of ours.
    #[schema(example = "invalid_address")]
    pub failure: Option<String>,
    /// Of the label, once it is known to have been made.
    pub tracking_number: Option<String>,
    /// What the provider charges for it, in US dollars.
    pub cost: Option<Dollars>,
    /// How often the provider was asked since the state changed.
    pub attempts: i64,
    pub created_at: Time,
    pub updated_at: Time,
}

impl From<&LabelPurchase> for LabelPurchaseView {
    fn from(purchase: &LabelPurchase) -> Self {
        let mut orders: Vec<Uuid> = purchase.plan.expose().packed.iter().map(|it| it.order_id.0).collect();
        orders.dedup();
        let (step, label) = (purchase.next_step(), purchase.label.as_ref());
        Self {
            id: purchase.id.0,
            clinic_id: purchase.clinic_id.0,
            medication_orders: orders,
            carrier_id: purchase.carrier_id.clone(),
            service_id: purchase.service_id.clone(),
            state: purchase.state.as_str(),
            next_step: step.map(NextStep::as_str),
            what_to_do: step.map(sentence),
            failure: purchase.failure.clone(),
            tracking_number: label.map(|label| label.tracking_number.clone()),
            cost: label.and_then(|label| label.cost).map(Dollars),
            attempts: purchase.attempts,
            created_at: Time(purchase.created_at),
            updated_at: Time(purchase.updated_at),
        }
    }
}

const fn sentence(step: NextStep) -> &'static str {
    match step {
        NextStep::Wait => {
            "Wait: it is being found out whether the label was made. The parcel appears by itself, or its lines are \
             free again within about three hours."
        }
        NextStep::BeingGivenBack => {
            "Nothing, unless it stays here for a day: the label is being given back. Then void it with the provider, \
             which knows it by this id."
        }
        NextStep::MakeAgain => {
            "Correct what the failure names, or choose another service, and make the parcel again: nothing was bought, \
             and its order waits."
        }
        NextStep::ClaimRefund => {
            "Claim a refund from the provider for this tracking number: the label was paid for, no parcel bears it, \
             and the provider did not take it back."
        }
    }
}

/// Labels that were bought from a provider and came to no good end, newest first: those that it has not answered for,
/// those that it has not taken back, and those that it refused while their order still waits. Each says what to do.
#[utoipa::path(get, path = "/pharmacy/label-purchases", tag = "Shipments", operation_id = "listLabelPurchases",
    security(("OpsToken" = ["pharmacist", "technician"])),
    params(PageParams, ("clinic_id" = Option<String>, Query, description = "Only those of this clinic")),
    responses((status = 200, description = "A page of purchases that somebody should look at",
        body = List<LabelPurchaseView>)))]
pub(crate) async fn list(State(web): State<Web>, request: Incoming) -> Answer {
    let call = web.staff(&request, READERS).await?;
    let query = request.query(|f| Some(Wanted { clinic: f.optional("clinic_id", id), page: page(f) }))?;
    let found = list_needing_attention(&web.app, &call, query).await?;
    Ok(envelope::page(&found, |item| LabelPurchaseView::from(item)))
}
