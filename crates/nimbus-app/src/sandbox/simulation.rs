//! The simulated pharmacy and carrier of a sandbox: one step at a time, through the use cases of staff.

use nimbus_core::{
    access::{Scope, SystemActor},
    ids::{ClinicId, OrderId},
    order::{FillStatus, HoldReason, Order, Shipping},
    sandbox_magic::MagicSurname,
    shipment::ShipmentStatus,
    simulation::{Next, Step, next, tracking_number},
};
use nimbus_store::{
    Tx,
    jobs::{self, JobKind},
    orders as store, patients, shipments as parcels,
};

use super::SANDBOX_STAFF;
use crate::{
    App,
    actor::{Actor, Call},
    clock::wall,
    error::Result,
    orders::NOT_FOUND,
    pharmacy::{StaffAct, Task, work_in},
    shipments,
    unit::{Cx, Render, Reply},
};

/// The most steps of one request. The longest way has fewer.
const MAX_STEPS: usize = 30;
/// A step that is refused is tried again after this much business time.
const TRY_AGAIN_SECONDS: i64 = 3600;
/// An order that nothing has happened to for so long is left alone.
const GIVE_UP_DAYS: i64 = 7;
/// What parcels leave by where an order names a speed and no service.
const NEXT_DAY: (&str, &str) = ("se-3818360", "fedex_priority_overnight");
const BUSINESS_DAY: (&str, &str) = ("se-3818360", "fedex_2day");

pub struct Advance {
    pub id: OrderId,
    /// One step, if it is not given.
    pub to: Option<FillStatus>,
}

/// How far an order can be asked to go.
pub const GOALS: &[FillStatus] = &[
    FillStatus::Verified,
    FillStatus::Submitted,
    FillStatus::Acknowledged,
    FillStatus::Filling,
    FillStatus::Filled,
    FillStatus::Shipped,
    FillStatus::Delivered,
];

/// A step that was done, with where the order stood after it.
#[derive(Debug, Clone, Copy)]
pub struct Done {
    pub step: Step,
    pub status: FillStatus,
}

pub struct Advanced {
    pub order: Order,
    pub steps: Vec<Done>,
    /// Why it stopped before its goal: the holds that keep it, each reason once.
    pub waits_for: Vec<HoldReason>,
}

/// Does the next step to an order, or all up to a state. They are done together or, if one is refused, none.
pub async fn advance(app: &App, call: &Call, command: Advance, render: Render<Advanced>) -> Result<Reply> {
    may_act(call)?;
    app.write(call, command, render, |tx, cx, command| Box::pin(advance_in(tx, cx, command))).await
}

/// Partners work their own orders, staff those of any clinic.
fn may_act(call: &Call) -> Result<()> {
    match &call.actor {
        Actor::Partner(_) => call.partner(Scope::OrdersWrite).map(|_| ()),
        _ => call.staff(SANDBOX_STAFF),
    }
}

async fn find(tx: &mut Tx, cx: &Cx, id: OrderId) -> Result<Order> {
    let found = match &cx.call.actor {
        Actor::Partner(partner) => store::order_get(tx, partner.clinic_id, id).await?,
        _ => store::order_get_any(tx, id).await?,
    };
    found.ok_or(NOT_FOUND)
}

async fn advance_in(tx: &mut Tx, cx: &Cx, command: &Advance) -> Result<Advanced> {
    let mut order = find(tx, cx, command.id).await?;
    let cx = &cx.of_clinic(tx, order.clinic_id).await?.as_system(SystemActor::Sandbox);
    let mut steps = Vec::new();
    while steps.len() < MAX_STEPS && !has_reached(&order, command.to, &steps) {
        let Some((step, after)) = step(tx, cx, &order).await? else { break };
        order = after;
        steps.push(Done { step, status: order.status });
    }
    let mut waits_for: Vec<HoldReason> = order.open_holds().map(|hold| hold.reason).collect();
    waits_for.sort_unstable();
    waits_for.dedup();
    if !steps.is_empty() {
        follow(tx, cx, order.clinic_id, order.id).await?;
    }
    Ok(Advanced { order, steps, waits_for })
}

fn has_reached(order: &Order, goal: Option<FillStatus>, steps: &[Done]) -> bool {
    match goal {
        None => !steps.is_empty(),
        Some(goal) => {
            let standing = order.standing();
            order.status != FillStatus::OnHold && standing.is_live() && standing.rank() >= goal.rank()
        }
    }
}

/// Does the next step, if there is one.
async fn step(tx: &mut Tx, cx: &Cx, order: &Order) -> Result<Option<(Step, Order)>> {
    let (clinic, id) = (order.clinic_id, order.id);
    let parcels = parcels::shipments_of_order(tx, clinic, id).await?;
    let patient = patients::patient_get(tx, clinic, order.patient_id).await?;
    let surname = patient.and_then(|patient| MagicSurname::of(&patient.profile.expose().last_name));
    let Next::Step(step) = next(order, &parcels, surname) else { return Ok(None) };
    let act = match step {
        Step::Verify => StaffAct::Verify,
        Step::Submit => StaffAct::Submit,
        Step::Acknowledge => StaffAct::Acknowledge,
        Step::StartFill => StaffAct::StartFill,
        Step::Fill => StaffAct::Fill,
        Step::Reject => StaffAct::Reject,
        Step::AcceptCancellation => StaffAct::AcceptCancellation,
        Step::Hold(reason) => StaffAct::Hold(reason),
        Step::Release(reason) => {
            release(tx, cx, order, reason).await?;
            return after(tx, order, step).await;
        }
        Step::Pack => {
            pack(tx, cx, order, surname).await?;
            return after(tx, order, step).await;
        }
        Step::Scan(parcel, status) => {
            let (note, location) = seen(status, order);
            let scan = shipments::MoveTo { id: parcel, status, note: Some(note.to_owned()), location };
            shipments::move_in(tx, cx, &scan).await?;
            return after(tx, order, step).await;
        }
    };
    work_in(tx, cx, order.clone(), &task(id, act, note_of(step))).await?;
    after(tx, order, step).await
}

