//! What is printed for a parcel or a prescription: for staff, and for whoever holds a signed link.

use std::collections::BTreeSet;

pub use nimbus_carriers::labels::Pharmacy;
use nimbus_carriers::labels::{
    LabelError, LabelFacts, PackedItem, PackedLot, PackingFacts, Signature, VialFacts, barcode_png,
    discard_after, packing_slip, shipping_label, vial_labels,
};
use nimbus_core::{
    access::SystemActor,
    formulary::unit_said,
    ids::{LineId, OrderId, ShipmentId},
    label::PurchaseState,
    order::{Line, Order},
    patient::{PatientProfile, Species},
    prescription::Prescription,
    shipment::{Shipment, ShipmentStatus},
    time::Date,
};
use nimbus_store::{
    Tx,
    audit::AuditEntry,
    inventory::{LineLot, lots_of_order},
    label_purchases, orders, patients, practitioners, prescriptions, shipments, tenants,
};

use crate::{
    App,
    actor::{Call, READERS},
    clock::wall,
    error::{Error, Result},
    links::{LABEL_HOURS, LinkKind, Opened},
    shipments::Tracking,
    unit::Cx,
};

const NO_SHIPMENT: Error = Error::NotFound("Shipment");
const NO_LABEL: Error = Error::NotFound("Label");
const NO_ORDER: Error = Error::NotFound("Medication order");
const NO_LINK: Error = Error::NotFound("Link");

/// What labels need to know of a deployment.
#[derive(Debug, Clone)]
pub struct LabelSettings {
    /// Who sends.
    pub pharmacy: Pharmacy,
    /// Scheme and host that links begin with.
    pub public_url: String,
    /// How long links to labels and barcodes open.
    pub link_hours: u32,
}

impl Default for LabelSettings {
    /// An invented pharmacy, for sandboxes and tests.
    fn default() -> Self {
        let text = str::to_owned;
        Self {
            pharmacy: Pharmacy {
                name: text("Nimbus Pharmacy"),
                line_1: text("100 Example Way"),
                line_2: None,
                city: text("Austin"),
                state: text("TX"),
                postal_code: text("78701"),
                phone: text("(512) 555-0100"),
            },
            public_url: text("https://api-sandbox.nimbus-os.com"),
            link_hours: LABEL_HOURS,
        }
    }
}

/// What is printed of a parcel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Paper {
    Label,
    Barcode,
    PackingSlip,
}

impl Paper {
    const fn action(self) -> &'static str {
        match self {
            Self::Label => "label.read",
            Self::Barcode => "barcode.read",
            Self::PackingSlip => "packing_slip.read",
        }
    }

    /// The action of whoever opens it by a link.
    const fn opening(self) -> &'static str {
        match self {
            Self::Label => "label.open",
            Self::Barcode => "barcode.open",
            Self::PackingSlip => "packing_slip.open",
        }
    }
}

/// A parcel with everything that its papers may name.
struct Parcel {
    shipment: Shipment,
    orders: Vec<Order>,
    prescriptions: Vec<Prescription>,
    patient: PatientProfile,
    /// The inventory lots that its lines were filled from.
    lots: Vec<LineLot>,
    /// The PDF of whoever sold the label, where it is not drawn here.
    bought: Option<Vec<u8>>,
}

/// A paper of a parcel of any clinic, for staff: a PDF, or the PNG of the barcode.
pub async fn paper(app: &App, call: &Call, id: ShipmentId, paper: Paper) -> Result<Vec<u8>> {
    call.staff(READERS)?;
    let parcel = app
        .read(call, (id, paper), |tx, cx, &(id, paper)| {
            Box::pin(async move {
                let shipment = shipments::shipment_get_any(tx, id).await?.ok_or(NO_SHIPMENT)?;
                let audit = cx.audit(Some(shipment.clinic_id), paper.action(), "shipment", Some(id.0));
                Ok((parcel(tx, shipment).await?, vec![audit]))
            })
        })
        .await?;
    print(app, parcel, paper).await
}

