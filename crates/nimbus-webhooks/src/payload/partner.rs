//! The partner shape: `{"event_id", "event_name", "event_type", "created_at", "sequence", "event_data"}`.

use nimbus_core::{
    event::{Event, Fact},
    ids::EventId,
    order::FillStatus,
    patient::Address,
    prescription::PrescriptionStatus,
    refill::RefillStatus,
    shipment::{Shipment, ShipmentStatus},
    time::Ts,
};
use serde::Serialize;
use serde_json::{Value, json};

use super::{Told, names};

/// What partners are told of a fact.
pub fn told(event: &Event) -> Told {
    let (name, subject_id, data) = match &event.fact {
        Fact::MedicationChanged { change, line_id, .. } => {
            (names::medication(*change), line_id.0, medication(event))
        }
        Fact::ShipmentCreated { shipment, practitioner_id, rx_number } => {
            let mut data = shipment_created(shipment);
            data["practitioner_id"] = json!(practitioner_id.to_string());
            data["rx_number"] = json!(rx_number);
            (names::SHIPMENT_CREATED, shipment.id.0, data)
        }
        Fact::ShipmentMoved { shipment, .. } => {
            (names::SHIPMENT_UPDATED, shipment.id.0, shipment_moved(event))
        }
        Fact::ShipmentCancelled { shipment_id, orders, reason } => {
            let orders: Vec<String> = orders.iter().map(ToString::to_string).collect();
            let data = json!({
                "shipment_id": shipment_id.to_string(), "medication_orders": orders,
                "cancellation_reason": reason, "cancelled_at": event.at.to_string(),
            });
            (names::SHIPMENT_CANCELLED, shipment_id.0, data)
        }
        Fact::PrescriptionChanged {
            change,
            prescription_id,
            status,
            previous_status,
            refills_remaining,
            expires_on,
        } => {
            let data = json!({
                "prescription_id": prescription_id.to_string(), "status": status.as_str(),
                "previous_status": previous_status.map(PrescriptionStatus::as_str),
                "refills_remaining": refills_remaining, "expires_on": expires_on.to_string(),
                "updated_at": event.at.to_string(),
            });
            (names::prescription(*change), prescription_id.0, data)
        }
        Fact::RefillChanged { change, refill_id, line_id, order_id, status, previous_status, reason } => {
            let data = json!({
                "refill_request_id": refill_id.to_string(), "medication_request_id": line_id.to_string(),
                "medication_order_id": order_id.map(|id| id.to_string()), "status": status.as_str(),
                "previous_status": previous_status.map(RefillStatus::as_str), "reason": reason,
                "updated_at": event.at.to_string(),
            });
            (names::refill(*change), refill_id.0, data)
        }
        Fact::PractitionerActivated { practitioner } => {
            let profile = practitioner.profile.expose();
            let data = json!({
                "practitioner_id": practitioner.id.to_string(),
                "practitioner_name": format!("{} {}", profile.first_name, profile.last_name),
                "practitioner_email": profile.email, "practitioner_phone": profile.phone,
                "practitioner_npi": profile.npi, "practitioner_status": practitioner.status.as_str(),
            });
            (names::PRACTITIONER_ACTIVATED, practitioner.id.0, data)
        }
        Fact::WebhookTest { endpoint_id } => {
            let data = json!({ "webhook_id": endpoint_id.to_string(), "reason": "test requested" });
            (names::WEBHOOK_TEST, endpoint_id.0, data)
        }
        Fact::WebhookDisabled { endpoint_id, reason } => {
            let data = json!({ "webhook_id": endpoint_id.to_string(), "reason": reason });
            (names::WEBHOOK_DISABLED, endpoint_id.0, data)
        }
    };
    Told { name, subject_id, data }
}

fn medication(event: &Event) -> Value {
    let Fact::MedicationChanged {
        order_id,
        line_id,
        prescription_id,
        patient_id,
        practitioner_id,
        status,
        previous_status,
        pharmacy_word,
        rx_number,
        tracking_number,
        notes,
        ..
    } = &event.fact
    else {
        return Value::Null;
    };
    json!({
        "id": order_id.to_string(),
        "medication_order_id": order_id.to_string(),
        "prescription_id": prescription_id.to_string(),
        "medication_request_id": line_id.to_string(),
        "clinic_id": event.clinic_id.to_string(),
        "patient_id": patient_id.to_string(),
        "practitioner_id": practitioner_id.to_string(),
        "rx_number": rx_number,
        "status": status.event_word(),
        "previous_status": previous_status.map(FillStatus::event_word),
        "updated_at": event.at.to_string(),
        "pharmetika_status": pharmacy_word.as_deref().unwrap_or(status.as_str()),
        "tracking_number": tracking_number,
        "notes": notes,
    })
}

