//! The connector against a stand-in that speaks ShipEngine's wire format.

use std::time::Duration;

use nimbus_carriers::{
    carrier,
    labels::Signature,
    provider::{Destination, Found, LabelRequest, Provider, ProviderError, Recipient, Shipping, Sought},
    shipengine::ShipEngine,
    testing::{Fault, KEY, StandIn},
};
use nimbus_core::{
    label::BoughtLabel, money::Cents, patient::Address, phi::Phi, time::parse_date, us::State,
};
use serde_json::json;

const DEADLINE: Duration = Duration::from_millis(500);

fn client(provider: &StandIn) -> ShipEngine {
    ShipEngine::new(&provider.url(), KEY, true).unwrap().with_deadline(DEADLINE)
}

fn request(external_id: &str) -> LabelRequest {
    LabelRequest {
        sought: Sought {
            external_id: external_id.to_owned(),
            carrier_id: "se-11226".to_owned(),
            service_id: "ups_2nd_day_air".to_owned(),
        },
        ships_on: parse_date("2026-11-17").unwrap(),
        recipient: Phi::new(Recipient {
            name: "Zoë Łukasz".to_owned(),
            phone: None,
            address: Address {
                line_1: "456 Oak Ave".to_owned(),
                line_2: Some("Apt 2".to_owned()),
                line_3: None,
                city: "Austin".to_owned(),
                state: "TX".to_owned(),
                postal_code: "78702".to_owned(),
            },
        }),
        weight_oz: 28,
        signature: Signature::Adult,
    }
}

async fn buy(provider: &StandIn, external_id: &str) -> Result<BoughtLabel, ProviderError> {
    client(provider).buy(&Shipping::default().pharmacy, &request(external_id)).await
}

#[tokio::test]
async fn a_label_is_bought_with_its_document_found_again_and_given_back() {
    let provider = StandIn::start();
    let client = client(&provider);
    assert_eq!(client.find(&request("one").sought).await, Ok(Found::Nothing));
    let label = buy(&provider, "one").await.unwrap();
    assert_eq!(label.cost, Some(Cents(845)));
    assert_eq!(provider.paid(), [("one".to_owned(), label.tracking_number.clone())]);
    assert!(label.document.as_ref().unwrap().expose().starts_with(b"%PDF-"));
    assert_eq!(client.find(&request("one").sought).await, Ok(Found::Label(label.clone())));

    let (_, body) = provider.requests().into_iter().find(|(line, _)| line == "POST /v1/labels").unwrap();
    let shipment = &body["shipment"];
    assert_eq!(
        (&shipment["external_shipment_id"], &shipment["service_code"]),
        (&json!("one"), &json!("ups_2nd_day_air"))
    );
    assert_eq!(
        (&shipment["ship_date"], &shipment["confirmation"]),
        (&json!("2026-11-17"), &json!("adult_signature"))
    );
    assert_eq!(shipment["ship_to"]["name"], "Zoë Łukasz");
    assert_eq!(shipment["ship_to"]["address_line2"], "Apt 2");
    assert_eq!(shipment["ship_to"]["phone"], shipment["ship_from"]["phone"], "the pharmacy answers");
    assert_eq!(shipment["packages"], json!([{"weight": {"value": 28, "unit": "ounce"}}]));
    assert_eq!((&body["label_format"], &body["label_layout"]), (&json!("pdf"), &json!("4x6")));

    let label_id = label.label_id.unwrap();
    provider.refuse_voids(true);
    assert_eq!(client.void(&label_id).await, Ok(false));
    provider.refuse_voids(false);
    assert_eq!(client.void(&label_id).await, Ok(true));
    assert_eq!(client.find(&request("one").sought).await, Ok(Found::Voided));
    assert!(matches!(client.void("../accounts").await, Err(ProviderError::Garbage(_))));
}

