//! A clinic of an approved partner, and samples of what belongs to it.

use nimbus_core::{
    access::{Environment, Profile, Scopes},
    ids::{ClinicId, EventId, PartnerId},
    network::Networks,
    phi::Phi,
    rate::KeyRates,
    time::{Date, Ts, parse_date},
};
use nimbus_store::{
    Error, Result, SealError, Tx,
    endpoints::{AfterDeadLetter, Endpoint, EndpointStatus, Payload, Retiring, Shape, Signing},
    events::NewEvent,
    keys::Key,
    tenants::{Clinic, Partner, PartnerStatus, clinic_insert, partner_insert},
};
use uuid::Uuid;

pub(crate) fn id<T: From<Uuid>>() -> T {
    Uuid::now_v7().into()
}

pub(crate) fn now() -> Ts {
    Ts::parse("2026-01-15T10:30:00.123456Z").unwrap()
}

/// So many seconds after [`now`].
pub(crate) fn after(seconds: i64) -> Ts {
    now().plus_seconds(seconds)
}

pub(crate) fn day(text: &str) -> Date {
    parse_date(text).unwrap()
}

pub(crate) fn assert_conflict<T>(result: Result<T>) {
    assert!(matches!(result, Err(Error::Conflict)));
}

pub(crate) fn assert_not_authentic<T>(result: Result<T>) {
    assert!(matches!(result, Err(Error::Seal(SealError::Altered(_)))));
}

/// That a sealed column shows nothing of the text.
pub(crate) async fn assert_sealed(tx: &mut Tx, sql: &'static str, row: Uuid, text: &str) {
    let row = tx.query_one(sql, &[row.into()]).await.unwrap();
    let bytes: Vec<u8> = row.columns().take().unwrap();
    assert!(bytes.len() > text.len() && !bytes.windows(text.len()).any(|part| part == text.as_bytes()));
}

pub(crate) fn partner() -> Partner {
    Partner {
        id: id(),
        name: "Telehealth".to_owned(),
        status: PartnerStatus::Approved,
        created_at: now(),
        updated_at: now(),
    }
}

pub(crate) fn clinic_of(partner: PartnerId) -> Clinic {
    Clinic {
        id: id(),
        partner_id: partner,
        name: "Clinic".to_owned(),
        created_at: now(),
        updated_at: now(),
        version: 1,
        deleted_at: None,
        clock_ahead_us: 0,
    }
}

/// A clinic of a new partner, with keys.
pub(crate) async fn clinic(tx: &mut Tx) -> Result<ClinicId> {
    let partner = partner();
    partner_insert(tx, &partner).await?;
    let clinic = clinic_of(partner.id);
    clinic_insert(tx, &clinic).await?;
    Ok(clinic.id)
}

pub(crate) fn key(clinic: ClinicId) -> Key {
    Key {
        id: id(),
        clinic_id: clinic,
        name: "Backend".to_owned(),
        environment: Environment::Sandbox,
        prefix: "dev_4kQz".to_owned(),
        scopes: Scopes::profile(Profile::Integration),
        created_at: now(),
        expires_at: Some(after(3600)),
        revoked_at: None,
        last_used_at: None,
        rates: KeyRates::default(),
        networks: Networks::parse("192.0.2.0/24 2001:db8::/32").unwrap(),
        successor_id: None,
    }
}

pub(crate) fn endpoint(clinic: ClinicId, url: &str) -> Endpoint {
    Endpoint {
        id: id(),
        clinic_id: clinic,
        shape: Shape::Partner,
        url: url.to_owned(),
        event_types: vec!["medication:updated".to_owned(), "shipment:*".to_owned()],
        description: Some("Production receiver".to_owned()),
        secret: Phi::new("whsec_current".to_owned()),
        signing: Signing::Hmac,
        key_pair: Some(Phi::new("whsk_pair".to_owned())),
        public_key: Some("whpk_public".to_owned()),
        retiring: vec![Retiring { key: Phi::new("whsec_previous".to_owned()), until: after(60) }],
        send_api_key: true,
        key_id: None,
        headers: Phi::new(vec![("X-Tenant".to_owned(), "header-credential".to_owned())]),
        ordered: true,
        after_dead_letter: AfterDeadLetter::Hold,
        rate_limit_per_second: Some(50),
        payload: Payload::Thin,
        retry_schedule: Some(vec![5, 60, 3600]),
        status: EndpointStatus::Active,
        disabled_reason: None,
        failing_since: None,
        version: 1,
        created_at: now(),
        updated_at: now(),
        deleted_at: None,
    }
}

pub(crate) fn event(clinic: ClinicId, body: &str) -> NewEvent {
    NewEvent {
        id: EventId(Uuid::now_v7()),
        clinic_id: clinic,
        shape: Shape::Partner,
        name: "medication:updated".to_owned(),
        type_: "medication:shipped".to_owned(),
        subject_id: id(),
        ordering_key: Some(id()),
        sequence: Some(1),
        body: body.as_bytes().to_vec(),
        fanout: 1,
        created_at: now(),
    }
}
