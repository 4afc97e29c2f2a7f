//! What the simulated pharmacy and carrier of a sandbox do next to an order: the work of staff, in its order, and the
//! scans of a parcel, with the branches that magic values ask for.

use crate::{
    ids::ShipmentId,
    order::{FillStatus, HoldReason, Line, Order},
    sandbox_magic::{MagicSurname, MagicTracking},
    shipment::{Shipment, ShipmentStatus},
};

/// One thing done to an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    Verify,
    Submit,
    Acknowledge,
    StartFill,
    Fill,
    Reject,
    AcceptCancellation,
    Hold(HoldReason),
    Release(HoldReason),
    /// Makes a parcel of what is filled.
    Pack,
    Scan(ShipmentId, ShipmentStatus),
}

impl Step {
    /// Its name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Verify => "verify",
            Self::Submit => "submit",
            Self::Acknowledge => "acknowledge",
            Self::StartFill => "start_fill",
            Self::Fill => "fill",
            Self::Reject => "reject",
            Self::AcceptCancellation => "accept_cancellation",
            Self::Hold(_) => "hold",
            Self::Release(_) => "release",
            Self::Pack => "pack",
            Self::Scan(..) => "scan",
        }
    }

    /// Every name, for documents.
    pub const NAMES: &'static [&'static str] = &[
        "verify",
        "submit",
        "acknowledge",
        "start_fill",
        "fill",
        "reject",
        "accept_cancellation",
        "hold",
        "release",
        "pack",
        "scan",
    ];
}

/// What is next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    Step(Step),
    /// A hold that the simulation does not release keeps the order.
    Waits,
    /// Nothing more happens to it.
    Ended,
}

/// What is next for an order with these parcels, to a patient of this surname.
pub fn next(order: &Order, parcels: &[Shipment], surname: Option<MagicSurname>) -> Next {
    if order.cancellation_requested_at.is_some() {
        return Next::Step(Step::AcceptCancellation);
    }
    let at_work = |line: &&Line| line.status.is_before_shipped() && line.shipment_id.is_none();
    if let Some(line) = order.lines.iter().filter(at_work).min_by_key(|line| line.status.rank()) {
        return Next::Step(work(order, line.status, surname));
    }
    if let Some(scan) = parcels.iter().find_map(|parcel| next_scan(parcel, surname)) {
        return Next::Step(scan);
    }
    if order.lines.iter().all(|line| line.status != FillStatus::OnHold) {
        return Next::Ended;
    }
    let released = surname.and_then(released_by_pharmacy);
    match released.filter(|reason| order.open_holds().any(|hold| hold.reason == *reason)) {
        Some(reason) => Next::Step(Step::Release(reason)),
        None => Next::Waits,
    }
}

/// The hold that a surname asks for and the pharmacy resolves by itself.
const fn released_by_pharmacy(surname: MagicSurname) -> Option<HoldReason> {
    match surname {
        MagicSurname::HoldPriorAuth => Some(HoldReason::PriorAuthorization),
        MagicSurname::HoldStock => Some(HoldReason::OutOfStock),
        _ => None,
    }
}

/// What is done to lines that stand here.
fn work(order: &Order, at: FillStatus, surname: Option<MagicSurname>) -> Step {
    let once = |reason: HoldReason, otherwise: Step| match order.holds.iter().any(|it| it.reason == reason) {
        true => otherwise,
        false => Step::Hold(reason),
    };
    match (at, surname) {
        (FillStatus::Received, Some(MagicSurname::HoldAddress)) => once(HoldReason::Address, Step::Verify),
        (FillStatus::Received, _) => Step::Verify,
        (FillStatus::Verified, Some(MagicSurname::HoldPriorAuth)) => {
            once(HoldReason::PriorAuthorization, Step::Submit)
        }
        (FillStatus::Verified, Some(MagicSurname::RejectInteraction)) => Step::Reject,
        (FillStatus::Verified, _) => Step::Submit,
        (FillStatus::Submitted, _) => Step::Acknowledge,
        (FillStatus::Acknowledged, _) => Step::StartFill,
        (FillStatus::Filling, Some(MagicSurname::HoldStock)) => once(HoldReason::OutOfStock, Step::Fill),
        (FillStatus::Filling, _) => Step::Fill,
        _ => Step::Pack,
    }
}

/// The tracking number that a parcel gets from the simulation: one that is to be delivered has an ordinary number of
/// its carrier.
pub fn tracking_number(surname: Option<MagicSurname>) -> Option<MagicTracking> {
    surname.map(MagicSurname::parcel).filter(|way| *way != MagicTracking::Delivered)
}

/// The scans of a parcel, in order.
const fn scans(way: MagicTracking) -> &'static [ShipmentStatus] {
    use ShipmentStatus::{Attempted, Delivered, Exception, InTransit, Lost, OutForDelivery, Returned};
    match way {
        MagicTracking::Delivered => &[InTransit, OutForDelivery, Delivered],
        MagicTracking::Exception => &[InTransit, Exception],
        MagicTracking::Returned => &[InTransit, Attempted, Returned],
        MagicTracking::Lost => &[InTransit, Lost],
        MagicTracking::Stuck => &[InTransit],
    }
}

/// The next scan of a parcel.
fn next_scan(parcel: &Shipment, surname: Option<MagicSurname>) -> Option<Step> {
    let next = status_after(parcel.status, parcel.tracking_number.as_deref(), surname)?;
    Some(Step::Scan(parcel.id, next))
}

