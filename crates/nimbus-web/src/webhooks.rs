//! What both public APIs share of webhooks: reading requests about them. Names of event types, URLs and headers are
//! judged by the use case.

use std::borrow::Cow;

use nimbus_app::{
    endpoint_keys::MAX_OVERLAP_HOURS,
    endpoints::{
        AfterDeadLetter, AttemptView, Create, Deliveries, DeliveryState, EndpointChange, EndpointStatus,
        FieldNames, List, Of, Options, Payload, RotateSecret, Shape, Signing, Update, Which,
    },
    events::catalogue,
};
use nimbus_core::ids::EndpointId;
use serde_json::Value;
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{
        ArrayBuilder, ObjectBuilder, RefOr,
        schema::{Schema, Type},
    },
};

use crate::{
    checks::{boolean, count, one_of, text},
    fields::{Checked, Fields},
    paging::PageReader,
};

/// The longest URL.
pub(crate) const MAX_URL: usize = 2048;
/// The longest name of an event type.
pub(crate) const MAX_EVENT_TYPE: usize = 100;
/// The most deliveries a second that an endpoint can ask for.
const MAX_RATE: u32 = 1000;
const MAX_EVENT_TYPES: usize = 50;
const MAX_DESCRIPTION: usize = 500;
/// Waits between attempts, at most.
const MAX_WAITS: usize = 7;

/// Options that both APIs call the same.
const ORDERED: &str = "ordered";
const PAYLOAD: &str = "payload";

/// Webhooks as one API takes them. Each sees those of its own shape alone.
pub(crate) struct Dialect {
    pub(crate) shape: Shape,
    /// The fields that the use case judges.
    pub(crate) names: &'static FieldNames,
    pub(crate) send_api_key: &'static str,
    pub(crate) after_dead_letter: &'static str,
    pub(crate) overlap_hours: &'static str,
    /// Whether deliveries can be slowed down and retries shortened here.
    pub(crate) paces: bool,
    /// How its lists are asked for.
    pub(crate) page: PageReader,
}

impl Dialect {
    /// An endpoint of this API; those of the other are not seen here.
    pub(crate) const fn one(&self, id: EndpointId) -> Which {
        Which { shape: self.shape, id }
    }

    /// Reads a registration, for the key's own clinic.
    pub(crate) fn read_create(&self, f: &mut Fields<'_>) -> Option<Create> {
        let url = f.required(self.names.url, text(1..=MAX_URL));
        let event_types =
            f.values(false, self.names.event_types, 1..=MAX_EVENT_TYPES, text(1..=MAX_EVENT_TYPE));
        let description =
            f.optional("description", text(0..=MAX_DESCRIPTION)).filter(|text| !text.is_empty());
        let send_api_key = f.optional(self.send_api_key, boolean).unwrap_or(true);
        let headers = f.optional(self.names.headers, headers).unwrap_or_default();
        let signing = f.optional("signing", one_of(Signing::ALL, Signing::as_str)).unwrap_or(Signing::Hmac);
        let options = self.read_options(f);
        Some(Create {
            shape: self.shape,
            names: self.names,
            clinic_id: None,
            url: url?,
            event_types,
            description,
            signing,
            send_api_key,
            headers,
            options,
            warnings: f.take_warnings(),
        })
    }

    pub(crate) fn read_update(&self, f: &mut Fields<'_>, id: EndpointId) -> Option<Update> {
        let settable = &[EndpointStatus::Active, EndpointStatus::Paused];
        let types = self.names.event_types;
        let change = EndpointChange {
            url: f.change(self.names.url, text(1..=MAX_URL)),
            event_types: match f.is_null(types) {
                true => f.change(types, |_| Err("cannot be removed".into())),
                false => f.values(false, types, 1..=MAX_EVENT_TYPES, text(1..=MAX_EVENT_TYPE)),
            },
            description: f.clearable("description", text(1..=MAX_DESCRIPTION)),
            signing: f.change("signing", one_of(Signing::ALL, Signing::as_str)),
            send_api_key: f.change(self.send_api_key, boolean),
            headers: match f.is_null(self.names.headers) {
                true => f.cleared(self.names.headers, Vec::new()),
                false => f.optional(self.names.headers, headers),
            },
            options: self.read_changed_options(f),
            status: f.change(self.names.status, one_of(settable, EndpointStatus::as_str)),
        };
        Some(Update { which: self.one(id), names: self.names, change })
    }

