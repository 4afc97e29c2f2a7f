//! The partner shape: `{"event_id", "event_name", "event_type", "created_at", "sequence", "event_data"}`.

mod types;

use bytes::Bytes;
use nimbus_core::{
    event::{Event, Fact, ParcelLinks},
    ids::EventId,
    order::FillStatus,
    patient::Address,
    prescription::PrescriptionStatus,
    refill::RefillStatus,
    shipment::Shipment,
};
use serde::Serialize;
use utoipa::{
    PartialSchema,
    openapi::{
        Object, ObjectBuilder,
        schema::{KnownFormat, SchemaFormat},
    },
};
use uuid::Uuid;

use self::types::{
    AgreementEnding, DeliveryLocation, KeyEnding, MedicationUpdated, PractitionerActivated,
    PrescriptionUpdated, RefillUpdated, ShipmentCancelled, ShipmentCreated, ShipmentUpdated, Webhook,
};
use super::{
    catalogue::Described,
    names::{self, EventName},
    wire::{Day, Time, bytes, complete, one_of, sequence as sequence_schema, text, time, triggered},
};

/// What the catalogue says of each event.
pub(super) const DESCRIBED: &[Described] = &[
    Described {
        name: "shipment:created",
        schema: "ShipmentCreatedEvent",
        when: "The label of a parcel was made. `shipped_at` is when it is planned to leave.",
        data: ShipmentCreated::schema,
    },
    Described {
        name: "shipment:updated",
        schema: "ShipmentUpdatedEvent",
        when: "The carrier scanned a parcel, or staff said where it is.",
        data: ShipmentUpdated::schema,
    },
    Described {
        name: "shipment:cancelled",
        schema: "ShipmentCancelledEvent",
        when: "A parcel was cancelled before it left. Its orders stay filled and can be packed again.",
        data: ShipmentCancelled::schema,
    },
    Described {
        name: "medication:updated",
        schema: "MedicationUpdatedEvent",
        when: "A medication request moved: one event for each that did.",
        data: MedicationUpdated::schema,
    },
    Described {
        name: "prescription:updated",
        schema: "PrescriptionUpdatedEvent",
        when: "A prescription was taken, verified, held, released, ended, or may be refilled from today.",
        data: PrescriptionUpdated::schema,
    },
    Described {
        name: "refill:updated",
        schema: "RefillUpdatedEvent",
        when: "A refill was asked for, decided, or moved with the order that fills it.",
        data: RefillUpdated::schema,
    },
    Described {
        name: "practitioner:activated",
        schema: "PractitionerActivatedEvent",
        when: "A practitioner was activated, for the first time or again.",
        data: PractitionerActivated::schema,
    },
    Described {
        name: "webhook:test",
        schema: "WebhookTestEvent",
        when: "A test of the endpoint was asked for. It goes to that endpoint alone, whatever it subscribes to.",
        data: Webhook::schema,
    },
    Described {
        name: "webhook:disabled",
        schema: "WebhookDisabledEvent",
        when: "Another endpoint of the clinic failed for too long, or answered 410, and is sent nothing more.",
        data: Webhook::schema,
    },
    Described {
        name: "key:ending",
        schema: "KeyEndingEvent",
        when: "A key of the clinic ends within 30, 7 or 1 days, and no other takes its place. Once for each.",
        data: KeyEnding::schema,
    },
    Described {
        name: "agreement:ending",
        schema: "AgreementEndingEvent",
        when: "The partner's agreement ends within 30, 7 or 1 days, and no other follows it. Once for each.",
        data: AgreementEnding::schema,
    },
];

