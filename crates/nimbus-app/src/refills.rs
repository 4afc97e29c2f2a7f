//! Refill requests: asked for by partners, decided by the rules or by a pharmacist, filled by an order.

use nimbus_core::{
    access::Scope,
    decision::{DecisionKind, DecisionSubject},
    eligibility::{Eligibility, Rule, Verdict},
    ids::{ClinicId, LineId, PatientId, RefillId},
    order::{Order, request_cancellation},
    phi::Phi,
    prescription::Prescription,
    quantity::Quantity,
    refill::{Refill, RefillStatus},
};
use nimbus_store::{
    Tx, orders as order_store,
    page::{Page, Slice},
    patients, prescriptions, refills as store,
};
use uuid::Uuid;

use crate::{
    App,
    actor::{Call, PHARMACISTS, READERS},
    consequences::order_changed,
    eligibility::{Asked, assess},
    error::{Detail, Error, RefusalCode, Result},
    gates,
    orders::{self, NewOrder},
    outbox::Changes,
    unit::{Cx, Render, Reply},
};

pub(crate) const NOT_FOUND: Error = Error::NotFound("Refill request");

fn unknown_line() -> Error {
    Error::field("medication_request_id", "Medication request not found")
}

/// Whether a medication request can be refilled now, and if not, why and from when.
pub async fn eligibility(app: &App, call: &Call, line: LineId) -> Result<Eligibility> {
    call.partner(Scope::RefillsRead)?;
    app.read(call, line, |tx, cx, &line| {
        Box::pin(async move {
            let clinic = cx.call.partner(Scope::RefillsRead)?.clinic_id;
            let (order, prescription) = fill_of(tx, clinic, line).await?;
            let named_fill = order.line(line).map(|line| (line.id, line.status));
            let asked = Asked { named_fill, ..Asked::default() };
            let answer = assess(tx, cx, &prescription, asked).await?.answer;
            let id = prescription.id.0;
            Ok((answer, vec![cx.audit(Some(clinic), "prescription.eligibility", "prescription", Some(id))]))
        })
    })
    .await
}

async fn fill_of(tx: &mut Tx, clinic: ClinicId, line: LineId) -> Result<(Order, Prescription)> {
    let order = order_store::order_get_by_line(tx, Some(clinic), line).await?.ok_or_else(unknown_line)?;
    let id = order.line(line).map(|line| line.prescription_id).ok_or_else(unknown_line)?;
    let prescription = prescriptions::prescription_get(tx, clinic, id).await?.ok_or_else(unknown_line)?;
    Ok((order, prescription))
}

pub struct Create {
    pub line_id: LineId,
    pub shipment_group: Option<String>,
}

pub struct Created {
    pub refill: Refill,
    pub order: Order,
}

/// A partner asks for a refill: the request and its new order in one transaction, or every reason why not.
pub async fn create(app: &App, call: &Call, command: Create, render: Render<Created>) -> Result<Reply> {
    call.partner(Scope::RefillsWrite)?;
    app.write(call, command, render, |tx, cx, command| Box::pin(create_in(tx, cx, command))).await
}

async fn create_in(tx: &mut Tx, cx: &Cx, command: &Create) -> Result<Created> {
    let clinic = cx.call.partner(Scope::RefillsWrite)?.clinic_id;
    let (filled, mut prescription) = fill_of(tx, clinic, command.line_id).await?;
    let named_fill = filled.line(command.line_id).map(|line| (line.id, line.status));
    let asked = Asked { named_fill, ..Asked::default() };
    let assessment = assess(tx, cx, &prescription, asked).await?;
    refuse_unless_eligible(&assessment.answer)?;
    let mut refill = open(cx, &prescription, command.line_id, prescription.quantity);
    refill.shipment_group = command.shipment_group.clone().map(Phi::new);
    assessment.keep(tx, cx, DecisionKind::RefillCreated, (DecisionSubject::Refill, refill.id.0)).await?;
    let order = insert_approved(tx, cx, &mut refill, &mut prescription, &filled).await?;
    Ok(Created { refill, order })
}

