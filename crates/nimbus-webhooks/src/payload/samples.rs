//! One invented fact for each event: what examples and test sends are rendered from. Nobody in them exists.

use nimbus_core::{
    event::{
        Event, Fact, MedicationChange, OrderChange, Parcel, ParcelLinks, PrescriptionChange, RefillChange,
    },
    ids::{
        ClinicId, EndpointId, LineId, OrderId, PatientId, PractitionerId, PrescriptionId, RefillId,
        ShipmentId,
    },
    order::{DeliverySpeed, FillStatus},
    patient::Address,
    phi::Phi,
    practitioner::{Practitioner, PractitionerProfile, PractitionerStatus},
    prescription::PrescriptionStatus,
    refill::RefillStatus,
    shipment::{Packed, Shipment, ShipmentStatus},
    time::{Date, Ts},
};
use uuid::Uuid;

/// 2025-01-15T10:30:00Z.
pub(super) const AT: Ts = Ts::from_micros(1_736_937_000_000_000);

const TRACKING_NUMBER: &str = "1Z999AA10123456784";
const TRACKING_URL: &str = "https://www.ups.com/track?tracknum=1Z999AA10123456784";

/// Real ones are longer.
const LINK: &str = "https://api-sandbox.nimbus-os.com/links/AQEBlGmOWUBwAIAAAAAAAAAAAQ";

/// The id of a sample: a UUID v7 of the samples' time. `Kind` is the type of the id.
pub(super) fn id<Kind: From<Uuid>>(number: u128) -> Kind {
    Uuid::from_u128(0x0194_698e_5940_7000_8000_0000_0000_0000 + number).into()
}

fn clinic() -> ClinicId {
    id(1)
}

fn patient() -> PatientId {
    id(2)
}

fn practitioner() -> PractitionerId {
    id(3)
}

fn prescription() -> PrescriptionId {
    id(4)
}

fn order() -> OrderId {
    id(5)
}

fn line() -> LineId {
    id(6)
}

fn endpoint() -> EndpointId {
    id(9)
}

/// Three days after [`AT`].
fn arrival() -> Date {
    AT.plus_days(3).date()
}

/// Every sample. Where one name has several, the first stands for it.
pub(super) fn all() -> Vec<Event> {
    let medication = Fact::MedicationChanged {
        change: MedicationChange::Shipped,
        order_id: order(),
        line_id: line(),
        prescription_id: prescription(),
        patient_id: patient(),
        practitioner_id: practitioner(),
        status: FillStatus::Shipped,
        previous_status: Some(FillStatus::Filled),
        pharmacy_word: None,
        rx_number: Some("1000001".to_owned()),
        tracking_number: Some(TRACKING_NUMBER.to_owned()),
        notes: Some("Out for delivery".to_owned()),
    };
    let prescription = Fact::PrescriptionChanged {
        change: PrescriptionChange::Verified,
        prescription_id: prescription(),
        status: PrescriptionStatus::Active,
        previous_status: Some(PrescriptionStatus::Active),
        refills_remaining: 3,
        expires_on: AT.plus_days(365).date(),
    };
    let disabled = Fact::WebhookDisabled { endpoint_id: endpoint(), reason: "failing for 5 days" };
    let mut facts = vec![medication, prescription];
    facts.extend(orders());
    facts.extend(shipments());
    facts.extend(refills());
    let test = Fact::WebhookTest { endpoint_id: endpoint() };
    facts.extend([Fact::PractitionerActivated { practitioner: activated() }, test, disabled]);
    let ends_at = AT.plus_days(7);
    facts.extend([
        Fact::KeyEnding { key_id: id(10), ends_at, days: 7 },
        Fact::AgreementEnding { agreement_id: id(11), ends_at, days: 7 },
    ]);
    facts
        .into_iter()
        .map(|fact| Event { clinic_id: clinic(), ordering_key: ordering_key(&fact), at: AT, fact })
        .collect()
}

/// Every sample, and one of each narrower event that they leave out.
pub(super) fn each() -> Vec<Event> {
    let mut events = all();
    let with = |event: &Event, fact| Event { fact, ..event.clone() };
    let (medication, prescription, refill) = (events[0].clone(), events[1].clone(), refill_sample(&events));
    events.extend(
        MedicationChange::ALL.iter().map(|&to| with(&medication, medication_of(&medication.fact, to))),
    );
    events.extend(
        PrescriptionChange::ALL
            .iter()
            .map(|&to| with(&prescription, prescription_of(&prescription.fact, to))),
    );
    let processing = refill.map(|event| with(&event, processed(&event.fact)));
    events.extend(processing);
    events
}

