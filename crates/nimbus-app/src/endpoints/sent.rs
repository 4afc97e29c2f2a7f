//! What was, or is to be, sent to an endpoint: listed, and sent again by hand, one delivery or one event at a time.

use nimbus_core::{
    access::{Scope, Scopes},
    ids::{ClinicId, DeliveryId, EndpointId, EventId},
    refusal::Refusal,
};
use nimbus_store::{
    Tx, deliveries as store,
    deliveries::{AttemptView, DeliveryRow, DeliveryState, NewDelivery},
    endpoints::{self, Endpoint, Subscription},
    events::{self, EventRow},
    ledger::ledger_added,
    page::{Page, Slice},
    tenants,
};
use nimbus_webhooks::{
    cause::Cause,
    payload::{resent_name, types_of},
};
use uuid::Uuid;

use super::{Of, audited};
use crate::{
    App,
    actor::{CLINIC_SENDERS, Call},
    error::{Error, Result},
    events::expired,
    unit::{Cx, Render, Reply},
};

const NO_EVENT: Error = Error::NotFound("Event");

#[derive(Debug, Clone)]
pub struct Deliveries {
    pub of: Of,
    pub state: Option<DeliveryState>,
    pub page: Page,
}

/// A delivery with its attempts, oldest first.
#[derive(Debug, Clone)]
pub struct DeliveryView {
    pub delivery: DeliveryRow,
    pub attempts: Vec<AttemptView>,
}

/// What was, or is to be, sent to an endpoint, newest first.
pub async fn deliveries(app: &App, call: &Call, list: Deliveries) -> Result<Slice<DeliveryView>> {
    list.of.allow(call, Scope::WebhooksRead)?;
    app.read(call, list, |tx, cx, list| {
        Box::pin(async move {
            let endpoint = list.of.find(tx, &cx.call, Scope::WebhooksRead).await?;
            let (clinic, id) = (endpoint.clinic_id, endpoint.id);
            let found = store::deliveries_of_endpoint(tx, clinic, id, list.state, &list.page).await?;
            let audit = cx.audit(Some(clinic), "webhook.deliveries", "webhook", Some(id.0));
            Ok((with_attempts(tx, found).await?, vec![audit]))
        })
    })
    .await
}

/// The dead letters of a clinic, whichever of its endpoints they were for, newest first.
pub async fn dead_letters(
    app: &App,
    call: &Call,
    clinic: ClinicId,
    page: Page,
) -> Result<Slice<DeliveryView>> {
    call.staff_of(CLINIC_SENDERS, clinic)?;
    app.read(call, (clinic, page), |tx, cx, (clinic, page)| {
        Box::pin(async move {
            tenants::clinic_get(tx, *clinic).await?.ok_or(Error::NotFound("Clinic"))?;
            let found = store::deliveries_dead(tx, *clinic, page).await?;
            let audit = cx.audit(Some(*clinic), "webhook.dead_letters", "webhook", None);
            Ok((with_attempts(tx, found).await?, vec![audit]))
        })
    })
    .await
}

async fn with_attempts(tx: &mut Tx, found: Slice<DeliveryRow>) -> Result<Slice<DeliveryView>> {
    let Slice { items: deliveries, last, has_more, mut unreadable } = found;
    let mut items = Vec::with_capacity(deliveries.len());
    for delivery in deliveries {
        match store::attempts_listed(tx, delivery.clinic_id, delivery.id).await? {
            Some(attempts) => items.push(DeliveryView { delivery, attempts }),
            None => unreadable.push(delivery.id.0),
        }
    }
    Ok(Slice { items, last, has_more, unreadable })
}

/// What the owner of an endpoint can do about a failed attempt.
pub fn hint(attempt: &AttemptView) -> Option<&'static str> {
    let status = attempt.status_code.and_then(|status| u16::try_from(status).ok());
    Some(Cause::parse(attempt.cause.as_deref()?)?.hint_for(status))
}

/// Whether the cause of a failed attempt may pass by itself: `permanent` or `transient`.
pub fn cause_class(attempt: &AttemptView) -> Option<&'static str> {
    Some(Cause::parse(attempt.cause.as_deref()?)?.class().as_str())
}

/// A delivery that will be sent again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Resent {
    pub endpoint_id: EndpointId,
    pub delivery_id: DeliveryId,
    pub event_id: EventId,
}

#[derive(Debug, Clone, Copy)]
pub struct RetryDelivery {
    pub of: Of,
    pub delivery: DeliveryId,
}

