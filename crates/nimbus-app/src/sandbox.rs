//! A sandbox to start from: two partners' clinics, keys, people, and an order delivered sixty days ago.
//!
//! Keys and token are derived from the sandbox's own master key, so that seeding again prints the same.

pub mod clock;
pub mod fixtures;
pub mod reset;
pub mod simulation;
pub mod trigger;

use nimbus_core::{
    access::{Environment, Profile, Role, Scope, SystemActor},
    ids::{ClinicId, LineId, OrderId, PatientId, PractitionerId, PrescriptionId},
    order::Shipping,
    patient::{Address, Contact, ContactKind, Gender, PatientProfile, PatientStatus, Species},
    practitioner::PractitionerProfile,
    prescription::PrescriptionDetail,
    quantity::Quantity,
    sandbox_magic::MagicNpi,
    shipment::ShipmentStatus,
    time::parse_date,
};
use nimbus_store::{MasterKey, settings, tenants};

use crate::{
    Actor, App, PartnerActor,
    actor::Call,
    clock::Clock,
    credentials,
    error::{Error, Result},
    licenses,
    orders::{self, NewLine},
    patients,
    pharmacy::{self, StaffAct, Task},
    practitioners, shipments,
    tenancy::{self, KeyOrder, PartnerStatus, TokenOrder},
    unit::Rendered,
};

/// The setting under which a store remembers its seed.
const SEED: &str = "sandbox_seed";
/// How long ago the seeded order was delivered.
const DELIVERED_DAYS_AGO: i64 = 60;

/// The staff who may use the controls of a sandbox.
pub const SANDBOX_STAFF: &[Role] = &[Role::SuperAdmin, Role::Pharmacist, Role::Technician];

/// Whose sandbox a call is about: a partner's own, or the clinic that staff name.
pub(crate) fn clinic_of(call: &Call, scope: Scope, named: Option<ClinicId>) -> Result<ClinicId> {
    match &call.actor {
        Actor::Partner(_) => Ok(call.partner(scope)?.clinic_id),
        _ => {
            call.staff(SANDBOX_STAFF)?;
            named.ok_or_else(|| Error::field("clinic_id", "is required"))
        }
    }
}

/// What a seeded sandbox holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seed {
    pub clinic_id: ClinicId,
    /// A clinic of another partner: what it has is invisible to the first.
    pub other_clinic_id: ClinicId,
    pub integration_key: String,
    pub pharmacy_partner_key: String,
    pub other_clinic_key: String,
    pub ops_token: String,
    pub practitioner_id: PractitionerId,
    pub patient_id: PatientId,
    pub fill: SeededFill,
}

/// What a clinic of a sandbox starts with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ready {
    pub practitioner_id: PractitionerId,
    pub patient_id: PatientId,
    pub fill: SeededFill,
}

/// A delivered order of one line with refills left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SeededFill {
    pub medication_order_id: OrderId,
    pub medication_request_id: LineId,
    pub prescription_id: PrescriptionId,
}

/// The texts that a master key gives; empty where only ids are wanted.
#[derive(Default)]
struct Credentials {
    integration: String,
    pharmacy_partner: String,
    other_clinic: String,
    ops: String,
}

impl Credentials {
    fn derive(master: &MasterKey) -> Self {
        let key =
            |label: &str| credentials::from_seed(Environment::Sandbox.key_prefix(), &master.derive(label));
        Self {
            integration: key("seed key integration"),
            pharmacy_partner: key("seed key pharmacy_partner"),
            other_clinic: key("seed key other_clinic"),
            ops: credentials::from_seed(credentials::OPS_PREFIX, &master.derive("seed token")),
        }
    }
}