/// A new request for the refill that follows a fill.
pub(crate) fn open(cx: &Cx, prescription: &Prescription, line_id: LineId, quantity: Quantity) -> Refill {
    Refill {
        id: RefillId(Uuid::now_v7()),
        clinic_id: prescription.clinic_id,
        patient_id: prescription.patient_id,
        prescription_id: prescription.id,
        line_id,
        order_id: None,
        status: RefillStatus::Pending,
        requested_quantity: quantity,
        approved_quantity: None,
        review_reason: None,
        decision_reason: None,
        shipment_group: None,
        version: 1,
        created_at: cx.now,
        updated_at: cx.now,
    }
}

/// Writes a new request that no rule is against: approved at once, with the order that fills it.
pub(crate) async fn insert_approved(
    tx: &mut Tx,
    cx: &Cx,
    refill: &mut Refill,
    prescription: &mut Prescription,
    filled: &Order,
) -> Result<Order> {
    let mut changes = Changes::default();
    refill.approved_quantity = Some(refill.requested_quantity);
    let order = fill_refill(tx, cx, refill, prescription, filled, &mut changes).await?;
    refill.status = RefillStatus::Approved;
    store::refill_insert(tx, refill).await?;
    changes.history.push(refill.transition(None, cx.by(), None, cx.now));
    changes.events.push(refill.requested_event(Some(order.ordering_key), cx.now));
    let previous = Some(RefillStatus::Pending);
    changes.events.push(refill.event(previous, Some(order.ordering_key), cx.now));
    changes.audit.push(cx.audit(Some(refill.clinic_id), "refill.create", "refill", Some(refill.id.0)));
    changes.write(tx, cx).await?;
    Ok(order)
}

/// Makes the order of an approved refill and consumes the refill. It goes as the fill before it went, to where
/// the patient lives now.
async fn fill_refill(
    tx: &mut Tx,
    cx: &Cx,
    refill: &mut Refill,
    prescription: &mut Prescription,
    filled: &Order,
    changes: &mut Changes,
) -> Result<Order> {
    let clinic = prescription.clinic_id;
    let patient = patients::patient_get(tx, clinic, prescription.patient_id).await?;
    let address = patient.map_or_else(
        || filled.shipping_address.expose().clone(),
        |found| found.profile.expose().address.clone(),
    );
    let new = NewOrder {
        clinic_id: clinic,
        patient_id: prescription.patient_id,
        practitioner_id: prescription.practitioner_id,
        shipping: filled.shipping.clone(),
        refrigerated: filled.refrigerated,
        shipment_group: refill.shipment_group.as_ref().map(|group| group.expose().clone()),
        shipping_address: address,
        notes: None,
    };
    let mut order = new.with_lines(tx, cx, std::slice::from_ref(prescription)).await?;
    let quantity = refill.approved_quantity.unwrap_or(prescription.quantity);
    order.lines[0].quantity = quantity;
    order.lines[0].days_supply = prescription.days_for(quantity);
    order.refill_id = Some(refill.id);
    order.refills_consumed = prescription.refills_for(quantity);
    // What would refuse an order at intake holds a refill: its prescription is on file, and staff see to it.
    let stops = gates::stops_of(tx, cx, &order, std::slice::from_ref(prescription)).await?;
    let order = orders::insert(tx, cx, &order, &stops, ("order.create", None), changes).await?;
    prescription.refills_used += order.refills_consumed;
    prescription.updated_at = cx.now;
    prescriptions::prescription_update(tx, prescription).await?;
    refill.order_id = Some(order.id);
    Ok(order)
}

/// Refuses with every rule that failed, if one did: first those that no pharmacist can set aside.
pub(crate) fn refuse_unless_eligible(answer: &Eligibility) -> Result<()> {
    let Some(first) = answer.first() else { return Ok(()) };
    let code = match first.rule {
        Rule::AlreadyOpen => RefusalCode::RefillExists,
        _ => RefusalCode::RefillNotEligible,
    };
    let (hard, soft): (Vec<_>, Vec<_>) =
        answer.findings.iter().partition(|finding| finding.verdict == Verdict::Refuse);
    let details = hard.into_iter().chain(soft).map(Detail::from).collect();
    Err(Error::refused(code, first.message.clone(), details))
}

