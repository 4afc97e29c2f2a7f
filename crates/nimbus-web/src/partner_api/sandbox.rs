//! The controls of a sandbox for partners, each for the key's own clinic.

use axum::extract::State;
use nimbus_app::sandbox::{
    clock::{self, Move},
    fixtures,
    reset::reset as reset_clinic,
    simulation::{self, Advance},
    trigger::{self, Trigger},
};
use nimbus_core::access::Scope;
use utoipa::ToSchema;

use super::{
    envelope::{self, Success},
    orders::NOUN,
};
use crate::{
    Web,
    body::Incoming,
    checks::text,
    failure::Answer,
    fields::Fields,
    sandbox::{
        AdvanceView, ClockMove, ClockView, FixturesView, OrderAdvance, ResetView, TriggerView, read_goal,
        read_target, render_advanced, render_clock, render_reset, render_triggered,
    },
    words,
};

/// Magic values with what each does, the clinic's time, and what the seed made in it.
#[utoipa::path(get, path = "/sandbox/fixtures", tag = "Sandbox", operation_id = "listSandboxFixtures",
    security(("ApiKeyAuth" = [])),
    responses((status = 200, description = "What the sandbox has ready", body = Success<FixturesView>)))]
pub(crate) async fn fixtures(State(web): State<Web>, request: Incoming) -> Answer {
    web.sandbox_only()?;
    let call = web.any_partner(&request).await?;
    Ok(envelope::found(FixturesView::from(fixtures::fixtures(&web.app, &call, None).await?)))
}

/// Moves the clinic's own clock forward, and does everything that falls due on the way, in order, each at its own
/// time, before it answers.
#[utoipa::path(post, path = "/sandbox/clock", tag = "Sandbox", operation_id = "moveSandboxClock",
    security(("ApiKeyAuth" = ["orders:write"])),
    request_body(content = ClockMove, description = "Where to"),
    responses((status = 200, description = "The clinic's time before and now", body = Success<ClockView>)))]
pub(crate) async fn clock(State(web): State<Web>, mut request: Incoming) -> Answer {
    web.sandbox_only()?;
    let mut call = web.partner(&request, Scope::OrdersWrite).await?;
    let target = request.json(&mut call, read_target).await?;
    let command = Move { clinic: None, target };
    Ok(envelope::reply(clock::advance(&web.app, &call, command, render_clock).await?))
}

/// Has the simulated pharmacy and carrier do the next step to an order, or all up to a state. Without `to` it is one
/// step. If a rule of the pharmacy refuses one of them, none is done.
#[utoipa::path(post, path = "/sandbox/orders/{id}/advance", tag = "Sandbox", operation_id = "advanceSandboxOrder",
    security(("ApiKeyAuth" = ["orders:write"])),
    params(("id" = String, Path, description = "The order's id")),
    request_body(content = OrderAdvance, description = "How far"),
    responses((status = 200, description = "What was done, and where the order stands", body = Success<AdvanceView>)))]
pub(crate) async fn advance(State(web): State<Web>, mut request: Incoming) -> Answer {
    web.sandbox_only()?;
    let mut call = web.partner(&request, Scope::OrdersWrite).await?;
    let id = request.id("id", NOUN)?;
    let to = request.json(&mut call, read_goal).await?;
    let command = Advance { id, to };
    Ok(envelope::reply(simulation::advance(&web.app, &call, command, render_advanced).await?))
}

#[derive(ToSchema)]
pub struct EventTrigger {
    /// Any name in the list of event types, of either API: broad, narrow or older.
    #[schema(value_type = words::AnyEventName, example = "medication:shipped")]
    pub event_type: String,
}

fn read_trigger(f: &mut Fields<'_>) -> Option<Trigger> {
    let event_type = f.required("event_type", text(1..=100));
    Some(Trigger { clinic: None, event_type: event_type?, count: 1, data: None })
}

/// Sends a sample of an event to the clinic's endpoints that subscribe to it, as if it had happened: each in its own
/// shape, logged and retried as any other. The payload has `"triggered": true`.
#[utoipa::path(post, path = "/sandbox/trigger", tag = "Webhooks", operation_id = "triggerSandboxEvent",
    security(("ApiKeyAuth" = ["webhooks:write"])),
    request_body(content = EventTrigger, description = "Which event"),
    responses((status = 200, description = "Written to the log of events, and on its way", body = Success<TriggerView>)))]
pub(crate) async fn trigger(State(web): State<Web>, mut request: Incoming) -> Answer {
    web.sandbox_only()?;
    let mut call = web.partner(&request, Scope::WebhooksWrite).await?;
    let command = request.json(&mut call, read_trigger).await?;
    Ok(envelope::reply(trigger::trigger(&web.app, &call, command, render_triggered).await?))
}

/// Deletes the clinic's people, orders and all that belongs to them, and makes what a sandbox starts with. Keys,
/// webhooks, events, deliveries and the clinic's clock stay.
#[utoipa::path(post, path = "/sandbox/reset", tag = "Sandbox", operation_id = "resetSandbox",
    security(("ApiKeyAuth" = ["orders:write"])),
    request_body(content = inline(ResetBody), description = "Nothing need be said"),
    responses((status = 200, description = "What the clinic has now", body = Success<ResetView>)))]
pub(crate) async fn reset(State(web): State<Web>, mut request: Incoming) -> Answer {
    web.sandbox_only()?;
    let mut call = web.partner(&request, Scope::OrdersWrite).await?;
    request.json(&mut call, |_| Some(())).await?;
    Ok(envelope::reply(reset_clinic(&web.app, &call, None, render_reset).await?))
}

/// An empty object, or no body.
#[derive(ToSchema)]
pub struct ResetBody {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fields::assert_described;

    #[test]
    fn schemas_describe_what_is_read() {
        assert_described::<EventTrigger, _>(read_trigger);
    }
}
