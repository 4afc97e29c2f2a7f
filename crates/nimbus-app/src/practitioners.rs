//! Practitioners: registered by partners, activated by onboarding or staff.

use nimbus_core::{
    access::{Environment, Scope, SystemActor},
    event::Event,
    history::{Subject, Transition},
    ids::{ClinicId, PractitionerId},
    order::{HoldReason, Lines, release_holds},
    phi::Phi,
    practitioner::{Practitioner, PractitionerProfile, PractitionerStatus, change_status},
    sandbox_magic::MagicNpi,
};
use nimbus_store::{
    Tx,
    jobs::{self, JobKind},
    orders,
    page::{Page, Slice},
    practitioners as store,
};
use uuid::Uuid;

use crate::{
    App,
    actor::{Call, MANAGERS},
    error::{Error, Result},
    holds::release_registered,
    outbox::Changes,
    people::{self, Seen},
    sandbox::simulation,
    unit::{Cx, Render, Reply},
};

pub(crate) const NOT_FOUND: Error = Error::NotFound("Practitioner");

pub struct Create {
    pub clinic_id: ClinicId,
    pub profile: PractitionerProfile,
    pub warnings: Vec<String>,
}

pub struct Created {
    pub practitioner_id: PractitionerId,
    /// The clinic had a practitioner of this NPI; nothing was created.
    pub duplicate: bool,
    pub status: PractitionerStatus,
    pub warnings: Vec<String>,
}

/// Registers a practitioner with the key's clinic. The same NPI again answers the one there is.
pub async fn create(app: &App, call: &Call, command: Create, render: Render<Created>) -> Result<Reply> {
    if call.partner(Scope::PractitionersWrite)?.clinic_id != command.clinic_id {
        return Err(Error::field("assigned_clinic", "Clinic not found"));
    }
    app.write(call, command, render, |tx, cx, command| Box::pin(create_in(tx, cx, command))).await
}

async fn create_in(tx: &mut Tx, cx: &Cx, command: &Create) -> Result<Created> {
    let clinic_id = command.clinic_id;
    let npi = command.profile.npi.as_deref();
    if let Some(npi) = npi
        && let Some(id) = store::practitioner_by_npi(tx, clinic_id, npi).await?
    {
        let status = store::practitioner_status(tx, clinic_id, id).await?.ok_or(NOT_FOUND)?;
        let warnings = command.warnings.clone();
        return Ok(Created { practitioner_id: id, duplicate: true, status, warnings });
    }
    let practitioner = Practitioner {
        id: PractitionerId(Uuid::now_v7()),
        clinic_id,
        status: PractitionerStatus::Pending,
        profile: Phi::new(command.profile.clone()),
        has_signature: false,
        version: 1,
        created_at: cx.now,
        updated_at: cx.now,
    };
    store::practitioner_insert(tx, &practitioner, npi).await?;
    let magic = magic_npi(cx, npi);
    let has_robot = cx.app.config().onboarding.as_ref().is_some_and(|robot| robot.url.is_some());
    if has_robot && magic.is_none() {
        let (kind, id) = (JobKind::OnboardingCall, practitioner.id.0);
        jobs::job_schedule(tx, kind, clinic_id, id, cx.wall, cx.wall).await?;
    }
    let mut changes = Changes::default();
    changes.history.push(Transition {
        clinic_id,
        subject: Subject::Practitioner,
        subject_id: practitioner.id.0,
        order_id: None,
        from: None,
        to: practitioner.status.as_str(),
        by: cx.by(),
        reason: None,
        note: None,
        at: cx.now,
    });
    let id = practitioner.id;
    changes.audit.push(cx.audit(Some(clinic_id), "practitioner.create", "practitioner", Some(id.0)));
    changes.write(tx, cx).await?;
    let (mut status, mut warnings) = (practitioner.status, command.warnings.clone());
    if let Some((verdict, warning)) = magic.and_then(MagicNpi::verdict) {
        let cx = cx.as_system(SystemActor::Onboarding);
        status = set_status_in(tx, &cx, id, verdict, None).await?.status;
        warnings.extend(warning.map(str::to_owned));
    }
    Ok(Created { practitioner_id: id, duplicate: false, status, warnings })
}

/// The magic number that decides about a new practitioner. Production knows none.
fn magic_npi(cx: &Cx, npi: Option<&str>) -> Option<MagicNpi> {
    npi.filter(|_| cx.app.environment() == Environment::Sandbox).and_then(MagicNpi::parse)
}

