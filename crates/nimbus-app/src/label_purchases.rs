//! Labels: made here within the transaction of their parcel, or bought from a provider outside any.
//!
//! A purchase is on record before the provider is asked, under the id by which the provider knows it. Whoever dies in
//! between leaves a purchase that timed work finishes: the label is looked for before another is bought, attached if
//! its lines still wait for it, and given back if they do not. Until then no other label is bought for those lines. A
//! purchase of which nothing is to be learnt frees them in the end, and is still looked for, to be given back.

mod asked;
mod attention;
mod provider;
mod settle;

use nimbus_carriers::{built_in::NumberError, provider::ProviderError};
use nimbus_core::{
    access::Environment,
    identifiers::TrackingNumber,
    ids::{ClinicId, LabelPurchaseId},
    label::{BoughtLabel, LabelPlan, LabelProvider, LabelPurchase, PurchaseState},
    order::{FillStatus, Order},
    phi::Phi,
    refusal::Refusal,
    sandbox_magic::MagicTracking,
    shipment::Shipment,
    time::Ts,
    us::State,
};
use nimbus_store::{
    Tx,
    counters::counter_take,
    jobs::{JobKind, job_cancel, job_schedule},
    label_purchases as store, shipments,
};
use uuid::Uuid;

pub use self::attention::{List, list_needing_attention};
pub(crate) use self::{asked::must_not_be_pending, provider::buy, settle::settle};
use crate::{
    error::{Detail, Error, RefusalCode, Result},
    outbox::Changes,
    shipments::{Created, NewParcel, load, parcel, put},
    unit::Cx,
};

/// Running numbers of built-in labels.
const SERIALS: &str = "label_serials";
/// A call of the provider, with the look for what came of it, takes less than this.
const BUSY_SECONDS: i64 = 90;
/// The provider is asked again after this, twice as long each time.
const FIRST_RETRY_SECONDS: i64 = 30;
const LONGEST_RETRY_SECONDS: i64 = 3600;

const BROKEN: Error = Error::Internal("a label's purchase is gone");

/// What a parcel weighs: as said, or as the rate table takes it to.
fn weight(cx: &Cx, said: Option<u32>, orders: &[Order]) -> u32 {
    let rates = &cx.app.config().shipping.rates;
    let cold = if orders.iter().any(|order| order.refrigerated) { rates.cold_pack_oz } else { 0 };
    said.unwrap_or(rates.weight_oz.saturating_add(cold))
}

/// Gives a parcel a number of the built-in maker, and keeps what it costs.
pub(crate) async fn make(
    tx: &mut Tx,
    cx: &Cx,
    shipment: &mut Shipment,
    said_oz: Option<u32>,
    orders: &[Order],
) -> Result<()> {
    let shipping = &cx.app.config().shipping;
    let number = next_number(tx, cx, shipment).await?;
    let carrier = nimbus_carriers::carrier(&shipment.carrier_id);
    shipment.tracking_url = carrier.map(|carrier| carrier.tracking_url(number.as_str()));
    shipment.tracking_number = Some(number.as_str().to_owned());
    let weight_oz = weight(cx, said_oz, orders);
    let to = State::parse(&shipment.delivery_location.expose().state).ok();
    let quote = to.and_then(|to| shipping.rates.quote(&shipment.service_id, shipping.from, to, weight_oz));
    let label = BoughtLabel {
        label_id: None,
        tracking_number: number.as_str().to_owned(),
        cost: quote.map(|quote| quote.price),
        document: None,
    };
    let notes = shipment.notes.as_ref().map(|notes| notes.expose().clone());
    let address = shipment.delivery_location.expose().clone();
    let packed = shipment.packed.clone();
    let plan = LabelPlan { packed, notes, weight_oz, address, warnings: Vec::new() };
    let made = LabelPurchase {
        label: Some(label),
        ..new(cx, shipment, LabelProvider::BuiltIn, PurchaseState::Attached, plan)
    };
    store::label_purchase_insert(tx, &made).await?;
    Ok(())
}