#[tokio::test]
async fn each_fault_says_whether_something_was_bought() {
    for (fault, expected) in [
        (Fault::Hang, ProviderError::Timeout),
        (Fault::LostReply, ProviderError::Unreachable),
        (Fault::TooManyRequests(17), ProviderError::Busy(17)),
        (Fault::TooManyRequests(1_000_000), ProviderError::Busy(3600)),
        (Fault::Status(500), ProviderError::Status(500)),
        (Fault::Status(503), ProviderError::Status(503)),
        (Fault::Redirect, ProviderError::Status(307)),
        (Fault::Refused("invalid_address"), ProviderError::Refused("invalid_address".to_owned())),
        (Fault::Garbage, ProviderError::Garbage("not the JSON that is documented")),
        (Fault::OtherLabel, ProviderError::NotOurs),
        (Fault::DocumentElsewhere, ProviderError::Garbage("the label's document is elsewhere")),
        (Fault::DocumentFails(500), ProviderError::Status(500)),
        (Fault::DocumentFails(400), ProviderError::Status(400)),
        (Fault::DocumentFails(401), ProviderError::Status(401)),
        (Fault::DocumentFails(403), ProviderError::Status(403)),
        (Fault::DocumentFails(410), ProviderError::Status(410)),
    ] {
        let provider = StandIn::start();
        provider.fail_next(fault);
        let error = buy(&provider, "one").await.unwrap_err();
        assert_eq!(error, expected, "{fault:?}");
        assert!(!error.to_string().contains("Oak"), "{fault:?}: {error}");
    }
}

#[tokio::test]
async fn a_label_that_no_parcel_can_bear_is_told_with_its_id() {
    let provider = StandIn::start();
    provider.fail_next(Fault::ForeignNumber);
    let Err(ProviderError::Unusable { label, reason }) = buy(&provider, "one").await else {
        panic!("a FedEx number on a UPS label was taken");
    };
    assert_eq!((label.label_id.as_deref(), reason), (Some("se-1"), "another carrier's tracking number"));
}

#[tokio::test]
async fn another_key_is_refused_and_an_absent_provider_is_unreachable() {
    let provider = StandIn::start();
    let pharmacy = Shipping::default().pharmacy;
    let stranger = ShipEngine::new(&provider.url(), "other", true).unwrap();
    let refused = stranger.buy(&pharmacy, &request("one")).await;
    assert_eq!(refused, Err(ProviderError::Refused("unauthorized".to_owned())));
    let looked = stranger.find(&request("one").sought).await;
    assert_eq!(looked, Err(ProviderError::Status(401)), "what was bought before is not known");
    let absent = ShipEngine::new("http://127.0.0.1:1", KEY, true).unwrap();
    assert_eq!(absent.buy(&pharmacy, &request("one")).await, Err(ProviderError::Unreachable));
}

#[tokio::test]
async fn live_prices_stand_before_the_tables_and_the_table_where_there_are_none() {
    let provider = StandIn::start();
    let shipping =
        Shipping { provider: Provider::ShipEngine(Box::new(client(&provider))), ..Shipping::default() };
    let to = Phi::new(Destination {
        city: "Austin".to_owned(),
        state: State::Tx,
        postal_code: "78702".to_owned(),
    });
    let ups = carrier("se-11226").unwrap();
    let of_table = Shipping::default().quote(ups, &to, 12).await;
    assert_eq!(of_table.len(), 3);
    assert_eq!(shipping.quote(ups, &to, 12).await, of_table, "the provider answers 500");

    let amount = |amount: serde_json::Value| json!({"currency": "usd", "amount": amount});
    provider.estimates(json!([{
        "carrier_id": "se-11226", "service_code": "ups_ground", "package_type": null, "error_messages": [],
        "shipping_amount": amount(json!(7.1)), "other_amount": amount(json!("0.15")),
    }]));
    let live = shipping.quote(ups, &to, 12).await;
    assert_eq!((live[0].service_id.as_str(), live[0].price), ("ups_ground", Cents(725)));
    assert_eq!(live[1..], of_table[1..]);

    let ameriship = carrier("ameriship").unwrap();
    let asked = provider.requests().len();
    assert_eq!(shipping.quote(ameriship, &to, 12).await.len(), 2);
    assert_eq!(provider.requests().len(), asked, "ShipEngine has no account with Ameriship");
}
