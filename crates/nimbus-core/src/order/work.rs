//! What staff do to an order's lines: the forward steps, rejection, and what a parcel's way means.

use super::{
    Act, Decision, FillStatus, HoldReason, Line, Order,
    cancel::decline,
    holds::{RefusedAct, Stop, hold_line, release_open_holds, stop_line},
};
use crate::{
    event::MedicationChange,
    history::{Subject, Transition},
    ids::{LineId, PrescriptionId},
    phi::Phi,
    refusal::Refusal,
    shipment::Shipment,
};

/// Which lines an act is for.
#[derive(Debug, Clone, Copy)]
pub enum Lines<'a> {
    /// Every live line that the act is possible for; none is a refusal.
    EveryLive,
    /// These, all of which it must be possible for.
    These(&'a [LineId]),
}

/// One step of the pharmacy's work.
#[derive(Debug, Clone, Copy)]
pub enum Work<'a> {
    /// A pharmacist has checked the prescription. Each one verified for the first time gets its Rx number.
    Verify {
        rx_numbers: &'a [(PrescriptionId, String)],
    },
    /// Handed to filling, unless the practitioner is not active: then the line is held.
    Submit {
        practitioner_active: bool,
    },
    Acknowledge,
    StartFill,
    /// Filled from stock; the lines for which there is not enough are held.
    Fill {
        short: &'a [LineId],
    },
    Reject,
}

impl Work<'_> {
    const fn goal(self) -> FillStatus {
        match self {
            Self::Verify { .. } => FillStatus::Verified,
            Self::Submit { .. } => FillStatus::Submitted,
            Self::Acknowledge => FillStatus::Acknowledged,
            Self::StartFill => FillStatus::Filling,
            Self::Fill { .. } => FillStatus::Filled,
            Self::Reject => FillStatus::Rejected,
        }
    }

    fn applies_to(self, status: FillStatus, standing: FillStatus) -> bool {
        match self {
            Self::Verify { .. } => status == FillStatus::Received,
            Self::Submit { .. } => status == FillStatus::Verified,
            Self::Acknowledge => status == FillStatus::Submitted,
            Self::StartFill => status == FillStatus::Acknowledged,
            Self::Fill { .. } => status == FillStatus::Filling,
            Self::Reject => status.is_live() && standing.is_before_filling(),
        }
    }

    /// What a hold that stops this keeps in mind, to be tried again when it is released.
    const fn refused(self) -> Option<RefusedAct> {
        match self {
            Self::Verify { .. } => Some(RefusedAct::Verify),
            Self::Submit { .. } => Some(RefusedAct::Submit),
            _ => None,
        }
    }

    const fn change(self) -> Option<MedicationChange> {
        match self {
            Self::Verify { .. } => Some(MedicationChange::Validated),
            Self::Submit { .. } => Some(MedicationChange::Submitted),
            Self::Acknowledge => Some(MedicationChange::Acknowledged),
            Self::StartFill => None,
            Self::Fill { .. } => Some(MedicationChange::Filled),
            Self::Reject => Some(MedicationChange::Rejected),
        }
    }
}

/// The history of an order's beginning; its lines' states are as the caller made them.
pub fn open_order(order: &Order, act: &Act) -> Vec<Transition> {
    let note = || act.reason.clone().or_else(|| act.note.clone()).map(Phi::new);
    let begin = |subject, subject_id, status: FillStatus| Transition {
        clinic_id: order.clinic_id,
        subject,
        subject_id,
        order_id: Some(order.id),
        from: None,
        to: status.as_str(),
        by: act.by,
        reason: None,
        note: note(),
        at: act.now,
    };
    let lines = order.lines.iter().map(|line| begin(Subject::MedicationRequest, line.id.0, line.status));
    lines.chain([begin(Subject::Order, order.id.0, order.status)]).collect()
}

/// Does one step of work on lines of an order, or refuses and changes nothing.
pub fn work(order: &Order, work: Work<'_>, lines: Lines<'_>, act: &Act) -> Result<Decision, Refusal> {
    work_unless_stopped(order, work, lines, &[], act)
}