async fn parcel(tx: &mut Tx, shipment: Shipment) -> Result<Parcel> {
    if shipment.status == ShipmentStatus::Cancelled {
        return Err(NO_LABEL);
    }
    let clinic = shipment.clinic_id;
    let (mut packed, mut lots) = (Vec::new(), Vec::new());
    for id in shipment.orders() {
        packed.extend(orders::order_get(tx, clinic, id).await?);
        lots.extend(lots_of_order(tx, clinic, id).await?);
    }
    let in_parcel = |id: LineId| shipment.packed.iter().any(|packed| packed.line_id == id);
    lots.retain(|lot| in_parcel(lot.line_id));
    let lines = packed.iter().flat_map(|order: &Order| &order.lines).filter(|line| in_parcel(line.id));
    let ids: Vec<_> = lines.map(|line| line.prescription_id).collect();
    let prescriptions = prescriptions::prescription_get_many(tx, clinic, &ids).await?;
    let patient = patients::patient_get(tx, clinic, shipment.patient_id).await?.ok_or(NO_LABEL)?;
    let purchase = label_purchases::label_purchase_of(tx, clinic, shipment.id).await?;
    let bought = purchase
        .filter(|purchase| purchase.state == PurchaseState::Attached)
        .and_then(|purchase| purchase.label?.document)
        .map(nimbus_core::phi::Phi::into_inner);
    let patient = patient.profile.into_inner();
    Ok(Parcel { shipment, orders: packed, prescriptions, patient, lots, bought })
}

/// Draws a paper beside the requests of others: it takes some milliseconds of computing.
async fn print(app: &App, parcel: Parcel, paper: Paper) -> Result<Vec<u8>> {
    let app = app.clone();
    let drawn = tokio::task::spawn_blocking(move || printed(&app, &parcel, paper)).await;
    drawn.map_err(|_| Error::Internal("the drawing of a label ended"))?
}

fn printed(app: &App, parcel: &Parcel, paper: Paper) -> Result<Vec<u8>> {
    match (paper, &parcel.bought) {
        (Paper::Label, Some(document)) => Ok(document.clone()),
        (Paper::Label, None) => Ok(shipping_label(&parcel.label(app)).map_err(unprintable)?.0),
        (Paper::Barcode, _) => Ok(barcode_png(&parcel.label(app)).map_err(unprintable)?.0),
        (Paper::PackingSlip, _) => Ok(packing_slip(&parcel.packing(app)).map_err(unprintable)?.0),
    }
}

fn unprintable(error: LabelError) -> Error {
    tracing::error!(%error, "a label could not be made");
    Error::Internal("a label could not be made")
}

impl Parcel {
    fn service_name(&self) -> String {
        let (carrier, service) = (&self.shipment.carrier_id, &self.shipment.service_id);
        let known = nimbus_carriers::service_of(carrier, service);
        known.map_or_else(|| service.clone(), |service| service.name.to_owned())
    }

    /// The day on which the carrier takes it: after the cut-off, or on a day of rest, the next one that it works.
    fn ships_on(&self, app: &App) -> Date {
        let (shipment, config) = (&self.shipment, app.config());
        let made = shipment.ships_at.datetime_in(&config.pharmacy_zone);
        match nimbus_carriers::service_of(&shipment.carrier_id, &shipment.service_id) {
            Some(service) => config.shipping.rates.ships_on(service, made),
            None => made.date(),
        }
    }

    fn is_cold(&self) -> bool {
        let by_order = self.orders.iter().any(|order| order.refrigerated);
        by_order || self.prescriptions.iter().any(|prescription| prescription.refrigerated)
    }

    fn label(&self, app: &App) -> LabelFacts {
        let shipment = &self.shipment;
        LabelFacts {
            pharmacy: app.config().labels.pharmacy.clone(),
            recipient: recipient(&self.patient),
            ship_to: shipment.delivery_location.expose().clone(),
            carrier_id: shipment.carrier_id.clone(),
            carrier_name: shipment.carrier_name.clone(),
            service_name: self.service_name(),
            speed: shipment.delivery_method,
            tracking_number: shipment.tracking_number.clone(),
            reference: shipment.id.prefixed(),
            orders: self.orders.iter().map(|order| order.id.prefixed()).collect(),
            lots: numbers(self.lots.iter()),
            cold_chain: self.is_cold(),
            signature: Signature::for_drugs(self.prescriptions.iter().map(|it| it.schedule)),
            ships_on: self.ships_on(app),
        }
    }