/// The next number of the parcel's carrier. A sandbox's own account counts through the magic numbers too, and those
/// are for whoever asks for their ways.
async fn next_number(tx: &mut Tx, cx: &Cx, parcel: &Shipment) -> Result<TrackingNumber> {
    let accounts = &cx.app.config().shipping.accounts;
    loop {
        let serial = counter_take(tx, SERIALS, 1).await?;
        let number = accounts.number(&parcel.carrier_id, &parcel.service_id, serial);
        let number = number.map_err(|error| match error {
            NumberError::NoAccount => no_account(),
            _ => Error::Internal("an account has no tracking number left"),
        })?;
        let is_magic = MagicTracking::parse(number.as_str()).is_some();
        if !is_magic || cx.app.environment() == Environment::Production {
            return Ok(number);
        }
    }
}

fn new(
    cx: &Cx,
    parcel: &Shipment,
    provider: LabelProvider,
    state: PurchaseState,
    plan: LabelPlan,
) -> LabelPurchase {
    LabelPurchase {
        id: LabelPurchaseId(Uuid::now_v7()),
        clinic_id: parcel.clinic_id,
        shipment_id: parcel.id,
        provider,
        state,
        carrier_id: parcel.carrier_id.clone(),
        service_id: parcel.service_id.clone(),
        asked: None,
        plan: Phi::new(plan),
        label: None,
        failure: None,
        attempts: 0,
        busy_until: cx.wall,
        version: 1,
        created_at: cx.wall,
        updated_at: cx.wall,
    }
}

/// What became of a purchase when the provider's answer was written.
enum Kept {
    Bought,
    /// It comes to nothing; the code says why.
    Refused(String),
    /// It is not known yet.
    Open,
}

/// Writes what the provider answered to a purchase that was asked for.
async fn keep(
    tx: &mut Tx,
    cx: &Cx,
    id: LabelPurchaseId,
    outcome: &std::result::Result<BoughtLabel, ProviderError>,
) -> Result<Kept> {
    let mut purchase = store::label_purchase_get_any(tx, id).await?.ok_or(BROKEN)?;
    if purchase.state != PurchaseState::Requested {
        return Ok(Kept::Open);
    }
    let outcome = match outcome {
        Ok(label) if is_anothers(tx, &purchase, label).await? => Err(&ProviderError::NotOurs),
        Err(ProviderError::Unusable { label, .. }) if is_anothers(tx, &purchase, label).await? => {
            Err(&ProviderError::NotOurs)
        }
        Ok(label) => Ok(label),
        Err(error) => Err(error),
    };
    let kept = match outcome {
        Ok(label) => {
            purchase.become_(PurchaseState::Bought, cx.wall)?;
            purchase.label = Some(label.clone());
            Kept::Bought
        }
        Err(ProviderError::Refused(code)) => {
            purchase.become_(PurchaseState::Failed, cx.wall)?;
            purchase.failure = Some(code.clone());
            job_cancel(tx, JobKind::LabelPurchase, id.0).await?;
            Kept::Refused(code.clone())
        }
        Err(error @ ProviderError::Unusable { label, .. }) if label.label_id.is_some() => {
            purchase.become_(PurchaseState::Bought, cx.wall)?;
            purchase.become_(PurchaseState::VoidPending, cx.wall)?;
            purchase.label = Some(label.as_ref().clone());
            (purchase.failure, purchase.busy_until) = (Some(error.code().to_owned()), cx.wall);
            schedule(tx, cx, &purchase, 0).await?;
            Kept::Refused(error.code().to_owned())
        }
        Err(error) => {
            (purchase.failure, purchase.busy_until) = (Some(error.code().to_owned()), cx.wall);
            let wait = match error {
                ProviderError::Busy(seconds) => i64::from(*seconds),
                _ => delay(purchase.attempts),
            };
            schedule(tx, cx, &purchase, wait).await?;
            Kept::Open
        }
    };
    store::label_purchase_update(tx, &purchase).await?;
    record(tx, cx, &purchase, "label.answer").await?;
    Ok(kept)
}

