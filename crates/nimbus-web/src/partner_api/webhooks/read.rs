//! Reading requests about webhooks in the words of this API.

use nimbus_app::endpoints::{Create, FieldNames, Shape};
use nimbus_core::ids::EndpointId;

use crate::{checks::id, fields::Fields, paging, webhooks::Dialect};

const NAMES: FieldNames = FieldNames {
    url: "webhook_url",
    event_types: "event_types",
    headers: "headers",
    rate_limit_per_second: "rate_limit_per_second",
    retry_schedule: "retry_schedule",
    status: "status",
    clinic: "clinic_id",
};

pub(super) const DIALECT: Dialect = Dialect {
    shape: Shape::Partner,
    names: &NAMES,
    send_api_key: "send_api_key",
    after_dead_letter: "after_dead_letter",
    overlap_hours: "overlap_hours",
    paces: true,
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
    use uuid::Uuid;

    use super::*;
    use crate::{
        fields::assert_described,
        partner_api::webhooks::types::{SecretRotation, WebhookCreate, WebhookDelete, WebhookUpdate},
    };

    #[test]
    fn schemas_describe_what_is_read() {
        assert_described::<WebhookCreate, _>(read_create);
        assert_described::<WebhookUpdate, _>(|f| DIALECT.read_update(f, EndpointId(Uuid::nil())));
        assert_described::<WebhookDelete, _>(read_delete);
        assert_described::<SecretRotation, _>(|f| Some(DIALECT.read_rotation(f, EndpointId(Uuid::nil()))));
    }
}
