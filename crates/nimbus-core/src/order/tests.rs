//! The order machine: what each act does, what it refuses, and what partners are told.

use proptest::prelude::*;

use super::*;
use crate::{
    access::SystemActor,
    event::{MedicationChange, OrderChange},
    refusal::Refusal,
    shipment::{Packed, Shipment, ShipmentStatus},
};

fn address() -> Address {
    Address {
        line_1: "456 Oak Ave".to_owned(),
        line_2: None,
        line_3: None,
        city: "Austin".to_owned(),
        state: "TX".to_owned(),
        postal_code: "78702".to_owned(),
    }
}

pub(crate) fn order(statuses: &[FillStatus]) -> Order {
    let line = |(position, &status): (usize, &FillStatus)| Line {
        id: LineId(Uuid::from_u128(position as u128 + 1)),
        prescription_id: PrescriptionId(Uuid::from_u128(position as u128 + 100)),
        position: position as u32,
        status,
        held_from: None,
        quantity: Quantity::parse("1").unwrap(),
        days_supply: Some(30),
        filled_on: None,
        shipment_id: None,
        tracking_number: None,
        rx_number: None,
        pharmacy_word: None,
        updated_at: Ts::from_micros(0),
    };
    let lines: Vec<Line> = statuses.iter().enumerate().map(line).collect();
    Order {
        id: OrderId(Uuid::from_u128(1000)),
        clinic_id: ClinicId(Uuid::nil()),
        patient_id: PatientId(Uuid::nil()),
        practitioner_id: PractitionerId(Uuid::nil()),
        status: order_status(lines.iter().map(|line| (line.status, line.standing()))),
        shipping: Shipping::Speed(DeliverySpeed::NextDay),
        refrigerated: false,
        ordering_key: Uuid::from_u128(1000),
        shipment_group: None,
        shipping_address: Phi::new(address()),
        notes: None,
        cancellation_requested_at: None,
        refill_id: None,
        replaces: None,
        refills_consumed: 0,
        version: 1,
        created_at: Ts::from_micros(0),
        updated_at: Ts::from_micros(0),
        lines,
        holds: Vec::new(),
    }
}

pub(crate) fn act() -> Act {
    Act {
        now: Ts::from_micros(1_000_000),
        today: crate::time::parse_date("2026-01-15").unwrap(),
        by: By::System(SystemActor::CommandLine),
        reason: None,
        note: None,
        new_id: Uuid::now_v7,
    }
}

/// What is told of the medication requests, in its order.
pub(super) fn told(decision: &Decision) -> Vec<MedicationChange> {
    let change = |event: &Event| match event.fact {
        Fact::MedicationChanged { change, .. } => Some(change),
        _ => None,
    };
    decision.events.iter().filter_map(change).collect()
}

/// What is told of the order, with the status that it is told to have.
fn all_told_of_order(decision: &Decision) -> Vec<(OrderChange, &'static str)> {
    let change = |event: &Event| match event.fact {
        Fact::OrderChanged { change, status, .. } => Some((change, status.orders_word())),
        _ => None,
    };
    decision.events.iter().filter_map(change).collect()
}

/// The same where it is told of once at most.
fn told_of_order(decision: &Decision) -> Option<(OrderChange, &'static str)> {
    let told = all_told_of_order(decision);
    assert!(told.len() <= 1, "an order is told of once for each decision");
    told.first().copied()
}

/// A parcel with every line of the order in it.
fn parcel(order: &mut Order) -> Shipment {
    let shipment = Shipment {
        id: ShipmentId(Uuid::from_u128(500)),
        clinic_id: order.clinic_id,
        patient_id: order.patient_id,
        ordering_key: order.ordering_key,
        status: ShipmentStatus::InTransit,
        carrier_id: "se-11226".to_owned(),
        carrier_name: "UPS".to_owned(),
        service_id: "ups_ground".to_owned(),
        tracking_number: Some("1Z999AA10123456784".to_owned()),
        tracking_url: None,
        delivery_method: DeliverySpeed::BusinessDay,
        delivery_location: order.shipping_address.clone(),
        notes: None,
        ships_at: act().now,
        estimated_delivery_date: Some(act().today),
        latest_scan_at: None,
        cancellation_reason: None,
        cancelled_at: None,
        version: 1,
        created_at: act().now,
        updated_at: act().now,
        packed: order.lines.iter().map(|l| Packed { order_id: order.id, line_id: l.id }).collect(),
    };
    for line in &mut order.lines {
        line.shipment_id = Some(shipment.id);
    }
    shipment
}

