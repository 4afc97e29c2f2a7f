//! A clinic with a practitioner, a patient and a prescription, and samples of everything else.

use nimbus_core::{
    ids::{ClinicId, LineId, OrderId, PatientId, PractitionerId, PrescriptionId, ShipmentId},
    order::{DeliverySpeed, FillStatus, Line, Order, Shipping},
    patient::{
        Address, Contact, ContactKind, Gender, Patient, PatientProfile, PatientStatus, PreferredContact,
        Species,
    },
    phi::Phi,
    practitioner::{Practitioner, PractitionerProfile, PractitionerStatus},
    prescription::{DrugSchedule, Prescription, PrescriptionDetail, PrescriptionStatus},
    quantity::Quantity,
    shipment::{Packed, Shipment, ShipmentStatus},
    time::{Date, Ts, parse_date},
    us::State,
};
use nimbus_store::{
    Error, Result, Tx, keyring, patients::patient_insert, practitioners::practitioner_insert,
    prescriptions::prescription_insert,
};
use uuid::Uuid;

pub(crate) fn id<T: From<Uuid>>() -> T {
    Uuid::now_v7().into()
}

pub(crate) fn ts(text: &str) -> Ts {
    Ts::parse(text).unwrap()
}

pub(crate) fn now() -> Ts {
    ts("2026-01-15T10:30:00.123456Z")
}

pub(crate) fn day(text: &str) -> Date {
    parse_date(text).unwrap()
}

pub(crate) fn phi(text: &str) -> Phi<String> {
    Phi::new(text.to_owned())
}

fn some(text: &str) -> Option<String> {
    Some(text.to_owned())
}

/// Everything but the sealed parts, which a debug text hides; those are compared by themselves.
pub(crate) fn assert_same(a: &impl std::fmt::Debug, b: &impl std::fmt::Debug) {
    assert_eq!(format!("{a:?}"), format!("{b:?}"));
}

pub(crate) fn assert_conflict<T>(result: Result<T>) {
    assert!(matches!(result, Err(Error::Conflict)));
}

/// That a sealed column shows nothing of the text.
pub(crate) async fn assert_sealed(tx: &mut Tx, sql: &'static str, row: Uuid, text: &str) {
    let row = tx.query_one(sql, &[row.into()]).await.unwrap();
    let bytes: Vec<u8> = row.columns().take().unwrap();
    assert!(bytes.len() > text.len() && !bytes.windows(text.len()).any(|part| part == text.as_bytes()));
}

/// A clinic of a new partner, with keys.
pub(crate) async fn clinic(tx: &mut Tx) -> Result<ClinicId> {
    let (partner, clinic): (Uuid, ClinicId) = (id(), id());
    let sql = "insert into partners (id, name, status, created_at, updated_at) values ($1, $2, $3, $4, $4)";
    tx.execute(sql, &[partner.into(), "Telehealth".into(), "approved".into(), now().into()]).await?;
    let sql = "insert into clinics (id, partner_id, name, created_at) values ($1, $2, $3, $4)";
    tx.execute(sql, &[clinic.into(), partner.into(), "Clinic".into(), now().into()]).await?;
    keyring::clinic_keys_create(tx, clinic, now()).await?;
    Ok(clinic)
}

pub(crate) fn practitioner(clinic: ClinicId) -> Practitioner {
    Practitioner {
        id: id(),
        clinic_id: clinic,
        status: PractitionerStatus::Pending,
        profile: Phi::new(PractitionerProfile {
            first_name: "Grace".to_owned(),
            last_name: "Okafor".to_owned(),
            email: "grace@example.com".to_owned(),
            npi: some("1234567893"),
            is_veterinarian: false,
            phone: some("3125550142"),
            address_line_1: "1 Main St".to_owned(),
            address_line_2: None,
            city: "Chicago".to_owned(),
            state_code: "IL".to_owned(),
            zip_code: "60601".to_owned(),
            dea_number: None,
            license_number: some("036.123456"),
            license_state: some("IL"),
        }),
        has_signature: false,
        version: 1,
        created_at: now(),
        updated_at: now(),
    }
}

pub(crate) fn address() -> Address {
    Address {
        line_1: "742 Evergreen Terrace".to_owned(),
        line_2: some("Apt 2"),
        line_3: None,
        city: "Springfield".to_owned(),
        state: "IL".to_owned(),
        postal_code: "62704-1234".to_owned(),
    }
}

pub(crate) fn patient(clinic: ClinicId, practitioner: PractitionerId, first_name: &str) -> Patient {
    Patient {
        id: id(),
        clinic_id: clinic,
        practitioner_id: practitioner,
        status: PatientStatus::Active,
        profile: Phi::new(PatientProfile {
            first_name: first_name.to_owned(),
            middle_name: None,
            last_name: "Peña".to_owned(),
            gender: Gender::Female,
            dob: day("1985-03-15"),
            species: Species::OtherMammal,
            animal_owner_name: some("Sam"),
            weight: some("61.5"),
            weight_recorded_date: Some(day("2026-01-02")),
            height: None,
            contacts: vec![
                Contact { kind: ContactKind::Email, value: "j@example.com".to_owned() },
                Contact { kind: ContactKind::Sms, value: "3125550143".to_owned() },
            ],
            address: address(),
            medication_allergies: vec!["penicillin".to_owned()],
            medical_history: some("asthma"),
            preferred_contact: Some(PreferredContact { email: true, sms: false, phone: true }),
            notes: None,
        }),
        version: 1,
        created_at: now(),
        updated_at: now(),
    }
}