/// The schema of an event around that of its `event_data`.
pub(super) fn envelope_schema(
    described: &Described,
    types: &[&'static str],
    older: &[&'static str],
) -> ObjectBuilder {
    let uuid = text().format(Some(SchemaFormat::KnownFormat(KnownFormat::Uuid)));
    let names = std::iter::once(described.name).chain(older.iter().copied());
    let properties: [(&str, ObjectBuilder); 3] = [
        ("event_id", uuid.description(Some("The same on every retry: the key to tell repeats by."))),
        (
            "event_name",
            one_of(names).description(Some("The broad name, or the older one that was subscribed to.")),
        ),
        ("event_type", one_of(types.iter().copied()).description(Some("What happened, closely."))),
    ];
    let mut schema = ObjectBuilder::new();
    for (name, property) in properties {
        schema = schema.property(name, Object::from(property)).required(name);
    }
    schema
        .property("created_at", time())
        .required("created_at")
        .property("sequence", sequence_schema())
        .required("sequence")
        .property("event_data", complete((described.data)()))
        .required("event_data")
        .property("triggered", triggered())
}

/// What partners call a fact, and which resource it is about.
pub(super) fn named(fact: &Fact) -> Option<(EventName, Uuid)> {
    Some(match fact {
        Fact::OrderChanged { .. } => return None,
        Fact::MedicationChanged { change, line_id, .. } => (names::medication(*change), line_id.0),
        Fact::ShipmentCreated { shipment, .. } => (names::SHIPMENT_CREATED, shipment.id.0),
        Fact::ShipmentMoved { shipment, .. } => (names::SHIPMENT_UPDATED, shipment.id.0),
        Fact::ShipmentCancelled { shipment_id, .. } => (names::SHIPMENT_CANCELLED, shipment_id.0),
        Fact::PrescriptionChanged { change, prescription_id, .. } => {
            (names::prescription(*change), prescription_id.0)
        }
        Fact::RefillChanged { change, refill_id, .. } => (names::refill(*change), refill_id.0),
        Fact::PractitionerActivated { practitioner } => (names::PRACTITIONER_ACTIVATED, practitioner.id.0),
        Fact::WebhookTest { endpoint_id } => (names::WEBHOOK_TEST, endpoint_id.0),
        Fact::WebhookDisabled { endpoint_id, .. } => (names::WEBHOOK_DISABLED, endpoint_id.0),
        Fact::KeyEnding { key_id, .. } => (names::KEY_ENDING, key_id.0),
        Fact::AgreementEnding { agreement_id, .. } => (names::AGREEMENT_ENDING, agreement_id.0),
    })
}

#[derive(Serialize)]
struct Payload<D> {
    event_id: Uuid,
    event_name: &'static str,
    event_type: &'static str,
    created_at: Time,
    sequence: Option<i64>,
    event_data: D,
}

/// The payload's bytes.
pub(super) fn render(event: &Event, id: EventId, sequence: Option<i64>) -> Option<Vec<u8>> {
    let (name, _) = named(&event.fact)?;
    let envelope = Envelope { event, id, sequence, name };
    let at = Time(event.at);
    Some(match &event.fact {
        Fact::OrderChanged { .. } => return None,
        Fact::MedicationChanged { .. } => envelope.around(medication(event)?),
        Fact::ShipmentCreated { shipment, practitioner_id, rx_number, links } => {
            envelope.around(shipment_created(shipment, practitioner_id.0, rx_number.as_deref(), links))
        }
        Fact::ShipmentMoved { shipment, previous_status, location, message, occurred_at } => {
            envelope.around(ShipmentUpdated {
                estimated_delivery_date: shipment.estimated_delivery_date.map(Day),
                location: location.as_deref(),
                medication_orders: orders_of(shipment),
                message: message.as_deref(),
                occurred_at: Time(*occurred_at),
                previous_status: previous_status.wire_word(),
                shipment_id: shipment.id.0,
                shipment_status: shipment.status.wire_word(),
                tracking_number: shipment.tracking_number.as_deref(),
                tracking_url: shipment.tracking_url.as_deref(),
            })
        }
        Fact::ShipmentCancelled { shipment_id, orders, reason } => envelope.around(ShipmentCancelled {
            cancellation_reason: reason,
            cancelled_at: at,
            medication_orders: orders.iter().map(|order| order.0).collect(),
            shipment_id: shipment_id.0,
        }),
        Fact::PrescriptionChanged {
            prescription_id,
            status,
            previous_status,
            refills_remaining,
            expires_on,
            ..
        } => envelope.around(PrescriptionUpdated {
            expires_on: Day(*expires_on),
            prescription_id: prescription_id.0,
            previous_status: previous_status.map(PrescriptionStatus::as_str),
            refills_remaining: *refills_remaining,
            status: status.as_str(),
            updated_at: at,
        }),
        Fact::RefillChanged { refill_id, line_id, order_id, status, previous_status, reason, .. } => envelope
            .around(RefillUpdated {
                medication_order_id: order_id.map(Uuid::from),
                medication_request_id: line_id.0,
                previous_status: previous_status.map(RefillStatus::as_str),
                reason: reason.as_deref(),
                refill_request_id: refill_id.0,
                status: status.as_str(),
                updated_at: at,
            }),
        Fact::PractitionerActivated { practitioner } => {
            let profile = practitioner.profile.expose();
            envelope.around(PractitionerActivated {
                practitioner_email: &profile.email,
                practitioner_id: practitioner.id.0,
                practitioner_name: format!("{} {}", profile.first_name, profile.last_name),
                practitioner_npi: profile.npi.as_deref(),
                practitioner_phone: profile.phone.as_deref(),
                practitioner_status: practitioner.status.as_str(),
            })
        }
        Fact::WebhookTest { endpoint_id } => {
            envelope.around(Webhook { reason: "test requested", webhook_id: endpoint_id.0 })
        }
        Fact::WebhookDisabled { endpoint_id, reason } => {
            envelope.around(Webhook { reason, webhook_id: endpoint_id.0 })
        }
        Fact::KeyEnding { key_id, ends_at, days } => envelope.around(KeyEnding {
            clinic_id: event.clinic_id.0,
            days: *days,
            ends_at: Time(*ends_at),
            key_id: key_id.0,
        }),
        Fact::AgreementEnding { agreement_id, ends_at, days } => envelope.around(AgreementEnding {
            agreement_id: agreement_id.0,
            clinic_id: event.clinic_id.0,
            days: *days,
            ends_at: Time(*ends_at),
        }),
    })
}

/// What stands around `event_data`.
struct Envelope<'a> {
    event: &'a Event,
    id: EventId,
    sequence: Option<i64>,
    name: EventName,
}

impl Envelope<'_> {
    fn around<D: Serialize>(&self, event_data: D) -> Vec<u8> {
        bytes(&Payload {
            event_id: self.id.0,
            event_name: self.name.name,
            event_type: self.name.type_,
            created_at: Time(self.event.at),
            sequence: self.sequence,
            event_data,
        })
    }
}

