//! The orders shape: `{"id", "type", "createdAt", "sequence", "data"}`, in camel case with prefixed ids.

mod types;

use nimbus_core::{
    event::{Event, Fact, OrderChange},
    ids::{EventId, OrderId, PrescriptionId},
};
use serde::Serialize;
use utoipa::{
    PartialSchema,
    openapi::{Object, ObjectBuilder},
};
use uuid::Uuid;

use self::types::{
    EndpointDisabled, OrderCancelled, OrderCreated, OrderFulfilled, OrderMoved, ParcelMoved, RefillMoved,
};
use super::{
    catalogue::Described,
    names::{self, EventName},
    wire::{Day, Time, bytes, complete, one_of, sequence as sequence_schema, text, time, triggered},
};

/// What the catalogue says of each event. The schemas of those that the partner shape has as well are named
/// apart from them.
pub(super) const DESCRIBED: &[Described] = &[
    Described {
        name: "order.created",
        schema: "OrderCreatedEvent",
        when: "An order was taken, by either API, as a refill or as a replacement.",
        data: OrderCreated::schema,
    },
    Described {
        name: "order.updated",
        schema: "OrderUpdatedEvent",
        when: "An order made progress, lost a line, or goes on after a cancellation was declined.",
        data: OrderMoved::schema,
    },
    Described {
        name: "order.fulfilled",
        schema: "OrderFulfilledEvent",
        when: "An order left the pharmacy.",
        data: OrderFulfilled::schema,
    },
    Described {
        name: "order.delivered",
        schema: "OrderDeliveredEvent",
        when: "Everything in an order was delivered.",
        data: OrderMoved::schema,
    },
    Described {
        name: "order.cancelled",
        schema: "OrderCancelledEvent",
        when: "An order was cancelled, or rejected by the pharmacy.",
        data: OrderCancelled::schema,
    },
    Described {
        name: "refill.created",
        schema: "RefillCreatedEvent",
        when: "A refill was asked for.",
        data: RefillMoved::schema,
    },
    Described {
        name: "refill.ready",
        schema: "RefillReadyEvent",
        when: "A refill was approved, and its order made.",
        data: RefillMoved::schema,
    },
    Described {
        name: "refill.denied",
        schema: "RefillDeniedEvent",
        when: "A pharmacist denied a refill.",
        data: RefillMoved::schema,
    },
    Described {
        name: "refill.shipped",
        schema: "RefillShippedEvent",
        when: "The order of a refill left the pharmacy.",
        data: RefillMoved::schema,
    },
    Described {
        name: "refill.delivered",
        schema: "RefillDeliveredEvent",
        when: "The order of a refill was delivered.",
        data: RefillMoved::schema,
    },
    Described {
        name: "refill.cancelled",
        schema: "RefillCancelledEvent",
        when: "A refill, or its order, was cancelled; it can be asked for again.",
        data: RefillMoved::schema,
    },
    Described {
        name: "shipment.updated",
        schema: "OrdersShipmentUpdatedEvent",
        when: "The carrier scanned a parcel, or staff said where it is.",
        data: ParcelMoved::schema,
    },
    Described {
        name: "webhook.disabled",
        schema: "OrdersWebhookDisabledEvent",
        when: "Another endpoint of the clinic failed for too long, or answered 410, and is sent nothing more.",
        data: EndpointDisabled::schema,
    },
];

/// The schema of an event around that of its `data`.
pub(super) fn envelope_schema(described: &Described) -> ObjectBuilder {
    let id = text().pattern(Some("^evt_[a-zA-Z0-9]+$"));
    let properties: [(&str, ObjectBuilder); 2] = [
        ("id", id.description(Some("The same on every retry: the key to tell repeats by."))),
        ("type", one_of([described.name]).description(Some("What happened."))),
    ];
    let mut schema = ObjectBuilder::new();
    for (name, property) in properties {
        schema = schema.property(name, Object::from(property)).required(name);
    }
    schema
        .property("createdAt", time())
        .required("createdAt")
        .property("sequence", sequence_schema())
        .required("sequence")
        .property("data", complete((described.data)()))
        .required("data")
        .property("triggered", triggered())
}

