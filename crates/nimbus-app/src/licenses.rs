//! The pharmacy's licences in the states, as staff keep them.

use nimbus_core::{
    access::SystemActor,
    ids::{ClinicId, LicenseId, OrderId},
    license::{License, LicenseCategory},
    order::resolve_holds,
    time::Date,
    us::State,
};
use nimbus_store::{
    Tx,
    jobs::{self, Due, JobKind},
    licenses::{self as store, MAX_LICENSES},
    orders,
};
use uuid::Uuid;

use crate::{
    App,
    actor::{Call, MANAGERS},
    consequences::order_changed,
    error::{Error, Result},
    holds,
    outbox::Changes,
    unit::{Cx, Render, Reply},
};

const NOT_FOUND: Error = Error::NotFound("License");

/// So many orders at most are asked again in the transaction that records a licence.
const AT_ONCE: usize = 20;
/// Of more, so many fall due in a second: half of what is taken up at once, so that other work goes on beside them.
const PER_SECOND: usize = 25;
/// So many are looked up and scheduled in one round trip each.
const PAGE: u32 = 500;

/// All licences, or those of one state.
pub async fn list(app: &App, call: &Call, state: Option<State>) -> Result<Vec<License>> {
    call.staff(MANAGERS)?;
    app.read(call, state, |tx, _, &state| {
        Box::pin(async move { Ok((store::license_list(tx, state).await?, Vec::new())) })
    })
    .await
}

pub async fn get(app: &App, call: &Call, id: LicenseId) -> Result<License> {
    call.staff(MANAGERS)?;
    app.read(call, id, |tx, _, &id| {
        Box::pin(async move { Ok((store::license_get(tx, id).await?.ok_or(NOT_FOUND)?, Vec::new())) })
    })
    .await
}

/// A licence to record.
#[derive(Debug, Clone)]
pub struct NewLicense {
    pub state: State,
    pub category: LicenseCategory,
    pub number: String,
    pub expires_on: Date,
}

/// Records a licence, one that has expired too: what was in force when is part of the record. Orders that waited for
/// it go on by themselves.
pub async fn create(app: &App, call: &Call, new: NewLicense, render: Render<License>) -> Result<Reply> {
    call.staff(MANAGERS)?;
    app.write(call, new, render, |tx, cx, new| Box::pin(create_in(tx, cx, new))).await
}

/// [`create`] by a command on the server.
pub async fn record(app: &App, call: &Call, new: NewLicense) -> Result<License> {
    call.staff(MANAGERS)?;
    app.act(call, new, |tx, cx, new| Box::pin(create_in(tx, cx, new))).await
}

async fn create_in(tx: &mut Tx, cx: &Cx, new: &NewLicense) -> Result<License> {
    if store::license_list(tx, None).await?.len() >= MAX_LICENSES {
        return Err(Error::field("number", format!("at most {MAX_LICENSES} licenses are kept")));
    }
    let license = License {
        id: LicenseId(Uuid::now_v7()),
        state: new.state,
        category: new.category,
        number: new.number.clone(),
        expires_on: new.expires_on,
        version: 1,
        created_at: cx.now,
        updated_at: cx.now,
    };
    if !store::license_insert(tx, &license).await? {
        return Err(taken());
    }
    audited(tx, cx, "license.create", license.id).await?;
    try_orders(tx, cx, &license).await?;
    Ok(license)
}

fn taken() -> Error {
    Error::field("number", "is on record for this state and category")
}

/// What is left out stays as it is.
#[derive(Debug, Clone)]
pub struct Update {
    pub id: LicenseId,
    pub number: Option<String>,
    pub expires_on: Option<Date>,
}

pub async fn update(app: &App, call: &Call, command: Update, render: Render<License>) -> Result<Reply> {
    call.staff(MANAGERS)?;
    app.write(call, command, render, |tx, cx, command| {
        Box::pin(async move {
            let mut license = store::license_get(tx, command.id).await?.ok_or(NOT_FOUND)?;
            cx.must_match(license.version)?;
            if let Some(number) = &command.number {
                license.number.clone_from(number);
            }
            license.expires_on = command.expires_on.unwrap_or(license.expires_on);
            license.updated_at = cx.now;
            if store::license_taken(tx, &license).await? {
                return Err(taken());
            }
            store::license_update(tx, &license).await?;
            license.version += 1;
            audited(tx, cx, "license.update", license.id).await?;
            try_orders(tx, cx, &license).await?;
            Ok(license)
        })
    })
    .await
}

