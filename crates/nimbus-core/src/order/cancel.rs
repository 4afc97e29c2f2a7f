//! Cancelling: at once while nothing is being filled, by request afterwards, never once shipped.

use super::{
    Act, Decision, FillStatus, Order,
    holds::release_open_holds,
    work::{Lines, targets},
};
use crate::{
    event::MedicationChange,
    history::{Subject, Transition},
    phi::Phi,
    refusal::Refusal,
};

/// Staff cancel: any live line that has not shipped.
pub fn cancel(order: &Order, lines: Lines<'_>, act: &Act) -> Result<Decision, Refusal> {
    let targets = targets(order, lines, FillStatus::Cancelled, |status, standing| {
        status.is_live() && standing.is_before_shipped()
    })?;
    let mut decision = Decision::unchanged(order);
    for index in targets {
        release_open_holds(&mut decision, index, act);
        decision.move_line(index, FillStatus::Cancelled, Some(MedicationChange::Cancelled), act, None);
    }
    Ok(decision.settle(act))
}

/// A partner's cancel: takes effect at once while no line is being filled; afterwards it is a request that
/// staff accept or decline, and the status stays. Asking again changes nothing.
pub fn request_cancellation(order: &Order, act: &Act) -> Result<Decision, Refusal> {
    let unshipped = || order.lines.iter().filter(|l| l.status.is_live() && l.standing().is_before_shipped());
    if unshipped().next().is_none() {
        return Err(Refusal::transition(order.status.as_str(), FillStatus::Cancelled.as_str()));
    }
    if unshipped().all(|line| line.standing().is_before_filling()) {
        return cancel(order, Lines::EveryLive, act);
    }
    let mut decision = Decision::unchanged(order);
    if order.cancellation_requested_at.is_none() {
        decision.order.cancellation_requested_at = Some(act.now);
        decision.history.push(noted(order, "cancellation_requested", act));
    }
    Ok(decision.settle(act))
}

/// Staff accept a partner's request.
pub fn accept_cancellation(order: &Order, act: &Act) -> Result<Decision, Refusal> {
    order.cancellation_requested_at.ok_or(Refusal::NoCancellationRequested)?;
    let mut decision = cancel(order, Lines::EveryLive, act)?;
    decision.order.cancellation_requested_at = None;
    Ok(decision)
}

/// Staff decline a partner's request: the order goes on, and the partner is told of each line concerned.
pub fn decline_cancellation(order: &Order, act: &Act) -> Result<Decision, Refusal> {
    order.cancellation_requested_at.ok_or(Refusal::NoCancellationRequested)?;
    let mut decision = Decision::unchanged(order);
    decline(&mut decision, act);
    Ok(decision.settle(act))
}

/// Clears a request and tells of each line that it was for.
pub(super) fn decline(decision: &mut Decision, act: &Act) {
    decision.order.cancellation_requested_at = None;
    let noted = noted(&decision.order, "cancellation_declined", act);
    decision.history.push(noted);
    for index in 0..decision.order.lines.len() {
        let line = &decision.order.lines[index];
        let status = line.status;
        if status.is_live() && line.standing().is_before_shipped() {
            decision.tell(index, MedicationChange::CancellationDeclined, Some(status), act);
        }
    }
}

/// A row of the order's history that moves no status.
fn noted(order: &Order, word: &'static str, act: &Act) -> Transition {
    Transition {
        clinic_id: order.clinic_id,
        subject: Subject::Order,
        subject_id: order.id.0,
        order_id: Some(order.id),
        from: Some(order.status.as_str()),
        to: order.status.as_str(),
        by: act.by,
        reason: Some(word),
        note: act.reason.clone().or_else(|| act.note.clone()).map(Phi::new),
        at: act.now,
    }
}
