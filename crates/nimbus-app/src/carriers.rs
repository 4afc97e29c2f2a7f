//! Carriers as partners choose among them: services, what they cost to a patient's state, and where a clinic ships
//! free of charge.

use nimbus_carriers::{CARRIERS, Carrier, Service, carrier, provider::Destination, service_of};
use nimbus_core::{
    access::Scope,
    ids::{ClinicId, PatientId},
    money::Cents,
    phi::Phi,
    us::State,
};
use nimbus_store::{
    Tx,
    free_shipping::{free_shipping_list, free_shipping_put},
    patients, tenants,
};

pub use nimbus_store::free_shipping::FreeShipping;

use crate::{
    App,
    actor::{ADMINISTRATORS, Call},
    error::{Error, FieldError, Result},
    outbox::Changes,
    unit::{Cx, Render, Reply},
};

/// The most rules of a clinic.
pub const MAX_RULES: usize = 500;

const CLINIC_NOT_FOUND: Error = Error::NotFound("Clinic");

/// Every carrier.
pub fn list(call: &Call) -> Result<&'static [Carrier]> {
    call.partner(Scope::ShipmentsRead)?;
    Ok(CARRIERS)
}

/// A service, what it costs, and what the clinic's patient pays.
#[derive(Debug, Clone, Copy)]
pub struct Offer {
    pub service: &'static Service,
    pub price: Cents,
    /// The price, or nothing where the clinic ships free of charge.
    pub to_pay: Cents,
    pub is_free: bool,
}

/// The services of a carrier that go to a patient.
#[derive(Debug, Clone)]
pub struct Offers {
    pub state: State,
    pub offers: Vec<Offer>,
}

impl Offers {
    /// Whether a rule of the clinic makes any of them free.
    pub fn is_free_shipment(&self) -> bool {
        self.offers.iter().any(|offer| offer.is_free)
    }
}

/// What a carrier's services cost to where a patient of the key's clinic lives.
pub async fn services(app: &App, call: &Call, carrier_id: &str, patient: PatientId) -> Result<Offers> {
    let clinic = call.partner(Scope::ShipmentsRead)?.clinic_id;
    let carrier = carrier(carrier_id).ok_or(Error::NotFound("Carrier"))?;
    let found = app.read(call, (clinic, patient), |tx, cx, &(clinic, patient)| {
        Box::pin(async move {
            let found = patients::patient_get(tx, clinic, patient).await?;
            let found = found.ok_or_else(|| Error::field("patientId", "Patient not found"))?;
            let rules = free_shipping_list(tx, clinic).await?;
            let audit = cx.audit(Some(clinic), "patient.read", "patient", Some(patient.0));
            Ok(((found.profile.expose().address.clone(), rules), vec![audit]))
        })
    });
    let (address, rules) = found.await?;
    let state = State::parse(&address.state).map_err(|_| Error::Internal("a patient lives in no state"))?;
    let to = Phi::new(Destination { city: address.city, state, postal_code: address.postal_code });
    let shipping = &app.config().shipping;
    let rates = shipping.quote(carrier, &to, shipping.rates.weight_oz).await;
    let offers = rates.into_iter().filter_map(|rate| {
        let service = service_of(carrier_id, &rate.service_id)?;
        let is_free = rules.iter().any(|rule| applies(rule, state, service));
        let to_pay = if is_free { Cents::ZERO } else { rate.price };
        Some(Offer { service, price: rate.price, to_pay, is_free })
    });
    Ok(Offers { state, offers: offers.collect() })
}

fn applies(rule: &FreeShipping, state: State, service: &Service) -> bool {
    rule.state.is_none_or(|only| only == state)
        && rule.service_id.as_deref().is_none_or(|only| only == service.id)
}

/// A clinic's rules of free shipping, for administrators.
pub async fn free_shipping(app: &App, call: &Call, clinic: ClinicId) -> Result<Vec<FreeShipping>> {
    call.staff(ADMINISTRATORS)?;
    app.read(call, clinic, |tx, cx, &clinic| {
        Box::pin(async move {
            must_exist(tx, clinic).await?;
            let rules = free_shipping_list(tx, clinic).await?;
            Ok((rules, vec![cx.audit(Some(clinic), "free_shipping.read", "clinic", Some(clinic.0))]))
        })
    })
    .await
}

/// A clinic's rules, in the place of those before; without any it ships nothing free of charge.
pub async fn set_free_shipping(
    app: &App,
    call: &Call,
    clinic: ClinicId,
    rules: Vec<FreeShipping>,
    render: Render<Vec<FreeShipping>>,
) -> Result<Reply> {
    call.staff(ADMINISTRATORS)?;
    services_must_exist(&rules)?;
    app.write(call, (clinic, rules), render, |tx, cx, (clinic, rules)| {
        Box::pin(set_in(tx, cx, *clinic, rules))
    })
    .await
}

async fn set_in(tx: &mut Tx, cx: &Cx, clinic: ClinicId, rules: &[FreeShipping]) -> Result<Vec<FreeShipping>> {
    must_exist(tx, clinic).await?;
    free_shipping_put(tx, clinic, rules, cx.wall).await?;
    let mut changes = Changes::default();
    changes.audit.push(cx.audit(Some(clinic), "free_shipping.set", "clinic", Some(clinic.0)));
    changes.write(tx, cx).await?;
    Ok(free_shipping_list(tx, clinic).await?)
}

async fn must_exist(tx: &mut Tx, clinic: ClinicId) -> Result<()> {
    let found = tenants::clinic_get(tx, clinic).await?;
    found.filter(|found| found.deleted_at.is_none()).map(drop).ok_or(CLINIC_NOT_FOUND)
}

fn services_must_exist(rules: &[FreeShipping]) -> Result<()> {
    let known =
        |id: &str| CARRIERS.iter().flat_map(|carrier| carrier.services).any(|service| service.id == id);
    let wrong =
        rules.iter().enumerate().filter(|(_, rule)| rule.service_id.as_deref().is_some_and(|id| !known(id)));
    let errors: Vec<FieldError> = wrong
        .map(|(index, _)| {
            FieldError::new(format!("rules[{index}].service_id"), "must be a service of a carrier")
        })
        .collect();
    if errors.is_empty() { Ok(()) } else { Err(Error::Invalid(errors)) }
}