pub async fn delete(app: &App, call: &Call, id: LicenseId, render: Render<()>) -> Result<Reply> {
    call.staff(MANAGERS)?;
    app.write(call, id, render, |tx, cx, &id| Box::pin(delete_in(tx, cx, id))).await
}

/// [`delete`] by a command on the server.
pub async fn remove(app: &App, call: &Call, id: LicenseId) -> Result<()> {
    call.staff(MANAGERS)?;
    app.act(call, id, |tx, cx, &id| Box::pin(delete_in(tx, cx, id))).await
}

async fn delete_in(tx: &mut Tx, cx: &Cx, id: LicenseId) -> Result<()> {
    if !store::license_delete(tx, id).await? {
        return Err(NOT_FOUND);
    }
    audited(tx, cx, "license.delete", id).await
}

/// Asks the licence gate again about every order that it holds, of whatever clinic: the licences are the pharmacy's.
/// Where an order goes is sealed, so that each must be read; many of them are timed work.
async fn try_orders(tx: &mut Tx, cx: &Cx, license: &License) -> Result<()> {
    if license.expires_on < cx.today {
        return Ok(());
    }
    let mut held = orders::orders_held_for_license(tx, OrderId(Uuid::nil()), PAGE).await?;
    if held.len() <= AT_ONCE {
        for (clinic, order) in held {
            try_order(tx, cx, clinic, order).await?;
        }
        return Ok(());
    }
    let mut second = 0;
    while let Some(&(_, last)) = held.last() {
        let mut due = Vec::with_capacity(held.len());
        for few in held.chunks(PER_SECOND) {
            let due_at = cx.base.plus_seconds(second);
            due.extend(few.iter().map(|&(clinic_id, OrderId(subject_id))| Due {
                kind: JobKind::LicenseHold,
                clinic_id,
                subject_id,
                due_at,
            }));
            second += 1;
        }
        jobs::jobs_schedule(tx, &due, cx.wall).await?;
        held = orders::orders_held_for_license(tx, last, PAGE).await?;
    }
    Ok(())
}

/// Lets the lines of an order go on that waited for a licence which there is by now.
pub(crate) async fn try_order(tx: &mut Tx, cx: &Cx, clinic: ClinicId, id: OrderId) -> Result<()> {
    let Some(before) = orders::order_get(tx, clinic, id).await? else { return Ok(()) };
    let cx = &cx.of_clinic(tx, clinic).await?.as_system(SystemActor::Gates);
    let licensed = holds::licensed(tx, cx, &before).await?;
    if licensed.is_empty() {
        return Ok(());
    }
    let mut changes = Changes::default();
    let free = changes.take(resolve_holds(&before, &licensed, &cx.act(None, None))?);
    let mut after = holds::go_on(tx, cx, &before, free, &mut changes).await?;
    order_changed(tx, cx, &before, &mut after, &mut changes).await?;
    changes.audit.push(cx.audit(Some(clinic), "order.release", "order", Some(id.0)));
    changes.write(tx, cx).await
}

/// The licences of a sandbox: every kind in every state but Alaska, where practice orders meet a pharmacy that may not
/// ship.
pub(crate) async fn seed(app: &App, call: &Call) -> Result<()> {
    app.act(call, (), |tx, cx, ()| {
        Box::pin(async move {
            let license = |state: State, category: LicenseCategory| License {
                id: LicenseId(Uuid::now_v7()),
                state,
                category,
                number: format!("{}-{}-0001", state.code(), category.as_str().to_uppercase()),
                expires_on: SEED_EXPIRES_ON,
                version: 1,
                created_at: cx.now,
                updated_at: cx.now,
            };
            let states = State::ALL.iter().filter(|state| **state != State::Ak);
            let all: Vec<License> = states
                .flat_map(|state| LicenseCategory::ALL.iter().map(|category| license(*state, *category)))
                .collect();
            store::license_insert_many(tx, &all).await?;
            let mut changes = Changes::default();
            changes.audit.push(cx.audit(None, "license.seed", "license", None));
            changes.write(tx, cx).await
        })
    })
    .await
}

/// Far enough that no practice clock gets there.
const SEED_EXPIRES_ON: Date = jiff::civil::date(2099, 12, 31);

async fn audited(tx: &mut Tx, cx: &Cx, action: &'static str, id: LicenseId) -> Result<()> {
    let mut changes = Changes::default();
    changes.audit.push(cx.audit(None, action, "license", Some(id.0)));
    changes.write(tx, cx).await
}
