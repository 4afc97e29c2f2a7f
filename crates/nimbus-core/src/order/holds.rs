//! Holds of an order's lines: placed by staff or by a gate, released by staff, resolved by partners.

use super::{
    Act, Decision, FillStatus, Hold, HoldReason, Line, Order,
    work::{Lines, targets},
};
use crate::{
    event::MedicationChange,
    gates::{Field, Gate},
    history::{Subject, Transition},
    ids::{HoldId, LineId},
    phi::Phi,
    refusal::Refusal,
    words,
};

words! {
    /// A step of work that a gate refused by a hold. It is tried again when the hold is gone.
    pub enum RefusedAct {
        Verify = "verify",
        Submit = "submit",
    }
}

/// What a gate found when it placed a hold. It names no patient data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cause {
    pub gate: Gate,
    /// A sentence for the partner.
    pub message: String,
    /// The regulation or policy behind it, from the rules pack of that day.
    pub citation: Option<String>,
    /// What resolves it, by the names of the request that does; empty where no partner can.
    pub fields: Vec<Field>,
    pub refused: Option<RefusedAct>,
}

/// A line that a gate does not let pass.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stop {
    pub line_id: LineId,
    pub reason: HoldReason,
    pub cause: Cause,
}

impl Line {
    /// What a held line dispenses is another thing than before: a pharmacist verifies it once more.
    pub fn verify_anew(&mut self) {
        self.held_from = self.held_from.map(|_| FillStatus::Received);
    }
}

/// Puts lines on hold. A line that is held already gets this hold beside the others.
pub fn place_hold(
    order: &Order,
    reason: HoldReason,
    lines: Lines<'_>,
    act: &Act,
) -> Result<Decision, Refusal> {
    let targets = targets(order, lines, FillStatus::OnHold, |status, standing| {
        status.is_live() && standing.is_before_shipped()
    })?;
    let mut decision = Decision::unchanged(order);
    for index in targets {
        hold_line(&mut decision, index, reason, None, act);
    }
    Ok(decision.settle(act))
}

/// Puts every live line that a gate stops on hold. `refused` is the step that they stood before, if one.
pub fn place_stops(order: &Order, stops: &[Stop], refused: Option<RefusedAct>, act: &Act) -> Decision {
    let mut decision = Decision::unchanged(order);
    for index in 0..order.lines.len() {
        let line = &order.lines[index];
        if line.status.is_live() && line.standing().is_before_shipped() {
            stop_line(&mut decision, index, stops, refused, act);
        }
    }
    decision.settle(act)
}

/// Holds a line for everything that stops it; whether anything does.
pub(super) fn stop_line(
    decision: &mut Decision,
    index: usize,
    stops: &[Stop],
    refused: Option<RefusedAct>,
    act: &Act,
) -> bool {
    let line_id = decision.order.lines[index].id;
    let mut stopped = false;
    for stop in stops.iter().filter(|stop| stop.line_id == line_id) {
        let cause = Cause { refused, ..stop.cause.clone() };
        hold_line(decision, index, stop.reason, Some(cause), act);
        stopped = true;
    }
    stopped
}

/// Holds a line. What staff wrote goes with their own holds, what a gate found with its.
pub(super) fn hold_line(
    decision: &mut Decision,
    index: usize,
    reason: HoldReason,
    cause: Option<Cause>,
    act: &Act,
) {
    let line = &decision.order.lines[index];
    let (line_id, held) = (line.id, line.status == FillStatus::OnHold);
    let asks = |cause: &Option<Cause>| cause.as_ref().map(|it| (it.gate, it.fields.clone()));
    let same =
        |hold: &Hold| hold.line_id == line_id && hold.reason == reason && asks(&hold.cause) == asks(&cause);
    if decision.order.open_holds().any(same) {
        return;
    }
    let message = cause.as_ref().map(|cause| cause.message.clone());
    decision.order.holds.push(Hold {
        id: HoldId((act.new_id)()),
        line_id,
        reason,
        note: act.note.clone().filter(|_| cause.is_none()).map(Phi::new),
        cause,
        placed_at: act.now,
        released_at: None,
    });
    if !held {
        // The event tells why: in the gate's words, or in those of staff.
        let told = Act { note: message.or_else(|| act.note.clone()), ..act.clone() };
        let change = Some(MedicationChange::OnHold);
        decision.move_line(index, FillStatus::OnHold, change, &told, Some(reason.as_str()));
    }
}

/// Which holds a release is for.
#[derive(Debug, Clone, Copy)]
enum Which {
    One(HoldId),
    Reason(HoldReason),
    All,
}

