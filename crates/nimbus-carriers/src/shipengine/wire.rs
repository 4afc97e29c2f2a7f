//! ShipEngine's JSON: what is sent, what is read, and the checks that an answer is about what was asked.

use nimbus_core::{
    identifiers::tracking::TrackingNumber, label::BoughtLabel, money::Cents, patient::Address,
};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::Result;
use crate::{
    labels::{Pharmacy, Signature},
    provider::{Destination, LabelRequest, LiveRate, ProviderError, Sought},
    services::{bears, service_of},
};

const COUNTRY: &str = "US";
/// The longest id that ShipEngine gives.
const ID_LIMIT: usize = 64;

#[derive(Serialize)]
struct Weight {
    value: u32,
    unit: &'static str,
}

fn ounces(value: u32) -> Weight {
    Weight { value, unit: "ounce" }
}

#[derive(Serialize)]
pub(super) struct Estimate<'a> {
    carrier_ids: [&'a str; 1],
    from_country_code: &'static str,
    from_postal_code: &'a str,
    from_city_locality: &'a str,
    from_state_province: &'a str,
    to_country_code: &'static str,
    to_postal_code: &'a str,
    to_city_locality: &'a str,
    to_state_province: &'static str,
    weight: Weight,
    confirmation: &'static str,
    address_residential_indicator: &'static str,
}

impl<'a> Estimate<'a> {
    pub(super) fn new(from: &'a Pharmacy, carrier_id: &'a str, to: &'a Destination, weight_oz: u32) -> Self {
        Self {
            carrier_ids: [carrier_id],
            from_country_code: COUNTRY,
            from_postal_code: &from.postal_code,
            from_city_locality: &from.city,
            from_state_province: &from.state,
            to_country_code: COUNTRY,
            to_postal_code: &to.postal_code,
            to_city_locality: &to.city,
            to_state_province: to.state.code(),
            weight: ounces(weight_oz),
            confirmation: "none",
            address_residential_indicator: "yes",
        }
    }
}

/// An amount of money. The number is read as its decimal text, never as a float.
#[derive(Deserialize)]
struct Money {
    currency: String,
    amount: Box<RawValue>,
}

impl Money {
    fn cents(&self) -> Result<Cents> {
        let dollars = self.currency.eq_ignore_ascii_case("usd");
        let cents = Cents::parse_dollars(self.amount.get().trim_matches('"')).filter(|_| dollars);
        cents.ok_or(ProviderError::Garbage("an amount that is no dollars and cents"))
    }
}

fn total<'a>(amounts: impl IntoIterator<Item = Option<&'a Money>>) -> Result<Cents> {
    amounts.into_iter().flatten().try_fold(Cents::ZERO, |sum, money| {
        sum.checked_add(money.cents()?).ok_or(ProviderError::Garbage("an amount beyond all bounds"))
    })
}

#[derive(Deserialize)]
pub(super) struct Rate {
    carrier_id: String,
    service_code: String,
    package_type: Option<String>,
    shipping_amount: Money,
    insurance_amount: Option<Money>,
    confirmation_amount: Option<Money>,
    other_amount: Option<Money>,
    #[serde(default)]
    error_messages: Vec<String>,
}

/// The cheapest price of each of the carrier's services in a carton of one's own.
pub(super) fn live_rates(rates: Vec<Rate>, carrier_id: &str) -> Result<Vec<LiveRate>> {
    let mut live: Vec<LiveRate> = Vec::new();
    for rate in rates {
        let own_carton = rate.package_type.as_deref().is_none_or(|package| package == "package");
        let known = rate.carrier_id == carrier_id && service_of(carrier_id, &rate.service_code).is_some();
        if !own_carton || !known || !rate.error_messages.is_empty() {
            continue;
        }
        let price = total([
            Some(&rate.shipping_amount),
            rate.insurance_amount.as_ref(),
            rate.confirmation_amount.as_ref(),
            rate.other_amount.as_ref(),
        ])?;
        match live.iter_mut().find(|other| other.service_id == rate.service_code) {
            Some(other) => other.price = other.price.min(price),
            None => live.push(LiveRate { service_id: rate.service_code, price }),
        }
    }
    Ok(live)
}