/// Seeds a sandbox, or answers what it was seeded with.
pub async fn seed(app: &App, master: &MasterKey) -> Result<Seed> {
    if app.environment() != Environment::Sandbox {
        return Err(Error::field("environment", "only a sandbox can be seeded"));
    }
    let texts = Credentials::derive(master);
    let known = app
        .db()
        .read(|tx| Box::pin(async move { Ok::<_, Error>(settings::setting_get(tx, SEED).await?) }))
        .await?;
    if let Some(seed) = known.as_deref().and_then(|text| recall(text, &texts)) {
        return Ok(seed);
    }
    let call = Call::system(SystemActor::CommandLine);
    let (clinic_id, other_clinic_id) = tenants(app, &call, &texts).await?;
    let Ready { practitioner_id, patient_id, fill } = ready(app, clinic_id).await?;
    let seed = Seed {
        clinic_id,
        other_clinic_id,
        integration_key: texts.integration,
        pharmacy_partner_key: texts.pharmacy_partner,
        other_clinic_key: texts.other_clinic,
        ops_token: texts.ops,
        practitioner_id,
        patient_id,
        fill,
    };
    let text = remember(&seed);
    app.db()
        .write(move |tx| {
            let text = text.clone();
            Box::pin(async move { Ok::<_, Error>(settings::setting_set(tx, SEED, &text).await?) })
        })
        .await?;
    Ok(seed)
}

/// Makes what a clinic of a sandbox starts with.
async fn ready(app: &App, clinic_id: ClinicId) -> Result<Ready> {
    let practitioner_id = practitioner(app, clinic_id).await?;
    let patient_id = patient(app, clinic_id, practitioner_id, "Jamie", "Rivera").await?;
    let fill = delivered_fill(app, clinic_id, practitioner_id, patient_id).await?;
    Ok(Ready { practitioner_id, patient_id, fill })
}

/// What the seed made, if this is its clinic, by what it is remembered by.
fn ready_in(text: &str, clinic_id: ClinicId) -> Option<Ready> {
    let seed = recall(text, &Credentials::default())?;
    let Seed { practitioner_id, patient_id, fill, .. } = seed;
    (seed.clinic_id == clinic_id).then_some(Ready { practitioner_id, patient_id, fill })
}

/// What a seed is remembered by once its clinic has this instead.
fn renewed(text: &str, clinic_id: ClinicId, ready: Ready) -> Option<String> {
    let seed = recall(text, &Credentials::default()).filter(|seed| seed.clinic_id == clinic_id)?;
    let Ready { practitioner_id, patient_id, fill } = ready;
    Some(remember(&Seed { practitioner_id, patient_id, fill, ..seed }))
}

/// The ids of a seed, in a fixed order, separated by a space. Keys are not among them.
fn remember(seed: &Seed) -> String {
    [
        seed.clinic_id.to_string(),
        seed.other_clinic_id.to_string(),
        seed.practitioner_id.to_string(),
        seed.patient_id.to_string(),
        seed.fill.prescription_id.to_string(),
        seed.fill.medication_request_id.to_string(),
        seed.fill.medication_order_id.to_string(),
    ]
    .join(" ")
}

fn recall(text: &str, texts: &Credentials) -> Option<Seed> {
    let mut ids = text.split(' ');
    Some(Seed {
        clinic_id: ids.next()?.parse().ok()?,
        other_clinic_id: ids.next()?.parse().ok()?,
        integration_key: texts.integration.clone(),
        pharmacy_partner_key: texts.pharmacy_partner.clone(),
        other_clinic_key: texts.other_clinic.clone(),
        ops_token: texts.ops.clone(),
        practitioner_id: ids.next()?.parse().ok()?,
        patient_id: ids.next()?.parse().ok()?,
        fill: SeededFill {
            prescription_id: ids.next()?.parse().ok()?,
            medication_request_id: ids.next()?.parse().ok()?,
            medication_order_id: ids.next()?.parse().ok()?,
        },
    })
}

async fn tenants(app: &App, call: &Call, texts: &Credentials) -> Result<(ClinicId, ClinicId)> {
    let mut clinics = Vec::with_capacity(2);
    for (partner, clinic) in
        [("Sandbox Telehealth", "Sandbox Clinic"), ("Other Sandbox Partner", "Other Sandbox Clinic")]
    {
        let partner = tenancy::partner_create(app, call, partner.to_owned()).await?;
        tenancy::partner_set_status(app, call, partner.id, PartnerStatus::Approved).await?;
        clinics.push(tenancy::clinic_create(app, call, partner.id, clinic.to_owned()).await?.id);
    }
    let (clinic, other) = (clinics[0], clinics[1]);
    for (clinic, name, profile, text) in [
        (clinic, "integration", Profile::Integration, &texts.integration),
        (clinic, "pharmacy_partner", Profile::PharmacyPartner, &texts.pharmacy_partner),
        (other, "other_clinic", Profile::Integration, &texts.other_clinic),
    ] {
        let order = KeyOrder { text: Some(text.clone()), ..KeyOrder::with_profile(clinic, name, profile) };
        tenancy::key_issue(app, call, order).await?;
    }
    licenses::seed(app, call).await?;
    let roles = vec![Role::SuperAdmin, Role::Pharmacist, Role::Technician];
    let token = TokenOrder { text: Some(texts.ops.clone()), ..TokenOrder::new("seed", roles, None) };
    tenancy::token_issue(app, call, token).await?;
    Ok((clinic, other))
}