    pub(crate) fn read_rotation(&self, f: &mut Fields<'_>, id: EndpointId) -> RotateSecret {
        let overlap_hours = f.optional(self.overlap_hours, count(0..=MAX_OVERLAP_HOURS));
        RotateSecret { which: self.one(id), overlap_name: self.overlap_hours, overlap_hours }
    }

    /// Options of a registration: those not given are the usual.
    fn read_options(&self, f: &mut Fields<'_>) -> Options {
        Options {
            ordered: f.optional(ORDERED, boolean),
            after_dead_letter: f.optional(self.after_dead_letter, after_dead_letter),
            payload: f.optional(PAYLOAD, payload),
            rate_limit_per_second: self
                .paces
                .then(|| f.optional(self.names.rate_limit_per_second, count(1..=MAX_RATE)))
                .flatten()
                .map(Some),
            retry_schedule: self
                .paces
                .then(|| f.values(false, self.names.retry_schedule, 1..=MAX_WAITS, whole))
                .flatten()
                .map(Some),
        }
    }

    /// Options of a change: `null` takes the rate and the schedule away.
    fn read_changed_options(&self, f: &mut Fields<'_>) -> Options {
        Options {
            ordered: f.change(ORDERED, boolean),
            after_dead_letter: f.change(self.after_dead_letter, after_dead_letter),
            payload: f.change(PAYLOAD, payload),
            rate_limit_per_second: self
                .paces
                .then(|| f.clearable(self.names.rate_limit_per_second, count(1..=MAX_RATE)))
                .flatten(),
            retry_schedule: self.paces.then(|| self.read_changed_schedule(f)).flatten(),
        }
    }

    fn read_changed_schedule(&self, f: &mut Fields<'_>) -> Option<Option<Vec<u32>>> {
        let name = self.names.retry_schedule;
        match f.is_null(name) {
            true => f.cleared(name, None),
            false => f.values(false, name, 1..=MAX_WAITS, whole).map(Some),
        }
    }

    pub(crate) fn read_list(&self, f: &mut Fields<'_>) -> List {
        let known = &[EndpointStatus::Active, EndpointStatus::Paused, EndpointStatus::Disabled];
        let status = f.optional("status", one_of(known, EndpointStatus::as_str));
        List { shape: self.shape, status, page: (self.page)(f) }
    }

    pub(crate) fn read_deliveries(&self, f: &mut Fields<'_>, of: Of) -> Deliveries {
        let state = f.optional("state", one_of(DeliveryState::ALL, DeliveryState::as_str));
        Deliveries { of, state, page: (self.page)(f) }
    }
}

fn after_dead_letter(value: &Value) -> Checked<AfterDeadLetter> {
    one_of(AfterDeadLetter::ALL, AfterDeadLetter::as_str)(value)
}

fn payload(value: &Value) -> Checked<Payload> {
    one_of(Payload::ALL, Payload::as_str)(value)
}

/// A whole number; how large it may be is judged by the use case.
fn whole(value: &Value) -> Checked<u32> {
    // 60.0 is a whole number too.
    let number = value.as_number().and_then(|number| {
        let text = number.to_string();
        text.strip_suffix(".0").unwrap_or(&text).parse().ok()
    });
    number.ok_or_else(|| "must be a whole number in range".into())
}

fn headers(value: &Value) -> Checked<Vec<(String, String)>> {
    let object = value.as_object().ok_or("must be an object of names and texts")?;
    object
        .iter()
        .map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned())))
        .collect::<Option<_>>()
        .ok_or_else(|| "must be an object of names and texts".into())
}