/// Releases holds: the one named, all of a reason, or all of the lines. A line goes back to the state it left
/// when its last hold is gone.
pub fn release_holds(
    order: &Order,
    hold: Option<HoldId>,
    reason: Option<HoldReason>,
    lines: Lines<'_>,
    act: &Act,
) -> Result<Decision, Refusal> {
    let which = match (hold, reason) {
        (Some(id), _) => Which::One(id),
        (None, Some(reason)) => Which::Reason(reason),
        (None, None) => Which::All,
    };
    if let Which::One(id) = which
        && !order.open_holds().any(|open| open.id == id)
    {
        return Err(Refusal::UnknownHold);
    }
    let targets = targets(order, lines, FillStatus::Received, |status, _| status == FillStatus::OnHold)?;
    let mut decision = Decision::unchanged(order);
    let mut released = false;
    for index in targets {
        let chosen = |open: &Hold| match which {
            Which::One(id) => open.id == id,
            Which::Reason(reason) => open.reason == reason,
            Which::All => true,
        };
        released |= release_some(&mut decision, index, chosen, act);
    }
    if released { Ok(decision.settle(act)) } else { Err(Refusal::UnknownHold) }
}

/// Releases holds that were resolved, whatever lines they are of. Each leaves a row of history with what was
/// answered; a line goes back to the state it left when its last hold is gone.
pub fn resolve_holds(order: &Order, holds: &[HoldId], act: &Act) -> Result<Decision, Refusal> {
    let open = |id: &HoldId| order.open_holds().any(|hold| hold.id == *id);
    if holds.is_empty() || !holds.iter().all(open) {
        return Err(Refusal::UnknownHold);
    }
    let mut decision = Decision::unchanged(order);
    for index in 0..order.lines.len() {
        let line_id = order.lines[index].id;
        for hold in order.open_holds().filter(|hold| hold.line_id == line_id && holds.contains(&hold.id)) {
            decision.history.push(resolved(order, hold, act));
        }
        // What was answered is the partner's own: it is no news to them, and no event tells it.
        let silent = Act { reason: None, note: None, ..act.clone() };
        release_some(&mut decision, index, |open| holds.contains(&open.id), &silent);
    }
    Ok(decision.settle(act))
}

/// The row of history of a resolved hold, which moves no status by itself.
fn resolved(order: &Order, hold: &Hold, act: &Act) -> Transition {
    Transition {
        clinic_id: order.clinic_id,
        subject: Subject::MedicationRequest,
        subject_id: hold.line_id.0,
        order_id: Some(order.id),
        from: Some(FillStatus::OnHold.as_str()),
        to: FillStatus::OnHold.as_str(),
        by: act.by,
        reason: Some("hold_resolved"),
        note: act.reason.clone().or_else(|| act.note.clone()).map(Phi::new),
        at: act.now,
    }
}

/// Releases the chosen holds of a line; whether there were any.
fn release_some(decision: &mut Decision, index: usize, chosen: impl Fn(&Hold) -> bool, act: &Act) -> bool {
    let line_id = decision.order.lines[index].id;
    let mut released = false;
    for open in decision.order.holds.iter_mut().filter(|h| h.line_id == line_id && h.released_at.is_none()) {
        if chosen(open) {
            open.released_at = Some(act.now);
            released = true;
        }
    }
    let left = decision.order.lines[index].held_from;
    let still_held = decision.order.open_holds().any(|open| open.line_id == line_id);
    if let (Some(left), true, false) = (left, released, still_held) {
        decision.move_line(index, left, Some(MedicationChange::Released), act, None);
    }
    released
}

pub(super) fn release_open_holds(decision: &mut Decision, index: usize, act: &Act) {
    let line_id = decision.order.lines[index].id;
    for open in decision.order.holds.iter_mut().filter(|h| h.line_id == line_id && h.released_at.is_none()) {
        open.released_at = Some(act.now);
    }
}

/// The lines that nothing holds any more and whose holds, open in `before`, had refused this step.
pub fn refused_before(before: &Order, after: &Order, step: RefusedAct) -> Vec<LineId> {
    let refused = |line: LineId| {
        before.open_holds().any(|hold| {
            hold.line_id == line && hold.cause.as_ref().is_some_and(|cause| cause.refused == Some(step))
        })
    };
    let free = after.lines.iter().filter(|line| line.status.is_live() && line.status != FillStatus::OnHold);
    free.map(|line| line.id).filter(|&line| refused(line)).collect()
}

#[cfg(test)]
mod tests;