/// One practitioner of the key's clinic.
pub async fn get(app: &App, call: &Call, id: PractitionerId) -> Result<Seen<Practitioner>> {
    let clinic = call.partner(Scope::PractitionersRead)?.clinic_id;
    app.look_up(call, (clinic, id), |tx, cx, &(clinic, id)| {
        Box::pin(async move {
            let found = store::practitioner_get(tx, clinic, id).await?.ok_or(NOT_FOUND)?;
            let found = people::seen_one(tx, clinic, found, |found| found.id.0).await?;
            Ok((found, vec![cx.audit(Some(clinic), "practitioner.read", "practitioner", Some(id.0))]))
        })
    })
    .await
}

pub struct List {
    pub status: Option<PractitionerStatus>,
    pub page: Page,
}

/// The practitioners of the key's clinic, newest first.
pub async fn list(app: &App, call: &Call, list: List) -> Result<Slice<Seen<Practitioner>>> {
    call.partner(Scope::PractitionersRead)?;
    app.read(call, list, |tx, cx, list| {
        Box::pin(async move {
            let clinic = cx.call.partner(Scope::PractitionersRead)?.clinic_id;
            let found = store::practitioner_list(tx, Some(clinic), list.status, &list.page).await?;
            let found = people::seen_page(tx, clinic, found, |found| found.id.0).await?;
            Ok((found, vec![cx.audit(Some(clinic), "practitioner.list", "practitioner", None)]))
        })
    })
    .await
}

pub struct ListAny {
    pub clinic: Option<ClinicId>,
    pub status: Option<PractitionerStatus>,
    pub page: Page,
}

/// Practitioners of every clinic, for staff.
pub async fn list_any(app: &App, call: &Call, list: ListAny) -> Result<Slice<Practitioner>> {
    call.staff(MANAGERS)?;
    app.read(call, list, |tx, cx, list| {
        Box::pin(async move {
            let found = store::practitioner_list(tx, list.clinic, list.status, &list.page).await?;
            Ok((found, vec![cx.audit(list.clinic, "practitioner.list", "practitioner", None)]))
        })
    })
    .await
}

/// A change of details: `None` leaves a field, `Some(None)` clears it.
#[derive(Default)]
pub struct ProfileChange {
    pub first_name: Option<String>,
    pub last_name: Option<String>,
    pub email: Option<String>,
    pub npi: Option<Option<String>>,
    pub is_veterinarian: Option<bool>,
    pub phone: Option<Option<String>>,
    pub address_line_1: Option<String>,
    pub address_line_2: Option<Option<String>>,
    pub city: Option<String>,
    pub state_code: Option<String>,
    pub zip_code: Option<String>,
    pub dea_number: Option<Option<String>>,
    pub license_number: Option<Option<String>>,
    pub license_state: Option<Option<String>>,
}

impl ProfileChange {
    fn apply(&self, profile: &mut PractitionerProfile) {
        set(&mut profile.first_name, &self.first_name);
        set(&mut profile.last_name, &self.last_name);
        set(&mut profile.email, &self.email);
        set(&mut profile.npi, &self.npi);
        set(&mut profile.is_veterinarian, &self.is_veterinarian);
        set(&mut profile.phone, &self.phone);
        set(&mut profile.address_line_1, &self.address_line_1);
        set(&mut profile.address_line_2, &self.address_line_2);
        set(&mut profile.city, &self.city);
        set(&mut profile.state_code, &self.state_code);
        set(&mut profile.zip_code, &self.zip_code);
        set(&mut profile.dea_number, &self.dea_number);
        set(&mut profile.license_number, &self.license_number);
        set(&mut profile.license_state, &self.license_state);
    }
}

pub(crate) fn set<T: Clone>(field: &mut T, change: &Option<T>) {
    if let Some(value) = change {
        field.clone_from(value);
    }
}

/// An NPI, or for a veterinarian, who has none, licence number and state; a sandbox warns of their lack.
fn must_be_identified(profile: &PractitionerProfile, environment: Environment) -> Result<Option<String>> {
    let licensed = profile.license_number.is_some() && profile.license_state.is_some();
    match (&profile.npi, profile.is_veterinarian) {
        (Some(_), _) => Ok(None),
        (None, false) => Err(Error::field("npi", "is required unless is_veterinarian is true")),
        (None, true) if licensed => Ok(None),
        (None, true) if environment == Environment::Sandbox => Ok(Some(
            "license_number and license_state: production needs them of a veterinarian without NPI"
                .to_owned(),
        )),
        (None, true) => Err(Error::field("license_number", "and license_state are required without an NPI")),
    }
}

pub struct Update {
    pub id: PractitionerId,
    pub change: ProfileChange,
    pub warnings: Vec<String>,
}

pub struct Updated {
    pub practitioner: Seen<Practitioner>,
    pub warnings: Vec<String>,
}