fn refill_sample(events: &[Event]) -> Option<Event> {
    events.iter().find(|event| matches!(event.fact, Fact::RefillChanged { .. })).cloned()
}

/// The sample of a medication request with another change.
fn medication_of(sample: &Fact, to: MedicationChange) -> Fact {
    use FillStatus::{
        Acknowledged, Cancelled, Delivered, Filled, Filling, Lost, OnHold, Received, Rejected, Returned,
        Shipped, Submitted, Verified,
    };
    let (from, now) = match to {
        MedicationChange::Validated => (Received, Verified),
        MedicationChange::Submitted => (Verified, Submitted),
        MedicationChange::Acknowledged => (Submitted, Acknowledged),
        MedicationChange::Filled => (Filling, Filled),
        MedicationChange::Shipped => (Filled, Shipped),
        MedicationChange::Delivered => (Shipped, Delivered),
        MedicationChange::Cancelled => (Submitted, Cancelled),
        MedicationChange::Rejected => (Submitted, Rejected),
        MedicationChange::OnHold => (Submitted, OnHold),
        MedicationChange::Released => (OnHold, Submitted),
        MedicationChange::Returned => (Shipped, Returned),
        MedicationChange::Lost => (Shipped, Lost),
        MedicationChange::CancellationDeclined => (Filling, Filling),
    };
    let mut fact = sample.clone();
    if let Fact::MedicationChanged { change, status, previous_status, tracking_number, notes, .. } = &mut fact
    {
        (*change, *status, *previous_status) = (to, now, Some(from));
        *notes = None;
        if !now.has_shipped() {
            *tracking_number = None;
        }
    }
    fact
}

/// The sample of a prescription with another change.
fn prescription_of(sample: &Fact, to: PrescriptionChange) -> Fact {
    use PrescriptionStatus::{Active, Completed, Discontinued, Expired, OnHold};
    let (from, now) = match to {
        PrescriptionChange::Created => (None, Active),
        PrescriptionChange::Verified | PrescriptionChange::RefillDue => (Some(Active), Active),
        PrescriptionChange::OnHold => (Some(Active), OnHold),
        PrescriptionChange::Released => (Some(OnHold), Active),
        PrescriptionChange::Completed => (Some(Active), Completed),
        PrescriptionChange::Expired => (Some(Active), Expired),
        PrescriptionChange::Discontinued => (Some(Active), Discontinued),
    };
    let mut fact = sample.clone();
    if let Fact::PrescriptionChanged { change, status, previous_status, refills_remaining, .. } = &mut fact {
        (*change, *status, *previous_status) = (to, now, from);
        if now == Completed {
            *refills_remaining = 0;
        }
    }
    fact
}

/// The sample of a refill that is processed, which only the partner shape tells.
fn processed(sample: &Fact) -> Fact {
    let mut fact = sample.clone();
    if let Fact::RefillChanged { change, status, previous_status, reason, .. } = &mut fact {
        (*change, *status) = (RefillChange::Processing, RefillStatus::Processing);
        (*previous_status, *reason) = (Some(RefillStatus::Approved), None);
    }
    fact
}

/// A sample as a fact of another clinic.
pub(super) fn of_clinic(mut event: Event, clinic: ClinicId) -> Event {
    event.clinic_id = clinic;
    match &mut event.fact {
        Fact::ShipmentCreated { shipment, .. } | Fact::ShipmentMoved { shipment, .. } => {
            shipment.clinic_id = clinic;
        }
        Fact::PractitionerActivated { practitioner } => practitioner.clinic_id = clinic,
        _ => {}
    }
    event
}

/// What concerns an order is ordered with it.
fn ordering_key(fact: &Fact) -> Option<Uuid> {
    let free = matches!(
        fact,
        Fact::PractitionerActivated { .. }
            | Fact::WebhookTest { .. }
            | Fact::WebhookDisabled { .. }
            | Fact::KeyEnding { .. }
            | Fact::AgreementEnding { .. }
    );
    (!free).then(|| order().0)
}

fn orders() -> [Fact; 5] {
    let parcel = Parcel {
        tracking_number: Some(TRACKING_NUMBER.to_owned()),
        carrier_name: "UPS".to_owned(),
        tracking_url: Some(TRACKING_URL.to_owned()),
        estimated_delivery_date: Some(arrival()),
    };
    let changed = |change, status, reason: Option<&str>| Fact::OrderChanged {
        change,
        order_id: order(),
        patient_id: patient(),
        prescriptions: vec![prescription()],
        status,
        parcel: Some(parcel.clone()).filter(|_| change == OrderChange::Fulfilled),
        reason: reason.map(str::to_owned),
    };
    [
        changed(OrderChange::Created, FillStatus::Received, None),
        changed(OrderChange::Updated, FillStatus::Submitted, None),
        changed(OrderChange::Fulfilled, FillStatus::Shipped, None),
        changed(OrderChange::Delivered, FillStatus::Delivered, None),
        changed(OrderChange::Cancelled, FillStatus::Cancelled, Some("Prescriber request")),
    ]
}