/// A call as the clinic's own partner, made on the server.
async fn as_partner(app: &App, clinic_id: ClinicId) -> Result<Call> {
    use nimbus_core::{
        access::Scopes,
        ids::{KeyId, PartnerId},
        rate::KeyRates,
    };
    let nobody = uuid::Uuid::nil();
    let ahead_us = app
        .db()
        .read(move |tx| Box::pin(async move { Ok::<_, Error>(tenants::clinic_clock(tx, clinic_id).await?) }))
        .await?;
    let actor = Actor::Partner(PartnerActor {
        key_id: KeyId(nobody),
        clinic_id,
        clinic_name: String::new(),
        partner_id: PartnerId(nobody),
        scopes: Scopes::profile(Profile::Integration),
        rates: KeyRates::default(),
        key_expires_at: None,
        clock_ahead_us: ahead_us,
    });
    Ok(Call { actor, ..Call::system(SystemActor::CommandLine) })
}

/// A render that keeps an id out of a reply.
fn text(id: impl ToString) -> Rendered {
    Rendered::new(200, id.to_string().into_bytes())
}

fn id_of<T: std::str::FromStr>(reply: &crate::Reply) -> Result<T> {
    std::str::from_utf8(&reply.rendered.body)
        .ok()
        .and_then(|text| text.parse().ok())
        .ok_or(Error::Internal("a seeded id did not read back"))
}

async fn practitioner(app: &App, clinic_id: ClinicId) -> Result<PractitionerId> {
    let profile = PractitionerProfile {
        first_name: "Morgan".to_owned(),
        last_name: "Ellis".to_owned(),
        email: "morgan.ellis@example.com".to_owned(),
        npi: Some(MagicNpi::ActiveAtOnce.as_str().to_owned()),
        is_veterinarian: false,
        phone: Some("5125550142".to_owned()),
        address_line_1: "100 Congress Ave".to_owned(),
        address_line_2: None,
        city: "Austin".to_owned(),
        state_code: "TX".to_owned(),
        zip_code: "78701".to_owned(),
        dea_number: None,
        license_number: None,
        license_state: None,
    };
    let command = practitioners::Create { clinic_id, profile, warnings: Vec::new() };
    let reply = practitioners::create(app, &as_partner(app, clinic_id).await?, command, |made| {
        text(made.practitioner_id)
    })
    .await?;
    // The NPI is one whose practitioner is active at once.
    id_of(&reply)
}

/// Registers an invented patient.
pub async fn patient(
    app: &App,
    clinic_id: ClinicId,
    practitioner_id: PractitionerId,
    first_name: &str,
    last_name: &str,
) -> Result<PatientId> {
    let profile = PatientProfile {
        first_name: first_name.to_owned(),
        middle_name: None,
        last_name: last_name.to_owned(),
        gender: Gender::Unknown,
        dob: parse_date("1988-04-12").ok_or(Error::Internal("the seed's date of birth is not a date"))?,
        species: Species::Human,
        animal_owner_name: None,
        weight: None,
        weight_recorded_date: None,
        height: None,
        contacts: vec![Contact { kind: ContactKind::Email, value: "patient@example.com".to_owned() }],
        address: Address {
            line_1: "456 Oak Ave".to_owned(),
            line_2: None,
            line_3: None,
            city: "Austin".to_owned(),
            state: "TX".to_owned(),
            postal_code: "78702".to_owned(),
        },
        medication_allergies: Vec::new(),
        medical_history: None,
        preferred_contact: None,
        notes: None,
    };
    let status = PatientStatus::Active;
    let command = patients::Create { clinic_id, practitioner_id, status, profile, warnings: Vec::new() };
    let reply =
        patients::create(app, &as_partner(app, clinic_id).await?, command, |made| text(made.patient_id))
            .await?;
    id_of(&reply)
}

