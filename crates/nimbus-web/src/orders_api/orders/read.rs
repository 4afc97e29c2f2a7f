//! Reading an order, and the words that orders are filtered by.

use nimbus_app::fills::Create;
use nimbus_core::{
    order::{FillStatus, Shipping},
    patient::Address,
};
use serde_json::Value;

use crate::{
    checks::{id, one_of, state, text, zip},
    fields::{Checked, Fields},
};

/// The words that an order's status reads as.
const WORDS: &[&str] = &["pending", "processing", "shipped", "delivered", "cancelled"];

/// Everything that a word of the status stands for.
pub(super) fn standings(value: &Value) -> Checked<Vec<FillStatus>> {
    let word = one_of(WORDS, |word| word)(value)?;
    Ok(FillStatus::ALL.iter().copied().filter(|status| status.orders_word() == word).collect())
}

pub(super) fn read_create(f: &mut Fields<'_>) -> Option<Create> {
    let patient_id = f.required("patientId", id);
    let prescription_id = f.required("prescriptionId", id);
    let shipping_address = f.required_object("shippingAddress", read_address);
    let notes = f.optional("notes", text(1..=1000));
    let by_service = f.has("carrierId") || f.has("serviceId");
    let carrier_id = f.required_if(by_service, "carrierId", text(1..=50));
    let service_id = f.required_if(by_service, "serviceId", text(1..=50));
    let shipping = carrier_id
        .zip(service_id)
        .map(|(carrier_id, service_id)| Shipping::Service { carrier_id, service_id });
    Some(Create {
        patient_id: patient_id?,
        prescription_id: prescription_id?,
        shipping_address: shipping_address?,
        shipping,
        notes,
    })
}

pub(super) fn read_address(f: &mut Fields<'_>) -> Option<Address> {
    let line_1 = f.required("street1", text(1..=200));
    let line_2 = f.optional("street2", text(1..=200));
    let city = f.required("city", text(1..=100));
    let state = f.required("state", |value| capitals(value).and_then(|()| state(value)));
    let postal_code = f.required("zip", zip);
    f.optional("country", country);
    let (line_1, city, state) = (line_1?, city?, state?);
    Some(Address { line_1, line_2, line_3: None, city, state, postal_code: postal_code? })
}

/// Two capital letters.
fn capitals(value: &Value) -> Checked<()> {
    match value.as_str().map(str::as_bytes) {
        Some([first, second]) if first.is_ascii_uppercase() && second.is_ascii_uppercase() => Ok(()),
        _ => Err("must be two capital letters".into()),
    }
}

/// Where the pharmacy ships to.
fn country(value: &Value) -> Checked<()> {
    capitals(value)?;
    match value.as_str() {
        Some("US") => Ok(()),
        _ => Err("must be US: nothing is shipped to other countries".into()),
    }
}

#[cfg(test)]
mod tests {
    use nimbus_app::{Error, fills::MAX_STANDINGS};
    use serde_json::json;

    use super::*;
    use crate::{
        fields::{assert_described, read},
        orders_api::orders::types::{OrderCreate, ShippingAddress},
    };

    fn sample() -> Value {
        json!({
            "patientId": "550e8400-e29b-41d4-a716-446655440001",
            "prescriptionId": "rx_00FODtiM8TKCRUXNHNjZoy",
            "shippingAddress": {
                "street1": "123 Main St", "city": "Austin", "state": "TX", "zip": "78701", "country": "US"
            },
        })
    }

    /// The fields that are refused when one of the sample is replaced.
    fn failing(pointer: &str, value: Value) -> Vec<String> {
        let mut body = sample();
        let (parent, name) = pointer.rsplit_once('/').unwrap();
        body.pointer_mut(parent).unwrap()[name] = value;
        match read(&body, read_create) {
            Err(Error::Invalid(fields)) => fields.into_iter().map(|field| field.field).collect(),
            Err(other) => panic!("{other:?}"),
            Ok(_) => Vec::new(),
        }
    }

    #[test]
    fn schemas_describe_what_is_read() {
        assert_described::<OrderCreate, _>(read_create);
        assert_described::<ShippingAddress, _>(read_address);
    }

    #[test]
    fn addresses_are_of_the_united_states() {
        for (name, good) in [("state", "PR"), ("zip", "78701-1234"), ("country", "US")] {
            assert_eq!(failing(&format!("/shippingAddress/{name}"), json!(good)), Vec::<String>::new());
        }
        assert_eq!(failing("/shippingAddress/country", Value::Null), Vec::<String>::new());
        for (name, bad) in [
            ("state", json!("tx")),
            ("state", json!("XX")),
            ("state", json!("Texas")),
            ("zip", json!("7870A")),
            ("zip", json!(78701)),
            ("country", json!("CA")),
            ("country", json!("usa")),
            ("street1", json!("  ")),
            ("city", json!("a\u{0}b")),
        ] {
            assert_eq!(
                failing(&format!("/shippingAddress/{name}"), bad),
                [format!("shippingAddress.{name}")]
            );
        }
    }

    #[test]
    fn a_service_is_chosen_with_its_carrier() {
        assert_eq!(failing("/carrierId", json!("se-11226")), ["serviceId"]);
        assert_eq!(failing("/serviceId", json!("ups_ground")), ["carrierId"]);
    }

    #[test]
    fn every_status_has_a_word_and_no_word_too_many_statuses() {
        for status in FillStatus::ALL {
            assert!(WORDS.contains(&status.orders_word()), "{status}");
        }
        for word in WORDS {
            let found = standings(&json!(word)).unwrap();
            assert!((1..=MAX_STANDINGS).contains(&found.len()), "{word}");
        }
        assert!(standings(&json!("received")).is_err());
    }
}
