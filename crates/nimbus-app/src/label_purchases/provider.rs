//! Buying a label while staff wait for it.

use nimbus_carriers::{
    labels::Signature,
    provider::{LabelRequest, Recipient, Sought},
};
use nimbus_core::{
    ids::{LabelPurchaseId, ShipmentId},
    label::{LabelPlan, LabelProvider, LabelPurchase, PurchaseState},
    order::Order,
    patient::{ContactKind, PatientProfile},
    phi::Phi,
};
use nimbus_store::{Tx, label_purchases as store, patients, prescriptions};
use uuid::Uuid;

use super::{
    BROKEN, BUSY_SECONDS, Kept, asked, attach, give_up, keep, must_wait, new, record, refused, schedule,
    weight,
};
use crate::{
    App,
    actor::Call,
    error::{Detail, Error, RefusalCode, Result},
    shipments::{Create, Created, NewParcel, Plan, load, parcel, plan_of_fit},
    unit::{Cx, Prepared, Render, Reply},
};

/// What is asked of the provider, and for which purchase.
struct Begun {
    id: LabelPurchaseId,
    request: LabelRequest,
}

/// Buys a label and makes its parcel. Once it has begun it runs to its end, whether or not the caller waits.
pub(crate) async fn buy(app: &App, call: &Call, command: Create, render: Render<Created>) -> Result<Reply> {
    let buying = tokio::spawn(buy_and_attach(app.clone(), call.clone(), command, render));
    buying.await.unwrap_or(Err(Error::Internal("buying a label broke off")))
}

async fn buy_and_attach(app: App, call: Call, command: Create, render: Render<Created>) -> Result<Reply> {
    let begun = app.prepare_or_refuse(&call, command, |tx, cx, command| Box::pin(begin(tx, cx, command)));
    let Begun { id, request } = match begun.await? {
        Prepared::Begun(begun) => begun,
        Prepared::Answered(reply) => return Ok(reply),
    };
    let shipping = &app.config().shipping;
    let client = shipping.asked(&request.sought.carrier_id).ok_or(BROKEN)?;
    let outcome = client.buy(&shipping.pharmacy, &request).await;
    if let Err(error) = &outcome {
        tracing::warn!(%error, purchase_id = %id, "a label was not bought at once");
    }
    let kept = app.go_on(&call, (id, outcome), |tx, cx, (id, outcome)| Box::pin(keep(tx, cx, *id, outcome)));
    match kept.await? {
        Kept::Bought => {}
        Kept::Refused(code) => return Err(refused(&code)),
        Kept::Open => return Err(Error::LabelPending),
    }
    let attached = app.finish(&call, id, render, |tx, cx, &id| {
        Box::pin(async move { attach(tx, cx, id).await.map(|(_, created)| created) })
    });
    let attached = attached.await;
    if attached.as_ref().is_err_and(|error| !error.is_temporary()) {
        app.act(&call, id, |tx, cx, &id| Box::pin(give_up(tx, cx, id))).await?;
    }
    attached
}

/// Puts the purchase on record, with somebody to finish it should this process die. A refusal leaves what was held.
async fn begin(tx: &mut Tx, cx: &Cx, command: &Create) -> Result<Result<Begun>> {
    asked::must_be_new(tx, cx).await?;
    let Plan { cx, orders, packed, warnings } = match plan_of_fit(tx, cx, command).await? {
        Ok(plan) => plan,
        Err(refusal) => return Ok(Err(refusal)),
    };
    let cx = &cx;
    let planned = NewParcel {
        id: ShipmentId(Uuid::now_v7()),
        carrier_id: &command.carrier_id,
        service_id: &command.service_id,
        tracking_number: None,
        notes: command.notes.clone(),
        packed: packed.clone(),
    };
    let planned = parcel(cx, &orders[0], planned)?;
    let weight_oz = weight(cx, command.weight_oz, &orders);
    let address = orders[0].shipping_address.expose().clone();
    let plan = LabelPlan { packed, notes: command.notes.clone(), weight_oz, address, warnings };
    let purchase = LabelPurchase {
        busy_until: cx.wall.plus_seconds(BUSY_SECONDS),
        asked: asked::keep_key(tx, cx).await?,
        ..new(cx, &planned, LabelProvider::ShipEngine, PurchaseState::Requested, plan)
    };
    if !store::label_purchase_insert(tx, &purchase).await? {
        return Err(pending());
    }
    // Whoever held the claim before may have made the parcel since the orders were read.
    let orders = load(tx, &command.orders).await?;
    must_wait(&orders, purchase.plan.expose())?;
    schedule(tx, cx, &purchase, BUSY_SECONDS).await?;
    record(tx, cx, &purchase, "label.request").await?;
    let request = request_of(tx, cx, &purchase, &orders).await?;
    Ok(Ok(Begun { id: purchase.id, request }))
}

fn pending() -> Error {
    let message = "A label for this order is being bought";
    let detail = Detail {
        field: None,
        reason: Some("label_pending".to_owned()),
        message: message.to_owned(),
        facts: Vec::new(),
    };
    Error::refused(RefusalCode::InvalidStatusTransition, message, vec![detail])
}

/// What the provider is asked for a purchase.
pub(super) async fn request_of(
    tx: &mut Tx,
    cx: &Cx,
    purchase: &LabelPurchase,
    orders: &[Order],
) -> Result<LabelRequest> {
    let order = orders.first().ok_or(BROKEN)?;
    let patient = patients::patient_get(tx, purchase.clinic_id, order.patient_id).await?.ok_or(BROKEN)?;
    let plan = purchase.plan.expose();
    let mut schedules = Vec::with_capacity(plan.packed.len());
    for packed in &plan.packed {
        let Some(line) = orders.iter().find_map(|order| order.line(packed.line_id)) else { continue };
        let found = prescriptions::prescription_get(tx, purchase.clinic_id, line.prescription_id).await?;
        schedules.extend(found.map(|prescription| prescription.schedule));
    }
    let service = nimbus_carriers::service_of(&purchase.carrier_id, &purchase.service_id).ok_or(BROKEN)?;
    let config = cx.app.config();
    let ships_on = config.shipping.rates.ships_on(service, cx.now.datetime_in(&config.pharmacy_zone));
    let profile = patient.profile.expose();
    let recipient = Recipient {
        name: format!("{} {}", profile.first_name, profile.last_name),
        phone: phone(profile),
        address: plan.address.clone(),
    };
    Ok(LabelRequest {
        sought: sought(purchase),
        ships_on,
        recipient: Phi::new(recipient),
        weight_oz: plan.weight_oz,
        signature: Signature::for_drugs(schedules),
    })
}

pub(super) fn sought(purchase: &LabelPurchase) -> Sought {
    Sought {
        external_id: purchase.id.to_string(),
        carrier_id: purchase.carrier_id.clone(),
        service_id: purchase.service_id.clone(),
    }
}

fn phone(profile: &PatientProfile) -> Option<String> {
    let phone = profile.contacts.iter().find(|contact| contact.kind == ContactKind::Phone);
    phone.map(|contact| contact.value.clone())
}