/// An order of the past, worked by the rules of its day: delivered sixty days ago, thirty days' supply, three
/// refills left.
pub async fn delivered_fill(
    app: &App,
    clinic_id: ClinicId,
    practitioner_id: PractitionerId,
    patient_id: PatientId,
) -> Result<SeededFill> {
    let past = |days_ago: i64| App::new(app.db().clone(), app.config().clone(), Clock::shifted(-days_ago));
    let detail = PrescriptionDetail {
        medication: "Tretinoin 0.05% Cream".to_owned(),
        dose: "0.05%".to_owned(),
        unit_of_measure: Some("g".to_owned()),
        direction: "Apply a pea-sized amount to the face at bedtime".to_owned(),
        ndc: None,
        flavor: None,
        notes: None,
        patient_contact_requested: false,
        reason_for_compounding: None,
        reason_for_compounding_additional_context: None,
    };
    let line = NewLine {
        detail,
        quantity: Quantity::parse("20").ok_or(Error::Internal("the seed's quantity is not one"))?,
        refills: 3,
        days_supply: Some(30),
        do_not_refill: false,
        do_not_fill: false,
    };
    let shipping =
        Shipping::Service { carrier_id: "se-3818360".to_owned(), service_id: "fedex_2day".to_owned() };
    let command = orders::Create {
        clinic_id,
        patient_id,
        practitioner_id,
        shipping,
        refrigerated: false,
        shipment_group: None,
        notes: None,
        shipping_address: None,
        lines: vec![line],
        warnings: Vec::new(),
    };
    let before = past(DELIVERED_DAYS_AGO + 3);
    let partner = as_partner(app, clinic_id).await?;
    let made = orders::create(&before, &partner, command, |made| {
        let line = &made.order.lines[0];
        text(format!("{} {} {}", made.order.id, line.id, line.prescription_id))
    })
    .await?;
    let ids = String::from_utf8_lossy(&made.rendered.body).into_owned();
    let fill = recall_fill(&ids).ok_or(Error::Internal("a seeded id did not read back"))?;
    work_to_filled(&before, fill.medication_order_id).await?;
    deliver(&past(DELIVERED_DAYS_AGO + 2), &past(DELIVERED_DAYS_AGO), fill.medication_order_id).await?;
    Ok(fill)
}

fn recall_fill(ids: &str) -> Option<SeededFill> {
    let mut ids = ids.split(' ');
    Some(SeededFill {
        medication_order_id: ids.next()?.parse().ok()?,
        medication_request_id: ids.next()?.parse().ok()?,
        prescription_id: ids.next()?.parse().ok()?,
    })
}

async fn work_to_filled(app: &App, id: OrderId) -> Result<()> {
    let call = Call::system(SystemActor::CommandLine);
    for act in
        [StaffAct::Verify, StaffAct::Submit, StaffAct::Acknowledge, StaffAct::StartFill, StaffAct::Fill]
    {
        let task = Task { id, act, lines: None, reason: None, note: None };
        pharmacy::work_on(app, &call, task, |order| text(order.id)).await?;
    }
    Ok(())
}

async fn deliver(shipped: &App, delivered: &App, id: OrderId) -> Result<()> {
    let call = Call::system(SystemActor::CommandLine);
    let command = shipments::Create {
        lines: None,
        orders: vec![id],
        carrier_id: "se-3818360".to_owned(),
        service_id: "fedex_2day".to_owned(),
        tracking_number: Some("986578788855".to_owned()),
        weight_oz: None,
        notes: None,
        warnings: Vec::new(),
    };
    let reply = shipments::create(shipped, &call, command, |made| text(made.shipment.id)).await?;
    let id = id_of(&reply)?;
    for (app, status) in [(shipped, ShipmentStatus::InTransit), (delivered, ShipmentStatus::Delivered)] {
        let step = shipments::MoveTo { id, status, note: None, location: None };
        shipments::move_to(app, &call, step, |done| text(done.id)).await?;
    }
    Ok(())
}
