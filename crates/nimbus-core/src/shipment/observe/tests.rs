//! Whatever order reports come in, and however often: where the parcel ends, and what is kept.

use std::collections::BTreeSet;

use proptest::prelude::*;
use uuid::Uuid;

use super::*;
use crate::{
    access::SystemActor,
    ids::{LineId, OrderId, ScanId},
    order::DeliverySpeed,
    patient::Address,
    phi::Phi,
    shipment::Packed,
    time::parse_date,
};
use ShipmentStatus::{
    Attempted, Cancelled, Delivered, Exception, InTransit, LabelCreated, Lost, OutForDelivery, Returned,
};

const BY: By = By::System(SystemActor::Carrier);

fn at(hours: i64) -> Ts {
    Ts::parse("2026-01-15T10:00:00Z").unwrap().plus_seconds(hours * 3600)
}

fn now() -> Ts {
    at(1000)
}

fn parcel() -> Shipment {
    let address = Address {
        line_1: "1 Main St".to_owned(),
        line_2: None,
        line_3: None,
        city: "Austin".to_owned(),
        state: "TX".to_owned(),
        postal_code: "78701".to_owned(),
    };
    Shipment {
        id: Uuid::from_u128(1).into(),
        clinic_id: Uuid::from_u128(2).into(),
        patient_id: Uuid::from_u128(3).into(),
        ordering_key: Uuid::from_u128(4),
        status: LabelCreated,
        carrier_id: "se-11226".to_owned(),
        carrier_name: "UPS".to_owned(),
        service_id: "ups_ground".to_owned(),
        tracking_number: Some("1Z999AA10123456784".to_owned()),
        tracking_url: None,
        delivery_method: DeliverySpeed::BusinessDay,
        delivery_location: Phi::new(address),
        notes: None,
        ships_at: at(0),
        estimated_delivery_date: parse_date("2026-01-20"),
        latest_scan_at: None,
        cancellation_reason: None,
        cancelled_at: None,
        version: 1,
        created_at: at(0),
        updated_at: at(0),
        packed: vec![Packed { order_id: OrderId(Uuid::from_u128(5)), line_id: LineId(Uuid::from_u128(6)) }],
    }
}

fn scan(hours: i64, status: Option<ShipmentStatus>, place: &str) -> Scan {
    Scan {
        id: ScanId(Uuid::nil()),
        occurred_at: at(hours),
        status,
        word: status.is_none().then(|| "XX".to_owned()),
        location: Some(place.to_owned()),
        message: None,
        recorded_at: now(),
    }
}

/// Hears of reports one body after another.
fn heard(parcel: &Shipment, bodies: &[&[Scan]]) -> (Shipment, Vec<Moved>) {
    let mut moves = Vec::new();
    let mut parcel = parcel.clone();
    for body in bodies {
        let observed = observe(&parcel, body, None, BY, now());
        parcel = observed.shipment;
        moves.extend(observed.moves);
    }
    (parcel, moves)
}

fn words(moves: &[Moved]) -> Vec<ShipmentStatus> {
    moves.iter().map(|moved| moved.shipment.status).collect()
}

#[test]
fn a_whole_way_in_one_body_is_told_step_by_step() {
    let way = [
        scan(9, Some(Delivered), "Austin, TX"),
        scan(1, Some(InTransit), "Memphis, TN"),
        scan(5, Some(InTransit), "Dallas, TX"),
        scan(8, Some(OutForDelivery), "Austin, TX"),
        scan(0, Some(LabelCreated), ""),
        scan(6, None, "Dallas, TX"),
    ];
    let (parcel, moves) = heard(&parcel(), &[&way]);
    assert_eq!(words(&moves), [InTransit, OutForDelivery, Delivered]);
    assert_eq!((parcel.status, parcel.latest_scan_at), (Delivered, Some(at(9))));
    let Fact::ShipmentMoved { previous_status, occurred_at, location, .. } = &moves[1].event.fact else {
        panic!("{:?}", moves[1].event)
    };
    assert_eq!((*previous_status, *occurred_at), (InTransit, at(8)));
    assert_eq!(location.as_deref(), Some("Austin, TX"));
    // What is polled for by the time of change is found, however late the carrier is.
    assert_eq!((moves[1].shipment.updated_at, moves[1].event.at), (now(), now()));
}