    fn packing(&self, app: &App) -> PackingFacts {
        let shipment = &self.shipment;
        PackingFacts {
            pharmacy: app.config().labels.pharmacy.clone(),
            recipient: recipient(&self.patient),
            ship_to: shipment.delivery_location.expose().clone(),
            carrier_name: shipment.carrier_name.clone(),
            service_name: self.service_name(),
            tracking_number: shipment.tracking_number.clone(),
            reference: shipment.id.prefixed(),
            cold_chain: self.is_cold(),
            ships_on: self.ships_on(app),
            items: shipment.packed.iter().filter_map(|packed| self.item(packed.line_id)).collect(),
        }
    }

    fn item(&self, id: LineId) -> Option<PackedItem> {
        let (order, line) = self.orders.iter().find_map(|order| Some((order, order.line(id)?)))?;
        let prescription = self.prescriptions.iter().find(|it| it.id == line.prescription_id)?;
        let detail = prescription.detail.expose();
        Some(PackedItem {
            order: order.id.prefixed(),
            rx_number: line.rx_number.clone(),
            medication: format!("{} {}", detail.medication, detail.dose),
            quantity: quantity(line, prescription),
            lots: self.lots.iter().filter(|lot| lot.line_id == id).map(packed_lot).collect(),
        })
    }
}

fn packed_lot(lot: &LineLot) -> PackedLot {
    PackedLot { number: lot.lot_number.clone(), expires_on: lot.expires_on }
}

/// The lots' numbers, each once.
fn numbers<'a>(lots: impl Iterator<Item = &'a LineLot>) -> Vec<String> {
    lots.map(|lot| lot.lot_number.clone()).collect::<BTreeSet<_>>().into_iter().collect()
}

/// Whom a parcel is for: an animal's is for its owner.
fn recipient(patient: &PatientProfile) -> String {
    patient.animal_owner_name.clone().unwrap_or_else(|| full_name(patient))
}

fn full_name(patient: &PatientProfile) -> String {
    let middle = patient.middle_name.as_deref().unwrap_or_default();
    let parts = [patient.first_name.as_str(), middle, &patient.last_name];
    parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ")
}

/// Who takes the drug: of an animal, with its species and whose it is.
fn taker(patient: &PatientProfile) -> String {
    let name = full_name(patient);
    match (&patient.animal_owner_name, patient.species) {
        (_, Species::Human) => name,
        (Some(owner), species) => format!("{name} ({species}), owner {owner}"),
        (None, species) => format!("{name} ({species})"),
    }
}

fn quantity(line: &Line, prescription: &Prescription) -> String {
    let detail = prescription.detail.expose();
    match unit_said(detail.unit_of_measure.as_deref(), &detail.dose) {
        Some(unit) => format!("{} {unit}", line.quantity),
        None => line.quantity.to_string(),
    }
}

/// The labels of an order's containers, or of one line's, for staff: every line that has an Rx number.
pub async fn vials(app: &App, call: &Call, id: OrderId, line: Option<LineId>) -> Result<Vec<u8>> {
    call.staff(READERS)?;
    let facts = app
        .read(call, (id, line), |tx, cx, &(id, line)| {
            Box::pin(async move {
                let order = orders::order_get_any(tx, id).await?.ok_or(NO_ORDER)?;
                let cx = &cx.of_clinic(tx, order.clinic_id).await?;
                let audit = cx.audit(Some(order.clinic_id), "vial_label.read", "order", Some(id.0));
                Ok((vial_facts(tx, cx, &order, line).await?, vec![audit]))
            })
        })
        .await?;
    Ok(vial_labels(&facts).map_err(unprintable)?.0)
}