/// Changes a practitioner's details and credentials.
pub async fn update(app: &App, call: &Call, command: Update, render: Render<Updated>) -> Result<Reply> {
    call.partner(Scope::PractitionersWrite)?;
    app.write(call, command, render, |tx, cx, command| {
        Box::pin(async move {
            let clinic = cx.call.partner(Scope::PractitionersWrite)?.clinic_id;
            let mut found = store::practitioner_get(tx, clinic, command.id).await?.ok_or(NOT_FOUND)?;
            cx.must_match(found.version)?;
            command.change.apply(found.profile.expose_mut());
            let profile = found.profile.expose();
            let mut warnings = command.warnings.clone();
            warnings.extend(must_be_identified(profile, cx.app.environment())?);
            if let Some(npi) = profile.npi.as_deref()
                && store::practitioner_by_npi(tx, clinic, npi).await?.is_some_and(|other| other != found.id)
            {
                return Err(Error::field("npi", "belongs to another practitioner of the clinic"));
            }
            found.updated_at = cx.now;
            let npi = found.profile.expose().npi.clone();
            store::practitioner_update(tx, &found, npi.as_deref()).await?;
            found.version += 1;
            let mut changes = match command.change.dea_number {
                Some(Some(_)) => release_registered(tx, cx, &found).await?,
                _ => Changes::default(),
            };
            let id = found.id.0;
            changes.audit.push(cx.audit(Some(clinic), "practitioner.update", "practitioner", Some(id)));
            changes.write(tx, cx).await?;
            let practitioner = people::seen_one(tx, clinic, found, |found| found.id.0).await?;
            Ok(Updated { practitioner, warnings })
        })
    })
    .await
}

pub struct SetStatus {
    pub id: PractitionerId,
    pub status: PractitionerStatus,
    pub note: Option<String>,
}

/// Staff activate, suspend or deactivate a practitioner.
pub async fn set_status(
    app: &App,
    call: &Call,
    command: SetStatus,
    render: Render<Practitioner>,
) -> Result<Reply> {
    call.staff(MANAGERS)?;
    app.write(call, command, render, |tx, cx, command| {
        Box::pin(set_status_in(tx, cx, command.id, command.status, command.note.as_deref()))
    })
    .await
}

/// Moves a practitioner. On activation, copies in other clinics that waited for it are activated too.
pub(crate) async fn set_status_in(
    tx: &mut Tx,
    cx: &Cx,
    id: PractitionerId,
    status: PractitionerStatus,
    note: Option<&str>,
) -> Result<Practitioner> {
    let moved = move_one(tx, cx, id, status, note).await?;
    if status == PractitionerStatus::Active {
        for copy in people::waiting_copies(tx, &moved).await? {
            move_one(tx, cx, copy, status, None).await?;
        }
    }
    Ok(moved)
}

/// Moves one row; on activation, lines that were held for it go back to where they were.
async fn move_one(
    tx: &mut Tx,
    cx: &Cx,
    id: PractitionerId,
    status: PractitionerStatus,
    note: Option<&str>,
) -> Result<Practitioner> {
    let found = store::practitioner_get_any(tx, id).await?.ok_or(NOT_FOUND)?;
    let cx = &cx.of_clinic(tx, found.clinic_id).await?;
    let (mut moved, transition, events) = change_status(&found, status, cx.by(), note, cx.now)?;
    let npi = moved.profile.expose().npi.clone();
    store::practitioner_update(tx, &moved, npi.as_deref()).await?;
    moved.version += 1;
    let mut changes = Changes { history: vec![transition], events, audit: Vec::new() };
    let clinic = Some(moved.clinic_id);
    changes.audit.push(cx.audit(clinic, "practitioner.set_status", "practitioner", Some(id.0)));
    if status == PractitionerStatus::Active {
        let released = release_held_orders(tx, cx, &moved).await?;
        changes.history.extend(released.0);
        changes.events.extend(released.1);
    }
    changes.write(tx, cx).await?;
    Ok(moved)
}

/// Puts the lines that waited for a practitioner back to where they were.
pub(crate) async fn release_held_orders(
    tx: &mut Tx,
    cx: &Cx,
    practitioner: &Practitioner,
) -> Result<(Vec<Transition>, Vec<Event>)> {
    let clinic = practitioner.clinic_id;
    let (mut history, mut events) = (Vec::new(), Vec::new());
    loop {
        let held = orders::orders_held_for_practitioner(tx, clinic, practitioner.id).await?;
        if held.is_empty() {
            return Ok((history, events));
        }
        for id in held {
            let Some(order) = orders::order_get(tx, clinic, id).await? else { continue };
            let reason = Some(HoldReason::PractitionerNotActive);
            let decision = release_holds(&order, None, reason, Lines::EveryLive, &cx.act(None, None))?;
            orders::order_update(tx, &order, &decision.order).await?;
            simulation::follow(tx, cx, clinic, id).await?;
            history.extend(decision.history);
            events.extend(decision.events);
        }
    }
}
