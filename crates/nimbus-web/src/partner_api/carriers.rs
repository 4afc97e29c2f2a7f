//! Carriers, their services, and what they cost to a patient.

use axum::{extract::State, response::Response};
use http::StatusCode;
use nimbus_app::carriers::{self, Offer, Offers};
use nimbus_carriers::Carrier;
use nimbus_core::{access::Scope, ids::PatientId};
use serde::Serialize;
use utoipa::ToSchema;

use super::envelope::{self, Success};
use crate::{
    Web,
    body::Incoming,
    checks::id,
    failure::Answer,
    wire::{Dollars, json_response},
};

#[derive(Serialize, ToSchema)]
pub struct CarrierList {
    pub carriers: Vec<CarrierView>,
}

#[derive(Serialize, ToSchema)]
pub struct CarrierView {
    #[schema(example = "se-11226")]
    pub id: &'static str,
    #[schema(example = "UPS")]
    pub name: &'static str,
}

impl From<&'static Carrier> for CarrierView {
    fn from(carrier: &'static Carrier) -> Self {
        Self { id: carrier.id, name: carrier.name }
    }
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ServiceView {
    #[schema(example = "ups_2nd_day_air")]
    pub id: &'static str,
    #[schema(example = "UPS 2nd Day Air")]
    pub name: &'static str,
    /// What is to be paid: nothing where the clinic ships free of charge.
    pub total_cost: Dollars,
    /// What the service costs by itself.
    pub original_cost: Dollars,
}

impl From<&Offer> for ServiceView {
    fn from(offer: &Offer) -> Self {
        Self {
            id: offer.service.id,
            name: offer.service.name,
            total_cost: Dollars(offer.to_pay),
            original_cost: Dollars(offer.price),
        }
    }
}

/// The services of a carrier that go to the patient's state, with what is said of them all.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ServiceList {
    /// Always true.
    pub success: bool,
    pub data: Vec<ServiceView>,
    pub message: &'static str,
    /// Whether a rule of the clinic makes at least one of them free.
    pub is_free_shipment: bool,
    /// `clinic_specific` for a rule of the clinic.
    #[schema(example = "clinic_specific")]
    pub free_shipment_type: Option<&'static str>,
    /// The full name of the state.
    #[schema(example = "Texas")]
    pub patient_state: &'static str,
}

impl From<&Offers> for ServiceList {
    fn from(offers: &Offers) -> Self {
        let is_free = offers.is_free_shipment();
        Self {
            success: true,
            data: offers.offers.iter().map(ServiceView::from).collect(),
            message: "OK",
            is_free_shipment: is_free,
            free_shipment_type: is_free.then_some("clinic_specific"),
            patient_state: offers.state.name(),
        }
    }
}

#[utoipa::path(get, path = "/carriers", tag = "Carriers", operation_id = "listCarriers",
    security(("ApiKeyAuth" = ["shipments:read"])),
    responses((status = 200, description = "Every carrier", body = Success<CarrierList>)))]
pub(crate) async fn list(State(web): State<Web>, request: Incoming) -> Answer {
    let call = web.partner(&request, Scope::ShipmentsRead).await?;
    let carriers = carriers::list(&call)?.iter().map(CarrierView::from).collect();
    Ok(envelope::found(CarrierList { carriers }))
}

/// Only services that go to where the patient lives. Prices are in dollars.
#[utoipa::path(get, path = "/carriers/{carrierId}/services", tag = "Carriers", operation_id = "listCarrierServices",
    security(("ApiKeyAuth" = ["shipments:read"])),
    params(
        ("carrierId" = String, Path, description = "The carrier's id", example = "se-11226"),
        ("patientId" = String, Query, description = "The patient whom the parcel goes to")),
    responses((status = 200, description = "The carrier's services and what they cost", body = ServiceList)))]
pub(crate) async fn services(State(web): State<Web>, request: Incoming) -> Answer {
    let call = web.partner(&request, Scope::ShipmentsRead).await?;
    let carrier: String = request.id("carrierId", "Carrier")?;
    let patient: PatientId = request.query(|f| f.required("patientId", id))?;
    let offers = carriers::services(&web.app, &call, &carrier, patient).await?;
    Ok(found(&offers))
}

fn found(offers: &Offers) -> Response {
    json_response(StatusCode::OK, &ServiceList::from(offers))
}
