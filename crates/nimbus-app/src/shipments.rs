//! Shipments: packed by staff, followed by partners, and what their way means for the orders in them.

use nimbus_core::{
    access::Scope,
    event::{Event, Fact},
    ids::{ClinicId, LineId, OrderId, ScanId, ShipmentId},
    order::{FillStatus, Line, Order, after_shipment},
    phi::Phi,
    refusal::Refusal,
    shipment::{self, Packed, QUIET_DAYS, Scan, Shipment, ShipmentStatus},
};
use nimbus_store::{
    Tx, orders,
    page::{Page, Slice},
    shipments as store,
};
use uuid::Uuid;

use crate::{
    App,
    actor::{Call, READERS, WORKERS},
    consequences::order_changed,
    error::{Error, Result, refusal_apart},
    gates, label_purchases, orders as orders_app,
    outbox::Changes,
    sandbox::simulation,
    unit::{Cx, Render, Reply},
};

const NOT_FOUND: Error = Error::NotFound("Shipment");

/// The most orders of one parcel.
pub const MAX_ORDERS: usize = 50;
/// The most medication requests that are named for one parcel.
pub const MAX_LINES: usize = 250;

/// One shipment of the key's clinic.
pub async fn get(app: &App, call: &Call, id: ShipmentId) -> Result<Shipment> {
    Ok(tracking(app, call, id).await?.shipment)
}

/// A shipment and every scan of it.
#[derive(Debug, Clone)]
pub struct Tracking {
    pub shipment: Shipment,
    pub scans: Vec<Scan>,
}

/// Where a shipment of the key's clinic was, and when.
pub async fn tracking(app: &App, call: &Call, id: ShipmentId) -> Result<Tracking> {
    let clinic = call.partner(Scope::ShipmentsRead)?.clinic_id;
    app.look_up(call, (clinic, id), |tx, cx, &(clinic, id)| {
        Box::pin(async move {
            let shipment = store::shipment_get(tx, clinic, id).await?.ok_or(NOT_FOUND)?;
            let scans = store::scan_list(tx, clinic, id).await?;
            let audit = cx.audit(Some(clinic), "shipment.read", "shipment", Some(id.0));
            Ok((Tracking { shipment, scans }, vec![audit]))
        })
    })
    .await
}

/// One shipment of any clinic, for staff.
pub async fn get_any(app: &App, call: &Call, id: ShipmentId) -> Result<Shipment> {
    call.staff(READERS)?;
    app.read(call, id, |tx, cx, &id| {
        Box::pin(async move {
            let found = store::shipment_get_any(tx, id).await?.ok_or(NOT_FOUND)?;
            let audit = cx.audit(Some(found.clinic_id), "shipment.read", "shipment", Some(id.0));
            Ok((found, vec![audit]))
        })
    })
    .await
}

/// Where a shipment of any clinic was, and when, for staff.
pub async fn tracking_any(app: &App, call: &Call, id: ShipmentId) -> Result<Tracking> {
    call.staff(READERS)?;
    app.read(call, id, |tx, cx, &id| {
        Box::pin(async move {
            let shipment = store::shipment_get_any(tx, id).await?.ok_or(NOT_FOUND)?;
            let scans = store::scan_list(tx, shipment.clinic_id, id).await?;
            let audit = cx.audit(Some(shipment.clinic_id), "shipment.read", "shipment", Some(id.0));
            Ok((Tracking { shipment, scans }, vec![audit]))
        })
    })
    .await
}

pub struct ListAny {
    pub clinic: Option<ClinicId>,
    pub status: Option<ShipmentStatus>,
    /// Only those that somebody should look at: see [`store::shipments_needing_attention`].
    pub needs_attention: bool,
    pub page: Page,
}

/// Shipments of every clinic, for staff.
pub async fn list_any(app: &App, call: &Call, list: ListAny) -> Result<Slice<Shipment>> {
    call.staff(READERS)?;
    app.read(call, list, |tx, cx, list| {
        Box::pin(async move {
            let ListAny { clinic, status, needs_attention, page } = list;
            let found = match needs_attention {
                true => {
                    let cx = &match clinic {
                        Some(clinic) => cx.of_clinic(tx, *clinic).await?,
                        None => cx.clone(),
                    };
                    let quiet_since = cx.now.plus_days(-QUIET_DAYS);
                    store::shipments_needing_attention(tx, *clinic, *status, (quiet_since, cx.now), page)
                        .await?
                }
                false => store::shipment_list(tx, *clinic, *status, page).await?,
            };
            let shown = found.items.iter().map(|shipment| (shipment.clinic_id, shipment.patient_id));
            let audit = cx.audit_list(list.clinic, "shipment.list", "shipment", shown);
            Ok((found, audit))
        })
    })
    .await
}

