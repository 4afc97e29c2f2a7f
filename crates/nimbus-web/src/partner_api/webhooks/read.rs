//! Reading requests about webhooks. Names of event types, URLs and headers are judged by the use case.

use nimbus_app::endpoints::{
    AfterDeadLetter, Create, EndpointChange, EndpointStatus, FieldNames, Shape, Update,
};
use nimbus_core::ids::EndpointId;
use serde_json::Value;

use super::of_partners;
use crate::{
    checks::{boolean, id, one_of, text},
    fields::{Checked, Fields},
};

const MAX_EVENT_TYPES: usize = 50;

/// Options of the contract that this version does not take.
const LATER: [&str; 5] = ["signing", "ordered", "rate_limit_per_second", "payload", "retry_schedule"];

const NAMES: FieldNames = FieldNames {
    url: "webhook_url",
    event_types: "event_types",
    headers: "headers",
    status: "status",
    clinic: "clinic_id",
};

pub(super) fn read_create(f: &mut Fields<'_>) -> Option<Create> {
    let clinic_id = f.required("clinic_id", id);
    let url = f.required("webhook_url", text(1..=2048));
    let event_types = f.values(false, "event_types", 1..=MAX_EVENT_TYPES, text(1..=100));
    let description = f.optional("description", text(0..=500)).filter(|text| !text.is_empty());
    let send_api_key = f.optional("send_api_key", boolean).unwrap_or(true);
    let headers = f.optional("headers", headers).unwrap_or_default();
    for name in LATER {
        f.not_available(name);
    }
    Some(Create {
        shape: Shape::Partner,
        names: &NAMES,
        clinic_id: Some(clinic_id?),
        url: url?,
        event_types,
        description,
        send_api_key,
        headers,
        warnings: f.take_warnings(),
    })
}

pub(super) fn read_update(f: &mut Fields<'_>, endpoint: EndpointId) -> Option<Update> {
    let settable = &[EndpointStatus::Active, EndpointStatus::Paused];
    let change = EndpointChange {
        url: f.change("webhook_url", text(1..=2048)),
        event_types: match f.is_null("event_types") {
            true => f.change("event_types", |_| Err("cannot be removed".into())),
            false => f.values(false, "event_types", 1..=MAX_EVENT_TYPES, text(1..=100)),
        },
        description: f.clearable("description", text(1..=500)),
        send_api_key: f.change("send_api_key", boolean),
        headers: match f.is_null("headers") {
            true => f.cleared("headers", Vec::new()),
            false => f.optional("headers", headers),
        },
        after_dead_letter: f
            .change("after_dead_letter", one_of(AfterDeadLetter::ALL, AfterDeadLetter::as_str)),
        status: f.change("status", one_of(settable, EndpointStatus::as_str)),
    };
    for name in LATER {
        f.not_available(name);
    }
    Some(Update { which: of_partners(endpoint), names: &NAMES, change })
}

pub(super) fn read_delete(f: &mut Fields<'_>) -> Option<EndpointId> {
    f.required("webhook_id", id)
}

fn headers(value: &Value) -> Checked<Vec<(String, String)>> {
    let object = value.as_object().ok_or("must be an object of names and texts")?;
    object
        .iter()
        .map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned())))
        .collect::<Option<_>>()
        .ok_or_else(|| "must be an object of names and texts".into())
}

#[cfg(test)]
mod tests {
    use nimbus_app::Error;
    use serde_json::json;
    use uuid::Uuid;

    use super::*;
    use crate::{
        fields::{assert_described, read},
        partner_api::webhooks::types::{WebhookCreate, WebhookDelete, WebhookUpdate},
    };

    #[test]
    fn schemas_describe_what_is_read() {
        assert_described::<WebhookCreate, _>(read_create);
        assert_described::<WebhookUpdate, _>(|f| read_update(f, EndpointId(Uuid::nil())));
        assert_described::<WebhookDelete, _>(read_delete);
    }

    #[test]
    fn later_options_are_refused_by_name() {
        let body = json!({
            "clinic_id": "550e8400-e29b-41d4-a716-446655440000", "webhook_url": "https://partner.example.com/x",
            "ordered": true, "payload": "thin"
        });
        let Err(Error::Invalid(fields)) = read(&body, read_create) else { panic!("accepted") };
        let names: Vec<&str> = fields.iter().map(|field| field.field.as_str()).collect();
        assert_eq!(names, ["ordered", "payload"]);
        assert!(fields.iter().all(|field| field.message == "is not available yet"));
    }
}