use FillStatus::{
    Acknowledged, Cancelled, Delivered, Filled, Filling, OnHold, Profiled, Received, Rejected, Shipped,
    Submitted, Verified,
};

fn step(order: &Order, work: Work<'_>) -> Decision {
    super::work(order, work, Lines::EveryLive, &act()).unwrap()
}

#[test]
fn the_whole_way_is_told_step_by_step() {
    let number = [(PrescriptionId(Uuid::from_u128(100)), "1000001".to_owned())];
    let mut order = order(&[Received]);
    let mut changes = Vec::new();
    for work in [
        Work::Verify { rx_numbers: &number },
        Work::Submit { practitioner_active: true },
        Work::Acknowledge,
        Work::StartFill,
        Work::Fill { short: &[] },
    ] {
        let decision = step(&order, work);
        changes.extend(told(&decision));
        order = decision.order;
    }
    let parcel = parcel(&mut order);
    let decision = after_shipment(&order, &parcel, Delivered, &act());
    changes.extend(told(&decision));
    use MedicationChange as M;
    assert_eq!(changes, [M::Validated, M::Submitted, M::Acknowledged, M::Filled, M::Shipped, M::Delivered]);
    assert_eq!(decision.order.status, Delivered);
    assert_eq!(decision.order.lines[0].rx_number.as_deref(), Some("1000001"));
    assert_eq!(decision.order.lines[0].filled_on, Some(act().today));
}

#[test]
fn an_order_is_told_of_once_for_each_decision() {
    use OrderChange as O;
    let number = [(PrescriptionId(Uuid::from_u128(100)), "1000001".to_owned())];
    let mut order = order(&[Received, Received]);
    for (work, expected) in [
        (Work::Verify { rx_numbers: &number }, Some((O::Updated, "pending"))),
        (Work::Submit { practitioner_active: true }, Some((O::Updated, "processing"))),
        (Work::Acknowledge, Some((O::Updated, "processing"))),
        (Work::StartFill, None),
        (Work::Fill { short: &[] }, Some((O::Updated, "processing"))),
    ] {
        let decision = step(&order, work);
        assert_eq!(told_of_order(&decision), expected, "{work:?}");
        order = decision.order;
    }
    let parcel = parcel(&mut order);
    let heard_late = after_shipment(&order, &parcel, Delivered, &act());
    assert_eq!(all_told_of_order(&heard_late), [(O::Fulfilled, "shipped"), (O::Delivered, "delivered")]);
    let lost = after_shipment(&order, &parcel, FillStatus::Lost, &act());
    assert_eq!(told_of_order(&lost), Some((O::Fulfilled, "shipped")));
    let left = after_shipment(&order, &parcel, Shipped, &act());
    assert_eq!(told_of_order(&left), Some((O::Fulfilled, "shipped")));
    let named = left.events.iter().any(
        |event| matches!(&event.fact, Fact::OrderChanged { parcel: Some(told), .. } if *told == parcel.told()),
    );
    assert!(named, "with the parcel that it left in");
    let arrived = after_shipment(&left.order, &parcel, Delivered, &act());
    assert_eq!(told_of_order(&arrived), Some((O::Delivered, "delivered")));
    assert_eq!(told_of_order(&after_shipment(&left.order, &parcel, FillStatus::Lost, &act())), None);
}

