//! `nimbus admin`: partners, agreements, clinics, keys, tokens and licenses. Each command prints JSON.

use std::str::FromStr;

use nimbus_app::{
    App,
    actor::Call,
    key_rotation::{self, Rotate},
    licenses::{self, NewLicense},
    refill_thresholds,
    tenancy::{
        self, BaaRecord, Clinic, ClinicUpdate, KeyLimits, KeyNetworks, KeyOrder, Partner, PartnerStatus,
        TokenOrder,
    },
};
use nimbus_core::{
    access::{Profile, Role, Scopes, SystemActor},
    eligibility::OwnThresholds,
    license::{License, LicenseCategory},
    network::{Network, Networks},
    time::{Date, Ts, parse_date},
    us::State,
};
use nimbus_store::{
    keys::{Key, OpsToken},
    tenants::Baa,
};
use serde_json::{Value, json};

use crate::{
    Failure, admin_users, boot,
    cli::{
        AdminCommand, BaaCommand, ClinicCommand, KeyCommand, LicenseCommand, PartnerCommand, TokenCommand,
    },
    config::Settings,
};

pub(crate) async fn admin(settings: &Settings, command: AdminCommand) -> Result<(), Failure> {
    let db = boot::open_store(settings).await?;
    let app = boot::app(settings, db.clone())?;
    let call = Call::system(SystemActor::CommandLine);
    let outcome = match command {
        AdminCommand::Partner(command) => partner(&app, &call, command).await,
        AdminCommand::Baa(command) => baa(&app, &call, command).await,
        AdminCommand::Clinic(command) => clinic(&app, &call, command).await,
        AdminCommand::Key(command) => key(&app, &call, command).await,
        AdminCommand::Token(command) => token(&app, &call, command).await,
        AdminCommand::User(command) => admin_users::user(&app, &call, command).await,
        AdminCommand::License(command) => license(&app, &call, command).await,
    };
    db.close().await;
    println!("{:#}", outcome?);
    Ok(())
}

/// What the application refuses, in words for the command line.
pub(crate) fn said(error: nimbus_app::Error) -> Failure {
    match error {
        nimbus_app::Error::Invalid(fields) => {
            let fields: Vec<String> = fields.iter().map(|f| format!("{} {}", f.field, f.message)).collect();
            fields.join("; ").into()
        }
        other => other.into(),
    }
}

pub(crate) fn id<T: FromStr>(text: &str) -> Result<T, Failure> {
    text.parse().map_err(|_| "that is not an id".into())
}

fn day(text: &str) -> Result<Date, Failure> {
    parse_date(text).ok_or_else(|| "a day is written YYYY-MM-DD".into())
}

fn instant(text: Option<&str>) -> Result<Option<Ts>, Failure> {
    let parse = |text| Ts::parse(text).ok_or_else(|| "an instant is written as RFC 3339".into());
    text.map(parse).transpose()
}

async fn partner(app: &App, call: &Call, command: PartnerCommand) -> Result<Value, Failure> {
    let set = |text: String, status| async move {
        let partner = id(&text)?;
        tenancy::partner_set_status(app, call, partner, status).await.map_err(said)?;
        Ok::<_, Failure>(json!({ "id": partner.to_string(), "status": status.as_str() }))
    };
    match command {
        PartnerCommand::Create { name } => {
            Ok(partner_json(&tenancy::partner_create(app, call, name).await.map_err(said)?))
        }
        PartnerCommand::List => {
            Ok(tenancy::partner_list(app).await.map_err(said)?.iter().map(partner_json).collect())
        }
        PartnerCommand::Approve { id } => set(id, PartnerStatus::Approved).await,
        PartnerCommand::Suspend { id } => set(id, PartnerStatus::Suspended).await,
    }
}

fn partner_json(partner: &Partner) -> Value {
    json!({
        "id": partner.id.to_string(), "name": partner.name, "status": partner.status.as_str(),
        "created_at": partner.created_at.to_string(),
    })
}