/// Sends one delivery again, now, under the same event id. An endpoint that is paused or disabled is sent it when it
/// is active again.
pub async fn retry_delivery(
    app: &App,
    call: &Call,
    command: RetryDelivery,
    render: Render<Resent>,
) -> Result<Reply> {
    command.of.allow(call, Scope::WebhooksWrite)?;
    app.write(call, command, render, |tx, cx, command| {
        Box::pin(async move {
            let RetryDelivery { of, delivery } = *command;
            let endpoint = of.find(tx, &cx.call, Scope::WebhooksWrite).await?;
            let found = store::delivery_get(tx, endpoint.clinic_id, delivery).await?;
            let found = found.filter(|found| found.endpoint_id == endpoint.id);
            let event = found.ok_or(Error::NotFound("Delivery"))?.event_id;
            is_sendable(tx, endpoint.clinic_id, event).await?;
            begin_anew(tx, cx, &endpoint, delivery).await?;
            audited(tx, cx, endpoint.clinic_id, "webhook.retry", endpoint.id).await?;
            Ok(Resent { endpoint_id: endpoint.id, delivery_id: delivery, event_id: event })
        })
    })
    .await
}

/// An event of which the payload is kept.
async fn is_sendable(tx: &mut Tx, clinic: ClinicId, event: EventId) -> Result<()> {
    if events::event_is_sendable(tx, clinic, event).await? { Ok(()) } else { Err(expired()) }
}

async fn begin_anew(tx: &mut Tx, cx: &Cx, endpoint: &Endpoint, delivery: DeliveryId) -> Result<()> {
    if !store::delivery_retry(tx, endpoint.clinic_id, endpoint.id, delivery, cx.wall).await? {
        return Err(Refusal::transition("sending", DeliveryState::Pending.as_str()).into());
    }
    cx.wake_dispatcher();
    Ok(())
}

#[derive(Debug, Clone, Copy)]
pub struct ResendEvent {
    pub of: Of,
    pub event: EventId,
}

/// Sends one event to one endpoint, whatever that subscribes to: a delivery that it has of it begins anew, and where it
/// has none, as when it was registered later or did not list the event, it gets one. What the key that registered the
/// endpoint may not read is as if it were not there.
pub async fn resend_event(
    app: &App,
    call: &Call,
    command: ResendEvent,
    render: Render<Resent>,
) -> Result<Reply> {
    command.of.allow(call, Scope::WebhooksWrite)?;
    app.write(call, command, render, |tx, cx, command| Box::pin(resend_in(tx, cx, command))).await
}

async fn resend_in(tx: &mut Tx, cx: &Cx, command: &ResendEvent) -> Result<Resent> {
    let endpoint = command.of.find(tx, &cx.call, Scope::WebhooksWrite).await?;
    let (clinic, id) = (endpoint.clinic_id, endpoint.id);
    let event = events::event_get(tx, clinic, command.event).await?;
    let event = event.filter(|event| event.shape == endpoint.shape).ok_or(NO_EVENT)?;
    let subscription = subscription(tx, &endpoint, &event).await?.ok_or(NO_EVENT)?;
    // It holds the event, more firmly than the look after it: the other way round two at once would wait for each other.
    let there = store::delivery_of_event(tx, clinic, id, event.id).await?;
    is_sendable(tx, clinic, event.id).await?;
    let delivery = match there {
        Some(delivery) => delivery,
        None => add(tx, cx, &subscription, &event).await?,
    };
    begin_anew(tx, cx, &endpoint, delivery).await?;
    audited(tx, cx, clinic, "webhook.resend", id).await?;
    Ok(Resent { endpoint_id: id, delivery_id: delivery, event_id: event.id })
}

/// The endpoint as its events are addressed to it, unchanged until this transaction ends; `None` if the key that
/// registered it may not read the event, which goes there and not to the caller.
async fn subscription(tx: &mut Tx, endpoint: &Endpoint, event: &EventRow) -> Result<Option<Subscription>> {
    let reads = |scopes: Scopes| types_of(event.shape, None, scopes).contains(&event.type_.as_str());
    let subscriptions = endpoints::subscriptions(tx, endpoint.clinic_id).await?;
    Ok(subscriptions.into_iter().find(|own| own.endpoint_id == endpoint.id && reads(own.scopes)))
}

/// A delivery more of an event that was told long ago.
async fn add(tx: &mut Tx, cx: &Cx, to: &Subscription, event: &EventRow) -> Result<DeliveryId> {
    let name = resent_name(event.shape, &event.type_, &to.event_types).unwrap_or(&event.name);
    let delivery = NewDelivery {
        id: DeliveryId(Uuid::now_v7()),
        clinic_id: event.clinic_id,
        endpoint_id: to.endpoint_id,
        event_id: event.id,
        event_name: name.to_owned(),
        ordering_key: event.ordering_key,
        sequence: event.sequence,
        ordered: to.ordered,
        due_at: cx.wall,
        created_at: cx.wall,
        lease: None,
    };
    tx.batch(store::delivery_statements(std::slice::from_ref(&delivery))).await?;
    ledger_added(tx, event.clinic_id, to.endpoint_id, event.id).await?;
    Ok(delivery.id)
}