/// What this shape calls a fact, and which resource it is about.
pub(super) fn named(fact: &Fact) -> Option<(EventName, Uuid)> {
    match fact {
        Fact::OrderChanged { change, order_id, .. } => Some((names::order(*change), order_id.0)),
        Fact::RefillChanged { change, refill_id, .. } => Some((names::orders_refill(*change)?, refill_id.0)),
        Fact::ShipmentMoved { shipment, .. } => Some((names::ORDERS_SHIPMENT_UPDATED, shipment.id.0)),
        Fact::WebhookDisabled { endpoint_id, .. } => Some((names::ORDERS_WEBHOOK_DISABLED, endpoint_id.0)),
        Fact::MedicationChanged { .. }
        | Fact::ShipmentCreated { .. }
        | Fact::ShipmentCancelled { .. }
        | Fact::PrescriptionChanged { .. }
        | Fact::PractitionerActivated { .. }
        | Fact::WebhookTest { .. }
        | Fact::KeyEnding { .. }
        | Fact::AgreementEnding { .. } => None,
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Payload<D> {
    id: String,
    #[serde(rename = "type")]
    type_: &'static str,
    created_at: Time,
    sequence: Option<i64>,
    data: D,
}

/// The payload's bytes.
pub(super) fn render(event: &Event, id: EventId, sequence: Option<i64>) -> Option<Vec<u8>> {
    let (name, _) = named(&event.fact)?;
    let envelope = Envelope { event, id, sequence, name };
    match &event.fact {
        Fact::OrderChanged { .. } => order(&event.fact, &envelope),
        Fact::RefillChanged { refill_id, prescription_id, order_id, status, reason, .. } => {
            Some(envelope.around(RefillMoved {
                refill_id: refill_id.prefixed(),
                prescription_id: prescription_id.prefixed(),
                order_id: order_id.map(OrderId::prefixed),
                status: status.as_str(),
                reason: reason.as_deref(),
            }))
        }
        Fact::ShipmentMoved { shipment, .. } => Some(envelope.around(ParcelMoved {
            shipment_id: shipment.id.prefixed(),
            order_ids: shipment.orders().into_iter().map(OrderId::prefixed).collect(),
            status: shipment.status.wire_word(),
            tracking_number: shipment.tracking_number.as_deref(),
        })),
        Fact::WebhookDisabled { endpoint_id, reason } => {
            Some(envelope.around(EndpointDisabled { webhook_id: endpoint_id.prefixed(), reason }))
        }
        _ => None,
    }
}

fn order(fact: &Fact, envelope: &Envelope<'_>) -> Option<Vec<u8>> {
    let Fact::OrderChanged { change, order_id, patient_id, prescriptions, status, parcel, reason } = fact
    else {
        return None;
    };
    let order_id = order_id.prefixed();
    let prescription_ids: Vec<String> = prescriptions.iter().copied().map(PrescriptionId::prefixed).collect();
    // An order has at least one line.
    let prescription_id = prescription_ids.first().cloned().unwrap_or_default();
    let status = status.orders_word();
    Some(match change {
        OrderChange::Created => envelope.around(OrderCreated {
            order_id,
            patient_id: patient_id.prefixed(),
            prescription_id,
            prescription_ids,
            status,
        }),
        OrderChange::Updated | OrderChange::Delivered => {
            envelope.around(OrderMoved { order_id, prescription_id, prescription_ids, status })
        }
        OrderChange::Fulfilled => envelope.around(OrderFulfilled {
            order_id,
            prescription_id,
            prescription_ids,
            status,
            tracking_number: parcel.as_ref().and_then(|parcel| parcel.tracking_number.as_deref()),
            carrier: parcel.as_ref().map(|parcel| parcel.carrier_name.as_str()),
            tracking_url: parcel.as_ref().and_then(|parcel| parcel.tracking_url.as_deref()),
            estimated_delivery_date: parcel
                .as_ref()
                .and_then(|parcel| parcel.estimated_delivery_date)
                .map(Day),
        }),
        OrderChange::Cancelled => envelope.around(OrderCancelled {
            order_id,
            prescription_id,
            prescription_ids,
            status,
            reason: reason.as_deref(),
        }),
    })
}

/// What stands around `data`.
struct Envelope<'a> {
    event: &'a Event,
    id: EventId,
    sequence: Option<i64>,
    name: EventName,
}

impl Envelope<'_> {
    fn around<D: Serialize>(&self, data: D) -> Vec<u8> {
        bytes(&Payload {
            id: self.id.prefixed(),
            type_: self.name.name,
            created_at: Time(self.event.at),
            sequence: self.sequence,
            data,
        })
    }
}

#[cfg(test)]
mod tests {
    use nimbus_store::endpoints::Shape;
    use serde_json::Value;

    use crate::payload::{catalogue, sample};

    fn example(name: &str) -> Value {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../testdata/contract/");
        let bytes = std::fs::read(format!("{folder}{name}.json")).expect("the example is there");
        serde_json::from_slice(&bytes).expect("an example is JSON")
    }

    /// Every member of the contract's example is there: ids with the same prefix, times with the same meaning,
    /// and all else with the same value.
    #[track_caller]
    fn assert_like(example: &Value, actual: &Value, at: &str) {
        match (example, actual) {
            (Value::Object(example), Value::Object(actual)) => {
                for (name, value) in example {
                    let found = actual.get(name).unwrap_or_else(|| panic!("{at}.{name} is missing"));
                    assert_like(value, found, &format!("{at}.{name}"));
                }
            }
            (Value::String(example), Value::String(actual)) => match example.split_once("_1234567") {
                Some((prefix, _)) => assert!(actual.starts_with(&format!("{prefix}_")), "{at}: {actual}"),
                None if example.starts_with("rx_") => assert!(actual.starts_with("rx_"), "{at}: {actual}"),
                None if example.ends_with('Z') => assert!(actual.ends_with(".000Z"), "{at}: {actual}"),
                None => assert_eq!(actual, example, "{at}"),
            },
            _ => panic!("{at}: {actual} is not like {example}"),
        }
    }

    #[test]
    fn payloads_are_as_in_the_contracts_examples() {
        let all = catalogue(Shape::Orders);
        for name in ["order.created", "order.fulfilled", "refill.ready"] {
            let entry = all.iter().find(|entry| entry.name == name).expect("it is in the catalogue");
            assert_like(&example(&format!("{}_event", name.replace('.', "_"))), &entry.example, name);
        }
    }

    #[test]
    fn every_order_event_names_order_prescriptions_and_status() {
        for entry in catalogue(Shape::Orders).iter().filter(|entry| entry.name.starts_with("order.")) {
            for member in ["orderId", "prescriptionId", "prescriptionIds", "status"] {
                assert!(!entry.example["data"][member].is_null(), "{}: {member}", entry.name);
            }
        }
    }

    #[test]
    fn a_name_of_the_other_shape_has_no_sample() {
        assert!(sample(Shape::Orders, "medication:updated").is_none());
        assert!(sample(Shape::Partner, "order.created").is_none());
    }
}
