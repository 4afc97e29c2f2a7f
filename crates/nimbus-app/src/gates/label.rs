//! The gates before a label: what may not be filled any more is held, and what is cold must stay so.

use std::collections::HashSet;

use nimbus_carriers::Service;
use nimbus_core::{
    access::SystemActor,
    gates::{Gate, Stage},
    ids::{LineId, OrderId},
    order::{FillStatus, Line, Order, Stop, place_stops},
    shipment::Packed,
};
use nimbus_store::{Tx, orders, prescriptions};

use super::{
    Check, Found, ask, ask_where_strict, field, is_served, refuse, services_that, stops, way_on_label,
};
use crate::{consequences::order_changed, error::Result, outbox::Changes, shipments::MAX_ORDERS, unit::Cx};

/// Puts lines on hold that a gate stops before a label: those named, or all that are filled. The label may be refused,
/// and the holds stay.
pub(crate) async fn hold_unfit(
    tx: &mut Tx,
    cx: &Cx,
    orders: &[OrderId],
    lines: Option<&[LineId]>,
) -> Result<()> {
    for &id in orders.iter().take(MAX_ORDERS) {
        hold_unfit_of(tx, cx, id, lines).await?;
    }
    Ok(())
}

async fn hold_unfit_of(tx: &mut Tx, cx: &Cx, id: OrderId, lines: Option<&[LineId]>) -> Result<()> {
    let Some(before) = orders::order_get_any(tx, id).await? else { return Ok(()) };
    let cx = &cx.of_clinic(tx, before.clinic_id).await?;
    let to_pack = |line: &Line| {
        line.status == FillStatus::Filled
            && line.shipment_id.is_none()
            && lines.is_none_or(|named| named.contains(&line.id))
    };
    let mut stops = stops_before_label(tx, cx, &before).await?;
    stops.retain(|stop| before.line(stop.line_id).is_some_and(to_pack));
    if stops.is_empty() {
        return Ok(());
    }
    let mut changes = Changes::default();
    let act = cx.as_system(SystemActor::Gates).act(None, None);
    let mut after = changes.take(place_stops(&before, &stops, None, &act));
    order_changed(tx, cx, &before, &mut after, &mut changes).await?;
    changes.audit.push(cx.audit(Some(after.clinic_id), "order.hold", "order", Some(after.id.0)));
    changes.write(tx, cx).await
}

/// How the parcel travels is asked of the service that is chosen: see [`must_stay_cold`].
async fn stops_before_label(tx: &mut Tx, cx: &Cx, order: &Order) -> Result<Vec<Stop>> {
    let prescriptions = prescriptions::prescription_of_order(tx, order.clinic_id, order.id).await?;
    let mut found = ask_where_strict(tx, cx, Check::new(Stage::Label, order, &prescriptions)).await?;
    found.retain(|it| it.finding.gate != Gate::Temperature);
    Ok(stops(&found))
}

/// Refuses a label by which what is in the parcel would not stay cold; what it warns of in a sandbox.
pub(crate) async fn must_stay_cold(
    tx: &mut Tx,
    cx: &Cx,
    orders: &[Order],
    packed: &[Packed],
    service: &Service,
) -> Result<Vec<String>> {
    let mut found: Vec<Found> = Vec::new();
    for order in orders {
        let lines = prescriptions::prescription_of_order(tx, order.clinic_id, order.id).await?;
        if order.refrigerated || lines.iter().any(|line| line.refrigerated) {
            let check = Check { service: Some(service), ..Check::new(Stage::Label, order, &lines) };
            found.extend(ask(tx, cx, check).await?);
        }
    }
    let is_packed = |it: &Found| packed.iter().any(|packed| packed.line_id == it.line_id);
    found.retain(|it| it.finding.gate == Gate::Temperature && is_packed(it));
    let rule = &cx.app.rules().on(cx.today).gates.temperature;
    // Orders of one parcel go to one address.
    let keeps_cold = |service: &Service| {
        orders.first().is_some_and(|order| {
            is_served(cx, order, service) && way_on_label(cx, order, service).keeps_cold(rule)
        })
    };
    let lawful = services_that(keeps_cold);
    let strict: Vec<&Found> = found.iter().filter(|it| it.is_strict).collect();
    refuse(&strict, |_| None, lawful)?;
    let mut told = HashSet::new();
    let warnings = found.iter().map(|it| format!("{}: {}", field(it, |_| None), it.finding.message));
    Ok(warnings.filter(|warning| told.insert(warning.clone())).collect())
}