fn medication(event: &Event) -> Option<MedicationUpdated<'_>> {
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
        change: _,
    } = &event.fact
    else {
        return None;
    };
    Some(MedicationUpdated {
        clinic_id: event.clinic_id.0,
        id: order_id.0,
        medication_order_id: order_id.0,
        medication_request_id: line_id.0,
        notes: notes.as_deref(),
        patient_id: patient_id.0,
        pharmetika_status: pharmacy_word.as_deref().unwrap_or(status.as_str()),
        practitioner_id: practitioner_id.0,
        prescription_id: prescription_id.0,
        previous_status: previous_status.map(FillStatus::event_word),
        rx_number: rx_number.as_deref(),
        status: status.event_word(),
        tracking_number: tracking_number.as_deref(),
        updated_at: Time(event.at),
    })
}

fn orders_of(shipment: &Shipment) -> Vec<Uuid> {
    shipment.orders().into_iter().map(Uuid::from).collect()
}

fn shipment_created<'a>(
    shipment: &'a Shipment,
    practitioner_id: Uuid,
    rx_number: Option<&'a str>,
    links: &'a ParcelLinks,
) -> ShipmentCreated<'a> {
    ShipmentCreated {
        barcode_url: links.barcode.expose(),
        clinic_id: shipment.clinic_id.0,
        delivery_location: location(shipment.delivery_location.expose()),
        delivery_method: shipment.delivery_method.as_str(),
        medication_orders: orders_of(shipment),
        notes: shipment.notes.as_ref().map(|notes| notes.expose().as_str()),
        patient_id: shipment.patient_id.0,
        practitioner_id,
        rx_number,
        shipment_id: shipment.id.0,
        shipment_provider: &shipment.carrier_id,
        shipment_status: shipment.status.wire_word(),
        shipped_at: Time(shipment.ships_at),
        shipping_label: links.label.expose(),
        shipping_partner: &shipment.carrier_name,
        tracking_number: shipment.tracking_number.as_deref(),
        tracking_url: shipment.tracking_url.as_deref(),
    }
}

fn location(address: &Address) -> DeliveryLocation<'_> {
    let lines = [Some(&address.line_1), address.line_2.as_ref(), address.line_3.as_ref()];
    let street: Vec<&str> = lines.into_iter().flatten().map(String::as_str).collect();
    DeliveryLocation {
        address: street.join(", "),
        city: &address.city,
        postal_code: &address.postal_code,
        state: &address.state,
    }
}

/// The same payload under another `event_name`, for endpoints that subscribe by an older spelling. The bytes
/// are a function of the stored ones, so every retry sends the same.
pub fn renamed(body: Bytes, event_name: &str) -> Bytes {
    const FIELD: &[u8] = b",\"event_name\":\"";
    let Some(at) = body.windows(FIELD.len()).position(|window| window == FIELD) else { return body };
    let start = at + FIELD.len();
    let Some(length) = body[start..].iter().position(|&byte| byte == b'"') else { return body };
    if &body[start..start + length] == event_name.as_bytes() {
        return body;
    }
    [&body[..start], event_name.as_bytes(), &body[start + length..]].concat().into()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::payload::samples;

    /// The bytes of each sample, as every release so far has sent them.
    const RELEASED: &str = include_str!("../../../../../testdata/events/partner.ndjson");

    fn rendered() -> Vec<String> {
        let render = |event: &Event| {
            let body = render(event, samples::id(10), event.ordering_key.map(|_| 7))?;
            Some(String::from_utf8(body).expect("a payload is UTF-8"))
        };
        samples::all().iter().filter_map(render).collect()
    }

    #[test]
    fn the_bytes_on_the_wire_stay() {
        assert_eq!(rendered(), RELEASED.lines().collect::<Vec<_>>());
    }

    #[test]
    fn only_the_name_changes_under_an_older_spelling() {
        for body in rendered() {
            let mut before: Value = serde_json::from_str(&body).unwrap();
            let other = renamed(body.clone().into(), "medication_order:filled");
            let after: Value = serde_json::from_slice(&other).unwrap();
            let name = before["event_name"].as_str().unwrap().to_owned();
            before["event_name"] = json!("medication_order:filled");
            assert_eq!(before, after);
            assert_eq!(renamed(body.clone().into(), &name), body.into_bytes());
        }
    }
}
