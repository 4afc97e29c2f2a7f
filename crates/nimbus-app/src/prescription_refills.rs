//! Refills asked for by prescription: refused, put before a pharmacist, or approved at once; and refill requests
//! with the day on which they are planned to ship.

use nimbus_core::{
    access::Scope,
    decision::{DecisionKind, DecisionSubject},
    eligibility::{Eligibility, Verdict},
    ids::{ClinicId, LineId, OrderId, PatientId, PrescriptionId, RefillId},
    order::FillStatus,
    prescription::Prescription,
    quantity::Quantity,
    refill::{Refill, RefillStatus},
    shipment::Shipment,
    time::{Date, Ts, next_business_day},
};
use nimbus_store::{Tx, orders as order_store, page::Slice, prescriptions, refills as store, shipments};
use uuid::Uuid;

use crate::{
    App,
    actor::Call,
    eligibility::{Asked, Assessment, assess_after, latest_fill, prescription_named},
    error::{Error, Result},
    fills::parcel_of,
    outbox::Changes,
    refills::{self, Cancel, List, NOT_FOUND, insert_approved, refuse_unless_eligible},
    unit::{Cx, Render, Reply},
};

/// A refill request, and the day on which it ships: its parcel's, or while none is packed the next business day.
/// None where nothing will be sent.
#[derive(Debug, Clone)]
pub struct Planned {
    pub refill: Refill,
    pub ships_on: Option<Date>,
    /// Since when a cancellation of its order waits for the pharmacy.
    pub cancellation_requested_at: Option<Ts>,
}

impl Planned {
    fn new(cx: &Cx, refill: Refill, parcels: &[Shipment]) -> Self {
        let parcel = refill.order_id.and_then(|order| parcel_of(order, parcels));
        let packed_for = parcel.map(|parcel| parcel.ships_at.date_in(&cx.app.config().pharmacy_zone));
        let ships_on = match refill.status {
            RefillStatus::Pending | RefillStatus::Denied | RefillStatus::Cancelled => None,
            RefillStatus::Shipped | RefillStatus::Delivered => packed_for,
            RefillStatus::Approved | RefillStatus::Processing => {
                packed_for.or_else(|| Some(next_business_day(cx.today)))
            }
        };
        Self { refill, ships_on, cancellation_requested_at: None }
    }
}

/// What is asked for.
pub struct Request {
    pub prescription_id: PrescriptionId,
    pub patient_id: PatientId,
    /// The prescription's, if not given.
    pub quantity: Option<Quantity>,
}

/// The prescription of a request, the fill that a refill would follow, and what every rule says.
struct Assessed {
    prescription: Prescription,
    latest: (LineId, FillStatus),
    quantity: Quantity,
    assessment: Assessment,
}

async fn assess(tx: &mut Tx, cx: &Cx, clinic: ClinicId, request: &Request) -> Result<Assessed> {
    let (id, patient) = (request.prescription_id, request.patient_id);
    let prescription = prescription_named(tx, clinic, id, patient).await?;
    let fills = order_store::fills_of_prescription(tx, clinic, id).await?;
    // What was never filled is on file: not shipped, like any fill that is still here.
    let latest = latest_fill(&fills).unwrap_or((LineId(Uuid::nil()), FillStatus::Profiled));
    let quantity = request.quantity.unwrap_or(prescription.quantity);
    let asked = Asked {
        named_fill: Some(latest),
        patient: Some(patient),
        quantity: Some(quantity),
        ..Asked::default()
    };
    let assessment = assess_after(tx, cx, &prescription, &fills, asked).await?;
    Ok(Assessed { prescription, latest, quantity, assessment })
}

/// Whether a refill is possible now, and if not, why and from when.
pub async fn eligibility(app: &App, call: &Call, request: Request) -> Result<Eligibility> {
    call.partner(Scope::RefillsRead)?;
    app.read(call, request, |tx, cx, request| {
        Box::pin(async move {
            let clinic = cx.call.partner(Scope::RefillsRead)?.clinic_id;
            let found = assess(tx, cx, clinic, request).await?;
            let id = Some(found.prescription.id.0);
            let audit = cx.audit(Some(clinic), "prescription.eligibility", "prescription", id);
            Ok((found.assessment.answer, vec![audit]))
        })
    })
    .await
}

/// A partner asks for a refill. A hard finding refuses it, a soft one puts it before a pharmacist, and a clean one
/// is approved at once, with the order that fills it.
pub async fn create(app: &App, call: &Call, request: Request, render: Render<Planned>) -> Result<Reply> {
    call.partner(Scope::RefillsWrite)?;
    app.write(call, request, render, |tx, cx, request| Box::pin(create_in(tx, cx, request))).await
}

