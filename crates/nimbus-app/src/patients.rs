//! Patients: registered once for each clinic, found again by names and date of birth.

use nimbus_core::{
    access::{Environment, Scope},
    ids::{ClinicId, PatientId, PractitionerId},
    patient::{
        Address, Contact, Gender, Patient, PatientProfile, PatientStatus, PreferredContact, Species, identity,
    },
    phi::Phi,
    sandbox_magic::MagicSurname,
    time::Date,
};
use nimbus_store::{
    Tx,
    page::{Page, Slice},
    patients as store, practitioners,
};
use uuid::Uuid;

use crate::{
    App,
    actor::Call,
    error::{Detail, Error, RefusalCode, Result},
    outbox::Changes,
    people::{self, Seen},
    practitioners::set,
    unit::{Cx, Render, Reply},
};

pub(crate) const NOT_FOUND: Error = Error::NotFound("Patient");

pub struct Create {
    pub clinic_id: ClinicId,
    pub practitioner_id: PractitionerId,
    pub status: PatientStatus,
    pub profile: PatientProfile,
    pub warnings: Vec<String>,
}

pub struct Created {
    pub patient_id: PatientId,
    pub warnings: Vec<String>,
}

/// Registers a patient with the key's clinic. The same names and date of birth again is refused with the
/// existing patient's id.
pub async fn create(app: &App, call: &Call, command: Create, render: Render<Created>) -> Result<Reply> {
    if call.partner(Scope::PatientsWrite)?.clinic_id != command.clinic_id {
        return Err(Error::field("assigned_clinic", "Clinic not found"));
    }
    app.write(call, command, render, |tx, cx, command| Box::pin(create_in(tx, cx, command))).await
}

async fn create_in(tx: &mut Tx, cx: &Cx, command: &Create) -> Result<Created> {
    let clinic_id = command.clinic_id;
    practitioner_must_exist(tx, clinic_id, command.practitioner_id).await?;
    must_be_new(tx, clinic_id, &command.profile, None).await?;
    must_not_play_duplicate(tx, cx, clinic_id, &command.profile).await?;
    let patient = Patient {
        id: PatientId(Uuid::now_v7()),
        clinic_id,
        practitioner_id: command.practitioner_id,
        status: command.status,
        profile: Phi::new(command.profile.clone()),
        version: 1,
        created_at: cx.now,
        updated_at: cx.now,
    };
    store::patient_insert(tx, &patient).await?;
    let mut changes = Changes::default();
    changes.audit.push(cx.audit(Some(clinic_id), "patient.create", "patient", Some(patient.id.0)));
    changes.write(tx, cx).await?;
    Ok(Created { patient_id: patient.id, warnings: command.warnings.clone() })
}

async fn practitioner_must_exist(tx: &mut Tx, clinic: ClinicId, id: PractitionerId) -> Result<()> {
    match practitioners::practitioner_status(tx, clinic, id).await? {
        Some(_) => Ok(()),
        None => Err(Error::field("practitioner_id", "Practitioner not found")),
    }
}

async fn must_be_new(
    tx: &mut Tx,
    clinic: ClinicId,
    profile: &PatientProfile,
    itself: Option<PatientId>,
) -> Result<()> {
    let identity = identity(&profile.first_name, &profile.last_name, profile.dob);
    let existing = store::patient_by_identity(tx, clinic, &identity).await?;
    match existing.filter(|&existing| Some(existing) != itself) {
        Some(existing) => Err(already_there(existing)),
        None => Ok(()),
    }
}

/// A sandbox plays a duplicate for a magic surname: of the clinic's newest patient, if it has one.
async fn must_not_play_duplicate(
    tx: &mut Tx,
    cx: &Cx,
    clinic: ClinicId,
    profile: &PatientProfile,
) -> Result<()> {
    let is_magic = MagicSurname::of(&profile.last_name) == Some(MagicSurname::Duplicate);
    if !is_magic || cx.app.environment() == Environment::Production {
        return Ok(());
    }
    let newest = Page { limit: 1, ..Page::default() };
    match store::patient_list(tx, clinic, None, None, &newest).await?.items.first() {
        Some(newest) => Err(already_there(newest.id)),
        None => Ok(()),
    }
}

fn already_there(existing: PatientId) -> Error {
    let message = "Patient already exists";
    let detail = Detail {
        field: None,
        reason: Some("duplicate_patient".to_owned()),
        message: message.to_owned(),
        facts: vec![("patient_id", existing.to_string())],
    };
    Error::refused(RefusalCode::DuplicatePatient, message, vec![detail])
}

/// One patient of the key's clinic.
pub async fn get(app: &App, call: &Call, id: PatientId) -> Result<Seen<Patient>> {
    let clinic = call.partner(Scope::PatientsRead)?.clinic_id;
    app.look_up(call, (clinic, id), |tx, cx, &(clinic, id)| {
        Box::pin(async move {
            let found = store::patient_get(tx, clinic, id).await?.ok_or(NOT_FOUND)?;
            let found = people::seen_one(tx, clinic, found, |found| found.id.0).await?;
            Ok((found, vec![cx.audit(Some(clinic), "patient.read", "patient", Some(id.0))]))
        })
    })
    .await
}