/// One refill request of the key's clinic.
pub async fn get(app: &App, call: &Call, id: RefillId) -> Result<Refill> {
    let clinic = call.partner(Scope::RefillsRead)?.clinic_id;
    app.look_up(call, (clinic, id), |tx, cx, &(clinic, id)| {
        Box::pin(async move {
            let found = store::refill_get(tx, clinic, id).await?.ok_or(NOT_FOUND)?;
            Ok((found, vec![cx.audit(Some(clinic), "refill.read", "refill", Some(id.0))]))
        })
    })
    .await
}

pub struct List {
    pub status: Option<RefillStatus>,
    pub patient: Option<PatientId>,
    pub page: Page,
}

/// The refill requests of the key's clinic, newest first.
pub async fn list(app: &App, call: &Call, list: List) -> Result<Slice<Refill>> {
    let clinic = Some(call.partner(Scope::RefillsRead)?.clinic_id);
    list_in_clinics(app, call, clinic, list).await
}

pub struct ListAny {
    pub clinic: Option<ClinicId>,
    pub status: Option<RefillStatus>,
    pub page: Page,
}

/// Refill requests of every clinic, for staff.
pub async fn list_any(app: &App, call: &Call, list: ListAny) -> Result<Slice<Refill>> {
    call.staff(READERS)?;
    let ListAny { clinic, status, page } = list;
    list_in_clinics(app, call, clinic, List { status, patient: None, page }).await
}

async fn list_in_clinics(
    app: &App,
    call: &Call,
    clinic: Option<ClinicId>,
    list: List,
) -> Result<Slice<Refill>> {
    app.read(call, (clinic, list), |tx, cx, (clinic, list)| {
        Box::pin(async move {
            let found = store::refill_list(tx, *clinic, list.status, list.patient, &list.page).await?;
            let shown = found.items.iter().map(|refill| (refill.clinic_id, refill.patient_id));
            let audit = cx.audit_list(*clinic, "refill.list", "refill", shown);
            Ok((found, audit))
        })
    })
    .await
}

pub struct Cancel {
    pub id: RefillId,
    pub reason: Option<String>,
}

/// A partner cancels a refill request: while it is reviewed, by itself; afterwards, as its order is cancelled.
pub async fn cancel(app: &App, call: &Call, command: Cancel, render: Render<Refill>) -> Result<Reply> {
    call.partner(Scope::RefillsWrite)?;
    app.write(call, command, render, |tx, cx, command| Box::pin(cancel_in(tx, cx, command))).await
}

pub(crate) async fn cancel_in(tx: &mut Tx, cx: &Cx, command: &Cancel) -> Result<Refill> {
    let clinic = cx.call.partner(Scope::RefillsWrite)?.clinic_id;
    let refill = store::refill_get(tx, clinic, command.id).await?.ok_or(NOT_FOUND)?;
    let mut changes = Changes::default();
    changes.audit.push(cx.audit(Some(clinic), "refill.cancel", "refill", Some(refill.id.0)));
    let order = match refill.order_id {
        Some(id) => order_store::order_get(tx, clinic, id).await?,
        None => None,
    };
    match order {
        Some(before) => {
            let decision = request_cancellation(&before, &cx.act(command.reason.clone(), None))?;
            let mut after = changes.take(decision);
            order_changed(tx, cx, &before, &mut after, &mut changes).await?;
        }
        None => {
            decide(tx, cx, &refill, RefillStatus::Cancelled, command.reason.as_deref(), &mut changes).await?;
        }
    }
    changes.write(tx, cx).await?;
    store::refill_get(tx, clinic, command.id).await?.ok_or(NOT_FOUND)
}