async fn baa(app: &App, call: &Call, command: BaaCommand) -> Result<Value, Failure> {
    match command {
        BaaCommand::Record { partner, effective, ends, document_hash } => {
            let record = BaaRecord {
                partner_id: id(&partner)?,
                effective_on: day(&effective)?,
                ends_on: ends.as_deref().map(day).transpose()?,
                document_hash,
            };
            Ok(baa_json(&tenancy::baa_record(app, call, record).await.map_err(said)?))
        }
        BaaCommand::End { id: text, on } => {
            let (baa, on) = (id(&text)?, day(&on)?);
            tenancy::baa_end(app, call, baa, on).await.map_err(said)?;
            Ok(json!({ "id": baa.to_string(), "ends_on": on.to_string() }))
        }
        BaaCommand::List { partner } => {
            Ok(tenancy::baa_list(app, id(&partner)?).await.map_err(said)?.iter().map(baa_json).collect())
        }
    }
}

fn baa_json(baa: &Baa) -> Value {
    json!({
        "id": baa.id.to_string(), "partner_id": baa.partner_id.to_string(),
        "effective_on": baa.effective_on.to_string(), "ends_on": baa.ends_on.map(|day| day.to_string()),
        "document_hash": baa.document_hash,
    })
}

async fn clinic(app: &App, call: &Call, command: ClinicCommand) -> Result<Value, Failure> {
    match command {
        ClinicCommand::Create { partner, name } => {
            Ok(clinic_json(&tenancy::clinic_create(app, call, id(&partner)?, name).await.map_err(said)?))
        }
        ClinicCommand::List { partner } => {
            let partner = partner.as_deref().map(id).transpose()?;
            Ok(tenancy::clinic_list(app, partner).await.map_err(said)?.iter().map(clinic_json).collect())
        }
        ClinicCommand::Rename { id: text, name } => {
            let command = ClinicUpdate { id: id(&text)?, name: Some(name) };
            Ok(clinic_json(&tenancy::clinic_update(app, call, command).await.map_err(said)?))
        }
        ClinicCommand::Delete { id: text } => {
            let clinic = id(&text)?;
            tenancy::clinic_delete(app, call, clinic).await.map_err(said)?;
            Ok(json!({ "id": clinic.to_string(), "deleted": true }))
        }
        ClinicCommand::RefillThresholds { id: text, percent, controlled_percent } => {
            let thresholds = OwnThresholds { percent, controlled_percent };
            let command = refill_thresholds::Put { clinic_id: id(&text)?, thresholds };
            let now = refill_thresholds::set(app, call, command).await.map_err(said)?;
            Ok(json!({
                "clinic_id": now.clinic_id.to_string(), "percent": now.in_force.percent,
                "controlled_percent": now.in_force.controlled_percent,
            }))
        }
    }
}

fn clinic_json(clinic: &Clinic) -> Value {
    json!({
        "id": clinic.id.to_string(), "partner_id": clinic.partner_id.to_string(), "name": clinic.name,
        "created_at": clinic.created_at.to_string(),
    })
}

async fn key(app: &App, call: &Call, command: KeyCommand) -> Result<Value, Failure> {
    match command {
        KeyCommand::Issue { clinic, name, profile, scopes, expires, networks } => {
            let profile = Profile::parse(&profile).ok_or("a profile is pharmacy_partner or integration")?;
            let mut order = KeyOrder::with_profile(id(&clinic)?, &name, profile);
            if let Some(scopes) = scopes {
                order.scopes =
                    Scopes::parse(&scopes.replace(',', " ")).ok_or("one of the scopes is unknown")?;
            }
            order.expires_at = instant(expires.as_deref())?;
            order.networks = confined(networks)?;
            let issued = tenancy::key_issue(app, call, order).await.map_err(said)?;
            let mut shown = key_json(&issued.key);
            shown["key"] = json!(issued.text);
            Ok(shown)
        }
        KeyCommand::List { clinic } => {
            Ok(tenancy::key_list(app, id(&clinic)?).await.map_err(said)?.iter().map(key_json).collect())
        }
        KeyCommand::Revoke { id: text } => {
            let key = id(&text)?;
            tenancy::key_revoke(app, call, key).await.map_err(said)?;
            Ok(json!({ "id": key.to_string(), "revoked": true }))
        }
        KeyCommand::Networks { id: text, networks } => {
            let command = KeyNetworks { id: id(&text)?, networks: confined(networks)? };
            Ok(key_json(&tenancy::key_networks(app, call, command).await.map_err(said)?))
        }
        KeyCommand::Rotate { id: text, overlap_hours } => {
            let command = Rotate { id: id(&text)?, overlap_hours };
            let issued = key_rotation::rotate(app, call, command).await.map_err(said)?;
            let mut shown = key_json(&issued.key);
            shown["key"] = json!(issued.text);
            Ok(shown)
        }
        KeyCommand::Limits { id: text, reads, writes } => {
            let (reads, writes) = (reads.map(|limit| limit.0), writes.map(|limit| limit.0));
            let limits = KeyLimits { id: id(&text)?, reads, writes };
            Ok(key_json(&tenancy::key_limit(app, call, limits).await.map_err(said)?))
        }
    }
}