/// Exact names and date of birth.
pub struct Identity {
    pub first_name: String,
    pub last_name: String,
    pub dob: Date,
}

pub struct List {
    pub status: Option<PatientStatus>,
    pub identity: Option<Identity>,
    pub page: Page,
}

/// The patients of the key's clinic, newest first.
pub async fn list(app: &App, call: &Call, list: List) -> Result<Slice<Seen<Patient>>> {
    call.partner(Scope::PatientsRead)?;
    app.read(call, list, |tx, cx, list| {
        Box::pin(async move {
            let clinic = cx.call.partner(Scope::PatientsRead)?.clinic_id;
            let identity =
                list.identity.as_ref().map(|who| identity(&who.first_name, &who.last_name, who.dob));
            let found = store::patient_list(tx, clinic, list.status, identity.as_deref(), &list.page).await?;
            let shown = found.items.iter().map(|patient| (patient.clinic_id, patient.id));
            let audit = cx.audit_list(Some(clinic), "patient.list", "patient", shown);
            Ok((people::seen_page(tx, clinic, found, |found| found.id.0).await?, audit))
        })
    })
    .await
}

/// A change of details: `None` leaves a field, `Some(None)` clears it.
#[derive(Default)]
pub struct PatientChange {
    pub practitioner_id: Option<PractitionerId>,
    pub status: Option<PatientStatus>,
    pub first_name: Option<String>,
    pub middle_name: Option<Option<String>>,
    pub last_name: Option<String>,
    pub gender: Option<Gender>,
    pub dob: Option<Date>,
    pub species: Option<Species>,
    pub animal_owner_name: Option<Option<String>>,
    pub weight: Option<Option<String>>,
    pub weight_recorded_date: Option<Option<Date>>,
    pub height: Option<Option<String>>,
    pub contacts: Option<Vec<Contact>>,
    pub address: Option<Address>,
    pub medication_allergies: Option<Vec<String>>,
    pub medical_history: Option<Option<String>>,
    pub preferred_contact: Option<Option<PreferredContact>>,
    pub notes: Option<Option<String>>,
}

impl PatientChange {
    fn apply(&self, patient: &mut Patient) {
        set(&mut patient.practitioner_id, &self.practitioner_id);
        set(&mut patient.status, &self.status);
        let profile = patient.profile.expose_mut();
        set(&mut profile.first_name, &self.first_name);
        set(&mut profile.middle_name, &self.middle_name);
        set(&mut profile.last_name, &self.last_name);
        set(&mut profile.gender, &self.gender);
        set(&mut profile.dob, &self.dob);
        set(&mut profile.species, &self.species);
        set(&mut profile.animal_owner_name, &self.animal_owner_name);
        set(&mut profile.weight, &self.weight);
        set(&mut profile.weight_recorded_date, &self.weight_recorded_date);
        set(&mut profile.height, &self.height);
        set(&mut profile.contacts, &self.contacts);
        set(&mut profile.address, &self.address);
        set(&mut profile.medication_allergies, &self.medication_allergies);
        set(&mut profile.medical_history, &self.medical_history);
        set(&mut profile.preferred_contact, &self.preferred_contact);
        set(&mut profile.notes, &self.notes);
    }
}

pub struct Update {
    pub id: PatientId,
    pub change: PatientChange,
    pub warnings: Vec<String>,
}

pub struct Updated {
    pub patient: Seen<Patient>,
    pub warnings: Vec<String>,
}

/// Changes a patient's details.
pub async fn update(app: &App, call: &Call, command: Update, render: Render<Updated>) -> Result<Reply> {
    call.partner(Scope::PatientsWrite)?;
    app.write(call, command, render, |tx, cx, command| {
        Box::pin(async move {
            let clinic = cx.call.partner(Scope::PatientsWrite)?.clinic_id;
            let mut found = store::patient_get(tx, clinic, command.id).await?.ok_or(NOT_FOUND)?;
            cx.must_match(found.version)?;
            if let Some(practitioner) = command.change.practitioner_id {
                practitioner_must_exist(tx, clinic, practitioner).await?;
            }
            command.change.apply(&mut found);
            let profile = found.profile.expose();
            if profile.species != Species::Human && profile.animal_owner_name.is_none() {
                return Err(Error::field("animal_owner_name", "is required unless the species is human"));
            }
            must_be_new(tx, clinic, profile, Some(found.id)).await?;
            found.updated_at = cx.now;
            store::patient_update(tx, &found).await?;
            found.version += 1;
            let mut changes = Changes::default();
            changes.audit.push(cx.audit(Some(clinic), "patient.update", "patient", Some(found.id.0)));
            changes.write(tx, cx).await?;
            let patient = people::seen_one(tx, clinic, found, |found| found.id.0).await?;
            Ok(Updated { patient, warnings: command.warnings.clone() })
        })
    })
    .await
}
