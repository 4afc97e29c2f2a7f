//! Medication orders: taken whole or not at all, read with everything about them, cancelled.

use nimbus_core::{
    access::{Scope, SystemActor},
    event::{OrderChange, PrescriptionChange},
    formulary::ClinicList,
    gates::Stage,
    ids::{ClinicId, LineId, OrderId, PatientId, PractitionerId, PrescriptionId},
    order::{
        FillStatus, Line, Order, Shipping, Stop, open_order, order_status, place_stops, request_cancellation,
    },
    patient::{Address, PatientStatus, Species},
    phi::Phi,
    practitioner::PractitionerStatus,
    prescription::{Prescription, PrescriptionDetail, PrescriptionStatus},
    quantity::Quantity,
    rules::RefillCase,
    us::State,
};
pub use nimbus_store::history::HistoryRow;
use nimbus_store::{
    Tx, history,
    orders::{self as store, Intake},
    page::{Page, Slice},
    prescriptions, shipments,
};
use uuid::Uuid;

use crate::{
    App,
    actor::Call,
    consequences::{order_changed, schedule_expiry},
    error::{Detail, Error, FieldError, RefusalCode, Result},
    formulary::{Recognised, recognise},
    gates::{self, Check},
    outbox::Changes,
    sandbox::simulation,
    unit::{Cx, Render, Reply},
};

pub(crate) const NOT_FOUND: Error = Error::NotFound("Medication order");

/// One medication request of a new order.
#[derive(Clone)]
pub struct NewLine {
    pub detail: PrescriptionDetail,
    pub quantity: Quantity,
    pub refills: u32,
    pub days_supply: Option<u32>,
    pub do_not_refill: bool,
    /// Keep the prescription on file and do not fill it.
    pub do_not_fill: bool,
}

pub struct Create {
    pub clinic_id: ClinicId,
    pub patient_id: PatientId,
    pub practitioner_id: PractitionerId,
    pub shipping: Shipping,
    pub refrigerated: bool,
    pub shipment_group: Option<String>,
    pub notes: Option<String>,
    /// Where it goes; the patient's address if it is not given.
    pub shipping_address: Option<Address>,
    pub lines: Vec<NewLine>,
    pub warnings: Vec<String>,
}

pub struct Created {
    pub order: Order,
    /// In the order of the lines.
    pub prescriptions: Vec<Prescription>,
    pub warnings: Vec<String>,
}

/// Takes an order: its prescriptions, its lines and their events, in one transaction.
pub async fn create(app: &App, call: &Call, command: Create, render: Render<Created>) -> Result<Reply> {
    if call.partner(Scope::OrdersWrite)?.clinic_id != command.clinic_id {
        return Err(Error::field("clinic_id", "Clinic not found"));
    }
    service_must_exist(&command.shipping)?;
    app.write(call, command, render, |tx, cx, command| Box::pin(create_in(tx, cx, command))).await
}

/// Only services that a carrier offers are taken.
pub(crate) fn service_must_exist(shipping: &Shipping) -> Result<()> {
    let Shipping::Service { carrier_id, service_id } = shipping else { return Ok(()) };
    if nimbus_carriers::service_of(carrier_id, service_id).is_some() {
        return Ok(());
    }
    Err(no_such_service(carrier_id))
}

/// The refusal of a service that the carrier does not offer, or of a carrier that there is not.
pub(crate) fn no_such_service(carrier_id: &str) -> Error {
    let (field, reason) = match nimbus_carriers::carrier(carrier_id) {
        Some(_) => ("service_id", "unknown_service"),
        None => ("carrier_id", "unknown_carrier"),
    };
    let detail = Detail {
        field: Some(field.to_owned()),
        reason: Some(reason.to_owned()),
        message: gates::NOT_AVAILABLE.to_owned(),
        facts: Vec::new(),
    };
    Error::refused(RefusalCode::ServiceNotAvailable, gates::NOT_AVAILABLE, vec![detail])
}

