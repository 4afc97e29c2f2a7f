//! Reading requests about webhooks in the words of this API.

use nimbus_app::endpoints::{Create, FieldNames, Shape};
use nimbus_core::ids::EndpointId;

use crate::{checks::id, fields::Fields, paging, webhooks::Dialect};

const NAMES: FieldNames = FieldNames {
    url: "webhook_url",
    event_types: "event_types",
    headers: "headers",
    status: "status",
    clinic: "clinic_id",
};

pub(super) const DIALECT: Dialect = Dialect {
    shape: Shape::Partner,
    names: &NAMES,
    send_api_key: "send_api_key",
    after_dead_letter: "after_dead_letter",
    overlap_hours: "overlap_hours",
    later: &["ordered", "rate_limit_per_second", "payload", "retry_schedule"],
    page: paging::page,
};

pub(super) fn read_create(f: &mut Fields<'_>) -> Option<Create> {
    let clinic_id = f.required("clinic_id", id);
    let create = DIALECT.read_create(f)?;
    Some(Create { clinic_id: Some(clinic_id?), ..create })
}

pub(super) fn read_delete(f: &mut Fields<'_>) -> Option<EndpointId> {
    f.required("webhook_id", id)
}

#[cfg(test)]
mod tests {
    use nimbus_app::Error;
    use serde_json::json;
    use uuid::Uuid;

    use super::*;
    use crate::{
        fields::{assert_described, read},
        partner_api::webhooks::types::{SecretRotation, WebhookCreate, WebhookDelete, WebhookUpdate},
    };

    #[test]
    fn schemas_describe_what_is_read() {
        assert_described::<WebhookCreate, _>(read_create);
        assert_described::<WebhookUpdate, _>(|f| DIALECT.read_update(f, EndpointId(Uuid::nil())));
        assert_described::<WebhookDelete, _>(read_delete);
        assert_described::<SecretRotation, _>(|f| Some(DIALECT.read_rotation(f, EndpointId(Uuid::nil()))));
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
