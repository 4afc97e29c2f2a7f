//! The pharmacy's work: the queue, and every act of staff on an order.

use nimbus_core::{
    access::Role,
    ids::{ClinicId, HoldId, LineId, OrderId, PrescriptionId},
    order::{
        Act, Decision, FillStatus, Hold, HoldReason, Line, Lines, Order, Work, accept_cancellation, cancel,
        decline_cancellation, place_hold, release_holds, work, work_unless_stopped,
    },
    practitioner::PractitionerStatus,
    prescription::PrescriptionStatus,
    refusal::Refusal,
};
use nimbus_store::{
    Tx, counters, orders as store, originals,
    page::{Page, Slice},
    practitioners, prescriptions,
};

use crate::{
    App,
    actor::{Call, PHARMACISTS, READERS, WORKERS},
    consequences::order_changed,
    error::{Error, Result},
    gates,
    holds::go_on,
    inventory,
    orders::{self, NOT_FOUND, NewOrder, OrderView},
    outbox::Changes,
    unit::{Cx, Render, Reply},
};

/// What staff look for in the queue.
pub struct Queue {
    pub clinic: Option<ClinicId>,
    pub status: Option<FillStatus>,
    pub hold: Option<HoldReason>,
    pub refrigerated: Option<bool>,
    pub controlled: Option<bool>,
    /// Taken in at least so many hours ago.
    pub min_age_hours: Option<u32>,
    pub page: Page,
}

/// The orders of every clinic, oldest first.
pub async fn queue(app: &App, call: &Call, queue: Queue) -> Result<Slice<Order>> {
    call.staff(READERS)?;
    app.read(call, queue, |tx, cx, queue| {
        Box::pin(async move {
            let Queue { clinic, status, hold, refrigerated, controlled, min_age_hours, page } = queue;
            let cx = &match clinic {
                Some(clinic) => cx.of_clinic(tx, *clinic).await?,
                None => cx.clone(),
            };
            let aged = min_age_hours.map(|hours| cx.now.plus_seconds(-3600 * i64::from(hours)));
            let until = [aged, page.created_until].into_iter().flatten().min();
            let page = &Page { created_until: until, ..page.clone() };
            let found =
                store::order_queue(tx, *clinic, *status, *hold, *refrigerated, *controlled, page).await?;
            let shown = found.items.iter().map(|order| (order.clinic_id, order.patient_id));
            let audit = cx.audit_list(*clinic, "order.queue", "order", shown);
            Ok((found, audit))
        })
    })
    .await
}

/// One order of any clinic.
pub async fn order(app: &App, call: &Call, id: OrderId) -> Result<OrderView> {
    call.staff(READERS)?;
    app.read(call, id, |tx, cx, &id| {
        Box::pin(async move {
            let order = store::order_get_any(tx, id).await?.ok_or(NOT_FOUND)?;
            let audit = cx.audit(Some(order.clinic_id), "order.read", "order", Some(id.0));
            Ok((orders::view(tx, order).await?, vec![audit]))
        })
    })
    .await
}

/// What staff do to an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StaffAct {
    Verify,
    Submit,
    Acknowledge,
    StartFill,
    Fill,
    Hold(HoldReason),
    /// One hold, or all of them.
    Release {
        hold: Option<HoldId>,
    },
    Reject,
    Cancel,
    AcceptCancellation,
    DeclineCancellation,
}

impl StaffAct {
    /// Who may: clinical decisions are a pharmacist's.
    pub const fn role_needed(self) -> &'static [Role] {
        match self {
            Self::Acknowledge | Self::StartFill | Self::Fill | Self::Hold(_) => WORKERS,
            _ => PHARMACISTS,
        }
    }

    /// Whether it brings a fill nearer to the patient.
    const fn is_forward(self) -> bool {
        matches!(self, Self::Verify | Self::Submit | Self::Acknowledge | Self::StartFill | Self::Fill)
    }

    /// Whether it is for the order as a whole.
    const fn is_of_whole_order(self) -> bool {
        matches!(self, Self::AcceptCancellation | Self::DeclineCancellation)
    }

    /// Its name in the audit log.
    const fn action(self) -> &'static str {
        match self {
            Self::Verify => "order.verify",
            Self::Submit => "order.submit",
            Self::Acknowledge => "order.acknowledge",
            Self::StartFill => "order.start_fill",
            Self::Fill => "order.fill",
            Self::Hold(_) => "order.hold",
            Self::Release { .. } => "order.release",
            Self::Reject => "order.reject",
            Self::Cancel => "order.cancel",
            Self::AcceptCancellation => "order.accept_cancellation",
            Self::DeclineCancellation => "order.decline_cancellation",
        }
    }
}

