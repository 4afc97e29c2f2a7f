//! What carriers' reports make of a parcel, in whatever order they come and however often.
//!
//! Between label and end, the report of the newest carrier time says where a parcel is; of one instant, the one that
//! is farther along. The first end that is heard of stays. So the outcome depends on what was reported, and not on
//! the order of the reports; only where a carrier reports two different ends does the first one heard decide.

use super::{Moved, Scan, Shipment, ShipmentStatus, moved};
use crate::{
    access::By,
    event::{Event, Fact},
    history::Transition,
    time::{Date, Ts},
};

/// A report may run ahead of our clock by so much: clocks differ, and some carriers send local times as UTC. One
/// farther ahead is kept and moves nothing, since no later report could take its place.
const AHEAD_HOURS: i64 = 24;
/// Numbers are given out again: what happened so long before a label was made happened to another parcel.
const BEFORE_LABEL_DAYS: i64 = 3;
/// A parcel that is still under way is the one that a number stands for, for so long after its label.
const WINDOW_DAYS: i64 = 120;
/// A parcel that no carrier has seen for so many days needs somebody's attention.
pub const QUIET_DAYS: i64 = 5;

/// What a report makes of a parcel.
#[derive(Debug, Clone)]
pub struct Observed {
    /// The parcel as it will be; as it was, if `changed` is not set.
    pub shipment: Shipment,
    /// Every change of its status, in the order of the carrier's times.
    pub moves: Vec<Moved>,
    /// What is told where nothing but the day of arrival has changed.
    pub told: Option<Event>,
    pub changed: bool,
}

impl ShipmentStatus {
    /// Whether a report of it says where a parcel is: a label that was printed has not moved, and a label that was
    /// cancelled is no parcel's way.
    const fn is_on_the_way(self) -> bool {
        !matches!(self, Self::LabelCreated | Self::Cancelled)
    }

    /// Of two reports of one instant, the higher one counts. No two states before the end are alike.
    const fn rank(self) -> u8 {
        match self {
            Self::LabelCreated => 0,
            Self::InTransit => 1,
            Self::Exception => 2,
            Self::OutForDelivery => 3,
            Self::Attempted => 4,
            Self::AvailableForPickup => 5,
            Self::Lost => 6,
            Self::Returned => 7,
            Self::Delivered => 8,
            Self::Cancelled => 9,
        }
    }
}

impl Scan {
    /// What two copies of one report have in common, and no two other reports of a parcel: the carrier's time, the
    /// status (or the word for it), and the place.
    pub fn identity(&self) -> String {
        let fold = |text: &str| text.trim().to_lowercase();
        let status = self.status.map(|status| status.as_str().to_owned());
        let word = || format!("?{}", fold(self.word.as_deref().unwrap_or_default()));
        let place = fold(self.location.as_deref().unwrap_or_default());
        format!("{}|{}|{place}", self.occurred_at.micros(), status.unwrap_or_else(word))
    }
}

/// The parcel that a report of a tracking number is of: of those that have or had the number, newest first, the
/// newest that is under way and not too old, else the newest.
pub fn addressee(candidates: &[Shipment], now: Ts) -> Option<&Shipment> {
    let recent =
        |parcel: &&Shipment| !parcel.status.is_final() && parcel.created_at.plus_days(WINDOW_DAYS) >= now;
    candidates.iter().find(recent).or_else(|| candidates.first())
}

/// Whether something that happened at `at` can have happened to this parcel, and not to one before it.
pub fn is_of(shipment: &Shipment, at: Ts) -> bool {
    at.plus_days(BEFORE_LABEL_DAYS) >= shipment.created_at
}

/// Where a parcel is after these reports. `estimate` is the day of arrival that came with them.
pub fn observe(shipment: &Shipment, scans: &[Scan], estimate: Option<Date>, by: By, now: Ts) -> Observed {
    let mut parcel = shipment.clone();
    if shipment.status.is_final() {
        return Observed { shipment: parcel, moves: Vec::new(), told: None, changed: false };
    }
    let steps = steps(scans, now);
    let newest = steps.iter().map(|(_, scan)| scan.occurred_at).max();
    let is_news = shipment.latest_scan_at.is_none_or(|latest| newest.is_some_and(|newest| newest >= latest));
    let new_estimate = estimate.filter(|day| is_news && shipment.estimated_delivery_date != Some(*day));
    parcel.estimated_delivery_date = new_estimate.or(parcel.estimated_delivery_date);
    let mut moves = Vec::new();
    for (status, scan) in steps {
        let stands = (parcel.latest_scan_at, parcel.status.rank());
        if !status.is_final() && (Some(scan.occurred_at), status.rank()) <= stands {
            continue;
        }
        if status == parcel.status {
            parcel.latest_scan_at = Some(scan.occurred_at);
            continue;
        }
        let step = moved(&parcel, status, scan, by, now);
        parcel = step.shipment.clone();
        moves.push(step);
    }
    let changed =
        !moves.is_empty() || new_estimate.is_some() || parcel.latest_scan_at != shipment.latest_scan_at;
    if changed {
        parcel.updated_at = now;
    }
    let told = (moves.is_empty() && new_estimate.is_some()).then(|| new_day(&parcel, now));
    Observed { shipment: parcel, moves, told, changed }
}

/// The reports that say where a parcel is, by the carrier's time, up to its end.
fn steps(scans: &[Scan], now: Ts) -> Vec<(ShipmentStatus, &Scan)> {
    let latest = now.plus_seconds(AHEAD_HOURS * 3600);
    let moving = |scan: &&Scan| scan.occurred_at <= latest;
    let mut steps: Vec<(ShipmentStatus, &Scan)> = scans
        .iter()
        .filter(moving)
        .filter_map(|scan| Some((scan.status.filter(|status| status.is_on_the_way())?, scan)))
        .collect();
    steps.sort_by_key(|(status, scan)| (scan.occurred_at, status.rank()));
    if let Some(end) = steps.iter().position(|(status, _)| status.is_final()) {
        steps.truncate(end + 1);
    }
    steps
}

fn new_day(parcel: &Shipment, now: Ts) -> Event {
    let fact = Fact::ShipmentMoved {
        shipment: parcel.clone(),
        previous_status: parcel.status,
        location: None,
        message: None,
        occurred_at: now,
    };
    parcel.event(now, fact)
}

/// Whether a report says that a parcel went on after its end, or that one left whose label was cancelled.
pub fn contradicts(shipment: &Shipment, scan: &Scan) -> bool {
    let later = shipment.latest_scan_at.is_none_or(|latest| scan.occurred_at > latest);
    shipment.status.is_final()
        && later
        && scan.status.is_some_and(|status| status.is_on_the_way() && status != shipment.status)
}

/// The row of history by which staff learn of such a report: the status stays.
pub fn seen_after_end(shipment: &Shipment, scan: &Scan, by: By, now: Ts) -> Transition {
    let row = shipment.transition(Some(shipment.status), by, scan.message.as_deref(), now);
    Transition { reason: Some("seen_after_end"), ..row }
}

/// The status that a report is shown with: its own, or that of the report before it where its word is not known.
/// `last` is carried from one report of a parcel to the next, and begins as `None`.
pub fn shown_status(scan: &Scan, last: &mut Option<ShipmentStatus>) -> ShipmentStatus {
    let shown = scan.status.or(*last).unwrap_or(ShipmentStatus::LabelCreated);
    *last = Some(shown);
    shown
}

#[cfg(test)]
mod tests;
