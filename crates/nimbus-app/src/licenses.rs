//! The pharmacy's licences in the states, as staff keep them.

use nimbus_core::{
    ids::LicenseId,
    license::{License, LicenseCategory},
    time::Date,
    us::State,
};
use nimbus_store::{
    Tx,
    licenses::{self as store, MAX_LICENSES},
};
use uuid::Uuid;

use crate::{
    App,
    actor::{Call, MANAGERS},
    error::{Error, Result},
    outbox::Changes,
    unit::{Cx, Render, Reply},
};

const NOT_FOUND: Error = Error::NotFound("License");

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

/// Records a licence, one that has expired too: what was in force when is part of the record.
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
            Ok(store::license_insert_many(tx, &all).await?)
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