#[test]
fn late_reports_move_nothing_and_the_end_stays() {
    let (under_way, _) = heard(&parcel(), &[&[scan(8, Some(OutForDelivery), "Austin, TX")]]);
    let late = observe(&under_way, &[scan(5, Some(InTransit), "Dallas, TX")], None, BY, now());
    assert!(!late.changed && late.moves.is_empty());
    let (ended, moves) = heard(&under_way, &[&[scan(7, Some(Delivered), "Austin, TX")]]);
    assert_eq!((ended.status, moves.len()), (Delivered, 1), "an end counts, however late it is heard of");
    for after in [Exception, Returned, Lost, InTransit] {
        let again = observe(&ended, &[scan(20, Some(after), "Austin, TX")], None, BY, now());
        assert!(!again.changed && again.shipment.status == Delivered, "{after}");
    }
}

#[test]
fn an_exception_passes_when_the_parcel_is_seen_again() {
    let way = [scan(1, Some(InTransit), "a"), scan(2, Some(Exception), "b"), scan(3, Some(InTransit), "c")];
    assert_eq!(words(&heard(&parcel(), &[&way]).1), [InTransit, Exception, InTransit]);
}

#[test]
fn a_time_far_ahead_of_ours_moves_nothing() {
    let ahead = scan(1000 + AHEAD_HOURS + 1, Some(OutForDelivery), "x");
    assert!(!observe(&parcel(), &[ahead], None, BY, now()).changed);
    let nearly = scan(1000 + AHEAD_HOURS, Some(OutForDelivery), "x");
    assert_eq!(observe(&parcel(), &[nearly], None, BY, now()).shipment.status, OutForDelivery);
}

#[test]
fn a_new_day_of_arrival_is_told_once_and_an_old_one_not() {
    let day = parse_date("2026-01-22");
    let seen = [scan(5, Some(InTransit), "x")];
    let moved = observe(&parcel(), &seen, day, BY, now());
    assert_eq!((moved.shipment.estimated_delivery_date, moved.moves.len()), (day, 1));
    assert!(moved.told.is_none(), "the move tells of it");
    assert!(!observe(&moved.shipment, &seen, day, BY, now()).changed);
    let later = observe(&moved.shipment, &seen, parse_date("2026-01-23"), BY, now());
    let told = later.told.map(|event| event.fact);
    assert!(matches!(told, Some(Fact::ShipmentMoved { previous_status: InTransit, .. })), "{told:?}");
    let stale =
        observe(&moved.shipment, &[scan(4, Some(InTransit), "x")], parse_date("2026-01-21"), BY, now());
    assert!(!stale.changed);
}

#[test]
fn a_number_stands_for_the_parcel_that_is_under_way() {
    let of = |status, created: i64| Shipment { status, created_at: at(created), ..parcel() };
    let window = WINDOW_DAYS * 24;
    let chosen = |parcels: &[Shipment]| addressee(parcels, now()).map(|parcel| parcel.created_at);
    assert_eq!(chosen(&[]), None);
    assert_eq!(chosen(&[of(Delivered, 900), of(InTransit, 800)]), Some(at(800)));
    assert_eq!(chosen(&[of(InTransit, 900), of(InTransit, 800)]), Some(at(900)));
    assert_eq!(chosen(&[of(Delivered, 900), of(InTransit, 999 - window)]), Some(at(900)));
    assert!(is_of(&of(LabelCreated, 900), at(890)));
    assert!(!is_of(&of(LabelCreated, 900), at(900 - BEFORE_LABEL_DAYS * 24 - 1)));
}

#[test]
fn a_parcel_that_goes_on_after_its_end_is_noted() {
    let cancelled = Shipment { status: Cancelled, ..parcel() };
    let left = scan(5, Some(InTransit), "Memphis, TN");
    assert!(contradicts(&cancelled, &left));
    assert!(!contradicts(&cancelled, &scan(5, Some(Cancelled), "")));
    let delivered = Shipment { status: Delivered, latest_scan_at: Some(at(9)), ..parcel() };
    assert!(!contradicts(&delivered, &left) && contradicts(&delivered, &scan(12, Some(Returned), "x")));
    assert!(!contradicts(&delivered, &scan(12, Some(Delivered), "x")));
    assert!(!contradicts(&parcel(), &left));
    let row = seen_after_end(&cancelled, &left, BY, now());
    assert_eq!((row.from, row.to, row.reason), (Some("cancelled"), "cancelled", Some("seen_after_end")));
}

#[test]
fn an_unknown_word_is_shown_with_the_status_before() {
    let mut last = None;
    let scans = [scan(0, None, "a"), scan(1, Some(InTransit), "b"), scan(2, None, "c")];
    let shown: Vec<_> = scans.iter().map(|scan| shown_status(scan, &mut last)).collect();
    assert_eq!(shown, [LabelCreated, InTransit, InTransit]);
}