#[derive(Clone)]
pub struct Create {
    /// At least one; all of one patient, and of one shipment group if there are several.
    pub orders: Vec<OrderId>,
    /// Which of their medication requests; every one that is filled and not packed, if not given.
    pub lines: Option<Vec<LineId>>,
    pub carrier_id: String,
    pub service_id: String,
    /// Without one a label is made or bought, and has its own.
    pub tracking_number: Option<String>,
    /// In ounces; otherwise what parcels are taken to weigh.
    pub weight_oz: Option<u32>,
    /// Staff's note for the partner.
    pub notes: Option<String>,
    pub warnings: Vec<String>,
}

pub struct Created {
    pub shipment: Shipment,
    pub warnings: Vec<String>,
}

/// Packs filled, unshipped lines of the orders into a parcel with a label: every one, or those named. What may not be
/// filled any more is held, whether or not a parcel is made of the rest.
pub async fn create(app: &App, call: &Call, command: Create, render: Render<Created>) -> Result<Reply> {
    call.staff(WORKERS)?;
    // Before a claim of the key is tried: whoever waits for a label is told so.
    label_purchases::must_not_be_pending(app, call).await?;
    if command.tracking_number.is_none() && app.config().shipping.asked(&command.carrier_id).is_some() {
        return label_purchases::buy(app, call, command, render).await;
    }
    app.write_or_refuse(call, command, render, |tx, cx, command| {
        Box::pin(async move {
            match plan_of_fit(tx, cx, command).await? {
                Ok(plan) => make(tx, plan, command).await.map(Ok),
                Err(refusal) => Ok(Err(refusal)),
            }
        })
    })
    .await
}

pub(crate) async fn create_in(tx: &mut Tx, cx: &Cx, command: &Create) -> Result<Created> {
    let plan = plan(tx, cx, command).await?;
    make(tx, plan, command).await
}

/// A parcel that may be made: its orders, what of them goes in, and what is warned of.
pub(crate) struct Plan {
    /// By the clock of the orders' clinic.
    pub(crate) cx: Cx,
    pub(crate) orders: Vec<Order>,
    pub(crate) packed: Vec<Packed>,
    pub(crate) warnings: Vec<String>,
}

/// Holds what a gate stops, and plans a parcel of the rest. Where that is refused, the holds are to stay.
pub(crate) async fn plan_of_fit(tx: &mut Tx, cx: &Cx, command: &Create) -> Result<Result<Plan>> {
    gates::label::hold_unfit(tx, cx, &command.orders, command.lines.as_deref()).await?;
    refusal_apart(plan(tx, cx, command).await)
}

/// Reads alone.
async fn plan(tx: &mut Tx, cx: &Cx, command: &Create) -> Result<Plan> {
    let orders = load(tx, &command.orders).await?;
    let packed = pack(&orders, command.lines.as_deref())?;
    let cx = cx.of_clinic(tx, orders[0].clinic_id).await?;
    let mut warnings = command.warnings.clone();
    warnings.extend(must_stay_cold(tx, &cx, &orders, &packed, command).await?);
    Ok(Plan { cx, orders, packed, warnings })
}

async fn make(tx: &mut Tx, plan: Plan, command: &Create) -> Result<Created> {
    let Plan { cx, orders, packed, warnings } = plan;
    let new = NewParcel {
        id: ShipmentId(Uuid::now_v7()),
        carrier_id: &command.carrier_id,
        service_id: &command.service_id,
        tracking_number: command.tracking_number.clone(),
        notes: command.notes.clone(),
        packed,
    };
    let mut shipment = parcel(&cx, &orders[0], new)?;
    if shipment.tracking_number.is_none() {
        label_purchases::make(tx, &cx, &mut shipment, command.weight_oz, &orders).await?;
    }
    put(tx, &cx, &orders, &shipment).await?;
    Ok(Created { shipment, warnings })
}

/// Refuses a service that what is refrigerated cannot go by, or warns of it.
async fn must_stay_cold(
    tx: &mut Tx,
    cx: &Cx,
    found: &[Order],
    packed: &[Packed],
    command: &Create,
) -> Result<Vec<String>> {
    match nimbus_carriers::service_of(&command.carrier_id, &command.service_id) {
        Some(service) => gates::label::must_stay_cold(tx, cx, found, packed, service).await,
        None => Ok(Vec::new()),
    }
}

