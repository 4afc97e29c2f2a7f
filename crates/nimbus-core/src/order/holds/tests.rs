//! Holds by gates, and what becomes of a line when they are resolved.

use super::super::tests::{act, order, told};
use super::*;
use crate::order::{Work, release_holds, work, work_unless_stopped};

fn stop(order: &Order, line: usize, gate: Gate, reason: HoldReason) -> Stop {
    let cause = Cause {
        gate,
        message: "The quantity does not last.".to_owned(),
        citation: Some("21 CFR 1306.05".to_owned()),
        fields: vec![Field::DaysSupply],
        refused: None,
    };
    Stop { line_id: order.lines[line].id, reason, cause }
}

fn verified(order: &Order, stops: &[Stop]) -> Decision {
    work_unless_stopped(order, Work::Verify { rx_numbers: &[] }, Lines::EveryLive, stops, &act()).unwrap()
}

fn statuses(order: &Order) -> Vec<FillStatus> {
    order.lines.iter().map(|line| line.status).collect()
}

#[test]
fn a_line_that_a_gate_stops_is_held_and_the_others_go_on() {
    let before = order(&[FillStatus::Received, FillStatus::Received]);
    let stops = [stop(&before, 0, Gate::DaysSupply, HoldReason::Clarification)];
    let decision = verified(&before, &stops);
    assert_eq!(statuses(&decision.order), [FillStatus::OnHold, FillStatus::Verified]);
    assert_eq!(told(&decision), [MedicationChange::OnHold, MedicationChange::Validated]);
    let hold = &decision.order.holds[0];
    let cause = hold.cause.as_ref().unwrap();
    assert_eq!((cause.gate, cause.refused), (Gate::DaysSupply, Some(RefusedAct::Verify)));
    assert!(hold.note.is_none(), "what a gate found is no note of staff");
}

#[test]
fn two_gates_hold_a_line_twice_and_each_only_once() {
    let before = order(&[FillStatus::Received]);
    let stops = [
        stop(&before, 0, Gate::DaysSupply, HoldReason::Clarification),
        stop(&before, 0, Gate::Compounding, HoldReason::Clarification),
    ];
    let held = place_stops(&before, &stops, None, &act());
    assert_eq!((held.order.holds.len(), told(&held)), (2, vec![MedicationChange::OnHold]));
    let again = place_stops(&held.order, &stops, None, &act());
    assert_eq!((again.order.holds.len(), told(&again)), (2, vec![]));
    assert!(again.history.is_empty());
}

#[test]
fn a_resolved_line_goes_back_when_nothing_else_holds_it() {
    let before = order(&[FillStatus::Received]);
    let stops = [
        stop(&before, 0, Gate::DaysSupply, HoldReason::Clarification),
        stop(&before, 0, Gate::License, HoldReason::License),
    ];
    let held = verified(&before, &stops).order;
    let ids: Vec<HoldId> = held.holds.iter().map(|hold| hold.id).collect();
    let answered = Act { reason: Some("as written".to_owned()), ..act() };
    let one = resolve_holds(&held, &ids[..1], &answered).unwrap();
    assert_eq!(statuses(&one.order), [FillStatus::OnHold]);
    assert_eq!((one.history.len(), told(&one)), (1, vec![]));
    assert_eq!(one.history[0].note.as_ref().unwrap().expose(), "as written");
    assert!(refused_before(&held, &one.order, RefusedAct::Verify).is_empty(), "it is still held");

    let both = resolve_holds(&one.order, &ids[1..], &act()).unwrap();
    assert_eq!(
        (statuses(&both.order), told(&both)),
        (vec![FillStatus::Received], vec![MedicationChange::Released])
    );
    let line = both.order.lines[0].id;
    assert_eq!(refused_before(&one.order, &both.order, RefusedAct::Verify), [line]);
    assert!(refused_before(&one.order, &both.order, RefusedAct::Submit).is_empty());
    assert_eq!(resolve_holds(&both.order, &ids, &act()).unwrap_err(), Refusal::UnknownHold);
}

#[test]
fn a_hold_that_nobody_was_refused_by_asks_for_no_other_try() {
    let before = order(&[FillStatus::Verified]);
    let held = place_hold(&before, HoldReason::Address, Lines::EveryLive, &act()).unwrap().order;
    let free = release_holds(&held, None, None, Lines::EveryLive, &act()).unwrap().order;
    assert!(refused_before(&held, &free, RefusedAct::Submit).is_empty());
    let submitted = work(&free, Work::Submit { practitioner_active: true }, Lines::EveryLive, &act());
    assert_eq!(statuses(&submitted.unwrap().order), [FillStatus::Submitted]);
}

#[test]
fn a_line_whose_therapy_was_changed_is_verified_anew() {
    for left in [FillStatus::Received, FillStatus::Verified, FillStatus::Acknowledged] {
        let before = order(&[left, left]);
        let mut held =
            place_hold(&before, HoldReason::Clarification, Lines::EveryLive, &act()).unwrap().order;
        held.lines[0].verify_anew();
        let free = release_holds(&held, None, None, Lines::EveryLive, &act()).unwrap().order;
        assert_eq!(statuses(&free), [FillStatus::Received, left]);
    }
    let mut free = order(&[FillStatus::Verified]);
    free.lines[0].verify_anew();
    assert_eq!(
        (free.lines[0].status, free.lines[0].held_from),
        (FillStatus::Verified, None),
        "it is not held"
    );
}

#[test]
fn a_hold_says_whose_it_is_and_how_it_is_resolved() {
    let before = order(&[FillStatus::Received]);
    let mut stop = stop(&before, 0, Gate::Practitioner, HoldReason::PrescriberOutreach);
    stop.cause.fields = vec![Field::DeaNumber];
    let held = place_stops(&before, &[stop], None, &act()).order;
    let hold = &held.holds[0];
    assert!(hold.is_partners() && hold.is_of_practitioner());
    assert!(hold.how().contains("dea_number") && hold.how().contains("PATCH"));

    let by_staff =
        place_hold(&before, HoldReason::PrescriberOutreach, Lines::EveryLive, &act()).unwrap().order;
    let hold = &by_staff.holds[0];
    assert!(!hold.is_partners() && !hold.is_of_practitioner());
    assert_eq!(hold.how(), HoldReason::PrescriberOutreach.how());
}