pub(crate) fn prescription(patient: &Patient) -> Prescription {
    Prescription {
        id: id(),
        clinic_id: patient.clinic_id,
        patient_id: patient.id,
        practitioner_id: patient.practitioner_id,
        status: PrescriptionStatus::Active,
        detail: Phi::new(PrescriptionDetail {
            medication: "Semaglutide".to_owned(),
            dose: "2.5".to_owned(),
            unit_of_measure: some("mg"),
            direction: "Inject 0.25 mL weekly".to_owned(),
            ndc: None,
            flavor: None,
            notes: some("first month"),
            patient_contact_requested: true,
            reason_for_compounding: None,
            reason_for_compounding_additional_context: None,
        }),
        drug_id: Some(phi("semaglutide-2-5")),
        schedule: DrugSchedule::Unscheduled,
        refrigerated: true,
        compounded: true,
        quantity: Quantity::parse("2.5").unwrap(),
        days_supply: Some(28),
        refills_authorized: 3,
        refills_used: 0,
        do_not_refill: false,
        date_issued: day("2026-01-10"),
        expires_on: day("2027-01-10"),
        issued_state: Some(State::Il),
        issued_species: Species::Canine,
        rx_number: None,
        version: 1,
        created_at: now(),
        updated_at: now(),
    }
}

/// A clinic's people and a prescription, stored.
pub(crate) struct World {
    pub(crate) clinic: ClinicId,
    pub(crate) practitioner: Practitioner,
    pub(crate) patient: Patient,
    pub(crate) prescription: Prescription,
}

pub(crate) async fn world(tx: &mut Tx) -> Result<World> {
    let clinic = clinic(tx).await?;
    let practitioner = practitioner(clinic);
    practitioner_insert(tx, &practitioner, None).await?;
    let patient = patient(clinic, practitioner.id, "Jane");
    patient_insert(tx, &patient).await?;
    let prescription = prescription(&patient);
    prescription_insert(tx, &prescription).await?;
    Ok(World { clinic, practitioner, patient, prescription })
}

impl World {
    pub(crate) fn patient_id(&self) -> PatientId {
        self.patient.id
    }

    /// An order with a received line for each of the prescriptions.
    pub(crate) fn order(&self, prescriptions: &[PrescriptionId]) -> Order {
        let line = |(position, &prescription_id): (u32, &PrescriptionId)| Line {
            id: id(),
            prescription_id,
            position,
            status: FillStatus::Received,
            held_from: None,
            quantity: Quantity::parse("2.5").unwrap(),
            days_supply: Some(28),
            filled_on: None,
            shipment_id: None,
            tracking_number: None,
            rx_number: None,
            pharmacy_word: None,
            updated_at: now(),
        };
        let order_id: OrderId = id();
        Order {
            id: order_id,
            clinic_id: self.clinic,
            patient_id: self.patient.id,
            practitioner_id: self.practitioner.id,
            status: FillStatus::Received,
            shipping: Shipping::Speed(DeliverySpeed::NextDay),
            refrigerated: false,
            ordering_key: order_id.0,
            shipment_group: Some(phi("group 7")),
            shipping_address: Phi::new(address()),
            notes: Some(phi("leave with the neighbour")),
            cancellation_requested_at: None,
            refill_id: None,
            replaces: None,
            refills_consumed: 0,
            version: 1,
            created_at: now(),
            updated_at: now(),
            lines: (0..).zip(prescriptions).map(line).collect(),
            holds: Vec::new(),
        }
    }

    pub(crate) fn shipment(&self, packed: &[(OrderId, LineId)]) -> Shipment {
        let shipment_id: ShipmentId = id();
        Shipment {
            id: shipment_id,
            clinic_id: self.clinic,
            patient_id: self.patient.id,
            ordering_key: shipment_id.0,
            status: ShipmentStatus::LabelCreated,
            carrier_id: "ups".to_owned(),
            carrier_name: "UPS".to_owned(),
            service_id: "ups_next_day".to_owned(),
            tracking_number: some("1Z999AA10123456784"),
            tracking_url: None,
            delivery_method: DeliverySpeed::NextDay,
            delivery_location: Phi::new(address()),
            notes: None,
            ships_at: now(),
            estimated_delivery_date: Some(day("2026-01-16")),
            latest_scan_at: None,
            cancellation_reason: None,
            cancelled_at: None,
            version: 1,
            created_at: now(),
            updated_at: now(),
            packed: packed.iter().map(|&(order_id, line_id)| Packed { order_id, line_id }).collect(),
        }
    }
}