/// The beginning of what a receiver answered, if it said anything.
pub(crate) fn answered(attempt: &AttemptView) -> Option<String> {
    let body = String::from_utf8_lossy(&attempt.response);
    (!body.is_empty()).then(|| body.into_owned())
}

/// Names and values of the headers that a partner adds to deliveries, as a schema.
pub(crate) struct WebhookHeaders;

impl PartialSchema for WebhookHeaders {
    fn schema() -> RefOr<Schema> {
        let text = |pattern: &str| -> Schema {
            ObjectBuilder::new().schema_type(Type::String).pattern(Some(pattern)).into()
        };
        ObjectBuilder::new()
            .schema_type(Type::Object)
            .description(Some(
                "Names of headers and their values. Those that every delivery has anyway cannot be named.",
            ))
            .property_names(Some(text("^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}$")))
            .additional_properties(Some(text("^[ -~]{0,1024}$")))
            .max_properties(Some(20))
            .examples([serde_json::json!({"X-Environment": "staging"})])
            .into()
    }
}

impl ToSchema for WebhookHeaders {
    fn name() -> Cow<'static, str> {
        "WebhookHeaders".into()
    }
}

/// An endpoint's own waits between attempts, as a schema.
pub(crate) struct RetrySchedule;

impl PartialSchema for RetrySchedule {
    fn schema() -> RefOr<Schema> {
        let wait = ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(1)).maximum(Some(86_400));
        ArrayBuilder::new()
            .items(wait)
            .min_items(Some(1))
            .max_items(Some(MAX_WAITS))
            .description(Some(
                "Seconds from each attempt to the next. It may only shorten the published waits of 60, 300, 900, \
                 3600, 14400, 28800 and 86400 seconds: as many or fewer, each at most the published one.",
            ))
            .examples([serde_json::json!([30, 120, 600])])
            .into()
    }
}

impl ToSchema for RetrySchedule {
    fn name() -> Cow<'static, str> {
        "RetrySchedule".into()
    }
}

/// An event of the orders shape, as a schema.
pub(crate) struct OrdersEventType;

impl PartialSchema for OrdersEventType {
    fn schema() -> RefOr<Schema> {
        let names: Vec<&str> = catalogue(Shape::Orders).iter().map(|entry| entry.name).collect();
        ObjectBuilder::new().schema_type(Type::String).enum_values(Some(names)).into()
    }
}

impl ToSchema for OrdersEventType {
    fn name() -> Cow<'static, str> {
        "EventType".into()
    }
}

/// What a webhook of the orders shape can be subscribed to, as a schema: events, all of a kind, or all.
pub(crate) struct OrdersSubscription;

impl OrdersSubscription {
    fn words() -> Vec<String> {
        let mut words = vec!["*".to_owned()];
        for entry in catalogue(Shape::Orders) {
            let kind = entry.name.split('.').next().unwrap_or_default();
            let all = format!("{kind}.*");
            if !words.contains(&all) {
                words.push(all);
            }
            words.push(entry.name.to_owned());
        }
        words
    }
}

impl PartialSchema for OrdersSubscription {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new().schema_type(Type::String).enum_values(Some(Self::words())).into()
    }
}

impl ToSchema for OrdersSubscription {
    fn name() -> Cow<'static, str> {
        "Subscription".into()
    }
}

#[cfg(test)]
mod tests {
    use nimbus_app::events::is_known;

    use super::*;

    #[test]
    fn every_word_of_the_schema_can_be_subscribed_to() {
        let words = OrdersSubscription::words();
        assert!(words.iter().all(|word| is_known(Shape::Orders, word)), "{words:?}");
        for word in ["*", "order.*", "order.created", "refill.*", "webhook.disabled"] {
            assert!(words.iter().any(|it| it == word), "{word}");
        }
    }
}