fn task(id: OrderId, act: StaffAct, note: Option<&str>) -> Task {
    Task { id, act, lines: None, reason: None, note: note.map(str::to_owned) }
}

/// Releases every hold of a reason: each line has its own.
async fn release(tx: &mut Tx, cx: &Cx, order: &Order, reason: HoldReason) -> Result<()> {
    for hold in order.open_holds().filter(|hold| hold.reason == reason) {
        let now = store::order_get(tx, order.clinic_id, order.id).await?.ok_or(NOT_FOUND)?;
        let act = StaffAct::Release { hold: Some(hold.id) };
        work_in(tx, cx, now, &task(order.id, act, None)).await?;
    }
    Ok(())
}

/// The order as it is after a step.
async fn after(tx: &mut Tx, order: &Order, step: Step) -> Result<Option<(Step, Order)>> {
    let after = store::order_get(tx, order.clinic_id, order.id).await?.ok_or(NOT_FOUND)?;
    Ok(Some((step, after)))
}

/// What the simulated pharmacy writes for the partner.
const fn note_of(step: Step) -> Option<&'static str> {
    match step {
        Step::Reject => Some("A drug interaction (simulated)"),
        Step::Hold(_) => Some("Simulated by the sandbox"),
        _ => None,
    }
}

async fn pack(tx: &mut Tx, cx: &Cx, order: &Order, surname: Option<MagicSurname>) -> Result<()> {
    use nimbus_core::order::DeliverySpeed;
    let (carrier_id, service_id) = match &order.shipping {
        Shipping::Service { carrier_id, service_id } => (carrier_id.as_str(), service_id.as_str()),
        Shipping::Speed(DeliverySpeed::NextDay) => NEXT_DAY,
        Shipping::Speed(DeliverySpeed::BusinessDay) => BUSINESS_DAY,
    };
    let parcel = shipments::Create {
        orders: vec![order.id],
        lines: None,
        carrier_id: carrier_id.to_owned(),
        service_id: service_id.to_owned(),
        tracking_number: tracking_number(surname).map(|number| number.as_str().to_owned()),
        weight_oz: None,
        notes: None,
        warnings: Vec::new(),
    };
    shipments::create_in(tx, cx, &parcel).await?;
    Ok(())
}

/// What the simulated carrier says of a scan, and where: the state that the parcel goes to, when it is near.
fn seen(status: ShipmentStatus, order: &Order) -> (&'static str, Option<String>) {
    let near = || Some(order.shipping_address.expose().state.clone());
    match status {
        ShipmentStatus::InTransit => ("Departed the pharmacy (simulated)", None),
        ShipmentStatus::OutForDelivery => ("Out for delivery (simulated)", near()),
        ShipmentStatus::Attempted => ("Delivery attempted, nobody was there (simulated)", near()),
        ShipmentStatus::Delivered => ("Delivered (simulated)", near()),
        ShipmentStatus::Exception => ("Delayed by damage in transit (simulated)", None),
        ShipmentStatus::Returned => ("Returned to the sender (simulated)", None),
        ShipmentStatus::Lost => ("Lost in transit (simulated)", None),
        _ => ("Scanned (simulated)", None),
    }
}

/// Has the simulated pharmacy take an order up again, where orders advance by themselves.
pub(crate) async fn follow(tx: &mut Tx, cx: &Cx, clinic: ClinicId, order: OrderId) -> Result<()> {
    let Some(every) = cx.app.auto_advance() else { return Ok(()) };
    let seconds = i64::try_from(every.as_secs()).unwrap_or(i64::MAX);
    let due = cx.now.plus_seconds(seconds);
    Ok(jobs::job_schedule(tx, JobKind::SandboxStep, clinic, order.0, due, cx.wall).await?)
}

/// Does the step of an order that is due, and has the next one scheduled.
pub(crate) async fn step_due(tx: &mut Tx, cx: &Cx, clinic: ClinicId, id: OrderId) -> Result<()> {
    let Some(order) = store::order_get(tx, clinic, id).await? else { return Ok(()) };
    if cx.app.auto_advance().is_none() || order.updated_at.plus_days(GIVE_UP_DAYS) < cx.now {
        return Ok(());
    }
    let cx = &cx.as_system(SystemActor::Sandbox);
    match step(tx, cx, &order).await? {
        Some(_) => follow(tx, cx, clinic, id).await,
        None => Ok(()),
    }
}

/// Has a step that was refused tried again later. Its own transaction was rolled back.
pub(crate) async fn put_off(tx: &mut Tx, due: jobs::Due) -> Result<()> {
    let later = due.due_at.plus_seconds(TRY_AGAIN_SECONDS);
    Ok(jobs::job_schedule(tx, due.kind, due.clinic_id, due.subject_id, later, wall()).await?)
}