/// Ends the review of a pending refill.
async fn decide(
    tx: &mut Tx,
    cx: &Cx,
    refill: &Refill,
    to: RefillStatus,
    note: Option<&str>,
    changes: &mut Changes,
) -> Result<()> {
    must_be_pending(refill, to)?;
    let mut decided = refill.clone();
    decided.status = to;
    decided.updated_at = cx.now;
    if to == RefillStatus::Denied {
        decided.decision_reason = note.map(|note| Phi::new(note.to_owned()));
    }
    store::refill_update(tx, &decided).await?;
    changes.history.push(decided.transition(Some(refill.status), cx.by(), note, cx.now));
    changes.events.push(decided.event(Some(refill.status), None, cx.now));
    Ok(())
}

fn must_be_pending(refill: &Refill, to: RefillStatus) -> Result<()> {
    if refill.status == RefillStatus::Pending {
        return Ok(());
    }
    Err(nimbus_core::refusal::Refusal::transition(refill.status.as_str(), to.as_str()).into())
}

pub struct Approve {
    pub id: RefillId,
    /// What one fill dispenses this time; the quantity requested if it is not given.
    pub quantity: Option<Quantity>,
    pub note: Option<String>,
}

/// A pharmacist approves a refill under review. Soft findings are what the review is for; a hard one stands.
pub async fn approve(app: &App, call: &Call, command: Approve, render: Render<Refill>) -> Result<Reply> {
    call.staff(PHARMACISTS)?;
    app.write(call, command, render, |tx, cx, command| Box::pin(approve_in(tx, cx, command))).await
}

async fn approve_in(tx: &mut Tx, cx: &Cx, command: &Approve) -> Result<Refill> {
    let mut refill = store::refill_get_any(tx, command.id).await?.ok_or(NOT_FOUND)?;
    must_be_pending(&refill, RefillStatus::Approved)?;
    let clinic = refill.clinic_id;
    let cx = &cx.of_clinic(tx, clinic).await?;
    let (filled, mut prescription) = fill_of(tx, clinic, refill.line_id).await?;
    let quantity = command.quantity.unwrap_or(refill.requested_quantity);
    let asked = Asked { quantity: Some(quantity), is_review: true, ..Asked::default() };
    let assessment = assess(tx, cx, &prescription, asked).await?;
    let mut hard = assessment.answer.clone();
    hard.findings.retain(|finding| finding.verdict == Verdict::Refuse);
    refuse_unless_eligible(&hard)?;
    assessment.keep(tx, cx, DecisionKind::RefillReviewed, (DecisionSubject::Refill, refill.id.0)).await?;
    let mut changes = Changes::default();
    refill.approved_quantity = Some(quantity);
    let order = fill_refill(tx, cx, &mut refill, &mut prescription, &filled, &mut changes).await?;
    refill.status = RefillStatus::Approved;
    refill.updated_at = cx.now;
    store::refill_update(tx, &refill).await?;
    refill.version += 1;
    let from = Some(RefillStatus::Pending);
    changes.history.push(refill.transition(from, cx.by(), command.note.as_deref(), cx.now));
    changes.events.push(refill.event(from, Some(order.ordering_key), cx.now));
    changes.audit.push(cx.audit(Some(clinic), "refill.approve", "refill", Some(refill.id.0)));
    changes.write(tx, cx).await?;
    Ok(refill)
}

pub struct Deny {
    pub id: RefillId,
    /// Written for the partner: it goes into the event.
    pub reason: String,
}

/// A pharmacist denies a refill under review.
pub async fn deny(app: &App, call: &Call, command: Deny, render: Render<Refill>) -> Result<Reply> {
    call.staff(PHARMACISTS)?;
    app.write(call, command, render, |tx, cx, command| {
        Box::pin(async move {
            let refill = store::refill_get_any(tx, command.id).await?.ok_or(NOT_FOUND)?;
            let cx = &cx.of_clinic(tx, refill.clinic_id).await?;
            let mut changes = Changes::default();
            let note = Some(command.reason.as_str());
            decide(tx, cx, &refill, RefillStatus::Denied, note, &mut changes).await?;
            let clinic = refill.clinic_id;
            changes.audit.push(cx.audit(Some(clinic), "refill.deny", "refill", Some(refill.id.0)));
            changes.write(tx, cx).await?;
            store::refill_get(tx, clinic, refill.id).await?.ok_or(NOT_FOUND)
        })
    })
    .await
}