/// Stores a parcel with its orders' lines in it, and tells of it.
pub(crate) async fn put(tx: &mut Tx, cx: &Cx, found: &[Order], shipment: &Shipment) -> Result<()> {
    store::shipment_insert(tx, shipment).await?;
    let mut changes = Changes::default();
    let mut rx_number = None;
    for before in found {
        let mut after = before.clone();
        for line in after.lines.iter_mut().filter(|line| shipment.packed.iter().any(|p| p.line_id == line.id))
        {
            line.shipment_id = Some(shipment.id);
            line.tracking_number.clone_from(&shipment.tracking_number);
            rx_number = rx_number.or_else(|| line.rx_number.clone());
        }
        after.updated_at = cx.now;
        orders::order_update(tx, before, &after).await?;
        simulation::follow(tx, cx, after.clinic_id, after.id).await?;
    }
    changes.history.push(shipment.opened(cx.by()));
    changes.events.push(Event {
        clinic_id: shipment.clinic_id,
        ordering_key: Some(shipment.ordering_key),
        at: cx.now,
        fact: Fact::ShipmentCreated {
            shipment: shipment.clone(),
            practitioner_id: found[0].practitioner_id,
            rx_number,
            links: cx.app.links().of_parcel(shipment.clinic_id, shipment.id, cx.wall),
        },
    });
    let (clinic, id) = (Some(shipment.clinic_id), Some(shipment.id.0));
    changes.audit.push(cx.audit(clinic, "shipment.create", "shipment", id));
    changes.write(tx, cx).await
}

/// The orders, if they may share a parcel.
pub(crate) async fn load(tx: &mut Tx, ids: &[OrderId]) -> Result<Vec<Order>> {
    const FIELD: &str = "medication_orders";
    if ids.is_empty() || ids.len() > MAX_ORDERS {
        return Err(Error::field(FIELD, format!("must name 1 to {MAX_ORDERS} orders")));
    }
    let mut found: Vec<Order> = Vec::with_capacity(ids.len());
    for (index, &id) in ids.iter().enumerate() {
        let order = orders::order_get_any(tx, id).await?;
        let order =
            order.ok_or_else(|| Error::field(format!("{FIELD}[{index}]"), "Medication order not found"))?;
        if found.iter().any(|other| other.id == id) {
            continue;
        }
        if order.cancellation_requested_at.is_some() {
            return Err(Refusal::CancellationRequested.into());
        }
        if let Some(first) = found.first() {
            let together = first.patient_id == order.patient_id && first.ordering_key == order.ordering_key;
            let same_place = first.shipping_address == order.shipping_address;
            if !together || !same_place {
                let message = "must be of the same patient, shipment group and address as the first";
                return Err(Error::field(format!("{FIELD}[{index}]"), message));
            }
        }
        found.push(order);
    }
    Ok(found)
}

/// The lines that go into the parcel: those named, each of which must be filled and not packed, or every such line.
fn pack(orders: &[Order], named: Option<&[LineId]>) -> Result<Vec<Packed>> {
    let can_be_packed = |line: &Line| line.status == FillStatus::Filled && line.shipment_id.is_none();
    let all = || orders.iter().flat_map(|order| order.lines.iter().map(move |line| (order, line)));
    for (index, id) in named.unwrap_or_default().iter().enumerate() {
        let Some((_, line)) = all().find(|(_, line)| line.id == *id) else {
            let field = format!("medication_request_ids[{index}]");
            return Err(Error::field(field, "Medication request not found"));
        };
        if !can_be_packed(line) {
            return Err(Refusal::transition(line.status.as_str(), FillStatus::Shipped.as_str()).into());
        }
    }
    let packed: Vec<Packed> = all()
        .filter(|(_, line)| named.is_none_or(|named| named.contains(&line.id)) && can_be_packed(line))
        .map(|(order, line)| Packed { order_id: order.id, line_id: line.id })
        .collect();
    if packed.is_empty() {
        return Err(Refusal::transition(orders[0].status.as_str(), FillStatus::Shipped.as_str()).into());
    }
    Ok(packed)
}

/// A parcel to be made.
pub(crate) struct NewParcel<'a> {
    pub(crate) id: ShipmentId,
    pub(crate) carrier_id: &'a str,
    pub(crate) service_id: &'a str,
    pub(crate) tracking_number: Option<String>,
    pub(crate) notes: Option<String>,
    pub(crate) packed: Vec<Packed>,
}