fn shipments() -> [Fact; 3] {
    let labelled = Shipment {
        id: id(7),
        clinic_id: clinic(),
        patient_id: patient(),
        ordering_key: order().0,
        status: ShipmentStatus::LabelCreated,
        carrier_id: "se-11226".to_owned(),
        carrier_name: "UPS".to_owned(),
        service_id: "ups_next_day_air".to_owned(),
        tracking_number: Some(TRACKING_NUMBER.to_owned()),
        tracking_url: Some(TRACKING_URL.to_owned()),
        delivery_method: DeliverySpeed::NextDay,
        delivery_location: Phi::new(Address {
            line_1: "456 Oak Ave".to_owned(),
            line_2: None,
            line_3: None,
            city: "Austin".to_owned(),
            state: "TX".to_owned(),
            postal_code: "78702".to_owned(),
        }),
        notes: Some(Phi::new("Signature required".to_owned())),
        ships_at: AT,
        estimated_delivery_date: Some(arrival()),
        latest_scan_at: None,
        cancellation_reason: None,
        cancelled_at: None,
        version: 1,
        created_at: AT,
        updated_at: AT,
        packed: vec![Packed { order_id: order(), line_id: line() }],
    };
    let (shipment_id, orders): (ShipmentId, _) = (labelled.id, labelled.orders());
    let moved = Shipment { status: ShipmentStatus::InTransit, ..labelled.clone() };
    [
        Fact::ShipmentCreated {
            shipment: labelled,
            practitioner_id: practitioner(),
            rx_number: Some("1000001".to_owned()),
            links: ParcelLinks {
                label: Phi::new(format!("{LINK}/label.pdf")),
                barcode: Phi::new(format!("{LINK}/barcode.png")),
            },
        },
        Fact::ShipmentMoved {
            shipment: moved,
            previous_status: ShipmentStatus::LabelCreated,
            location: Some("Austin, TX".to_owned()),
            message: Some("Departed the facility".to_owned()),
            occurred_at: AT,
        },
        Fact::ShipmentCancelled { shipment_id, orders, reason: "Patient request".to_owned() },
    ]
}

fn refills() -> [Fact; 6] {
    let changed = |change, order_id: Option<OrderId>, status, previous_status, reason: Option<&str>| {
        let refill_id: RefillId = id(8);
        Fact::RefillChanged {
            change,
            refill_id,
            prescription_id: prescription(),
            line_id: line(),
            order_id,
            status,
            previous_status,
            reason: reason.map(str::to_owned),
        }
    };
    use RefillStatus::{Approved, Cancelled, Delivered, Denied, Pending, Processing, Shipped};
    let order = Some(order());
    [
        changed(RefillChange::Approved, order, Approved, Some(Pending), None),
        changed(RefillChange::Requested, None, Pending, None, Some("too_soon")),
        changed(
            RefillChange::Denied,
            None,
            Denied,
            Some(Pending),
            Some("The prescriber changed the therapy"),
        ),
        changed(RefillChange::Shipped, order, Shipped, Some(Processing), None),
        changed(RefillChange::Delivered, order, Delivered, Some(Shipped), None),
        changed(RefillChange::Cancelled, order, Cancelled, Some(Approved), None),
    ]
}

fn activated() -> Practitioner {
    Practitioner {
        id: practitioner(),
        clinic_id: clinic(),
        status: PractitionerStatus::Active,
        profile: Phi::new(PractitionerProfile {
            first_name: "Jordan".to_owned(),
            last_name: "Example".to_owned(),
            email: "jordan@clinic.example.com".to_owned(),
            npi: Some("1234567893".to_owned()),
            is_veterinarian: false,
            phone: Some("5555550100".to_owned()),
            address_line_1: "123 Main St".to_owned(),
            address_line_2: None,
            city: "Austin".to_owned(),
            state_code: "TX".to_owned(),
            zip_code: "78701".to_owned(),
            dea_number: None,
            license_number: None,
            license_state: None,
        }),
        has_signature: false,
        version: 1,
        created_at: AT,
        updated_at: AT,
    }
}
