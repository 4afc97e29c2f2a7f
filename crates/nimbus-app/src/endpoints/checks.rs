//! What an endpoint may be told to do: event types, headers, rate, schedule. Each refusal names the caller's field.

use std::collections::BTreeSet;

use nimbus_webhooks::{payload::is_known, schedule};

use super::{FieldNames, Options, Shape};
use crate::error::FieldError;

/// The most event types of an endpoint.
const MAX_EVENT_TYPES: usize = 50;
/// The most static headers of an endpoint.
const MAX_HEADERS: usize = 20;
/// The longest value of a static header.
const MAX_HEADER_VALUE: usize = 1024;
/// The most deliveries a second that an endpoint can ask for.
const MAX_RATE: u32 = 1000;

pub(crate) fn event_type_errors(
    names: &FieldNames,
    shape: Shape,
    event_types: Option<&[String]>,
) -> Vec<FieldError> {
    let Some(event_types) = event_types else { return Vec::new() };
    if event_types.is_empty() || event_types.len() > MAX_EVENT_TYPES {
        return vec![FieldError::new(
            names.event_types,
            format!("must name 1 to {MAX_EVENT_TYPES} event types"),
        )];
    }
    let unknown = |(index, event_type): (usize, &String)| {
        let field = format!("{}[{index}]", names.event_types);
        (!is_known(shape, event_type)).then(|| FieldError::new(field, "is not an event type"))
    };
    event_types.iter().enumerate().filter_map(unknown).collect()
}

/// Headers that the platform sets itself, or that belong to the connection.
const RESERVED_HEADERS: &[&str] = &[
    "host",
    "content-length",
    "content-type",
    "connection",
    "keep-alive",
    "proxy-authorization",
    "proxy-connection",
    "trailer",
    "transfer-encoding",
    "te",
    "upgrade",
    "expect",
    "user-agent",
    "x-api-key",
    "x-webhook-signature",
    "webhook-id",
    "webhook-timestamp",
    "webhook-signature",
];

pub(super) fn header_errors(names: &FieldNames, headers: &[(String, String)]) -> Vec<FieldError> {
    if headers.len() > MAX_HEADERS {
        return vec![FieldError::new(names.headers, format!("must be at most {MAX_HEADERS}"))];
    }
    let mut seen = BTreeSet::new();
    let refused = |(name, value): &(String, String)| {
        if !is_header_name(name) {
            // Not repeated: it may hold anything.
            return Some(FieldError::new(names.headers, "must have names of headers"));
        }
        let message = if !seen.insert(name.to_lowercase()) {
            "is named twice"
        } else if RESERVED_HEADERS.contains(&name.to_lowercase().as_str()) {
            "is set by the platform"
        } else if value.len() > MAX_HEADER_VALUE || !value.bytes().all(|byte| (b' '..=b'~').contains(&byte)) {
            "must be at most 1024 visible ASCII characters"
        } else {
            return None;
        };
        Some(FieldError::new(format!("{}.{name}", names.headers), message))
    };
    headers.iter().filter_map(refused).collect()
}

/// A token (RFC 9110 §5.6.2), not too long.
fn is_header_name(name: &str) -> bool {
    let is_token = |c: u8| c.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&c);
    !name.is_empty() && name.len() <= 100 && name.bytes().all(is_token)
}

pub(super) fn option_errors(names: &FieldNames, options: &Options) -> Vec<FieldError> {
    let mut errors = Vec::new();
    if options.rate_limit_per_second.flatten().is_some_and(|limit| !(1..=MAX_RATE).contains(&limit)) {
        let message = format!("must be a whole number from 1 to {MAX_RATE}");
        errors.push(FieldError::new(names.rate_limit_per_second, message));
    }
    if let Some(Some(seconds)) = &options.retry_schedule {
        errors.extend(schedule_errors(names.retry_schedule, seconds));
    }
    errors
}

/// A schedule of its own may only be shorter than the published one, wait by wait.
fn schedule_errors(field: &str, seconds: &[u32]) -> Vec<FieldError> {
    let longest = schedule::published_seconds();
    if seconds.is_empty() || seconds.len() > longest.len() {
        return vec![FieldError::new(field, format!("must have 1 to {}", longest.len()))];
    }
    let refused = |(index, (own, longest)): (usize, (&u32, u32))| {
        let message = format!("must be a whole number from 1 to {longest}, the published wait");
        (!(1..=longest).contains(own)).then(|| FieldError::new(format!("{field}[{index}]"), message))
    };
    seconds.iter().zip(longest).enumerate().filter_map(refused).collect()
}