/// Every status that is no end, and words that nobody knows.
fn on_the_way() -> impl Strategy<Value = Option<ShipmentStatus>> {
    let known: Vec<_> = ShipmentStatus::ALL.iter().copied().filter(|it| !it.is_final()).map(Some).collect();
    prop_oneof![6 => proptest::sample::select(known), 1 => Just(None)]
}

/// The reports of one parcel's way: times and places that repeat, and at most one kind of end.
fn way() -> impl Strategy<Value = Vec<Scan>> {
    let place = prop_oneof![Just("Memphis, TN"), Just("Austin, TX"), Just("")];
    let along = proptest::collection::vec((0i64..12, on_the_way(), place), 0..12);
    let end = proptest::option::of(proptest::sample::select(vec![Delivered, Returned, Lost]));
    (along, end, proptest::collection::vec(0i64..14, 1..3)).prop_map(|(along, end, ends)| {
        let mut scans: Vec<Scan> =
            along.into_iter().map(|(hours, status, place)| scan(hours, status, place)).collect();
        scans.extend(end.iter().flat_map(|end| ends.iter().map(|&hours| scan(hours, Some(*end), "door"))));
        scans
    })
}

/// Those reports in another order, some of them twice, in bodies of any size.
fn retold(scans: Vec<Scan>) -> impl Strategy<Value = (Vec<Scan>, Vec<Vec<Scan>>)> {
    let all = scans.len();
    let again = proptest::collection::vec(0..all.max(1), 0..6);
    (Just(scans), again, 1usize..5).prop_flat_map(|(scans, again, size)| {
        let mut told = scans.clone();
        told.extend(again.into_iter().filter_map(|index| scans.get(index).cloned()));
        let bodies = Just(told)
            .prop_shuffle()
            .prop_map(move |told| told.chunks(size).map(<[Scan]>::to_vec).collect::<Vec<_>>());
        (Just(scans), bodies)
    })
}

/// What the contract's words make of all reports at once, written without the code that is tested.
fn expected(scans: &[Scan]) -> ShipmentStatus {
    let known = || scans.iter().filter_map(|scan| Some((scan.occurred_at, scan.status?)));
    if let Some((_, end)) = known().find(|(_, status)| status.is_final()) {
        return end;
    }
    let order = [InTransit, Exception, OutForDelivery, Attempted, ShipmentStatus::AvailableForPickup];
    let along = |status| order.iter().position(|other| *other == status);
    let newest = known().filter(|(_, status)| *status != LabelCreated);
    newest.max_by_key(|&(at, status)| (at, along(status))).map_or(LabelCreated, |(_, status)| status)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn any_order_and_repetition_ends_alike((scans, bodies) in way().prop_flat_map(retold)) {
        let bodies: Vec<&[Scan]> = bodies.iter().map(Vec::as_slice).collect();
        let (parcel, moves) = heard(&parcel(), &bodies);
        prop_assert_eq!(parcel.status, expected(&scans));

        let kept = |scans: &[Scan]| scans.iter().map(Scan::identity).collect::<BTreeSet<_>>();
        prop_assert_eq!(kept(&bodies.concat()), kept(&scans));

        let mut stood = (LabelCreated, None);
        for moved in &moves {
            let Fact::ShipmentMoved { shipment, previous_status, occurred_at, .. } = &moved.event.fact else {
                panic!("{:?}", moved.event)
            };
            prop_assert_eq!(*previous_status, stood.0);
            prop_assert!(!stood.0.is_final(), "it left its end");
            prop_assert_ne!(shipment.status, LabelCreated);
            prop_assert_ne!(shipment.status, stood.0);
            let is_older = stood.1.is_some_and(|latest| *occurred_at < latest);
            prop_assert!(shipment.status.is_final() || !is_older, "it went back in time");
            stood = (shipment.status, shipment.latest_scan_at);
        }
        prop_assert_eq!(stood.0, parcel.status);
    }

    #[test]
    fn the_first_end_that_is_heard_of_stays(
        first in proptest::sample::select(vec![Delivered, Returned, Lost]),
        scans in proptest::collection::vec((0i64..30, proptest::sample::select(ShipmentStatus::ALL.to_vec())), 0..8),
    ) {
        let (ended, _) = heard(&parcel(), &[&[scan(9, Some(first), "door")]]);
        for (hours, status) in scans {
            let observed = observe(&ended, &[scan(hours, Some(status), "x")], parse_date("2026-02-01"), BY, now());
            prop_assert!(!observed.changed && observed.moves.is_empty() && observed.told.is_none());
        }
    }
}