fn confined(networks: Vec<Network>) -> Result<Networks, Failure> {
    Networks::new(networks).ok_or_else(|| format!("at most {} networks", Networks::MAX).into())
}

fn key_json(key: &Key) -> Value {
    let scopes: Vec<&str> = key.scopes.iter().map(|scope| scope.as_str()).collect();
    let at = |instant: Option<Ts>| instant.map(|instant| instant.to_string());
    json!({
        "id": key.id.to_string(), "clinic_id": key.clinic_id.to_string(), "name": key.name,
        "environment": key.environment.as_str(), "prefix": key.prefix, "scopes": scopes,
        "created_at": key.created_at.to_string(), "expires_at": at(key.expires_at),
        "revoked_at": at(key.revoked_at), "last_used_at": at(key.last_used_at),
        "reads_per_minute": key.rates.reads, "writes_per_minute": key.rates.writes,
        "networks": key.networks.iter().map(|network| network.to_string()).collect::<Vec<_>>(),
        "successor_id": key.successor_id.map(|id| id.to_string()),
    })
}

async fn token(app: &App, call: &Call, command: TokenCommand) -> Result<Value, Failure> {
    match command {
        TokenCommand::Issue { name, roles, clinic, expires } => {
            let roles: Option<Vec<Role>> = roles.split(',').map(|role| Role::parse(role.trim())).collect();
            let roles = roles.filter(|roles| !roles.is_empty()).ok_or("one of the roles is unknown")?;
            let mut order = TokenOrder::new(&name, roles, instant(expires.as_deref())?);
            order.clinic_id = clinic.as_deref().map(id).transpose()?;
            let (token, text) = tenancy::token_issue(app, call, order).await.map_err(said)?;
            let mut shown = token_json(&token);
            shown["token"] = json!(text);
            Ok(shown)
        }
        TokenCommand::List => {
            Ok(tenancy::token_list(app).await.map_err(said)?.iter().map(token_json).collect())
        }
        TokenCommand::Revoke { id: text } => {
            let token = id(&text)?;
            tenancy::token_revoke(app, call, token).await.map_err(said)?;
            Ok(json!({ "id": token.to_string(), "revoked": true }))
        }
    }
}

fn token_json(token: &OpsToken) -> Value {
    let roles: Vec<&str> = token.roles.iter().map(|role| role.as_str()).collect();
    let at = |instant: Option<Ts>| instant.map(|instant| instant.to_string());
    json!({
        "id": token.id.to_string(), "name": token.name, "roles": roles,
        "clinic_id": token.clinic_id.map(|id| id.to_string()),
        "created_at": token.created_at.to_string(), "expires_at": at(token.expires_at),
        "revoked_at": at(token.revoked_at),
    })
}

async fn license(app: &App, call: &Call, command: LicenseCommand) -> Result<Value, Failure> {
    match command {
        LicenseCommand::Add { state, category, number, expires } => {
            let category = LicenseCategory::parse(&category)
                .ok_or("a category is retail, compounding, controlled or veterinary")?;
            if number.trim().is_empty() || number.chars().count() > 100 {
                return Err("a number has 1 to 100 characters".into());
            }
            let new = NewLicense {
                state: State::parse(&state)?,
                category,
                number: number.trim().to_owned(),
                expires_on: day(&expires)?,
            };
            Ok(license_json(&licenses::record(app, call, new).await.map_err(said)?))
        }
        LicenseCommand::List { state } => {
            let state = state.as_deref().map(State::parse).transpose()?;
            Ok(licenses::list(app, call, state).await.map_err(said)?.iter().map(license_json).collect())
        }
        LicenseCommand::Remove { id: text } => {
            let license = id(&text)?;
            licenses::remove(app, call, license).await.map_err(said)?;
            Ok(json!({ "id": license.to_string(), "removed": true }))
        }
    }
}

fn license_json(license: &License) -> Value {
    json!({
        "id": license.id.to_string(), "state": license.state.code(), "category": license.category.as_str(),
        "number": license.number, "expires_on": license.expires_on.to_string(),
    })
}