async fn create_in(tx: &mut Tx, cx: &Cx, command: &Create) -> Result<Created> {
    let clinic = command.clinic_id;
    let Intake { patient, practitioner, drugs } =
        store::order_intake(tx, clinic, command.patient_id, command.practitioner_id).await?;
    let (Some(patient), Some(practitioner)) = (&patient, practitioner) else {
        let missing = [
            patient.is_none().then(|| FieldError::new("patient_id", "Patient not found")),
            practitioner.is_none().then(|| FieldError::new("practitioner_id", "Practitioner not found")),
        ];
        return Err(Error::Invalid(missing.into_iter().flatten().collect()));
    };
    must_be_current(patient.status, practitioner)?;
    let mut warnings = command.warnings.clone();
    if practitioner != PractitionerStatus::Active {
        warnings.push("The practitioner is not active: the order is held before it is submitted".to_owned());
    }
    let address =
        command.shipping_address.clone().unwrap_or_else(|| patient.profile.expose().address.clone());
    let to = (&address, patient.profile.expose().species);
    let (made, doubts) = prescribe(cx, command, &drugs, to, &mut warnings);
    let mut order = NewOrder {
        clinic_id: clinic,
        patient_id: command.patient_id,
        practitioner_id: command.practitioner_id,
        shipping: command.shipping.clone(),
        refrigerated: command.refrigerated || is_any_cold(command, &made),
        shipment_group: command.shipment_group.clone(),
        shipping_address: address,
        notes: command.notes.clone(),
    }
    .with_lines(tx, cx, &made)
    .await?;
    for (line, new) in order.lines.iter_mut().zip(&command.lines) {
        if new.do_not_fill {
            line.status = FillStatus::Profiled;
        }
    }
    order.status = order_status(order.lines.iter().map(|line| (line.status, line.standing())));
    let asked = Check {
        doubts: &doubts,
        patient: Some(patient.profile.expose()),
        ..Check::new(Stage::Intake, &order, &made)
    };
    let found = gates::ask(tx, cx, asked).await?;
    gates::must_be_taken(cx, &order, &found, line_name)?;
    warnings.extend(gates::warnings(&found, line_name));
    prescriptions::prescription_insert_many(tx, &made).await?;
    let mut changes = Changes::default();
    for prescription in &made {
        schedule_expiry(tx, cx, prescription).await?;
        let change = PrescriptionChange::Created;
        changes.events.push(prescription.event(change, None, Some(order.ordering_key), cx.now));
        changes.history.push(prescription.transition(None, Some(order.id), cx.by(), None, cx.now));
    }
    let order = insert(tx, cx, &order, &gates::stops(&found), ("order.create", None), &mut changes).await?;
    changes.write(tx, cx).await?;
    Ok(Created { order, prescriptions: made, warnings })
}

/// Whether a drug that is to be filled is kept cold, whatever the partner says of the order.
fn is_any_cold(command: &Create, made: &[Prescription]) -> bool {
    command.lines.iter().zip(made).any(|(new, prescription)| !new.do_not_fill && prescription.refrigerated)
}

/// Nothing is ordered for a patient, or by a practitioner, whom the partner has put aside.
fn must_be_current(patient: PatientStatus, practitioner: PractitionerStatus) -> Result<()> {
    let (field, reason, message) = match (patient, practitioner) {
        (PatientStatus::Inactive, _) => ("patient_id", "patient_inactive", "The patient is inactive"),
        (_, PractitionerStatus::Inactive) => {
            ("practitioner_id", "practitioner_inactive", "The practitioner is inactive")
        }
        _ => return Ok(()),
    };
    let detail = Detail {
        field: Some(field.to_owned()),
        reason: Some(reason.to_owned()),
        message: message.to_owned(),
        facts: Vec::new(),
    };
    Err(Error::refused(RefusalCode::OrderRejected, message, vec![detail]))
}

fn line_name(index: usize) -> Option<String> {
    Some(format!("medication_requests[{index}]"))
}