#[test]
fn holds_are_not_told_of_an_order_and_a_lost_line_updates_it() {
    use OrderChange as O;
    let order = order(&[Submitted, Submitted]);
    let first = [order.lines[0].id];
    let held = place_hold(&order, HoldReason::Address, Lines::EveryLive, &act()).unwrap();
    assert_eq!(told_of_order(&held), None);
    assert_eq!(held.order.standing().orders_word(), "processing", "that of the state it left");
    let released = release_holds(&held.order, None, None, Lines::EveryLive, &act()).unwrap();
    assert_eq!(told_of_order(&released), None);
    let rejected = super::work(&order, Work::Reject, Lines::These(&first), &act()).unwrap();
    assert_eq!(told_of_order(&rejected), Some((O::Updated, "processing")), "the other line goes on");
    let ended = step(&rejected.order, Work::Reject);
    assert_eq!(told_of_order(&ended), Some((O::Cancelled, "cancelled")));
}

#[test]
fn cancelling_what_has_not_left_fulfils_what_has() {
    let order = order(&[Filled, Shipped]);
    let decision = cancel(&order, Lines::These(&[order.lines[0].id]), &act()).unwrap();
    assert_eq!(told_of_order(&decision), Some((OrderChange::Fulfilled, "shipped")));
}

#[test]
fn an_order_is_as_far_as_its_least_advanced_live_line() {
    for (lines, expected) in [
        (&[Received, Filled][..], Received),
        (&[Rejected, Filled], Filled),
        (&[Profiled, Shipped], Shipped),
        (&[Rejected, Rejected], Rejected),
        (&[Rejected, Cancelled], Cancelled),
        (&[Rejected, Profiled], Cancelled),
        (&[Delivered, FillStatus::Lost], FillStatus::Lost),
    ] {
        assert_eq!(order(lines).status, expected, "{lines:?}");
    }
}

#[test]
fn a_held_line_does_not_stop_the_others() {
    let order = order(&[Verified, Verified]);
    let first = order.lines[0].id;
    let held = place_hold(&order, HoldReason::OutOfStock, Lines::These(&[first]), &act()).unwrap();
    assert_eq!(held.order.lines[0].status, OnHold);
    assert_eq!(held.order.status, Verified, "the held line ranks as the state it left");
    let further = step(&held.order, Work::Submit { practitioner_active: true });
    assert_eq!((further.order.lines[0].status, further.order.lines[1].status), (OnHold, Submitted));
    let released = release_holds(&further.order, None, None, Lines::EveryLive, &act()).unwrap();
    assert_eq!(released.order.lines[0].status, Verified);
    assert_eq!(told(&released), [MedicationChange::Released]);
}

#[test]
fn an_inactive_practitioner_holds_before_submitted() {
    let order = order(&[Verified]);
    let held = step(&order, Work::Submit { practitioner_active: false });
    assert_eq!((held.order.status, told(&held)), (OnHold, vec![MedicationChange::OnHold]));
    let reason = Some(HoldReason::PractitionerNotActive);
    let released = release_holds(&held.order, None, reason, Lines::EveryLive, &act()).unwrap();
    assert_eq!(released.order.status, Verified);
}

#[test]
fn two_holds_need_two_releases() {
    let order = order(&[Received]);
    let once = place_hold(&order, HoldReason::Address, Lines::EveryLive, &act()).unwrap().order;
    let twice = place_hold(&once, HoldReason::Clarification, Lines::EveryLive, &act()).unwrap();
    assert!(told(&twice).is_empty(), "it is on hold already");
    let hold = twice.order.holds[0].id;
    let one = release_holds(&twice.order, Some(hold), None, Lines::EveryLive, &act()).unwrap().order;
    assert_eq!(one.status, OnHold);
    assert_eq!(release_holds(&one, None, None, Lines::EveryLive, &act()).unwrap().order.status, Received);
}

#[test]
fn a_partner_cancels_at_once_before_filling_and_asks_afterwards() {
    let now = request_cancellation(&order(&[Acknowledged, Received]), &act()).unwrap();
    assert_eq!(now.order.status, Cancelled);
    let asked = request_cancellation(&order(&[Filling]), &act()).unwrap();
    assert_eq!((asked.order.status, asked.order.cancellation_requested_at), (Filling, Some(act().now)));
    assert!(asked.events.is_empty());
    let declined = decline_cancellation(&asked.order, &act()).unwrap();
    assert_eq!(told(&declined), [MedicationChange::CancellationDeclined]);
    assert_eq!(told_of_order(&declined), Some((OrderChange::Updated, "processing")));
    assert_eq!(declined.order.cancellation_requested_at, None);
    let accepted = accept_cancellation(&asked.order, &act()).unwrap();
    assert_eq!((accepted.order.status, accepted.order.cancellation_requested_at), (Cancelled, None));
}