/// As [`work`], but a line that a gate stops is put on hold instead of being moved.
pub fn work_unless_stopped(
    order: &Order,
    work: Work<'_>,
    lines: Lines<'_>,
    stops: &[Stop],
    act: &Act,
) -> Result<Decision, Refusal> {
    let goal = work.goal();
    let targets = targets(order, lines, goal, |status, standing| work.applies_to(status, standing))?;
    let mut decision = Decision::unchanged(order);
    for index in targets {
        let stopped = stop_line(&mut decision, index, stops, work.refused(), act);
        match work {
            Work::Submit { practitioner_active: false } => {
                hold_line(&mut decision, index, HoldReason::PractitionerNotActive, None, act);
                continue;
            }
            _ if stopped => continue,
            Work::Fill { short } if short.contains(&decision.order.lines[index].id) => {
                hold_line(&mut decision, index, HoldReason::OutOfStock, None, act);
                continue;
            }
            Work::Verify { rx_numbers } => {
                let line = &mut decision.order.lines[index];
                if line.rx_number.is_none() {
                    let number = rx_numbers.iter().find(|(id, _)| *id == line.prescription_id);
                    line.rx_number = number.map(|(_, number)| number.clone());
                }
            }
            _ => {}
        }
        if goal == FillStatus::Rejected {
            release_open_holds(&mut decision, index, act);
        }
        decision.move_line(index, goal, work.change(), act, None);
    }
    Ok(decision.settle(act))
}

/// What a parcel's way means for the lines in it: `goal` is `shipped`, `delivered`, `returned` or `lost`. A
/// line that had not left yet passes through `shipped`, and both are told. A held line never leaves: it is taken out.
pub fn after_shipment(order: &Order, parcel: &Shipment, goal: FillStatus, act: &Act) -> Decision {
    let shipment = parcel.id;
    let mut decision = Decision::unchanged(order);
    for line in decision.order.lines.iter_mut() {
        if line.shipment_id == Some(shipment) && line.status == FillStatus::OnHold {
            line.unpack();
        }
    }
    let leaves = |line: &Line| {
        line.shipment_id == Some(shipment) && line.status.is_live() && line.status.is_before_shipped()
    };
    if order.cancellation_requested_at.is_some() && decision.order.lines.iter().any(leaves) {
        // What has left cannot be cancelled: the request is answered by the parcel.
        decline(&mut decision, act);
    }
    for index in 0..decision.order.lines.len() {
        let line = &decision.order.lines[index];
        if line.shipment_id != Some(shipment) || !line.status.is_live() {
            continue;
        }
        if line.status.is_before_shipped() {
            decision.move_line(index, FillStatus::Shipped, Some(MedicationChange::Shipped), act, None);
        }
        let change = match goal {
            FillStatus::Delivered => MedicationChange::Delivered,
            FillStatus::Returned => MedicationChange::Returned,
            FillStatus::Lost => MedicationChange::Lost,
            _ => continue,
        };
        if decision.order.lines[index].status == FillStatus::Shipped {
            decision.move_line(index, goal, Some(change), act, None);
        }
    }
    decision.settle(act).in_parcel(&parcel.told())
}

/// The indices of the lines an act is for, or why it is refused.
pub(super) fn targets(
    order: &Order,
    lines: Lines<'_>,
    goal: FillStatus,
    possible: impl Fn(FillStatus, FillStatus) -> bool,
) -> Result<Vec<usize>, Refusal> {
    let named = |index: &usize| match lines {
        Lines::EveryLive => order.lines[*index].status.is_live(),
        Lines::These(ids) => ids.contains(&order.lines[*index].id),
    };
    let can = |index: &usize| possible(order.lines[*index].status, order.lines[*index].standing());
    let all: Vec<usize> = (0..order.lines.len()).filter(named).collect();
    if let Lines::These(ids) = lines {
        if ids.iter().any(|id| order.line(*id).is_none()) {
            return Err(Refusal::UnknownLine);
        }
        if let Some(&first) = all.iter().find(|index| !can(index)) {
            return Err(Refusal::transition(order.lines[first].status.as_str(), goal.as_str()));
        }
    }
    let chosen: Vec<usize> = all.into_iter().filter(can).collect();
    match chosen.is_empty() {
        true if order.lines.len() == 1 => {
            Err(Refusal::transition(order.lines[0].status.as_str(), goal.as_str()))
        }
        true => Err(Refusal::NothingToDo { to: goal.as_str() }),
        false => Ok(chosen),
    }
}