pub struct Task {
    pub id: OrderId,
    pub act: StaffAct,
    /// Which medication requests; every live one that it is possible for, if not given.
    pub lines: Option<Vec<LineId>>,
    /// For the history alone.
    pub reason: Option<String>,
    /// For the partner: it goes into the events.
    pub note: Option<String>,
}

/// Does one act of staff.
pub async fn work_on(app: &App, call: &Call, task: Task, render: Render<Order>) -> Result<Reply> {
    call.staff(task.act.role_needed())?;
    if task.lines.is_some() && task.act.is_of_whole_order() {
        return Err(Error::field(
            "medication_request_ids",
            "cannot be given: the request is for the whole order",
        ));
    }
    app.write(call, task, render, |tx, cx, task| {
        Box::pin(async move {
            let before = store::order_get_any(tx, task.id).await?.ok_or(NOT_FOUND)?;
            let cx = &cx.of_clinic(tx, before.clinic_id).await?;
            work_in(tx, cx, before, task).await
        })
    })
    .await
}

/// Does one act on an order as it is now.
pub(crate) async fn work_in(tx: &mut Tx, cx: &Cx, before: Order, task: &Task) -> Result<Order> {
    let lines = task.lines.as_deref().map_or(Lines::EveryLive, Lines::These);
    let act = cx.act(task.reason.clone(), task.note.clone());
    let mut changes = Changes::default();
    let decision = decide(tx, cx, &before, task.act, lines, &act).await?;
    let mut after = changes.take(decision);
    if matches!(task.act, StaffAct::Release { .. }) {
        after = go_on(tx, cx, &before, after, &mut changes).await?;
    }
    order_changed(tx, cx, &before, &mut after, &mut changes).await?;
    let (clinic, id) = (Some(after.clinic_id), Some(after.id.0));
    changes.audit.push(cx.audit(clinic, task.act.action(), "order", id));
    changes.write(tx, cx).await?;
    Ok(after)
}

/// What the rules say to an act.
pub(crate) async fn decide(
    tx: &mut Tx,
    cx: &Cx,
    before: &Order,
    staff_act: StaffAct,
    lines: Lines<'_>,
    act: &Act,
) -> Result<Decision> {
    if staff_act.is_forward() {
        prescriptions_must_be_active(tx, before, lines).await?;
    }
    let decision = match staff_act {
        StaffAct::Verify => {
            let rx_numbers = rx_numbers(tx, before).await?;
            let stops = gates::stops_before_work(tx, cx, before).await?;
            work_unless_stopped(before, Work::Verify { rx_numbers: &rx_numbers }, lines, &stops, act)?
        }
        StaffAct::Submit => {
            let practitioner_active = practitioner_active(tx, before).await?;
            let stops = gates::stops_before_work(tx, cx, before).await?;
            work_unless_stopped(before, Work::Submit { practitioner_active }, lines, &stops, act)?
        }
        StaffAct::Acknowledge => work(before, Work::Acknowledge, lines, act)?,
        StaffAct::StartFill => work(before, Work::StartFill, lines, act)?,
        StaffAct::Fill => {
            let short = inventory::consume(tx, cx, before, lines, act).await?;
            work(before, Work::Fill { short: &short }, lines, act)?
        }
        StaffAct::Reject => work(before, Work::Reject, lines, act)?,
        StaffAct::Hold(reason) => place_hold(before, reason, lines, act)?,
        StaffAct::Release { hold } => {
            must_not_wait(tx, before, hold, lines).await?;
            release_holds(before, hold, None, lines, act)?
        }
        StaffAct::Cancel => cancel(before, lines, act)?,
        StaffAct::AcceptCancellation => accept_cancellation(before, act)?,
        StaffAct::DeclineCancellation => decline_cancellation(before, act)?,
    };
    Ok(decision)
}

/// Nothing is filled on a prescription that was stopped, held or has run out.
async fn prescriptions_must_be_active(tx: &mut Tx, order: &Order, lines: Lines<'_>) -> Result<()> {
    let named = |line: &Line| match lines {
        Lines::EveryLive => line.status.is_live() && line.status.is_before_shipped(),
        Lines::These(ids) => ids.contains(&line.id),
    };
    for prescription in prescriptions::prescription_of_order(tx, order.clinic_id, order.id).await? {
        let concerned = order.lines.iter().any(|line| line.prescription_id == prescription.id && named(line));
        let stopped =
            !matches!(prescription.status, PrescriptionStatus::Active | PrescriptionStatus::Completed);
        if concerned && stopped {
            return Err(Refusal::Prescription(prescription.status.as_str()).into());
        }
    }
    Ok(())
}