#[test]
fn nothing_is_cancelled_once_shipped() {
    for status in [Shipped, Delivered] {
        let order = order(&[status]);
        assert!(request_cancellation(&order, &act()).is_err());
        assert!(cancel(&order, Lines::EveryLive, &act()).is_err());
    }
}

#[test]
fn a_line_of_another_order_is_refused() {
    let stranger = LineId(Uuid::from_u128(77));
    let refused = super::work(&order(&[Received]), Work::Reject, Lines::These(&[stranger]), &act());
    assert_eq!(refused.unwrap_err(), Refusal::UnknownLine);
}

fn any_status() -> impl Strategy<Value = FillStatus> {
    prop::sample::select(vec![
        Received,
        Verified,
        Submitted,
        Acknowledged,
        Filling,
        Filled,
        Shipped,
        Delivered,
        Rejected,
        Cancelled,
        Profiled,
    ])
}

proptest! {
    /// Whatever is done in whatever order: shipped lines do not go back, the order's status agrees with its lines,
    /// a held line remembers where it was, and a refusal changes nothing.
    #[test]
    fn any_course_of_work_keeps_the_machine_sound(
        lines in prop::collection::vec(any_status(), 1..5), acts in prop::collection::vec(0u8..10, 1..20),
    ) {
        let mut order = order(&lines);
        for kind in acts {
            let act = act();
            let decision = match kind {
                0 => super::work(&order, Work::Verify { rx_numbers: &[] }, Lines::EveryLive, &act),
                1 => super::work(&order, Work::Submit { practitioner_active: true }, Lines::EveryLive, &act),
                2 => super::work(&order, Work::Submit { practitioner_active: false }, Lines::EveryLive, &act),
                3 => super::work(&order, Work::Acknowledge, Lines::EveryLive, &act),
                4 => super::work(&order, Work::StartFill, Lines::EveryLive, &act),
                5 => super::work(&order, Work::Fill { short: &[] }, Lines::EveryLive, &act),
                6 => super::work(&order, Work::Reject, Lines::EveryLive, &act),
                7 => place_hold(&order, HoldReason::Clarification, Lines::EveryLive, &act),
                8 => release_holds(&order, None, None, Lines::EveryLive, &act),
                _ => request_cancellation(&order, &act),
            };
            let Ok(decision) = decision else { continue };
            for (before, after) in order.lines.iter().zip(&decision.order.lines) {
                prop_assert!(!before.status.has_shipped() || before.status == after.status);
                prop_assert!(before.status.is_live() || before.status == after.status);
                prop_assert_eq!(after.status == OnHold, after.held_from.is_some());
            }
            let read = order_status(decision.order.lines.iter().map(|line| (line.status, line.standing())));
            prop_assert_eq!(decision.order.status, read);
            order = decision.order;
        }
    }
}

#[test]
fn a_held_line_does_not_leave_with_its_parcel() {
    let mut order = order(&[Filled, Filled]);
    let parcel = parcel(&mut order);
    let held = order.lines[1].id;
    let order = place_hold(&order, HoldReason::Clarification, Lines::These(&[held]), &act()).unwrap().order;
    for goal in [Shipped, Delivered] {
        let left = after_shipment(&order, &parcel, goal, &act());
        assert_eq!(left.order.lines[0].status, goal);
        let line = &left.order.lines[1];
        assert_eq!((line.status, line.shipment_id), (OnHold, None));
        assert_eq!(left.order.open_holds().count(), 1, "nobody has resolved it");
        assert!(
            left.events.iter().all(
                |event| !matches!(event.fact, Fact::MedicationChanged { line_id, .. } if line_id == held)
            )
        );
        let released = release_holds(&left.order, None, None, Lines::EveryLive, &act()).unwrap().order;
        assert_eq!(released.lines[1].status, Filled, "it can be packed again");
    }
}