/// Where a parcel is found next: its tracking number says which way it goes, and if that is no magic one, the surname.
/// One that staff have moved off its way goes to its end.
fn status_after(
    at: ShipmentStatus,
    number: Option<&str>,
    surname: Option<MagicSurname>,
) -> Option<ShipmentStatus> {
    let named = number.and_then(MagicTracking::parse);
    let way = scans(named.or(tracking_number(surname)).unwrap_or(MagicTracking::Delivered));
    let next = match way.iter().position(|status| *status == at) {
        Some(place) => way.get(place + 1),
        None if at == ShipmentStatus::LabelCreated => way.first(),
        None => way.last(),
    };
    next.copied().filter(|next| at.can_become(*next))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::order::{
        Lines, Work, place_hold, release_holds,
        tests::{act, order},
        work as do_work,
    };
    use ShipmentStatus::*;

    /// The scans of a parcel from its label on.
    fn way(number: Option<&str>, surname: Option<MagicSurname>) -> Vec<ShipmentStatus> {
        let (mut at, mut seen) = (LabelCreated, Vec::new());
        while let Some(next) = status_after(at, number, surname) {
            assert!(seen.len() < 10, "it ends");
            seen.push(next);
            at = next;
        }
        seen
    }

    #[test]
    fn every_way_of_a_parcel_ends() {
        let expect = |number: MagicTracking| -> &[ShipmentStatus] {
            match number {
                MagicTracking::Delivered => &[InTransit, OutForDelivery, Delivered],
                MagicTracking::Exception => &[InTransit, Exception],
                MagicTracking::Returned => &[InTransit, Attempted, Returned],
                MagicTracking::Lost => &[InTransit, Lost],
                MagicTracking::Stuck => &[InTransit],
            }
        };
        for &number in MagicTracking::ALL {
            assert_eq!(way(Some(number.as_str()), None), expect(number), "{number}");
        }
        for &surname in MagicSurname::ALL {
            assert_eq!(way(None, Some(surname)), expect(surname.parcel()), "{surname}");
        }
        assert_eq!(way(Some("794644774000"), None), expect(MagicTracking::Delivered));
    }

    #[test]
    fn only_a_named_ending_has_a_magic_number() {
        assert_eq!(tracking_number(None), None);
        assert_eq!(tracking_number(Some(MagicSurname::HoldStock)), None);
        assert_eq!(tracking_number(Some(MagicSurname::ParcelLost)), Some(MagicTracking::Lost));
    }

    #[test]
    fn the_number_of_a_parcel_says_more_than_the_surname() {
        let lost = MagicTracking::Lost.as_str();
        assert_eq!(way(Some(lost), Some(MagicSurname::ParcelReturned)), [InTransit, Lost]);
    }

    #[test]
    fn a_parcel_that_staff_moved_goes_to_its_end() {
        assert_eq!(status_after(AvailableForPickup, None, None), Some(Delivered));
        assert_eq!(status_after(Delivered, None, None), None);
    }

    /// The steps of an order until a parcel is made of it, or it waits or ends. A partner resolves the holds for an
    /// address.
    fn walk(surname: Option<MagicSurname>) -> Vec<Step> {
        let (mut order, mut steps) = (order(&[FillStatus::Received; 2]), Vec::new());
        loop {
            assert!(steps.len() < 20, "it ends: {steps:?}");
            let step = match next(&order, &[], surname) {
                Next::Step(step) => step,
                Next::Waits => Step::Release(HoldReason::Address),
                Next::Ended => return steps,
            };
            steps.push(step);
            let lines = Lines::EveryLive;
            let done = match step {
                Step::Verify => do_work(&order, Work::Verify { rx_numbers: &[] }, lines, &act()),
                Step::Submit => do_work(&order, Work::Submit { practitioner_active: true }, lines, &act()),
                Step::Acknowledge => do_work(&order, Work::Acknowledge, lines, &act()),
                Step::StartFill => do_work(&order, Work::StartFill, lines, &act()),
                Step::Fill => do_work(&order, Work::Fill { short: &[] }, lines, &act()),
                Step::Reject => do_work(&order, Work::Reject, lines, &act()),
                Step::Hold(reason) => place_hold(&order, reason, lines, &act()),
                Step::Release(reason) => release_holds(&order, None, Some(reason), lines, &act()),
                Step::Pack | Step::Scan(..) | Step::AcceptCancellation => return steps,
            };
            order = done.expect("it is possible").order;
        }
    }

    #[test]
    fn an_order_is_worked_as_staff_work_it() {
        use Step::{Acknowledge, Fill, Pack, StartFill, Submit, Verify};
        assert_eq!(walk(None), [Verify, Submit, Acknowledge, StartFill, Fill, Pack]);
    }

    #[test]
    fn surnames_choose_a_branch_once() {
        use Step::{Acknowledge, Fill, Hold, Pack, Reject, Release, StartFill, Submit, Verify};
        let branch = |surname| walk(Some(surname));
        let (address, prior, stock) =
            (HoldReason::Address, HoldReason::PriorAuthorization, HoldReason::OutOfStock);
        assert_eq!(
            branch(MagicSurname::HoldAddress),
            [Hold(address), Release(address), Verify, Submit, Acknowledge, StartFill, Fill, Pack]
        );
        assert_eq!(
            branch(MagicSurname::HoldPriorAuth),
            [Verify, Hold(prior), Release(prior), Submit, Acknowledge, StartFill, Fill, Pack]
        );
        assert_eq!(
            branch(MagicSurname::HoldStock),
            [Verify, Submit, Acknowledge, StartFill, Hold(stock), Release(stock), Fill, Pack]
        );
        assert_eq!(branch(MagicSurname::RejectInteraction), [Verify, Reject]);
    }

    #[test]
    fn a_cancellation_that_a_partner_asked_for_is_accepted() {
        let mut order = order(&[FillStatus::Filling]);
        order.cancellation_requested_at = Some(act().now);
        assert_eq!(next(&order, &[], None), Next::Step(Step::AcceptCancellation));
    }
}
