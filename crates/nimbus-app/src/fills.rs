//! Orders for prescriptions on file: the first fill of one, or a fill that consumes a refill; and orders with the
//! parcel that they are followed by.

use nimbus_core::{
    access::Scope,
    decision::{DecisionKind, DecisionSubject},
    gates::Stage,
    ids::{LineId, OrderId, PatientId, PrescriptionId, ShipmentId},
    order::{DeliverySpeed, FillStatus, Order, Shipping},
    patient::Address,
    shipment::{Scan, Shipment, ShipmentStatus},
};
pub use nimbus_store::orders::MAX_STANDINGS;
use nimbus_store::{
    Tx, orders as store,
    page::{Page, Slice},
    prescriptions, shipments,
};

use crate::{
    App,
    actor::Call,
    eligibility::{Asked, assess_after, assess_first_fill, is_unfilled, latest_fill, prescription_named},
    error::Result,
    gates::{self, Check},
    orders::{self, Cancel, NOT_FOUND, NewOrder},
    outbox::Changes,
    refills::refuse_unless_eligible,
    unit::{Cx, Render, Reply},
};

/// An order, and the newest of its parcels that was not cancelled.
#[derive(Debug, Clone)]
pub struct Followed {
    pub order: Order,
    pub parcel: Option<Shipment>,
}

impl Followed {
    fn new(order: Order, parcels: &[Shipment]) -> Self {
        let parcel = parcel_of(order.id, parcels).cloned();
        Self { order, parcel }
    }
}

/// The parcel that an order is followed by. `parcels` come newest first.
pub(crate) fn parcel_of(order: OrderId, parcels: &[Shipment]) -> Option<&Shipment> {
    parcels.iter().find(|parcel| {
        parcel.status != ShipmentStatus::Cancelled && parcel.packed.iter().any(|line| line.order_id == order)
    })
}

pub struct Create {
    pub patient_id: PatientId,
    pub prescription_id: PrescriptionId,
    pub shipping_address: Address,
    /// As the fill before went, if not given.
    pub shipping: Option<Shipping>,
    pub notes: Option<String>,
}

/// Takes an order for one fill of a prescription on file. Every rule must pass: nothing goes to review here.
pub async fn create(app: &App, call: &Call, command: Create, render: Render<Followed>) -> Result<Reply> {
    call.partner(Scope::OrdersWrite)?;
    if let Some(shipping) = &command.shipping {
        orders::service_must_exist(shipping)?;
    }
    app.write(call, command, render, |tx, cx, command| Box::pin(create_in(tx, cx, command))).await
}

async fn create_in(tx: &mut Tx, cx: &Cx, command: &Create) -> Result<Followed> {
    let clinic = cx.call.partner(Scope::OrdersWrite)?.clinic_id;
    let (id, patient) = (command.prescription_id, command.patient_id);
    let mut prescription = prescription_named(tx, clinic, id, patient).await?;
    let fills = store::fills_of_prescription(tx, clinic, id).await?;
    let (latest, is_first) = (latest_fill(&fills), is_unfilled(&fills));
    let assessment = if is_first {
        assess_first_fill(tx, cx, &prescription, patient).await?
    } else {
        let asked = Asked { named_fill: latest, patient: Some(patient), ..Asked::default() };
        assess_after(tx, cx, &prescription, &fills, asked).await?
    };
    refuse_unless_eligible(&assessment.answer)?;
    let (shipping, refrigerated) = way_of(tx, cx, latest.map(|(line, _)| line)).await?;
    let new = NewOrder {
        clinic_id: clinic,
        patient_id: patient,
        practitioner_id: prescription.practitioner_id,
        shipping: command.shipping.clone().unwrap_or(shipping),
        refrigerated: refrigerated || prescription.refrigerated,
        shipment_group: None,
        shipping_address: command.shipping_address.clone(),
        notes: command.notes.clone(),
    };
    let mut order = new.with_lines(tx, cx, std::slice::from_ref(&prescription)).await?;
    if !is_first {
        order.refills_consumed = prescription.refills_for(prescription.quantity);
        prescription.refills_used += order.refills_consumed;
    }
    // A first fill writes the prescription, too: of two at once, one loses here, and then finds the other.
    prescription.updated_at = cx.now;
    prescriptions::prescription_update(tx, &prescription).await?;
    assessment.keep(tx, cx, DecisionKind::OrderCreated, (DecisionSubject::Order, order.id.0)).await?;
    let mut changes = Changes::default();
    let asked = Check::new(Stage::Intake, &order, std::slice::from_ref(&prescription));
    let found = gates::ask_where_strict(tx, cx, asked).await?;
    gates::must_be_taken(cx, &order, &found, |_| None)?;
    let stops = gates::stops(&found);
    let order = orders::insert(tx, cx, &order, &stops, ("order.create", None), &mut changes).await?;
    changes.write(tx, cx).await?;
    Ok(Followed { order, parcel: None })
}