#[derive(Serialize)]
pub(super) struct Purchase<'a> {
    shipment: Shipment<'a>,
    label_format: &'static str,
    label_layout: &'static str,
    label_download_type: &'static str,
    /// Addresses are checked when an order is taken; a parcel is not sent elsewhere than was said.
    validate_address: &'static str,
}

#[derive(Serialize)]
struct Shipment<'a> {
    carrier_id: &'a str,
    service_code: &'a str,
    external_shipment_id: &'a str,
    ship_date: String,
    ship_to: Place<'a>,
    ship_from: Place<'a>,
    confirmation: &'static str,
    packages: [Package; 1],
}

#[derive(Serialize)]
struct Place<'a> {
    name: &'a str,
    phone: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    company_name: Option<&'a str>,
    address_line1: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    address_line2: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    address_line3: Option<&'a str>,
    city_locality: &'a str,
    state_province: &'a str,
    postal_code: &'a str,
    country_code: &'static str,
    address_residential_indicator: &'static str,
}

#[derive(Serialize)]
struct Package {
    weight: Weight,
}

impl<'a> Purchase<'a> {
    pub(super) fn new(from: &'a Pharmacy, request: &'a LabelRequest) -> Self {
        let to = request.recipient.expose();
        // UPS and FedEx take no label without a phone; the pharmacy answers where the patient has none.
        let phone = to.phone.as_deref().unwrap_or(&from.phone);
        Self {
            shipment: Shipment {
                carrier_id: &request.sought.carrier_id,
                service_code: &request.sought.service_id,
                external_shipment_id: &request.sought.external_id,
                ship_date: request.ships_on.to_string(),
                ship_to: place_of(&to.name, phone, &to.address),
                ship_from: Place {
                    name: &from.name,
                    phone: &from.phone,
                    company_name: Some(&from.name),
                    address_line1: &from.line_1,
                    address_line2: from.line_2.as_deref(),
                    address_line3: None,
                    city_locality: &from.city,
                    state_province: &from.state,
                    postal_code: &from.postal_code,
                    country_code: COUNTRY,
                    address_residential_indicator: "no",
                },
                confirmation: match request.signature {
                    Signature::NotRequired => "none",
                    Signature::Adult => "adult_signature",
                },
                packages: [Package { weight: ounces(request.weight_oz) }],
            },
            label_format: "pdf",
            label_layout: "4x6",
            label_download_type: "url",
            validate_address: "no_validation",
        }
    }
}

fn place_of<'a>(name: &'a str, phone: &'a str, address: &'a Address) -> Place<'a> {
    Place {
        name,
        phone,
        company_name: None,
        address_line1: &address.line_1,
        address_line2: address.line_2.as_deref(),
        address_line3: address.line_3.as_deref(),
        city_locality: &address.city,
        state_province: &address.state,
        postal_code: &address.postal_code,
        country_code: COUNTRY,
        address_residential_indicator: "yes",
    }
}

#[derive(Deserialize)]
pub(super) struct Label {
    label_id: String,
    status: String,
    #[serde(default)]
    external_shipment_id: Option<String>,
    tracking_number: String,
    carrier_id: String,
    service_code: String,
    shipment_cost: Money,
    insurance_cost: Option<Money>,
    #[serde(default)]
    voided: bool,
    label_download: Option<Download>,
}

#[derive(Deserialize)]
struct Download {
    pdf: Option<String>,
    href: Option<String>,
}

impl Label {
    pub(super) fn is_voided(&self) -> bool {
        self.voided || self.status == "voided"
    }

    pub(super) fn document_url(&self) -> Option<String> {
        let download = self.label_download.as_ref()?;
        download.pdf.clone().or_else(|| download.href.clone())
    }