/// Whether a provider's label is on record as another parcel's, or has the number of one that is under way: what the
/// carrier scans would be told of both.
async fn is_anothers(tx: &mut Tx, purchase: &LabelPurchase, label: &BoughtLabel) -> Result<bool> {
    if let Some(label_id) = &label.label_id {
        let owner = store::label_purchase_by_label(tx, purchase.provider, label_id).await?;
        if owner.is_some_and(|owner| owner != purchase.id) {
            return Ok(true);
        }
    }
    let (carrier, number) = (purchase.carrier_id.as_str(), label.tracking_number.as_str());
    if store::label_bought_by_number(tx, carrier, number, purchase.id).await? {
        return Ok(true);
    }
    let same = shipments::shipments_by_tracking_any(tx, Some(carrier), number).await?;
    Ok(same.iter().any(|parcel| parcel.id != purchase.shipment_id && !parcel.status.is_final()))
}

/// Makes the parcel that bears a bought label, if its lines still wait for it.
async fn attach(tx: &mut Tx, cx: &Cx, id: LabelPurchaseId) -> Result<(LabelPurchase, Created)> {
    let mut purchase = store::label_purchase_get_any(tx, id).await?.ok_or(BROKEN)?;
    let Some(label) = purchase.label.clone().filter(|_| purchase.state == PurchaseState::Bought) else {
        return Err(Refusal::transition(purchase.state.as_str(), PurchaseState::Attached.as_str()).into());
    };
    let found = waiting(tx, purchase.plan.expose()).await?;
    let plan = purchase.plan.expose().clone();
    let cx = &cx.of_clinic(tx, purchase.clinic_id).await?;
    let new = NewParcel {
        id: purchase.shipment_id,
        carrier_id: &purchase.carrier_id,
        service_id: &purchase.service_id,
        tracking_number: Some(label.tracking_number),
        notes: plan.notes,
        packed: plan.packed,
    };
    let shipment = parcel(cx, &found[0], new)?;
    put(tx, cx, &found, &shipment).await?;
    purchase.become_(PurchaseState::Attached, cx.wall)?;
    store::label_purchase_update(tx, &purchase).await?;
    job_cancel(tx, JobKind::LabelPurchase, id.0).await?;
    Ok((purchase, Created { shipment, warnings: plan.warnings }))
}

/// The orders of a plan, if every line of it still waits for its label.
async fn waiting(tx: &mut Tx, plan: &LabelPlan) -> Result<Vec<Order>> {
    let mut orders: Vec<_> = plan.packed.iter().map(|packed| packed.order_id).collect();
    orders.dedup();
    let found = load(tx, &orders).await?;
    must_wait(&found, plan)?;
    Ok(found)
}

/// Every line that the label is for is still filled, in no parcel, and goes to the address that is printed on it.
fn must_wait(orders: &[Order], plan: &LabelPlan) -> Result<()> {
    if orders.iter().any(|order| order.shipping_address.expose() != &plan.address) {
        return Err(address_changed());
    }
    for packed in &plan.packed {
        let line = orders.iter().find_map(|order| order.line(packed.line_id));
        let line = line.ok_or(Refusal::UnknownLine)?;
        if line.status != FillStatus::Filled || line.shipment_id.is_some() {
            return Err(Refusal::transition(line.status.as_str(), FillStatus::Shipped.as_str()).into());
        }
    }
    Ok(())
}

fn address_changed() -> Error {
    let message = "The order's address has changed since its label was asked for";
    let detail = Detail {
        field: None,
        reason: Some("address_changed".to_owned()),
        message: message.to_owned(),
        facts: Vec::new(),
    };
    Error::refused(RefusalCode::InvalidStatusTransition, message, vec![detail])
}