fn orders_of(shipment: &Shipment) -> Vec<String> {
    shipment.orders().iter().map(ToString::to_string).collect()
}

fn shipment_created(shipment: &Shipment) -> Value {
    json!({
        "shipment_id": shipment.id.to_string(),
        "medication_orders": orders_of(shipment),
        "shipment_status": shipment.status.wire_word(),
        "shipped_at": shipment.ships_at.to_string(),
        "tracking_number": shipment.tracking_number,
        "tracking_url": shipment.tracking_url,
        "shipping_partner": shipment.carrier_name,
        "shipment_provider": shipment.carrier_id,
        "delivery_method": shipment.delivery_method.as_str(),
        "delivery_location": location(shipment.delivery_location.expose()),
        "notes": shipment.notes.as_ref().map(|notes| notes.expose().as_str()),
        "barcode_url": null,
        "shipping_label": null,
        "clinic_id": shipment.clinic_id.to_string(),
        "patient_id": shipment.patient_id.to_string(),
    })
}

fn location(address: &Address) -> Value {
    let lines = [Some(&address.line_1), address.line_2.as_ref(), address.line_3.as_ref()];
    let street: Vec<&str> = lines.into_iter().flatten().map(String::as_str).collect();
    json!({
        "address": street.join(", "), "city": address.city, "state": address.state,
        "postal_code": address.postal_code,
    })
}

fn shipment_moved(event: &Event) -> Value {
    let Fact::ShipmentMoved { shipment, previous_status, location, message, occurred_at } = &event.fact
    else {
        return Value::Null;
    };
    json!({
        "shipment_id": shipment.id.to_string(),
        "medication_orders": orders_of(shipment),
        "shipment_status": shipment.status.wire_word(),
        "previous_status": ShipmentStatus::wire_word(*previous_status),
        "tracking_number": shipment.tracking_number,
        "tracking_url": shipment.tracking_url,
        "location": location,
        "message": message,
        "occurred_at": occurred_at.to_string(),
        "estimated_delivery_date": shipment.estimated_delivery_date.map(|day| day.to_string()),
    })
}

#[derive(Serialize)]
struct Payload<'a> {
    event_id: String,
    event_name: &'a str,
    event_type: &'a str,
    created_at: String,
    sequence: Option<i64>,
    event_data: &'a Value,
}

/// The payload's bytes, as they are signed and sent.
pub fn render(told: &Told, id: EventId, at: Ts, sequence: Option<i64>) -> Vec<u8> {
    let payload = Payload {
        event_id: id.to_string(),
        event_name: told.name.name,
        event_type: told.name.type_,
        created_at: at.to_string(),
        sequence,
        event_data: &told.data,
    };
    // Strings, numbers and maps with string keys: serialising them into memory has no way to fail.
    serde_json::to_vec(&payload).unwrap_or_default()
}

/// The same payload under another `event_name`, for endpoints that subscribe by an older spelling. The bytes
/// are a function of the stored ones, so every retry sends the same.
pub fn renamed(body: Vec<u8>, event_name: &str) -> Vec<u8> {
    const FIELD: &[u8] = b",\"event_name\":\"";
    let Some(at) = body.windows(FIELD.len()).position(|window| window == FIELD) else { return body };
    let start = at + FIELD.len();
    let Some(length) = body[start..].iter().position(|&byte| byte == b'"') else { return body };
    if &body[start..start + length] == event_name.as_bytes() {
        return body;
    }
    [&body[..start], event_name.as_bytes(), &body[start + length..]].concat()
}

#[cfg(test)]
mod tests {
    use nimbus_core::ids::{ClinicId, EndpointId};
    use uuid::Uuid;

    use super::*;

    #[test]
    fn only_the_name_changes_under_an_older_spelling() {
        let event = Event {
            clinic_id: ClinicId(Uuid::nil()),
            ordering_key: None,
            at: Ts::from_micros(0),
            fact: Fact::WebhookTest { endpoint_id: EndpointId(Uuid::nil()) },
        };
        let told = told(&event);
        let body = render(&told, EventId(Uuid::nil()), event.at, Some(7));
        let other = renamed(body.clone(), "medication_order:filled");
        let (mut before, after): (Value, Value) =
            (serde_json::from_slice(&body).unwrap(), serde_json::from_slice(&other).unwrap());
        before["event_name"] = json!("medication_order:filled");
        assert_eq!(before, after);
        assert_eq!(renamed(body.clone(), "webhook:test"), body);
    }
}
