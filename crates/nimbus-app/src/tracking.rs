//! What carriers report of parcels: every report kept once, and followed as far as it is news.

use nimbus_core::{
    access::Environment,
    ids::ScanId,
    order::{FillStatus, Order, after_shipment},
    sandbox_magic::MagicTracking,
    shipment::{
        self, Scan, Shipment, ShipmentStatus, addressee, contradicts, is_of, observe, seen_after_end,
    },
    time::{Date, Ts, add_days},
};
use nimbus_store::{Tx, orders, shipments as store};
use uuid::Uuid;

use crate::{
    App,
    actor::{Actor, Call},
    consequences::order_changed,
    error::{Error, Result},
    outbox::Changes,
    unit::{Cx, Render, Reply},
};

/// The most scans that are taken of one notification: the newest of it.
pub const MAX_SCANS: usize = 200;

/// What a carrier saw.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    pub at: Ts,
    /// `None` for a word that is not known.
    pub status: Option<ShipmentStatus>,
    /// The carrier's own word.
    pub word: Option<String>,
    /// City and state, no more.
    pub place: Option<String>,
    pub message: Option<String>,
}

/// A carrier's notification of one parcel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notification {
    /// Our id of the carrier; of any, if it is not known.
    pub carrier_id: Option<&'static str>,
    /// As we write it. `None` where the notification is of no parcel.
    pub tracking_number: Option<String>,
    pub seen: Vec<Seen>,
    pub estimate: Option<Date>,
}

/// What became of a notification.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Taken {
    /// Whether the number is of a parcel of ours. If it is not, nothing is kept.
    pub matched: bool,
    /// The scans that were new.
    pub kept: usize,
    /// Whether the parcel is elsewhere than it was.
    pub moved: bool,
}

/// Takes a notification of a carrier.
pub async fn report(
    app: &App,
    call: &Call,
    notification: Notification,
    render: Render<Taken>,
) -> Result<Reply> {
    let Actor::System(_) = call.actor else { return Err(Error::Forbidden) };
    app.write(call, notification, render, |tx, cx, told| Box::pin(report_in(tx, cx, told))).await
}

async fn report_in(tx: &mut Tx, cx: &Cx, told: &Notification) -> Result<Taken> {
    let Some(number) = told.tracking_number.as_deref() else { return Ok(Taken::default()) };
    // The parcels of every clinic's simulation share these: no carrier can mean one of them.
    if cx.app.environment() == Environment::Sandbox && MagicTracking::parse(number).is_some() {
        return Ok(Taken::default());
    }
    let candidates = store::shipments_by_tracking_any(tx, told.carrier_id, number).await?;
    let Some(parcel) = addressee(&candidates, cx.now) else { return Ok(Taken::default()) };
    let cx = &cx.of_clinic(tx, parcel.clinic_id).await?;
    let Notification { mut seen, estimate, .. } = by_clock_ahead(told, cx.now.micros() - cx.base.micros());
    seen.sort_by_key(|seen| std::cmp::Reverse(seen.at));
    seen.truncate(MAX_SCANS);
    let scans = seen.into_iter().filter(|seen| is_of(parcel, seen.at)).map(|seen| Scan {
        id: ScanId(Uuid::now_v7()),
        occurred_at: seen.at,
        status: seen.status,
        word: seen.word,
        location: seen.place,
        message: seen.message,
        recorded_at: cx.wall,
    });
    observe_in(tx, cx, parcel, &scans.collect::<Vec<_>>(), estimate).await
}

/// A notification by the clock of the parcel's clinic: carriers tell the time of the world, and a parcel's times are
/// its clinic's. After such a clock was moved, what is told again is not known again.
fn by_clock_ahead(told: &Notification, ahead_us: i64) -> Notification {
    const DAY_US: i64 = 86_400 * 1_000_000;
    let seen = told.seen.iter().map(|seen| Seen { at: seen.at.plus_micros(ahead_us), ..seen.clone() });
    // The nearest day: a clock that is moved by thirty days is a moment less than that ahead.
    let days = (ahead_us + DAY_US / 2).div_euclid(DAY_US);
    let estimate = told.estimate.map(|day| add_days(day, days));
    Notification { seen: seen.collect(), estimate, ..told.clone() }
}

/// Keeps what was seen of a parcel, moves it, and its orders with it.
async fn observe_in(
    tx: &mut Tx,
    cx: &Cx,
    parcel: &Shipment,
    scans: &[Scan],
    estimate: Option<Date>,
) -> Result<Taken> {
    let mut changes = Changes::default();
    let mut kept = 0;
    for scan in scans {
        if !store::scan_record(tx, parcel.clinic_id, parcel.id, scan).await? {
            continue;
        }
        kept += 1;
        if contradicts(parcel, scan) {
            changes.history.push(seen_after_end(parcel, scan, cx.by(), cx.now));
        }
    }
    let observed = observe(parcel, scans, estimate, cx.by(), cx.now);
    if observed.changed {
        store::shipment_update(tx, &observed.shipment).await?;
    }
    let moved = !observed.moves.is_empty();
    follow(tx, cx, observed.moves, &mut changes).await?;
    changes.events.extend(observed.told);
    let (clinic, id) = (Some(parcel.clinic_id), Some(parcel.id.0));
    changes.audit.push(cx.audit(clinic, "shipment.carrier_report", "shipment", id));
    changes.write(tx, cx).await?;
    Ok(Taken { matched: true, kept, moved })
}

/// The orders in a parcel go where it went, step by step, so that each step is told in its turn.
async fn follow(tx: &mut Tx, cx: &Cx, moves: Vec<shipment::Moved>, changes: &mut Changes) -> Result<()> {
    let Some(last) = moves.last().map(|moved| moved.shipment.clone()) else { return Ok(()) };
    let mut found: Vec<(Order, Order)> = Vec::new();
    for id in orders::orders_of_shipment(tx, last.clinic_id, last.id).await? {
        if let Some(order) = orders::order_get(tx, last.clinic_id, id).await? {
            found.push((order.clone(), order));
        }
    }
    let mut told: Option<FillStatus> = None;
    for moved in moves {
        let goal = moved.shipment.status.order_goal();
        changes.history.push(moved.history);
        changes.events.push(moved.event);
        let Some(goal) = goal.filter(|goal| told != Some(*goal)) else { continue };
        told = Some(goal);
        for (_, order) in &mut found {
            let decision = after_shipment(order, &moved.shipment, goal, &cx.act(None, None));
            *order = changes.take(decision);
        }
    }
    for (before, mut after) in found {
        order_changed(tx, cx, &before, &mut after, changes).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use nimbus_core::time::parse_date;

    use super::*;

    #[test]
    fn a_carriers_times_are_told_by_the_clinics_clock() {
        let at = Ts::parse("2026-01-15T10:30:00Z").unwrap();
        let seen = Seen { at, status: None, word: None, place: None, message: None };
        let told = Notification {
            carrier_id: None,
            tracking_number: None,
            seen: vec![seen],
            estimate: parse_date("2026-01-20"),
        };
        assert_eq!(by_clock_ahead(&told, 0), told);
        let month_ahead = by_clock_ahead(&told, 30 * 86_400 * 1_000_000 + 5);
        assert_eq!(month_ahead.seen[0].at, at.plus_days(30).plus_micros(5));
        assert_eq!(month_ahead.estimate, parse_date("2026-02-19"));
        let nearly = by_clock_ahead(&told, 30 * 86_400 * 1_000_000 - 5);
        assert_eq!(nearly.estimate, parse_date("2026-02-19"));
    }
}