/// Writes a new order, held where gates stop it, and gathers its beginning, under its name in the audit log and with
/// a note for the history.
pub(crate) async fn insert(
    tx: &mut Tx,
    cx: &Cx,
    order: &Order,
    stops: &[Stop],
    (action, note): (&'static str, Option<String>),
    changes: &mut Changes,
) -> Result<Order> {
    changes.history.extend(open_order(order, &cx.act(note, None)));
    changes.events.push(order.event(OrderChange::Created, None, cx.now));
    let order = match stops {
        [] => order.clone(),
        _ => changes.take(place_stops(order, stops, None, &cx.as_system(SystemActor::Gates).act(None, None))),
    };
    store::order_insert(tx, &order).await?;
    changes.audit.push(cx.audit(Some(order.clinic_id), action, "order", Some(order.id.0)));
    simulation::follow(tx, cx, order.clinic_id, order.id).await?;
    Ok(order)
}

/// A prescription for each line, dated today in the pharmacy's time zone, within what the rules of today allow at this
/// address for this species, and why its drug is not known.
fn prescribe(
    cx: &Cx,
    command: &Create,
    drugs: &ClinicList,
    (address, species): (&Address, Species),
    warnings: &mut Vec<String>,
) -> (Vec<Prescription>, Vec<Option<&'static str>>) {
    let refills = &cx.app.rules().on(cx.today).refills;
    let state = State::parse(&address.state).ok();
    let prescribe = |(index, line): (usize, &NewLine)| {
        let Recognised { facts, doubt } = recognise(&cx.app, drugs, &line.detail);
        if let Some(doubt) = doubt {
            warnings.push(format!("medication_requests[{index}].medication: {doubt}"));
        }
        let schedule = facts.schedule;
        let case = RefillCase { state, schedule, species };
        let (limit, law) = refills.limit(&case);
        if line.refills > limit {
            warnings.push(format!(
                "medication_requests[{index}].refills: at most {limit} for a {schedule} drug ({}); {limit} are authorised",
                law.citation
            ));
        }
        let prescription = Prescription {
            id: PrescriptionId(Uuid::now_v7()),
            clinic_id: command.clinic_id,
            patient_id: command.patient_id,
            practitioner_id: command.practitioner_id,
            status: PrescriptionStatus::Active,
            detail: Phi::new(line.detail.clone()),
            // A drug that the clinic may not order stays unknown, and the gate says so at every later step.
            drug_id: facts.drug_id.filter(|_| doubt.is_none()).map(Phi::new),
            schedule,
            refrigerated: facts.refrigerated,
            compounded: facts.compounded,
            quantity: line.quantity,
            days_supply: line.days_supply,
            refills_authorized: line.refills.min(limit),
            refills_used: 0,
            do_not_refill: line.do_not_refill,
            date_issued: cx.today,
            expires_on: refills.expires_on(&case, cx.today).0,
            issued_state: state,
            issued_species: species,
            rx_number: None,
            version: 1,
            created_at: cx.now,
            updated_at: cx.now,
        };
        (prescription, doubt)
    };
    command.lines.iter().enumerate().map(prescribe).unzip()
}

/// What an order is made of, besides its lines.
pub(crate) struct NewOrder {
    pub(crate) clinic_id: ClinicId,
    pub(crate) patient_id: PatientId,
    pub(crate) practitioner_id: PractitionerId,
    pub(crate) shipping: Shipping,
    pub(crate) refrigerated: bool,
    pub(crate) shipment_group: Option<String>,
    pub(crate) shipping_address: Address,
    pub(crate) notes: Option<String>,
}

impl NewOrder {
    /// A received order with one line for each prescription, each filling what one fill dispenses.
    pub(crate) async fn with_lines(self, tx: &mut Tx, cx: &Cx, fills: &[Prescription]) -> Result<Order> {
        let id = OrderId(Uuid::now_v7());
        let ordering_key = match &self.shipment_group {
            Some(group) => group_key(tx, self.clinic_id, self.patient_id, group).await?,
            None => id.0,
        };
        let line = |(position, prescription): (usize, &Prescription)| Line {
            id: LineId(Uuid::now_v7()),
            prescription_id: prescription.id,
            position: u32::try_from(position).unwrap_or(u32::MAX),
            status: FillStatus::Received,
            held_from: None,
            quantity: prescription.quantity,
            days_supply: prescription.days_supply,
            filled_on: None,
            shipment_id: None,
            tracking_number: None,
            rx_number: prescription.rx_number.clone(),
            pharmacy_word: None,
            updated_at: cx.now,
        };
        Ok(Order {
            id,
            clinic_id: self.clinic_id,
            patient_id: self.patient_id,
            practitioner_id: self.practitioner_id,
            status: FillStatus::Received,
            shipping: self.shipping,
            refrigerated: self.refrigerated,
            ordering_key,
            shipment_group: self.shipment_group.map(Phi::new),
            shipping_address: Phi::new(self.shipping_address),
            notes: self.notes.map(Phi::new),
            cancellation_requested_at: None,
            refill_id: None,
            replaces: None,
            refills_consumed: 0,
            version: 1,
            created_at: cx.now,
            updated_at: cx.now,
            lines: fills.iter().enumerate().map(line).collect(),
            holds: Vec::new(),
        })
    }
}

/// The ordering key of a patient's shipment group. The group's text is the partner's and may say anything, so
/// only a keyed hash of it stands in the clear.
async fn group_key(tx: &mut Tx, clinic: ClinicId, patient: PatientId, group: &str) -> Result<Uuid> {
    let keys = tx.keys(clinic).await?;
    let hash = keys.lookup("orders.shipment_group", &format!("{patient}|{group}"));
    let mut bytes = [0u8; 16];
    bytes.copy_from_slice(&hash[..16]);
    Ok(Uuid::from_bytes(bytes))
}

/// An order with everything about it; a line names its prescription by id.
pub use nimbus_store::orders::OrderFile as OrderView;

pub(crate) async fn view(tx: &mut Tx, order: Order) -> Result<OrderView> {
    let (clinic, id) = (order.clinic_id, order.id);
    Ok(OrderView {
        prescriptions: prescriptions::prescription_of_order(tx, clinic, id).await?,
        shipments: shipments::shipments_of_order(tx, clinic, id).await?,
        history: history::history_of_order(tx, clinic, id).await?,
        order,
    })
}

/// One order of the key's clinic.
pub async fn get(app: &App, call: &Call, id: OrderId) -> Result<OrderView> {
    let clinic = call.partner(Scope::OrdersRead)?.clinic_id;
    app.look_up(call, (clinic, id), |tx, cx, &(clinic, id)| {
        Box::pin(async move {
            let file = store::order_file(tx, clinic, id).await?.ok_or(NOT_FOUND)?;
            let audit = cx.audit(Some(clinic), "order.read", "order", Some(id.0));
            Ok((file, vec![audit]))
        })
    })
    .await
}

pub struct List {
    pub status: Option<FillStatus>,
    pub patient: Option<PatientId>,
    pub page: Page,
}

/// The orders of the key's clinic, newest first.
pub async fn list(app: &App, call: &Call, list: List) -> Result<Slice<Order>> {
    call.partner(Scope::OrdersRead)?;
    app.read(call, list, |tx, cx, list| {
        Box::pin(async move {
            let clinic = cx.call.partner(Scope::OrdersRead)?.clinic_id;
            let found = store::order_list(tx, clinic, list.status, list.patient, &list.page).await?;
            let shown = found.items.iter().map(|order| (order.clinic_id, order.patient_id));
            let audit = cx.audit_list(Some(clinic), "order.list", "order", shown);
            Ok((found, audit))
        })
    })
    .await
}

/// One medication request with its prescription.
#[derive(Debug, Clone)]
pub struct LineView {
    pub order: Order,
    pub line: Line,
    pub prescription: Prescription,
    pub history: Vec<HistoryRow>,
}

/// One medication request of the key's clinic.
pub async fn line(app: &App, call: &Call, id: LineId) -> Result<LineView> {
    const NOT_FOUND: Error = Error::NotFound("Medication request");
    let clinic = call.partner(Scope::OrdersRead)?.clinic_id;
    app.look_up(call, (clinic, id), |tx, cx, &(clinic, id)| {
        Box::pin(async move {
            let order = store::order_get_by_line(tx, Some(clinic), id).await?.ok_or(NOT_FOUND)?;
            let line = order.line(id).cloned().ok_or(NOT_FOUND)?;
            let prescription = prescriptions::prescription_get(tx, clinic, line.prescription_id).await?;
            let prescription = prescription.ok_or(NOT_FOUND)?;
            let history = history::history_of_subject(tx, clinic, id.0).await?;
            let audit = cx.audit(Some(clinic), "medication_request.read", "medication_request", Some(id.0));
            Ok((LineView { order, line, prescription, history }, vec![audit]))
        })
    })
    .await
}

pub struct Cancel {
    pub id: OrderId,
    pub reason: Option<String>,
}

/// A partner's cancel: at once before filling, a request afterwards, refused once shipped.
pub async fn cancel(app: &App, call: &Call, command: Cancel, render: Render<Order>) -> Result<Reply> {
    call.partner(Scope::OrdersWrite)?;
    app.write(call, command, render, |tx, cx, command| Box::pin(cancel_in(tx, cx, command))).await
}

pub(crate) async fn cancel_in(tx: &mut Tx, cx: &Cx, command: &Cancel) -> Result<Order> {
    let clinic = cx.call.partner(Scope::OrdersWrite)?.clinic_id;
    let before = store::order_get(tx, clinic, command.id).await?.ok_or(NOT_FOUND)?;
    let mut changes = Changes::default();
    let decision = request_cancellation(&before, &cx.act(command.reason.clone(), None))?;
    let mut after = changes.take(decision);
    order_changed(tx, cx, &before, &mut after, &mut changes).await?;
    changes.audit.push(cx.audit(Some(clinic), "order.cancel", "order", Some(after.id.0)));
    changes.write(tx, cx).await?;
    Ok(after)
}