async fn vial_facts(tx: &mut Tx, cx: &Cx, order: &Order, wanted: Option<LineId>) -> Result<Vec<VialFacts>> {
    let clinic = order.clinic_id;
    let numbered = |line: &&Line| {
        line.rx_number.is_some() && line.status.is_live() && wanted.is_none_or(|wanted| wanted == line.id)
    };
    let lines: Vec<&Line> = order.lines.iter().filter(numbered).collect();
    if lines.is_empty() {
        return Err(NO_LABEL);
    }
    let patient = patients::patient_get(tx, clinic, order.patient_id).await?.ok_or(NO_LABEL)?;
    let prescriber =
        practitioners::practitioner_get(tx, clinic, order.practitioner_id).await?.ok_or(NO_LABEL)?;
    let (patient, prescriber) = (patient.profile.expose(), prescriber.profile.expose());
    let ids: Vec<_> = lines.iter().map(|line| line.prescription_id).collect();
    let prescriptions = prescriptions::prescription_get_many(tx, clinic, &ids).await?;
    let lots = lots_of_order(tx, clinic, order.id).await?;
    let facts = lines.into_iter().filter_map(|line| {
        let prescription = prescriptions.iter().find(|it| it.id == line.prescription_id)?;
        let detail = prescription.detail.expose();
        let filled_on = line.filled_on.unwrap_or(cx.today);
        let lots = || lots.iter().filter(|lot| lot.line_id == line.id);
        let lot_expires = lots().map(|lot| lot.expires_on).min();
        // The date of a compounded lot is what it was given when it was made: the policy stands in for one unknown.
        let beyond_use = (prescription.compounded && lot_expires.is_none())
            .then(|| cx.app.rules().on(filled_on).gates.compounding.beyond_use_days);
        Some(VialFacts {
            pharmacy: cx.app.config().labels.pharmacy.clone(),
            patient: taker(patient),
            prescriber: format!("{} {}", prescriber.first_name, prescriber.last_name),
            rx_number: line.rx_number.clone()?,
            medication: detail.medication.clone(),
            strength: detail.dose.clone(),
            directions: detail.direction.clone(),
            quantity: quantity(line, prescription),
            refills_left: prescription.refills_remaining(),
            filled_on,
            discard_after: discard_after(filled_on, lot_expires, beyond_use),
            lots: numbers(lots()),
            schedule: prescription.schedule,
            refrigerated: order.refrigerated || prescription.refrigerated,
        })
    });
    Ok(facts.collect())
}

/// What a link opens, if it holds now.
///
/// # Errors
/// [`Error::NotFound`] for any that does not, whatever the reason.
pub fn link(app: &App, token: &str, kind: LinkKind) -> Result<Opened> {
    app.links().open(token, kind, wall()).ok_or(NO_LINK)
}

/// A label or a barcode by its link, put on record before it is answered.
pub async fn open_paper(app: &App, call: &Call, opened: Opened, paper: Paper) -> Result<Vec<u8>> {
    must_be_signed(call)?;
    let parcel = app
        .read(call, (opened, paper), |tx, cx, &(opened, paper)| {
            Box::pin(async move {
                let (shipment, audit) = linked(tx, cx, opened, paper.opening()).await?;
                Ok((parcel(tx, shipment).await?, vec![audit]))
            })
        })
        .await?;
    print(app, parcel, paper).await
}

/// Where a parcel is, by its link. What answers it names nobody and no drug.
pub async fn open_tracking(app: &App, call: &Call, opened: Opened) -> Result<Tracking> {
    must_be_signed(call)?;
    app.read(call, opened, |tx, cx, &opened| {
        Box::pin(async move {
            let (shipment, audit) = linked(tx, cx, opened, "tracking.open").await?;
            let scans = shipments::scan_list(tx, opened.clinic, shipment.id).await?;
            Ok((Tracking { shipment, scans }, vec![audit]))
        })
    })
    .await
}

fn must_be_signed(call: &Call) -> Result<()> {
    match call.actor {
        crate::Actor::System(SystemActor::SignedLink) => Ok(()),
        _ => Err(Error::Forbidden),
    }
}

/// The shipment of a link, while its clinic may still be shown it.
async fn linked(
    tx: &mut Tx,
    cx: &Cx,
    opened: Opened,
    action: &'static str,
) -> Result<(Shipment, AuditEntry)> {
    // Links end with the partner's approval and agreement, as keys do.
    if !tenants::clinic_in_force(tx, opened.clinic, cx.app.gate(), cx.wall.date()).await? {
        return Err(NO_LINK);
    }
    let found = shipments::shipment_get(tx, opened.clinic, opened.shipment).await?.ok_or(NO_LINK)?;
    Ok((found, cx.audit(Some(opened.clinic), action, "shipment", Some(opened.shipment.0))))
}
