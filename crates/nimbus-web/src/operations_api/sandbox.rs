//! The controls of a sandbox for staff, for any clinic.

use axum::extract::State;
use nimbus_app::sandbox::{
    SANDBOX_STAFF,
    clock::{self, Move},
    fixtures,
    reset::reset as reset_clinic,
    simulation::{self, Advance},
    trigger::{self, MAX_COUNT, Trigger},
};
use nimbus_core::ids::ClinicId;
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{
    Web,
    body::Incoming,
    checks::{count, id, text},
    failure::{Answer, named_by},
    fields::{Checked, Fields},
    partner_api::{
        envelope::{self, Success},
        orders::NOUN,
    },
    sandbox::{
        AdvanceView, ClockView, FixturesView, OrderAdvance, ResetView, TriggerView, read_goal, read_target,
        render_advanced, render_clock, render_reset, render_triggered,
    },
    words,
};

/// The most bytes that one request's payloads have together.
const MAX_PAYLOADS: usize = 16 * 1024 * 1024;

/// Magic values with what each does and, of a clinic, its time and what the seed made in it.
#[utoipa::path(get, path = "/sandbox/fixtures", tag = "Sandbox", operation_id = "listAnySandboxFixtures",
    security(("OpsToken" = ["super_admin", "pharmacist", "technician"])),
    params(("clinic_id" = Option<String>, Query, description = "With what is ready in this clinic")),
    responses((status = 200, description = "What the sandbox has ready", body = Success<FixturesView>)))]
pub(crate) async fn fixtures(State(web): State<Web>, request: Incoming) -> Answer {
    web.sandbox_only()?;
    let call = web.staff(&request, SANDBOX_STAFF).await?;
    let clinic = request.query(|f| Some(f.optional("clinic_id", id)))?;
    Ok(envelope::found(FixturesView::from(fixtures::fixtures(&web.app, &call, clinic).await?)))
}

/// Whose clock, and where to: exactly one of the three.
#[derive(ToSchema)]
pub struct ClinicClockMove {
    pub clinic_id: Uuid,
    #[schema(minimum = 1, maximum = 400)]
    pub advance_days: Option<u32>,
    #[schema(minimum = 1, maximum = 9600)]
    pub advance_hours: Option<u32>,
    /// A time that is not before the clinic's, and within 400 days of it.
    #[schema(format = DateTime, value_type = Option<String>)]
    pub to: Option<String>,
}

fn read_move(f: &mut Fields<'_>) -> Option<Move> {
    let clinic: Option<ClinicId> = f.required("clinic_id", id);
    let target = read_target(f);
    Some(Move { clinic: Some(clinic?), target: target? })
}

/// Moves a clinic's own clock forward, and does everything that falls due on the way, in order, each at its own time,
/// before it answers.
#[utoipa::path(post, path = "/sandbox/clock", tag = "Sandbox", operation_id = "moveAnySandboxClock",
    security(("OpsToken" = ["super_admin", "pharmacist", "technician"])),
    request_body(content = ClinicClockMove, description = "Whose clock, and where to"),
    responses((status = 200, description = "The clinic's time before and now", body = Success<ClockView>)))]
pub(crate) async fn clock(State(web): State<Web>, mut request: Incoming) -> Answer {
    web.sandbox_only()?;
    let mut call = web.staff(&request, SANDBOX_STAFF).await?;
    let command = request.json(&mut call, read_move).await?;
    let moved = clock::advance(&web.app, &call, command, render_clock).await;
    Ok(envelope::reply(named_by("clinic_id", moved)?))
}

/// Has the simulated pharmacy and carrier do the next step to an order of any clinic, or all up to a state.
#[utoipa::path(post, path = "/sandbox/orders/{id}/advance", tag = "Sandbox", operation_id = "advanceAnySandboxOrder",
    security(("OpsToken" = ["super_admin", "pharmacist", "technician"])),
    params(("id" = String, Path, description = "The order's id")),
    request_body(content = OrderAdvance, description = "How far"),
    responses((status = 200, description = "What was done, and where the order stands", body = Success<AdvanceView>)))]
pub(crate) async fn advance(State(web): State<Web>, mut request: Incoming) -> Answer {
    web.sandbox_only()?;
    let mut call = web.staff(&request, SANDBOX_STAFF).await?;
    let id = request.id("id", NOUN)?;
    let to = request.json(&mut call, read_goal).await?;
    let command = Advance { id, to };
    Ok(envelope::reply(simulation::advance(&web.app, &call, command, render_advanced).await?))
}