async fn create_in(tx: &mut Tx, cx: &Cx, request: &Request) -> Result<Planned> {
    let clinic = cx.call.partner(Scope::RefillsWrite)?.clinic_id;
    let Assessed { mut prescription, latest: (line, _), quantity, assessment } =
        assess(tx, cx, clinic, request).await?;
    let answer = &assessment.answer;
    if answer.findings.iter().any(|finding| finding.verdict == Verdict::Refuse) {
        refuse_unless_eligible(answer)?;
    }
    let mut refill = refills::open(cx, &prescription, line, quantity);
    assessment.keep(tx, cx, DecisionKind::RefillCreated, (DecisionSubject::Refill, refill.id.0)).await?;
    match answer.first() {
        Some(finding) => {
            refill.review_reason = Some(finding.rule.as_str().to_owned());
            // Written, though nothing of it changes: of this and an order at once, one loses, and then finds the other.
            prescription.updated_at = cx.now;
            prescriptions::prescription_update(tx, &prescription).await?;
            insert_pending(tx, cx, &refill).await?;
        }
        None => {
            let filled = order_store::order_get_by_line(tx, Some(clinic), line).await?;
            let filled = filled.ok_or(Error::Internal("a fill has no order"))?;
            insert_approved(tx, cx, &mut refill, &mut prescription, &filled).await?;
        }
    }
    Ok(Planned::new(cx, refill, &[]))
}

/// Writes a new request that waits for a pharmacist.
async fn insert_pending(tx: &mut Tx, cx: &Cx, refill: &Refill) -> Result<()> {
    store::refill_insert(tx, refill).await?;
    let mut changes = Changes::default();
    changes.history.push(refill.transition(None, cx.by(), None, cx.now));
    changes.events.push(refill.requested_event(None, cx.now));
    changes.audit.push(cx.audit(Some(refill.clinic_id), "refill.create", "refill", Some(refill.id.0)));
    changes.write(tx, cx).await
}

/// One refill request of the key's clinic.
pub async fn get(app: &App, call: &Call, id: RefillId) -> Result<Planned> {
    let clinic = call.partner(Scope::RefillsRead)?.clinic_id;
    app.read(call, (clinic, id), |tx, cx, &(clinic, id)| {
        Box::pin(async move {
            let found = store::refill_get(tx, clinic, id).await?.ok_or(NOT_FOUND)?;
            let audit = cx.audit(Some(clinic), "refill.read", "refill", Some(id.0));
            Ok((planned(tx, cx, found).await?, vec![audit]))
        })
    })
    .await
}

async fn planned(tx: &mut Tx, cx: &Cx, refill: Refill) -> Result<Planned> {
    let Some(order) = refill.order_id else { return Ok(Planned::new(cx, refill, &[])) };
    let parcels = shipments::shipments_of_order(tx, refill.clinic_id, order).await?;
    let requested = order_store::cancellations_requested(tx, refill.clinic_id, &[order]).await?;
    let at = requested.first().map(|(_, at)| *at);
    Ok(Planned { cancellation_requested_at: at, ..Planned::new(cx, refill, &parcels) })
}

/// What is planned of a page of refills.
async fn plan(tx: &mut Tx, cx: &Cx, clinic: ClinicId, mut page: Slice<Refill>) -> Result<Slice<Planned>> {
    let orders: Vec<OrderId> = page.items.iter().filter_map(|refill| refill.order_id).collect();
    let parcels = shipments::shipments_of_orders(tx, clinic, &orders).await?;
    let requested = order_store::cancellations_requested(tx, clinic, &orders).await?;
    let is_of = |refill: &&Refill| refill.order_id.is_some_and(|order| parcels.unreadable.contains(&order.0));
    let unreadable: Vec<Uuid> = page.items.iter().filter(is_of).map(|refill| refill.id.0).collect();
    page.leave_out(&unreadable, |refill| refill.id.0);
    Ok(page.map(|refill| {
        let at = requested.iter().find(|(order, _)| refill.order_id == Some(*order)).map(|(_, at)| *at);
        Planned { cancellation_requested_at: at, ..Planned::new(cx, refill, &parcels.shipments) }
    }))
}

/// The refill requests of the key's clinic, newest first.
pub async fn list(app: &App, call: &Call, list: List) -> Result<Slice<Planned>> {
    call.partner(Scope::RefillsRead)?;
    app.read(call, list, |tx, cx, list| {
        Box::pin(async move {
            let clinic = cx.call.partner(Scope::RefillsRead)?.clinic_id;
            let found = store::refill_list(tx, Some(clinic), list.status, list.patient, &list.page).await?;
            let planned = plan(tx, cx, clinic, found).await?;
            let shown = planned.items.iter().map(|it| (it.refill.clinic_id, it.refill.patient_id));
            let audit = cx.audit_list(Some(clinic), "refill.list", "refill", shown);
            Ok((planned, audit))
        })
    })
    .await
}

/// [`refills::cancel`], answered with the day on which it would ship.
pub async fn cancel(app: &App, call: &Call, command: Cancel, render: Render<Planned>) -> Result<Reply> {
    call.partner(Scope::RefillsWrite)?;
    app.write(call, command, render, |tx, cx, command| {
        Box::pin(async move {
            let refill = refills::cancel_in(tx, cx, command).await?;
            planned(tx, cx, refill).await
        })
    })
    .await
}
