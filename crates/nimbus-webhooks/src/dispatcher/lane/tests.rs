//! What a lane sends, and when.

use bytes::Bytes;
use nimbus_core::ids::{DeliveryId, EndpointId, EventId};
use nimbus_core::phi::Phi;
use nimbus_store::endpoints::{AfterDeadLetter, Payload, Shape, Target};

use super::*;
use crate::{breaker::OPEN_AFTER_FAILURES, guard::AddressPolicy, handover::Handover, signing::SigningSecret};

const NOW: i64 = 1_700_000;
/// Until when a lease of [`NOW`] is good for a request.
const SEND_BY: i64 = NOW + 18_000;

fn endpoint() -> EndpointId {
    EndpointId(Uuid::from_u128(7))
}

fn ready(rate_limit_per_second: Option<u32>, version: i64) -> Arc<Ready> {
    let secret = Phi::new(SigningSecret::generate().as_str().to_owned());
    let target = Target {
        endpoint_id: endpoint(),
        clinic_id: ClinicId(Uuid::from_u128(1)),
        shape: Shape::Partner,
        url: "https://partner.example/hook".to_owned(),
        secret: secret.clone(),
        keys: vec![secret],
        headers: Phi::default(),
        api_key: None,
        ordered: true,
        after_dead_letter: AfterDeadLetter::Skip,
        rate_limit_per_second,
        payload: Payload::Full,
        retry_schedule: None,
        status: EndpointStatus::Active,
        failing_since: None,
        version,
    };
    Arc::new(Ready::new(target, AddressPolicy::default()))
}

/// A lane that knows its endpoint, and what gives places in it.
fn lane() -> (Lane, Handover) {
    let mut lane = Lane::new(ClinicId(Uuid::from_u128(1)));
    lane.know(Some(ready(None, 1)), NOW);
    (lane, Handover::default())
}

fn leased(handover: &Handover, id: u128, line: Option<u128>) -> Leased {
    let row = Claimed {
        id: DeliveryId(Uuid::from_u128(id)),
        clinic_id: ClinicId(Uuid::from_u128(1)),
        endpoint_id: endpoint(),
        event_id: EventId(Uuid::from_u128(id)),
        event_name: "medication:updated".to_owned(),
        line: line.map(Uuid::from_u128),
        sequence: line.map(|_| 1),
        attempts: 0,
        token: Uuid::nil(),
        body: Bytes::from_static(b"{}"),
    };
    Leased { row, _place: handover.place(endpoint(), 2), send_by_ms: SEND_BY, version: 1 }
}

/// The id of what is sent now.
fn sent(lane: &mut Lane, now_ms: i64) -> Option<u128> {
    match lane.turn(now_ms) {
        Turn::Send(leased, _) => Some(leased.row.id.0.as_u128()),
        Turn::Unknown | Turn::Later(_) | Turn::Nothing => None,
    }
}

#[test]
fn so_much_is_in_flight_and_no_more() {
    let (mut lane, handover) = lane();
    (0..20).for_each(|id| lane.add(leased(&handover, id, None)));
    assert_eq!(std::iter::from_fn(|| sent(&mut lane, NOW)).count(), LANE_IN_FLIGHT);
    assert!(!lane.done(true, NOW));
    assert_eq!(sent(&mut lane, NOW), Some(8));
    assert_eq!(sent(&mut lane, NOW), None);
}

#[test]
fn one_of_a_line_at_a_time() {
    let (mut lane, handover) = lane();
    for (id, line) in [(1, Some(5)), (2, Some(5)), (3, Some(6)), (4, None), (5, Some(5))] {
        lane.add(leased(&handover, id, line));
    }
    let first: Vec<_> = std::iter::from_fn(|| sent(&mut lane, NOW)).collect();
    assert_eq!(first, [1, 3, 4], "the others wait for the first of their line");
    lane.line_moved(Uuid::from_u128(5));
    assert_eq!(sent(&mut lane, NOW), Some(2));
    let back = lane.line_stopped(Uuid::from_u128(5));
    assert_eq!(back.iter().map(|leased| leased.row.id.0.as_u128()).collect::<Vec<_>>(), [5]);
    lane.add(leased(&handover, 6, Some(5)));
    assert_eq!(sent(&mut lane, NOW), Some(6), "the line begins anew");
}

