//! Reading a medication order.

use nimbus_app::orders::{Create, NewLine};
use nimbus_core::{
    order::{DeliverySpeed, FillStatus, MAX_LINES, Shipping},
    prescription::{PrescriptionDetail, unit_of_dose},
};
use serde_json::Value;

use crate::{
    checks::{boolean, count, id, ndc, one_of, quantity, text},
    fields::{Checked, Fields},
    partner_api::patients::read_address,
};

/// A status as reads show it, in a filter.
pub(crate) fn order_status(value: &Value) -> Checked<FillStatus> {
    one_of(FillStatus::ALL, FillStatus::read_word)(value)
}

pub(super) fn read_create(f: &mut Fields<'_>) -> Option<Create> {
    let patient_id = f.required("patient_id", id);
    let practitioner_id = f.required("practitioner_id", id);
    let clinic_id = f.required("clinic_id", id);
    let shipping = read_shipping(f);
    let refrigerated = f.optional("is_refrigerated", boolean).unwrap_or(false);
    let shipment_group = f.optional("shipment_group_id", text(0..=100)).filter(|group| !group.is_empty());
    let notes = f.optional("notes", text(0..=2000)).filter(|notes| !notes.is_empty());
    let shipping_address = f.object("shipping_address", read_address);
    let lines = f.objects(true, "medication_requests", 1..=MAX_LINES, read_line);
    Some(Create {
        clinic_id: clinic_id?,
        patient_id: patient_id?,
        practitioner_id: practitioner_id?,
        shipping: shipping?,
        refrigerated,
        shipment_group,
        notes,
        shipping_address,
        lines: lines?,
        warnings: f.take_warnings(),
    })
}

/// A carrier's service, or a delivery speed: one of the two.
fn read_shipping(f: &mut Fields<'_>) -> Option<Shipping> {
    let (by_service, by_speed) = (f.has("carrier_id") || f.has("service_id"), f.has("delivery_speed"));
    let carrier_id = f.required_if(by_service, "carrier_id", text(1..=50));
    let service_id = f.required_if(by_service, "service_id", text(1..=50));
    let speed = f.optional("delivery_speed", one_of(DeliverySpeed::ALL, DeliverySpeed::as_str));
    match (by_service, by_speed) {
        (true, true) => {
            f.refuse("delivery_speed", "cannot be combined with carrier_id and service_id");
            None
        }
        (false, false) => {
            f.refuse("carrier_id", "is required with service_id, unless delivery_speed is given");
            None
        }
        (true, false) => Some(Shipping::Service { carrier_id: carrier_id?, service_id: service_id? }),
        (false, true) => speed.map(Shipping::Speed),
    }
}

fn read_line(f: &mut Fields<'_>) -> Option<NewLine> {
    let medication = f.required("medication", text(1..=200));
    let dose = f.required("dose", text(1..=100));
    let unit_of_measure = f.optional("unit_of_measure", text(1..=50));
    let quantity = f.required("quantity", quantity);
    let direction = f.required("direction", text(1..=1000));
    let refills = f.optional("refills", count(0..=99)).unwrap_or(0);
    let days_supply = f.optional("days_supply", count(1..=365));
    let flavor = f.optional("flavor", text(0..=100)).filter(|text| !text.is_empty());
    let notes = f.optional("notes", text(0..=2000)).filter(|text| !text.is_empty());
    let do_not_refill = f.optional("do_not_refill", boolean).unwrap_or(false);
    let do_not_fill = f.optional("do_not_fill", boolean).unwrap_or(false);
    let patient_contact_requested = f.optional("patient_contact_requested", boolean).unwrap_or(false);
    let reason_for_compounding = f.optional("reason_for_compounding", text(1..=500));
    let context = f.optional("reason_for_compounding_additional_context", text(1..=2000));
    let ndc = f.optional("ndc", ndc);
    let dose = dose?;
    let detail = PrescriptionDetail {
        medication: medication?,
        unit_of_measure: unit_of_measure.or_else(|| unit_of_dose(&dose)),
        dose,
        direction: direction?,
        ndc,
        flavor,
        notes,
        patient_contact_requested,
        reason_for_compounding,
        reason_for_compounding_additional_context: context,
    };
    Some(NewLine { detail, quantity: quantity?, refills, days_supply, do_not_refill, do_not_fill })
}

#[cfg(test)]
mod tests {
    use nimbus_app::Error;
    use serde_json::json;

    use super::*;
    use crate::{
        fields::{assert_described, read},
        partner_api::orders::types::{OrderCreate, RequestBody},
    };

    fn sample() -> Value {
        json!({
            "patient_id": "550e8400-e29b-41d4-a716-446655440001",
            "practitioner_id": "550e8400-e29b-41d4-a716-446655440002",
            "clinic_id": "550e8400-e29b-41d4-a716-446655440003",
            "carrier_id": "se-3818360", "service_id": "fedex_ground", "is_refrigerated": true,
            "medication_requests": [{
                "medication": "Testosterone Cypionate", "dose": "200mg/ml", "unit_of_measure": "mg",
                "quantity": 1, "refills": "3",
                "direction": "Inject 0.5ml (100mg) intramuscularly twice weekly", "days_supply": 30
            }]
        })
    }

    fn failing(body: &Value) -> Vec<String> {
        match read(body, read_create) {
            Err(Error::Invalid(fields)) => fields.into_iter().map(|field| field.field).collect(),
            Err(other) => panic!("{other:?}"),
            Ok(_) => Vec::new(),
        }
    }

    #[test]
    fn schemas_describe_what_is_read() {
        assert_described::<OrderCreate, _>(read_create);
        assert_described::<RequestBody, _>(read_line);
    }

    #[test]
    fn the_published_sample_is_read() {
        let create = read(&sample(), read_create).ok().unwrap();
        assert_eq!((create.lines.len(), create.lines[0].refills), (1, 3));
    }

    #[test]
    fn the_line_that_is_wrong_is_named() {
        let mut body = sample();
        let line = body["medication_requests"][0].clone();
        body["medication_requests"] =
            json!([line, {"medication": "x", "dose": "1 mg", "quantity": 0, "direction": "y"}]);
        assert_eq!(failing(&body), ["medication_requests[1].quantity"]);
    }

    #[test]
    fn shipping_is_chosen_one_way() {
        let with = |carrier: Value, service: Value, speed: Value| {
            let mut body = sample();
            body["carrier_id"] = carrier;
            body["service_id"] = service;
            body["delivery_speed"] = speed;
            failing(&body)
        };
        assert_eq!(with(json!(null), json!(null), json!("next-day")), Vec::<String>::new());
        assert_eq!(with(json!(null), json!(null), json!(null)), ["carrier_id"]);
        assert_eq!(with(json!("x"), json!("y"), json!("next-day")), ["delivery_speed"]);
        assert_eq!(with(json!("x"), json!(null), json!(null)), ["service_id"]);
        assert_eq!(with(json!(null), json!(null), json!("soon")), ["delivery_speed"]);
    }
}
