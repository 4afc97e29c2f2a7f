//! What an owner's change does to a lane.

use bytes::Bytes;
use nimbus_core::{
    ids::{DeliveryId, EndpointId, EventId},
    phi::Phi,
};
use nimbus_store::endpoints::{AfterDeadLetter, Payload, Shape, Target};

use super::*;
use crate::{guard::AddressPolicy, handover::Handover};

const NOW: i64 = 1_000_000;

fn ready(version: i64, status: EndpointStatus) -> Arc<Ready> {
    let target = Target {
        endpoint_id: EndpointId(Uuid::nil()),
        clinic_id: ClinicId(Uuid::nil()),
        shape: Shape::Partner,
        url: "https://partner.example/hook".to_owned(),
        secret: Phi::default(),
        keys: Vec::new(),
        headers: Phi::default(),
        api_key: None,
        ordered: false,
        after_dead_letter: AfterDeadLetter::Skip,
        rate_limit_per_second: None,
        payload: Payload::Full,
        retry_schedule: None,
        status,
        failing_since: None,
        version,
    };
    Arc::new(Ready::new(target, AddressPolicy { allow_loopback: false }))
}

fn lane_with(handover: &Handover, count: u128) -> Lane {
    let mut lane = Lane::new(ClinicId(Uuid::nil()));
    (0..count).for_each(|number| lane.add(leased(handover, number)));
    lane
}

fn leased(handover: &Handover, number: u128) -> Leased {
    let endpoint_id = EndpointId(Uuid::nil());
    let row = Claimed {
        id: DeliveryId(Uuid::from_u128(number)),
        clinic_id: ClinicId(Uuid::nil()),
        endpoint_id,
        event_id: EventId(Uuid::from_u128(number)),
        event_name: "medication:updated".to_owned(),
        line: None,
        sequence: None,
        attempts: 0,
        token: Uuid::nil(),
        body: Bytes::from_static(b"{}"),
    };
    Leased { row, _place: handover.place(endpoint_id, 2), send_by_ms: NOW + 18_000, version: 1 }
}

/// How many go out at once.
fn sent(lane: &mut Lane) -> usize {
    std::iter::from_fn(|| matches!(lane.turn(NOW), Turn::Send(..)).then_some(())).count()
}

#[test]
fn what_has_gathered_comes_one_at_a_time_and_then_faster() {
    let handover = Handover::default();
    let mut lane = lane_with(&handover, 40);
    lane.know(Some(ready(1, EndpointStatus::Paused)), NOW);
    assert!(lane.is_closed() && !lane.is_open());
    assert_eq!(lane.empty().len(), 40, "what is held for a paused endpoint goes back");
    assert!(handover.is_empty(EndpointId(Uuid::nil())));

    lane.know(Some(ready(2, EndpointStatus::Active)), NOW);
    (0..40).for_each(|number| lane.add(leased(&handover, number)));
    assert_eq!(sent(&mut lane), 1);
    lane.done(true, NOW);
    assert_eq!(sent(&mut lane), 2);
    (0..2).for_each(|_| assert!(!lane.done(true, NOW)));
    assert_eq!(sent(&mut lane), 4);
    (0..4).for_each(|_| assert!(!lane.done(true, NOW)));
    assert_eq!(sent(&mut lane), LANE_IN_FLIGHT);
    // Another change of a lane that works is no reason to slow down.
    (0..LANE_IN_FLIGHT).for_each(|_| assert!(!lane.done(true, NOW)));
    lane.know(Some(ready(3, EndpointStatus::Active)), NOW);
    assert_eq!(sent(&mut lane), LANE_IN_FLIGHT);
}

#[test]
fn an_owners_change_closes_the_breaker_and_a_second_read_does_not() {
    let handover = Handover::default();
    let mut lane = lane_with(&handover, 20);
    lane.know(Some(ready(1, EndpointStatus::Active)), NOW);
    for _ in 0..crate::breaker::OPEN_AFTER_FAILURES {
        assert!(matches!(lane.turn(NOW), Turn::Send(..)));
        lane.done(false, NOW);
    }
    assert!(matches!(lane.turn(NOW), Turn::Later(_)));
    let later = NOW + 2 * TARGET_FRESH_MS + 1;
    assert!(!lane.waits_unread(NOW) && lane.waits_unread(later), "its owner may have done something");
    lane.know(Some(ready(1, EndpointStatus::Active)), later);
    assert!(matches!(lane.turn(NOW), Turn::Later(_)));
    lane.know(Some(ready(2, EndpointStatus::Active)), later);
    assert!(matches!(lane.turn(NOW), Turn::Send(..)));
}

#[test]
fn nothing_is_sent_by_what_was_known_before_a_change() {
    let handover = Handover::default();
    let mut lane = lane_with(&handover, 0);
    lane.know(Some(ready(1, EndpointStatus::Active)), NOW);
    lane.add(Leased { version: 2, ..leased(&handover, 1) });
    assert!(matches!(lane.turn(NOW), Turn::Unknown));
    lane.know(Some(ready(2, EndpointStatus::Active)), NOW);
    assert!(matches!(lane.turn(NOW), Turn::Send(..)));
    lane.close();
    lane.add(leased(&handover, 2));
    assert!(matches!(lane.turn(NOW), Turn::Unknown), "gone");
}