#[test]
fn what_is_taken_out_does_not_let_a_line_be_overtaken() {
    let (mut lane, handover) = lane();
    for (id, line) in [(1, 5), (2, 5), (3, 6), (4, 6)] {
        lane.add(leased(&handover, id, Some(line)));
    }
    assert_eq!(sent(&mut lane, NOW), Some(1));
    assert_eq!(lane.empty().len(), 3);
    lane.add(leased(&handover, 2, Some(5)));
    assert_eq!(sent(&mut lane, NOW), None, "the first of its line is on its way");
    lane.add(leased(&handover, 3, Some(6)));
    assert_eq!(sent(&mut lane, NOW), Some(3));
}

#[test]
fn a_receiver_that_is_back_is_tried_out_one_by_one() {
    let (mut lane, handover) = lane();
    (0..40).for_each(|id| lane.add(leased(&handover, id, None)));
    for _ in 0..OPEN_AFTER_FAILURES - 1 {
        assert!(sent(&mut lane, NOW).is_some());
        assert!(!lane.done(false, NOW));
    }
    assert!(sent(&mut lane, NOW).is_some());
    assert!(lane.done(false, NOW), "it opens");
    assert!(!lane.is_open());
    assert!(matches!(lane.turn(NOW), Turn::Later(_)));
    assert_eq!((lane.may_hold(100), lane.empty().len()), (0, 30));
    assert_eq!(lane.may_hold(100), 1, "a probe");
    let later = NOW + 30_000;
    lane.know(Some(ready(None, 1)), later);
    let fresh = |id| Leased { send_by_ms: later + 1, ..leased(&handover, id, None) };
    (100..110).for_each(|id| lane.add(fresh(id)));
    assert_eq!(sent(&mut lane, later), Some(100));
    assert_eq!(sent(&mut lane, later), None, "one probe");
    assert!(!lane.done(true, later));
    assert!(lane.is_open());
    assert_eq!(std::iter::from_fn(|| sent(&mut lane, later)).count(), 1);
    lane.done(true, later);
    assert_eq!(std::iter::from_fn(|| sent(&mut lane, later)).count(), 2);
}

#[test]
fn a_lease_that_would_not_outlast_the_request_is_left_to_run_out() {
    let (mut lane, handover) = lane();
    lane.add(leased(&handover, 1, Some(5)));
    lane.add(leased(&handover, 2, Some(5)));
    lane.know(Some(ready(None, 1)), SEND_BY);
    lane.add(Leased { send_by_ms: SEND_BY + 1, ..leased(&handover, 3, None) });
    assert_eq!(sent(&mut lane, SEND_BY), Some(3));
    assert!(lane.has_more, "the store has them");
}

#[test]
fn nothing_is_sent_by_what_was_known_before() {
    let (mut lane, handover) = lane();
    lane.add(leased(&handover, 1, None));
    assert!(matches!(lane.turn(NOW + 1500), Turn::Unknown), "too long ago");
    lane.add(Leased { version: 2, ..leased(&handover, 2, None) });
    assert_eq!(sent(&mut lane, NOW), Some(1));
    assert!(matches!(lane.turn(NOW), Turn::Unknown), "the endpoint has changed since");
    lane.know(Some(ready(None, 2)), NOW);
    assert_eq!(sent(&mut lane, NOW), Some(2));
    lane.know(None, NOW);
    assert!(lane.is_closed() && !lane.is_open());
}

#[test]
fn an_owner_s_rate_is_kept() {
    let (mut lane, handover) = lane();
    lane.know(Some(ready(Some(2), 2)), NOW);
    (0..5).for_each(|id| lane.add(leased(&handover, id, None)));
    assert_eq!(std::iter::from_fn(|| sent(&mut lane, NOW)).count(), 2);
    assert!(matches!(lane.turn(NOW), Turn::Later(at_ms) if at_ms == NOW + 500));
}

#[test]
fn what_a_failed_task_took_leaves_its_room() {
    let (mut lane, handover) = lane();
    (0..20).for_each(|id| lane.add(leased(&handover, id, None)));
    assert_eq!(std::iter::from_fn(|| sent(&mut lane, NOW)).count(), LANE_IN_FLIGHT);
    (0..LANE_IN_FLIGHT).for_each(|_| lane.lost());
    assert_eq!(std::iter::from_fn(|| sent(&mut lane, NOW)).count(), LANE_IN_FLIGHT);
}