/// A number for each prescription of the order that has none yet.
async fn rx_numbers(tx: &mut Tx, order: &Order) -> Result<Vec<(PrescriptionId, String)>> {
    let mut without: Vec<PrescriptionId> = Vec::new();
    for line in order.lines.iter().filter(|line| line.rx_number.is_none()) {
        if line.status == FillStatus::Received && !without.contains(&line.prescription_id) {
            without.push(line.prescription_id);
        }
    }
    if without.is_empty() {
        return Ok(Vec::new());
    }
    let count = i64::try_from(without.len()).unwrap_or(i64::MAX);
    let first = counters::counter_take(tx, "rx_number", count).await?;
    Ok(without.into_iter().zip(first..).map(|(id, number)| (id, number.to_string())).collect())
}

async fn practitioner_active(tx: &mut Tx, order: &Order) -> Result<bool> {
    let status = practitioners::practitioner_status(tx, order.clinic_id, order.practitioner_id).await?;
    Ok(status == Some(PractitionerStatus::Active))
}

/// A hold for an inactive practitioner ends with the activation, and one for an original when it is bound, not by
/// hand.
async fn must_not_wait(tx: &mut Tx, order: &Order, hold: Option<HoldId>, lines: Lines<'_>) -> Result<()> {
    let chosen = |line: LineId| match lines {
        Lines::EveryLive => true,
        Lines::These(ids) => ids.contains(&line),
    };
    let named = |open: &&Hold| hold.is_none_or(|hold| hold == open.id) && chosen(open.line_id);
    let of = |reason| order.open_holds().filter(named).filter(move |open| open.reason == reason);
    let mut waits =
        of(HoldReason::PractitionerNotActive).next().is_some() && !practitioner_active(tx, order).await?;
    // One that staff placed is theirs to release.
    let for_original = || of(HoldReason::AwaitingValidPrescription).filter(|open| open.cause.is_some());
    if for_original().next().is_some() {
        let bound = originals::originals_of_order(tx, order.clinic_id, order.id).await?;
        let lines = for_original().filter_map(|open| order.line(open.line_id));
        waits |= lines.into_iter().any(|line| !bound.contains(&line.prescription_id));
    }
    if waits {
        return Err(Refusal::transition(FillStatus::OnHold.as_str(), order.standing().as_str()).into());
    }
    Ok(())
}

pub struct Replace {
    pub id: OrderId,
    pub note: Option<String>,
}

/// A new order for what was returned or lost. It consumes no refill.
pub async fn replace(app: &App, call: &Call, command: Replace, render: Render<Order>) -> Result<Reply> {
    call.staff(PHARMACISTS)?;
    app.write(call, command, render, |tx, cx, command| Box::pin(replace_in(tx, cx, command))).await
}

async fn replace_in(tx: &mut Tx, cx: &Cx, command: &Replace) -> Result<Order> {
    let lost = store::order_get_any(tx, command.id).await?.ok_or(NOT_FOUND)?;
    let cx = &cx.of_clinic(tx, lost.clinic_id).await?;
    let replaced = store::prescriptions_replaced(tx, lost.clinic_id, lost.id).await?;
    let gone: Vec<PrescriptionId> = lost
        .lines
        .iter()
        .filter(|line| matches!(line.status, FillStatus::Returned | FillStatus::Lost))
        .map(|line| line.prescription_id)
        .filter(|prescription| !replaced.contains(prescription))
        .collect();
    if gone.is_empty() {
        return Err(Refusal::transition(lost.status.as_str(), "replaced").into());
    }
    let mut fills = prescriptions::prescription_of_order(tx, lost.clinic_id, lost.id).await?;
    fills.retain(|prescription| gone.contains(&prescription.id));
    let new = NewOrder {
        clinic_id: lost.clinic_id,
        patient_id: lost.patient_id,
        practitioner_id: lost.practitioner_id,
        shipping: lost.shipping.clone(),
        refrigerated: lost.refrigerated,
        shipment_group: lost.shipment_group.as_ref().map(|group| group.expose().clone()),
        shipping_address: lost.shipping_address.expose().clone(),
        notes: None,
    };
    let mut order = new.with_lines(tx, cx, &fills).await?;
    for line in &mut order.lines {
        let replaced = lost.lines.iter().find(|old| old.prescription_id == line.prescription_id);
        if let Some(replaced) = replaced {
            (line.quantity, line.days_supply) = (replaced.quantity, replaced.days_supply);
        }
    }
    order.replaces = Some(lost.id);
    // Of two replacements at once, the second loses this and then finds the first.
    store::order_update(tx, &lost, &Order { updated_at: cx.now, ..lost.clone() }).await?;
    let mut changes = Changes::default();
    let stops = gates::stops_of(tx, cx, &order, &fills).await?;
    let named = ("order.replace", command.note.clone());
    let order = orders::insert(tx, cx, &order, &stops, named, &mut changes).await?;
    changes.write(tx, cx).await?;
    Ok(order)
}