/// The parcel as it is when its label is made, to where its first order goes.
pub(crate) fn parcel(cx: &Cx, order: &Order, new: NewParcel<'_>) -> Result<Shipment> {
    let no_such_service = || orders_app::no_such_service(new.carrier_id);
    let carrier = nimbus_carriers::carrier(new.carrier_id).ok_or_else(no_such_service)?;
    let service = nimbus_carriers::service_of(new.carrier_id, new.service_id).ok_or_else(no_such_service)?;
    Ok(Shipment {
        id: new.id,
        clinic_id: order.clinic_id,
        patient_id: order.patient_id,
        ordering_key: order.ordering_key,
        status: ShipmentStatus::LabelCreated,
        carrier_id: carrier.id.to_owned(),
        carrier_name: carrier.name.to_owned(),
        service_id: service.id.to_owned(),
        tracking_url: new.tracking_number.as_deref().map(|number| carrier.tracking_url(number)),
        tracking_number: new.tracking_number,
        delivery_method: nimbus_carriers::delivery_method(service),
        delivery_location: order.shipping_address.clone(),
        notes: new.notes.map(Phi::new),
        ships_at: cx.now,
        estimated_delivery_date: Some(gates::way_by(cx, order, service).transit.arrives_on),
        latest_scan_at: None,
        cancellation_reason: None,
        cancelled_at: None,
        version: 1,
        created_at: cx.now,
        updated_at: cx.now,
        packed: new.packed,
    })
}

pub struct Cancel {
    pub id: ShipmentId,
    /// Staff's reason; it goes to the partner.
    pub reason: String,
}

/// Cancels a parcel that has only a label. Its orders stay filled and can be packed again.
pub async fn cancel(app: &App, call: &Call, command: Cancel, render: Render<Shipment>) -> Result<Reply> {
    call.staff(WORKERS)?;
    app.write(call, command, render, |tx, cx, command| {
        Box::pin(async move {
            let found = store::shipment_get_any(tx, command.id).await?.ok_or(NOT_FOUND)?;
            let cx = &cx.of_clinic(tx, found.clinic_id).await?;
            let moved = shipment::cancel(&found, cx.by(), &command.reason, cx.now)?;
            store::shipment_update(tx, &moved.shipment).await?;
            label_purchases::give_back(tx, cx, &found).await?;
            for id in orders::orders_of_shipment(tx, found.clinic_id, found.id).await? {
                let Some(before) = orders::order_get(tx, found.clinic_id, id).await? else { continue };
                let mut after = before.clone();
                let within = after.lines.iter_mut().filter(|line| line.shipment_id == Some(found.id));
                within.for_each(Line::unpack);
                after.updated_at = cx.now;
                orders::order_update(tx, &before, &after).await?;
            }
            let clinic = Some(found.clinic_id);
            let audit = vec![cx.audit(clinic, "shipment.cancel", "shipment", Some(found.id.0))];
            let changes = Changes { history: vec![moved.history], events: vec![moved.event], audit };
            changes.write(tx, cx).await?;
            Ok(Shipment { version: moved.shipment.version + 1, ..moved.shipment })
        })
    })
    .await
}

pub struct MoveTo {
    pub id: ShipmentId,
    pub status: ShipmentStatus,
    /// Staff's note for the partner.
    pub note: Option<String>,
    pub location: Option<String>,
}

/// Staff say where a parcel is; its orders follow.
pub async fn move_to(app: &App, call: &Call, command: MoveTo, render: Render<Shipment>) -> Result<Reply> {
    call.staff(WORKERS)?;
    app.write(call, command, render, |tx, cx, command| Box::pin(move_in(tx, cx, command))).await
}

pub(crate) async fn move_in(tx: &mut Tx, cx: &Cx, command: &MoveTo) -> Result<Shipment> {
    let found = store::shipment_get_any(tx, command.id).await?.ok_or(NOT_FOUND)?;
    cx.must_match(found.version)?;
    let cx = &cx.of_clinic(tx, found.clinic_id).await?;
    let scan = Scan {
        id: ScanId(Uuid::now_v7()),
        occurred_at: cx.now,
        status: Some(command.status),
        word: None,
        location: command.location.clone(),
        message: command.note.clone(),
        recorded_at: cx.wall,
    };
    let moved = shipment::move_to(&found, &scan, cx.by())?;
    store::shipment_update(tx, &moved.shipment).await?;
    store::scan_insert(tx, found.clinic_id, found.id, &scan).await?;
    let mut changes = Changes { history: vec![moved.history], events: vec![moved.event], audit: Vec::new() };
    if let Some(goal) = command.status.order_goal() {
        for id in orders::orders_of_shipment(tx, found.clinic_id, found.id).await? {
            let Some(before) = orders::order_get(tx, found.clinic_id, id).await? else { continue };
            let decision =
                after_shipment(&before, &moved.shipment, goal, &cx.act(None, command.note.clone()));
            let mut after = changes.take(decision);
            order_changed(tx, cx, &before, &mut after, &mut changes).await?;
        }
    }
    let clinic = Some(found.clinic_id);
    changes.audit.push(cx.audit(clinic, "shipment.set_status", "shipment", Some(found.id.0)));
    changes.write(tx, cx).await?;
    Ok(Shipment { version: moved.shipment.version + 1, ..moved.shipment })
}