#[derive(ToSchema)]
pub struct ClinicEventTrigger {
    pub clinic_id: Uuid,
    /// Any name in the list of event types, of either API: broad, narrow or older.
    #[schema(value_type = words::AnyEventName, example = "medication:shipped")]
    pub event_type: String,
    /// How many, 1 if it is not given; each then concerns an order of its own.
    #[schema(minimum = 1, maximum = 10000)]
    pub count: Option<u32>,
    /// What is sent instead of the sample's data. Payloads are 16 MiB together at most.
    #[schema(value_type = Option<Object>)]
    pub payload: Option<Value>,
}

/// The text of a JSON object.
fn object(value: &Value) -> Checked<String> {
    match value {
        Value::Object(_) => Ok(value.to_string()),
        _ => Err("must be an object".into()),
    }
}

fn read_trigger(f: &mut Fields<'_>) -> Option<Trigger> {
    let clinic: Option<ClinicId> = f.required("clinic_id", id);
    let event_type = f.required("event_type", text(1..=100));
    let count = f.optional("count", count(1..=MAX_COUNT)).unwrap_or(1);
    let data = f.optional("payload", object);
    let size = data.as_ref().map_or(0, String::len);
    if size.saturating_mul(count as usize) > MAX_PAYLOADS {
        f.refuse("payload", "is too large to be sent so often: 16 MiB together at most");
    }
    Some(Trigger { clinic: Some(clinic?), event_type: event_type?, count, data })
}

/// Sends samples of an event to a clinic's endpoints that subscribe to it, as if it had happened.
#[utoipa::path(post, path = "/sandbox/events/trigger", tag = "Sandbox", operation_id = "triggerAnySandboxEvents",
    security(("OpsToken" = ["super_admin", "pharmacist", "technician"])),
    request_body(content = ClinicEventTrigger, description = "Which event, how often, with what"),
    responses((status = 200, description = "Written to the log of events, and on their way", body = Success<TriggerView>)))]
pub(crate) async fn trigger(State(web): State<Web>, mut request: Incoming) -> Answer {
    web.sandbox_only()?;
    let mut call = web.staff(&request, SANDBOX_STAFF).await?;
    let command = request.json(&mut call, read_trigger).await?;
    let triggered = trigger::trigger(&web.app, &call, command, render_triggered).await;
    Ok(envelope::reply(named_by("clinic_id", triggered)?))
}

#[derive(ToSchema)]
pub struct ClinicReset {
    pub clinic_id: Uuid,
}

fn read_reset(f: &mut Fields<'_>) -> Option<ClinicId> {
    f.required("clinic_id", id)
}

/// Deletes a clinic's people, orders and all that belongs to them, and makes what a sandbox starts with.
#[utoipa::path(post, path = "/sandbox/reset", tag = "Sandbox", operation_id = "resetAnySandbox",
    security(("OpsToken" = ["super_admin", "pharmacist", "technician"])),
    request_body(content = ClinicReset, description = "Which clinic"),
    responses((status = 200, description = "What the clinic has now", body = Success<ResetView>)))]
pub(crate) async fn reset(State(web): State<Web>, mut request: Incoming) -> Answer {
    web.sandbox_only()?;
    let mut call = web.staff(&request, SANDBOX_STAFF).await?;
    let clinic = request.json(&mut call, read_reset).await?;
    let reset = reset_clinic(&web.app, &call, Some(clinic), render_reset).await;
    Ok(envelope::reply(named_by("clinic_id", reset)?))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::fields::{assert_described, read};

    #[test]
    fn schemas_describe_what_is_read() {
        assert_described::<ClinicClockMove, _>(read_move);
        assert_described::<ClinicEventTrigger, _>(read_trigger);
        assert_described::<ClinicReset, _>(read_reset);
    }

    #[test]
    fn payloads_are_bounded_together() {
        let clinic = Uuid::nil();
        let body = |count: u32| json!({"clinic_id": clinic, "event_type": "x", "count": count, "payload": {"a": "b".repeat(10_000)}});
        assert!(read(&body(1000), read_trigger).is_ok());
        assert!(read(&body(2000), read_trigger).is_err());
    }
}