/// Has a label that no parcel will bear given back.
async fn give_up(tx: &mut Tx, cx: &Cx, id: LabelPurchaseId) -> Result<()> {
    let mut purchase = store::label_purchase_get_any(tx, id).await?.ok_or(BROKEN)?;
    if purchase.state != PurchaseState::Bought {
        return Ok(());
    }
    void(tx, cx, &mut purchase).await
}

/// Has the label of a cancelled parcel given back.
pub(crate) async fn give_back(tx: &mut Tx, cx: &Cx, parcel: &Shipment) -> Result<()> {
    let found = store::label_purchase_of(tx, parcel.clinic_id, parcel.id).await?;
    match found.filter(|purchase| purchase.state == PurchaseState::Attached) {
        Some(mut purchase) => void(tx, cx, &mut purchase).await,
        None => Ok(()),
    }
}

/// Has every label given back that was paid for a clinic, or may have been.
pub(crate) async fn give_back_all(tx: &mut Tx, cx: &Cx, clinic: ClinicId) -> Result<()> {
    for id in store::label_purchases_standing(tx, clinic, LabelProvider::ShipEngine).await? {
        let Some(mut purchase) = store::label_purchase_get_any(tx, id).await? else { continue };
        void(tx, cx, &mut purchase).await?;
    }
    Ok(())
}

async fn void(tx: &mut Tx, cx: &Cx, purchase: &mut LabelPurchase) -> Result<()> {
    // Whoever is asking the provider just now is to be done before the label is looked for.
    let asked_until = Some(purchase.busy_until).filter(|_| purchase.state == PurchaseState::Requested);
    purchase.become_(PurchaseState::VoidPending, cx.wall)?;
    purchase.busy_until = asked_until.unwrap_or(cx.wall);
    match purchase.provider {
        // Nobody was paid.
        LabelProvider::BuiltIn => purchase.become_(PurchaseState::Voided, cx.wall)?,
        LabelProvider::ShipEngine => schedule(tx, cx, purchase, 0).await?,
    }
    store::label_purchase_update(tx, purchase).await?;
    record(tx, cx, purchase, "label.void").await
}

/// Has timed work look after a purchase, so many seconds from now.
async fn schedule(tx: &mut Tx, cx: &Cx, purchase: &LabelPurchase, seconds: i64) -> Result<()> {
    let (kind, due): (_, Ts) = (JobKind::LabelPurchase, cx.wall.plus_seconds(seconds));
    Ok(job_schedule(tx, kind, purchase.clinic_id, purchase.id.0, due, cx.wall).await?)
}

fn delay(attempts: i64) -> i64 {
    (FIRST_RETRY_SECONDS << attempts.clamp(0, 10)).min(LONGEST_RETRY_SECONDS)
}

async fn record(tx: &mut Tx, cx: &Cx, purchase: &LabelPurchase, action: &'static str) -> Result<()> {
    let mut changes = Changes::default();
    let mut entry = cx.audit(Some(purchase.clinic_id), action, "label", Some(purchase.id.0));
    entry.reason = Some(purchase.state.as_str().to_owned());
    changes.audit.push(entry);
    changes.write(tx, cx).await
}

/// The refusal of a label of a carrier with which the pharmacy has no account.
fn no_account() -> Error {
    let message = "The pharmacy has no account with this carrier: give the number of a label made elsewhere";
    let detail = Detail {
        field: Some("carrier_id".to_owned()),
        reason: Some("no_account".to_owned()),
        message: message.to_owned(),
        facts: Vec::new(),
    };
    Error::refused(RefusalCode::ServiceNotAvailable, message, vec![detail])
}

/// The refusal of a label, with the provider's code.
fn refused(code: &str) -> Error {
    let message = "The carrier's system made no label for this parcel";
    let detail = Detail {
        field: None,
        reason: Some("label_refused".to_owned()),
        message: message.to_owned(),
        facts: vec![("provider_code", code.to_owned())],
    };
    Error::refused(RefusalCode::ServiceNotAvailable, message, vec![detail])
}
