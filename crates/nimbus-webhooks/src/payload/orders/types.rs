//! `data` of each event of the orders shape. Ids are prefixed, as this API writes them.

use serde::Serialize;
use utoipa::ToSchema;

use crate::payload::wire::Day;

/// An order was taken.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct OrderCreated {
    #[schema(pattern = "^ord_[a-zA-Z0-9]+$")]
    pub(super) order_id: String,
    #[schema(pattern = "^pat_[a-zA-Z0-9]+$")]
    pub(super) patient_id: String,
    /// That of the first line.
    #[schema(pattern = "^rx_[a-zA-Z0-9]+$")]
    pub(super) prescription_id: String,
    /// Those of every line.
    pub(super) prescription_ids: Vec<String>,
    /// As reads of this API give it.
    pub(super) status: &'static str,
}

/// An order moved.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct OrderMoved {
    #[schema(pattern = "^ord_[a-zA-Z0-9]+$")]
    pub(super) order_id: String,
    /// That of the first line.
    #[schema(pattern = "^rx_[a-zA-Z0-9]+$")]
    pub(super) prescription_id: String,
    /// Those of every line.
    pub(super) prescription_ids: Vec<String>,
    /// As reads of this API give it.
    pub(super) status: &'static str,
}

/// An order left the pharmacy.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct OrderFulfilled<'a> {
    #[schema(pattern = "^ord_[a-zA-Z0-9]+$")]
    pub(super) order_id: String,
    /// That of the first line.
    #[schema(pattern = "^rx_[a-zA-Z0-9]+$")]
    pub(super) prescription_id: String,
    /// Those of every line.
    pub(super) prescription_ids: Vec<String>,
    /// As reads of this API give it.
    pub(super) status: &'static str,
    pub(super) tracking_number: Option<&'a str>,
    /// The carrier's name.
    pub(super) carrier: Option<&'a str>,
    pub(super) tracking_url: Option<&'a str>,
    #[schema(value_type = Option<String>, format = Date)]
    pub(super) estimated_delivery_date: Option<Day>,
}

/// An order was cancelled, or rejected by the pharmacy.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct OrderCancelled<'a> {
    #[schema(pattern = "^ord_[a-zA-Z0-9]+$")]
    pub(super) order_id: String,
    /// That of the first line.
    #[schema(pattern = "^rx_[a-zA-Z0-9]+$")]
    pub(super) prescription_id: String,
    /// Those of every line.
    pub(super) prescription_ids: Vec<String>,
    /// As reads of this API give it.
    pub(super) status: &'static str,
    /// What the pharmacy wrote for partners; null where a partner cancelled it.
    pub(super) reason: Option<&'a str>,
}

/// A refill was asked for, decided, or moved with the order that fills it.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct RefillMoved<'a> {
    #[schema(pattern = "^ref_[a-zA-Z0-9]+$")]
    pub(super) refill_id: String,
    #[schema(pattern = "^rx_[a-zA-Z0-9]+$")]
    pub(super) prescription_id: String,
    /// The order that fills it; null while it is reviewed, and if it was denied.
    #[schema(pattern = "^ord_[a-zA-Z0-9]+$")]
    pub(super) order_id: Option<String>,
    /// As reads of this API give it.
    pub(super) status: &'static str,
    /// Why it is reviewed, or was denied.
    pub(super) reason: Option<&'a str>,
}

/// A parcel was seen somewhere else.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct ParcelMoved<'a> {
    #[schema(pattern = "^shp_[a-zA-Z0-9]+$")]
    pub(super) shipment_id: String,
    /// The orders in the parcel.
    pub(super) order_ids: Vec<String>,
    pub(super) status: &'static str,
    pub(super) tracking_number: Option<&'a str>,
}

/// An endpoint is sent nothing more.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct EndpointDisabled {
    #[schema(pattern = "^whk_[a-zA-Z0-9]+$")]
    pub(super) webhook_id: String,
    pub(super) reason: &'static str,
}
