//! Binding the valid original of a prescription: an API call is none (21 CFR 1306.05, 1311.100).

use nimbus_core::{
    gates::Gate,
    ids::{HoldId, LineId, OrderId, PrescriptionId},
    order::{Hold, Order, resolve_holds},
    original::{Original, OriginalKind},
    phi::Phi,
    prescription::{DrugSchedule, Prescription, PrescriptionStatus},
    refusal::Refusal,
    time::Ts,
};
use nimbus_store::{Tx, orders, originals as store, prescriptions};

use crate::{
    App,
    actor::{Call, PHARMACISTS},
    consequences::order_changed,
    error::{Detail, Error, RefusalCode, Result},
    holds::go_on,
    outbox::Changes,
    prescriptions::NOT_FOUND,
    unit::{Cx, Render, Reply},
};

pub struct Bind {
    pub prescription: PrescriptionId,
    pub kind: OriginalKind,
    /// Where it is filed.
    pub reference: String,
    pub received_at: Ts,
    pub note: Option<String>,
}

/// What was bound, and the orders that went on by it.
pub struct Bound {
    pub original: Original,
    pub released: Vec<OrderId>,
}

/// A pharmacist binds the original of a prescription whose signature they have verified. The lines that waited for
/// it go on by themselves.
pub async fn bind(app: &App, call: &Call, command: Bind, render: Render<Bound>) -> Result<Reply> {
    call.staff(PHARMACISTS)?;
    app.write(call, command, render, |tx, cx, command| Box::pin(bind_in(tx, cx, command))).await
}

async fn bind_in(tx: &mut Tx, cx: &Cx, command: &Bind) -> Result<Bound> {
    let prescription =
        prescriptions::prescription_get_any(tx, command.prescription).await?.ok_or(NOT_FOUND)?;
    must_need_one(&prescription)?;
    let cx = &cx.of_clinic(tx, prescription.clinic_id).await?;
    if command.received_at > cx.now {
        return Err(Error::field("received_at", "must not be in the future"));
    }
    let (clinic, id) = (prescription.clinic_id, prescription.id);
    let original = Original {
        clinic_id: clinic,
        prescription_id: id,
        kind: command.kind,
        reference: Phi::new(command.reference.clone()),
        note: command.note.clone().map(Phi::new),
        received_at: command.received_at,
        bound_by: cx.by(),
        bound_at: cx.now,
    };
    if !store::original_insert(tx, &original).await? {
        return Err(refused("original_bound", "The prescription has its original already."));
    }
    let mut changes = Changes::default();
    changes.audit.push(cx.audit(Some(clinic), "prescription.bind_original", "prescription", Some(id.0)));
    let mut released = Vec::new();
    for order in orders::orders_held_for_prescription(tx, clinic, id).await? {
        let Some(before) = orders::order_get(tx, clinic, order).await? else { continue };
        let holds = waiting(&before, id);
        if holds.is_empty() {
            continue;
        }
        let freed = changes.take(resolve_holds(&before, &holds, &cx.act(None, None))?);
        let mut after = go_on(tx, cx, &before, freed, &mut changes).await?;
        order_changed(tx, cx, &before, &mut after, &mut changes).await?;
        released.push(order);
    }
    changes.write(tx, cx).await?;
    Ok(Bound { original, released })
}

/// The holds that the gate placed for want of this original. One of staff, who may doubt the paper itself, is theirs
/// to release.
fn waiting(order: &Order, prescription: PrescriptionId) -> Vec<HoldId> {
    let of_it = |line: LineId| order.line(line).is_some_and(|line| line.prescription_id == prescription);
    let by_gate = |hold: &Hold| hold.cause.as_ref().is_some_and(|cause| cause.gate == Gate::Controlled);
    order.open_holds().filter(|hold| by_gate(hold) && of_it(hold.line_id)).map(|hold| hold.id).collect()
}

/// Only a controlled prescription that still stands is bound to an original.
fn must_need_one(prescription: &Prescription) -> Result<()> {
    if !matches!(prescription.status, PrescriptionStatus::Active | PrescriptionStatus::OnHold) {
        return Err(Refusal::Prescription(prescription.status.as_str()).into());
    }
    if prescription.schedule == DrugSchedule::Unscheduled {
        return Err(refused("not_controlled", "Only a controlled drug needs an original."));
    }
    Ok(())
}

fn refused(reason: &str, message: &str) -> Error {
    let detail = Detail {
        field: None,
        reason: Some(reason.to_owned()),
        message: message.to_owned(),
        facts: vec![("gate", Gate::Controlled.as_str().to_owned())],
    };
    Error::refused(RefusalCode::InvalidStatusTransition, message, vec![detail])
}