    /// The label without its document, if it is the one that was asked for.
    pub(super) fn check(self, sought: &Sought) -> Result<BoughtLabel> {
        if self.external_shipment_id.as_deref().is_some_and(|id| id != sought.external_id) {
            return Err(ProviderError::NotOurs);
        }
        match self.status.as_str() {
            "completed" => {}
            "error" => return Err(ProviderError::Refused("label_error".to_owned())),
            _ => return Err(ProviderError::Garbage("the label is not made yet")),
        }
        if !is_id(&self.label_id) {
            return Err(ProviderError::Garbage("the label's id"));
        }
        let number = TrackingNumber::parse(&self.tracking_number);
        let reason = match &number {
            Err(_) => Some("no tracking number of any carrier"),
            Ok(number) if !bears(&sought.carrier_id, number) => Some("another carrier's tracking number"),
            Ok(_) if self.carrier_id != sought.carrier_id => Some("another carrier"),
            Ok(_) if self.service_code != sought.service_id => Some("another service"),
            Ok(_) => None,
        };
        let kept = number.map_or_else(|_| String::new(), |number| number.as_str().to_owned());
        // A label is no worse for a price that cannot be read.
        let cost = total([Some(&self.shipment_cost), self.insurance_cost.as_ref()]).ok();
        let label =
            BoughtLabel { label_id: Some(self.label_id), tracking_number: kept, cost, document: None };
        match reason {
            Some(reason) => Err(ProviderError::Unusable { label: Box::new(label), reason }),
            None => Ok(label),
        }
    }
}

/// Whether a text is an id that can stand in a path.
pub(super) fn is_id(text: &str) -> bool {
    let plain = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
    plain && (1..=ID_LIMIT).contains(&text.len())
}

#[derive(Deserialize)]
pub(super) struct Voided {
    pub(super) approved: bool,
}

#[derive(Deserialize)]
struct Errors {
    errors: Vec<ErrorEntry>,
}

#[derive(Deserialize)]
struct ErrorEntry {
    error_code: String,
}

/// The code of a refusal. Its message stays unread: it may repeat the address.
pub(super) fn error_code(body: &[u8]) -> String {
    let errors = serde_json::from_slice::<Errors>(body).map(|body| body.errors).unwrap_or_default();
    let code = errors.into_iter().next().map(|error| error.error_code);
    code.filter(|code| is_id(code)).unwrap_or_else(|| "unknown".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_read_from_their_text() {
        let read =
            |json: &str| serde_json::from_str::<Money>(json).unwrap().cents().ok().map(|cents| cents.0);
        for (amount, cents) in
            [("7.2", Some(720)), ("0.29", Some(29)), ("\"4.35\"", Some(435)), ("1e2", None)]
        {
            assert_eq!(read(&format!(r#"{{"currency":"usd","amount":{amount}}}"#)), cents, "{amount}");
        }
        assert_eq!(read(r#"{"currency":"eur","amount":7.2}"#), None);
    }

    #[test]
    fn the_cheapest_of_own_cartons_counts_with_all_that_is_added() {
        let rate = |service: &str, package: &str, amount: &str, other: &str| {
            format!(
                r#"{{"carrier_id":"se-11225","service_code":"{service}","package_type":{package},"error_messages":[],
                    "shipping_amount":{{"currency":"usd","amount":{amount}}},
                    "other_amount":{{"currency":"usd","amount":{other}}}}}"#
            )
        };
        let list = [
            rate("usps_priority_mail", "\"package\"", "8.05", "0.1"),
            rate("usps_priority_mail", "null", "7.95", "0.0"),
            rate("usps_priority_mail", "\"flat_rate_envelope\"", "1.00", "0.0"),
            rate("usps_media_mail", "null", "1.00", "0.0"),
        ];
        let rates: Vec<Rate> = serde_json::from_str(&format!("[{}]", list.join(","))).unwrap();
        let live = live_rates(rates, "se-11225").unwrap();
        assert_eq!(live, [LiveRate { service_id: "usps_priority_mail".to_owned(), price: Cents(795) }]);
    }

    #[test]
    fn a_refusal_shows_its_code_and_nothing_else() {
        let body = br#"{"request_id":"x","errors":[{"error_source":"carrier","error_type":"business_rules",
            "error_code":"invalid_address","message":"12 Secret St is not known"}]}"#;
        assert_eq!(error_code(body), "invalid_address");
        assert_eq!(error_code(b"<html>"), "unknown");
        assert_eq!(error_code(br#"{"errors":[{"error_code":"12 Secret St"}]}"#), "unknown");
    }
}