/// How the fill before went, or was to go, and whether cold.
async fn way_of(tx: &mut Tx, cx: &Cx, line: Option<LineId>) -> Result<(Shipping, bool)> {
    let clinic = cx.call.partner(Scope::OrdersWrite)?.clinic_id;
    let before = match line {
        Some(line) => store::order_get_by_line(tx, Some(clinic), line).await?,
        None => None,
    };
    let usual = (Shipping::Speed(DeliverySpeed::BusinessDay), false);
    Ok(before.map_or(usual, |order| (order.shipping, order.refrigerated)))
}

/// One order of the key's clinic.
pub async fn get(app: &App, call: &Call, id: OrderId) -> Result<Followed> {
    let clinic = call.partner(Scope::OrdersRead)?.clinic_id;
    app.look_up(call, (clinic, id), |tx, cx, &(clinic, id)| {
        Box::pin(async move {
            let (order, parcels) = store::order_and_parcels(tx, clinic, id).await?.ok_or(NOT_FOUND)?;
            let audit = cx.audit(Some(clinic), "order.read", "order", Some(id.0));
            Ok((Followed::new(order, &parcels), vec![audit]))
        })
    })
    .await
}

async fn followed(tx: &mut Tx, order: Order) -> Result<Followed> {
    let parcels = shipments::shipments_of_order(tx, order.clinic_id, order.id).await?;
    Ok(Followed::new(order, &parcels))
}

pub struct List {
    /// Where the orders stand, a held one where it was when it was held: at most [`MAX_STANDINGS`]; anywhere, if
    /// empty.
    pub standings: Vec<FillStatus>,
    pub patient: Option<PatientId>,
    pub page: Page,
}

/// The orders of the key's clinic, newest first.
pub async fn list(app: &App, call: &Call, list: List) -> Result<Slice<Followed>> {
    call.partner(Scope::OrdersRead)?;
    app.read(call, list, |tx, cx, list| {
        Box::pin(async move {
            let clinic = cx.call.partner(Scope::OrdersRead)?.clinic_id;
            let List { standings, patient, page } = list;
            let mut found = store::order_list_by_standing(tx, clinic, standings, *patient, page).await?;
            let ids: Vec<OrderId> = found.items.iter().map(|order| order.id).collect();
            let parcels = shipments::shipments_of_orders(tx, clinic, &ids).await?;
            found.leave_out(&parcels.unreadable, |order| order.id.0);
            let shown = found.items.iter().map(|order| (order.clinic_id, order.patient_id));
            let audit = cx.audit_list(Some(clinic), "order.list", "order", shown);
            let found = found.map(|order| Followed::new(order, &parcels.shipments));
            Ok((found, audit))
        })
    })
    .await
}

/// Where an order's parcels were, oldest report first.
#[derive(Debug, Clone)]
pub struct Tracking {
    pub followed: Followed,
    /// Each with the parcel that was seen.
    pub scans: Vec<(ShipmentId, Scan)>,
}

/// Where the parcels of an order of the key's clinic were, and when.
pub async fn tracking(app: &App, call: &Call, id: OrderId) -> Result<Tracking> {
    let clinic = call.partner(Scope::OrdersRead)?.clinic_id;
    app.read(call, (clinic, id), |tx, cx, &(clinic, id)| {
        Box::pin(async move {
            let order = store::order_get(tx, clinic, id).await?.ok_or(NOT_FOUND)?;
            let followed = followed(tx, order).await?;
            let scans = shipments::scans_of_order(tx, clinic, id).await?;
            let audit = cx.audit(Some(clinic), "order.tracking", "order", Some(id.0));
            Ok((Tracking { followed, scans }, vec![audit]))
        })
    })
    .await
}

/// [`orders::cancel`], answered with the parcel.
pub async fn cancel(app: &App, call: &Call, command: Cancel, render: Render<Followed>) -> Result<Reply> {
    call.partner(Scope::OrdersWrite)?;
    app.write(call, command, render, |tx, cx, command| {
        Box::pin(async move {
            let order = orders::cancel_in(tx, cx, command).await?;
            followed(tx, order).await
        })
    })
    .await
}
