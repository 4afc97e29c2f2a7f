//! Webhook endpoints of partners: registered, changed, tested, deleted; `sent` has what was sent to them.

mod checks;
mod of;
mod sent;

use nimbus_core::{
    access::Scope,
    event::{Event, Fact},
    ids::{ClinicId, EndpointId},
    phi::Phi,
};
use nimbus_store::{
    Tx, deliveries, endpoints as store,
    page::{Page, Slice},
    tenants,
};
pub use nimbus_store::{
    deliveries::{AttemptTimes, AttemptView, DeliveryRow, DeliveryState},
    endpoints::{AfterDeadLetter, Endpoint, EndpointStatus, Payload, Shape, Signing},
};
use nimbus_webhooks::{payload::default_event_types, url::EndpointUrl};
use uuid::Uuid;

use self::checks::{header_errors, option_errors};
pub(crate) use self::{checks::event_type_errors, of::find};
pub use self::{
    of::{Of, Which},
    sent::{
        Deliveries, DeliveryView, ResendEvent, Resent, RetryDelivery, cause_class, dead_letters, deliveries,
        hint, resend_event, retry_delivery,
    },
};
use crate::{
    App,
    actor::{CLINIC_SENDERS, Call, SENDERS},
    endpoint_keys::{self, MAX_OVERLAP_HOURS, OVERLAP_HOURS, new_secret},
    error::{Error, FieldError, Result},
    outbox::Changes,
    practitioners::set,
    unit::{Cx, Render, Reply},
};

pub(crate) const NOT_FOUND: Error = Error::NotFound("Webhook");

/// The most endpoints of a clinic.
const MAX_ENDPOINTS: u32 = 100;
/// What a surface calls the fields that are judged here, so that a refusal names what the caller wrote.
#[derive(Debug, PartialEq, Eq)]
pub struct FieldNames {
    pub url: &'static str,
    pub event_types: &'static str,
    pub headers: &'static str,
    pub rate_limit_per_second: &'static str,
    pub retry_schedule: &'static str,
    pub status: &'static str,
    /// What a refusal names that is about the clinic, not about a field of its own.
    pub clinic: &'static str,
}

/// How deliveries are made. `None` leaves what there is: the usual, for a new endpoint.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Whether events of one ordering key are sent one after the other.
    pub ordered: Option<bool>,
    pub after_dead_letter: Option<AfterDeadLetter>,
    pub payload: Option<Payload>,
    /// No limit of its own, if `Some(None)`.
    pub rate_limit_per_second: Option<Option<u32>>,
    /// Seconds from each attempt to the next; the published schedule, if `Some(None)`.
    pub retry_schedule: Option<Option<Vec<u32>>>,
}

impl Options {
    fn apply(&self, endpoint: &mut Endpoint) {
        set(&mut endpoint.ordered, &self.ordered);
        set(&mut endpoint.after_dead_letter, &self.after_dead_letter);
        set(&mut endpoint.payload, &self.payload);
        set(&mut endpoint.rate_limit_per_second, &self.rate_limit_per_second);
        set(&mut endpoint.retry_schedule, &self.retry_schedule);
    }
}

pub struct Create {
    pub shape: Shape,
    pub names: &'static FieldNames,
    /// The clinic that the caller named; the key's own if the surface asks for none.
    pub clinic_id: Option<ClinicId>,
    pub url: String,
    /// The shape's default, if not given.
    pub event_types: Option<Vec<String>>,
    pub description: Option<String>,
    pub signing: Signing,
    pub send_api_key: bool,
    /// Sent with every delivery.
    pub headers: Vec<(String, String)>,
    pub options: Options,
    pub warnings: Vec<String>,
}

pub struct Created {
    pub endpoint: Endpoint,
    /// The clinic had an endpoint at this URL; nothing was created.
    pub existing: bool,
    pub warnings: Vec<String>,
}

/// Registers an endpoint. The same URL again answers the one there is.
pub async fn create(app: &App, call: &Call, mut command: Create, render: Render<Created>) -> Result<Reply> {
    let partner = call.partner(Scope::WebhooksWrite)?;
    let names = command.names;
    if command.clinic_id.is_some_and(|clinic| clinic != partner.clinic_id) {
        return Err(Error::field(names.clinic, "Clinic not found"));
    }
    let mut errors = Vec::new();
    match EndpointUrl::parse(&command.url, app.config().address_policy) {
        Ok(url) => {
            if !url.resolves().await {
                command.warnings.push(format!("{}: the host does not resolve yet", names.url));
            }
            url.as_str().clone_into(&mut command.url);
        }
        Err(refusal) => errors.push(FieldError::new(names.url, refusal.to_string())),
    }
    errors.extend(event_type_errors(names, command.shape, command.event_types.as_deref()));
    errors.extend(header_errors(names, &command.headers));
    errors.extend(option_errors(names, &command.options));
    if !errors.is_empty() {
        return Err(Error::Invalid(errors));
    }
    app.write(call, command, render, |tx, cx, command| Box::pin(create_in(tx, cx, command))).await
}

async fn create_in(tx: &mut Tx, cx: &Cx, command: &Create) -> Result<Created> {
    let partner = cx.call.partner(Scope::WebhooksWrite)?;
    let clinic = partner.clinic_id;
    let warnings = command.warnings.clone();
    if let Some(endpoint) = store::endpoint_by_url(tx, clinic, command.shape, &command.url).await? {
        return Ok(Created { endpoint, existing: true, warnings });
    }
    let all = Page { limit: MAX_ENDPOINTS, ..Page::default() };
    let existing = store::endpoint_list(tx, clinic, None, None, &all).await?;
    if existing.items.len() >= MAX_ENDPOINTS as usize {
        return Err(Error::field(
            command.names.clinic,
            format!("The clinic has {MAX_ENDPOINTS} webhooks, which is the most"),
        ));
    }
    let mut endpoint = Endpoint {
        id: EndpointId(Uuid::now_v7()),
        clinic_id: clinic,
        shape: command.shape,
        url: command.url.clone(),
        event_types: command
            .event_types
            .clone()
            .unwrap_or_else(|| default_event_types(command.shape, partner.scopes)),
        description: command.description.clone(),
        signing: command.signing,
        secret: new_secret(),
        key_pair: None,
        public_key: None,
        retiring: Vec::new(),
        send_api_key: command.send_api_key,
        key_id: Some(partner.key_id),
        headers: Phi::new(command.headers.clone()),
        ordered: false,
        after_dead_letter: AfterDeadLetter::Skip,
        rate_limit_per_second: None,
        payload: Payload::Full,
        retry_schedule: None,
        status: EndpointStatus::Active,
        disabled_reason: None,
        failing_since: None,
        version: 1,
        created_at: cx.now,
        updated_at: cx.now,
        deleted_at: None,
    };
    command.options.apply(&mut endpoint);
    endpoint_keys::first_pair(&mut endpoint);
    store::endpoint_insert(tx, &endpoint).await?;
    if endpoint.public_key.is_some() {
        endpoint_keys::publish(tx, &endpoint, cx.wall).await?;
    }
    audited(tx, cx, clinic, "webhook.create", endpoint.id).await?;
    Ok(Created { endpoint, existing: false, warnings })
}

pub(crate) async fn audited(
    tx: &mut Tx,
    cx: &Cx,
    clinic: ClinicId,
    action: &'static str,
    id: EndpointId,
) -> Result<()> {
    let mut changes = Changes::default();
    changes.audit.push(cx.audit(Some(clinic), action, "webhook", Some(id.0)));
    changes.write(tx, cx).await
}

/// One endpoint.
pub async fn get(app: &App, call: &Call, of: Of) -> Result<Endpoint> {
    of.allow(call, Scope::WebhooksRead)?;
    app.read(call, of, |tx, cx, of| {
        Box::pin(async move { Ok((of.find(tx, &cx.call, Scope::WebhooksRead).await?, of.looked(cx))) })
    })
    .await
}

pub struct List {
    pub shape: Shape,
    pub status: Option<EndpointStatus>,
    pub page: Page,
}

/// The endpoints of one shape of the key's clinic, newest first.
pub async fn list(app: &App, call: &Call, list: List) -> Result<Slice<Endpoint>> {
    let clinic = call.partner(Scope::WebhooksRead)?.clinic_id;
    app.read(call, (clinic, list), |tx, _, (clinic, list)| {
        Box::pin(async move {
            let (shape, status) = (Some(list.shape), list.status);
            Ok((store::endpoint_list(tx, *clinic, shape, status, &list.page).await?, Vec::new()))
        })
    })
    .await
}

/// Endpoints as staff look for them.
pub struct ListAny {
    pub of: Whose,
    pub status: Option<EndpointStatus>,
    pub page: Page,
}

/// Of which clinic endpoints are listed.
pub enum Whose {
    Any,
    /// Of one that may not be there, and has none then.
    Filtered(ClinicId),
    /// Of one that must be there.
    Clinic(ClinicId),
}

/// The endpoints of both shapes of one clinic or of all, newest first, for staff.
pub async fn list_any(app: &App, call: &Call, list: ListAny) -> Result<Slice<Endpoint>> {
    match list.of {
        Whose::Clinic(clinic) => call.staff_of(CLINIC_SENDERS, clinic)?,
        Whose::Any | Whose::Filtered(_) => call.staff(SENDERS)?,
    }
    app.read(call, list, |tx, cx, list| {
        Box::pin(async move {
            let clinic = match list.of {
                Whose::Any => None,
                Whose::Filtered(clinic) => Some(clinic),
                Whose::Clinic(clinic) => {
                    tenants::clinic_get(tx, clinic).await?.ok_or(Error::NotFound("Clinic"))?;
                    Some(clinic)
                }
            };
            let found = match clinic {
                Some(clinic) => store::endpoint_list(tx, clinic, None, list.status, &list.page).await?,
                None => store::endpoint_list_any(tx, list.status, &list.page).await?,
            };
            Ok((found, vec![cx.audit(clinic, "webhook.list", "webhook", None)]))
        })
    })
    .await
}

/// A change of an endpoint; `None` leaves a field.
#[derive(Default)]
pub struct EndpointChange {
    pub url: Option<String>,
    pub event_types: Option<Vec<String>>,
    pub description: Option<Option<String>>,
    /// Another scheme: both sign for a day.
    pub signing: Option<Signing>,
    pub send_api_key: Option<bool>,
    pub headers: Option<Vec<(String, String)>>,
    pub options: Options,
    /// `active` also re-enables a disabled endpoint.
    pub status: Option<EndpointStatus>,
}

pub struct Update {
    pub which: Which,
    pub names: &'static FieldNames,
    pub change: EndpointChange,
}

/// Changes an endpoint. What it missed while paused or disabled is sent when it is active again.
pub async fn update(app: &App, call: &Call, mut command: Update, render: Render<Endpoint>) -> Result<Reply> {
    call.partner(Scope::WebhooksWrite)?;
    let (names, shape) = (command.names, command.which.shape);
    let change = &mut command.change;
    let mut errors = Vec::new();
    if let Some(url) = &mut change.url {
        match EndpointUrl::parse(url, app.config().address_policy) {
            Ok(parsed) => parsed.as_str().clone_into(url),
            Err(refusal) => errors.push(FieldError::new(names.url, refusal.to_string())),
        }
    }
    errors.extend(event_type_errors(names, shape, change.event_types.as_deref()));
    errors.extend(header_errors(names, change.headers.as_deref().unwrap_or_default()));
    errors.extend(option_errors(names, &change.options));
    if !matches!(change.status, None | Some(EndpointStatus::Active | EndpointStatus::Paused)) {
        errors.push(FieldError::new(names.status, "must be active or paused"));
    }
    if !errors.is_empty() {
        return Err(Error::Invalid(errors));
    }
    app.write(call, command, render, |tx, cx, command| Box::pin(update_in(tx, cx, command))).await
}

async fn update_in(tx: &mut Tx, cx: &Cx, command: &Update) -> Result<Endpoint> {
    let clinic = cx.call.partner(Scope::WebhooksWrite)?.clinic_id;
    let mut found = find(tx, clinic, command.which).await?;
    cx.must_match(found.version)?;
    let change = &command.change;
    if let Some(url) = change.url.as_deref().filter(|url| *url != found.url)
        && store::endpoint_by_url(tx, clinic, found.shape, url).await?.is_some()
    {
        return Err(Error::field(command.names.url, "is registered already"));
    }
    set(&mut found.url, &change.url);
    set(&mut found.event_types, &change.event_types);
    set(&mut found.description, &change.description);
    set(&mut found.send_api_key, &change.send_api_key);
    set(found.headers.expose_mut(), &change.headers);
    let was_ordered = found.ordered;
    change.options.apply(&mut found);
    if found.ordered != was_ordered {
        store::endpoint_hold(tx, clinic, found.id).await?;
        deliveries::deliveries_line_up(tx, clinic, found.id, found.ordered).await?;
    }
    if let Some(status) = change.status {
        found.status = status;
        found.disabled_reason = None;
        if status == EndpointStatus::Active {
            found.failing_since = None;
        }
    }
    if let Some(signing) = change.signing.filter(|signing| *signing != found.signing) {
        endpoint_keys::switch(&mut found, signing, cx.wall);
        endpoint_keys::publish(tx, &found, cx.wall).await?;
    }
    found.updated_at = cx.now;
    store::endpoint_update(tx, &found).await?;
    found.version += 1;
    // An endpoint that is active again has what it missed sent at once.
    cx.wake_dispatcher();
    audited(tx, cx, clinic, "webhook.update", found.id).await?;
    Ok(found)
}

/// Deletes an endpoint: what waits for it is cancelled at once, what was sent stays on record.
pub async fn delete(app: &App, call: &Call, which: Which, render: Render<()>) -> Result<Reply> {
    call.partner(Scope::WebhooksWrite)?;
    app.write(call, which, render, |tx, cx, &which| {
        Box::pin(async move {
            let clinic = cx.call.partner(Scope::WebhooksWrite)?.clinic_id;
            let found = find(tx, clinic, which).await?;
            delete_in(tx, cx, found).await
        })
    })
    .await
}

async fn delete_in(tx: &mut Tx, cx: &Cx, mut found: Endpoint) -> Result<()> {
    let (clinic, id) = (found.clinic_id, found.id);
    found.status = EndpointStatus::Deleted;
    found.deleted_at = Some(cx.now);
    found.updated_at = cx.now;
    store::endpoint_hold(tx, clinic, id).await?;
    store::endpoint_update(tx, &found).await?;
    endpoint_keys::publish(tx, &found, cx.wall).await?;
    deliveries::deliveries_cancel(tx, clinic, id, cx.wall).await?;
    audited(tx, cx, clinic, "webhook.delete", id).await
}

/// Deletes all endpoints of a clinic.
pub(crate) async fn delete_all(tx: &mut Tx, cx: &Cx, clinic: ClinicId) -> Result<()> {
    let all = Page { limit: MAX_ENDPOINTS, ..Page::default() };
    for found in store::endpoint_list(tx, clinic, None, None, &all).await?.items {
        delete_in(tx, cx, found).await?;
    }
    Ok(())
}

pub struct Tested {
    pub endpoint_id: EndpointId,
}

/// Sends a `webhook:test` event to one endpoint of the partner shape, whatever it subscribes to.
pub async fn test(app: &App, call: &Call, id: EndpointId, render: Render<Tested>) -> Result<Reply> {
    call.partner(Scope::WebhooksWrite)?;
    app.write(call, id, render, |tx, cx, &id| {
        Box::pin(async move {
            let clinic = cx.call.partner(Scope::WebhooksWrite)?.clinic_id;
            let found = find(tx, clinic, Which { shape: Shape::Partner, id }).await?;
            let fact = Fact::WebhookTest { endpoint_id: found.id };
            let event = Event { clinic_id: clinic, ordering_key: None, at: cx.now, fact };
            let audit = cx.audit(Some(clinic), "webhook.test", "webhook", Some(id.0));
            let changes = Changes { history: Vec::new(), events: vec![event], audit: vec![audit] };
            changes.write(tx, cx).await?;
            Ok(Tested { endpoint_id: id })
        })
    })
    .await
}

pub struct RotateSecret {
    pub which: Which,
    /// What the surface calls it.
    pub overlap_name: &'static str,
    /// A day, if not given.
    pub overlap_hours: Option<u32>,
}

/// Gives an endpoint a new signing secret, and a new key pair where it signs by one; what signed before signs too until
/// the overlap ends.
pub async fn rotate_secret(
    app: &App,
    call: &Call,
    command: RotateSecret,
    render: Render<Endpoint>,
) -> Result<Reply> {
    call.partner(Scope::WebhooksWrite)?;
    if command.overlap_hours.is_some_and(|hours| hours > MAX_OVERLAP_HOURS) {
        return Err(Error::field(command.overlap_name, format!("must be 0 to {MAX_OVERLAP_HOURS}")));
    }
    app.write(call, command, render, |tx, cx, command| {
        Box::pin(async move {
            let clinic = cx.call.partner(Scope::WebhooksWrite)?.clinic_id;
            let mut found = find(tx, clinic, command.which).await?;
            endpoint_keys::rotate(&mut found, command.overlap_hours.unwrap_or(OVERLAP_HOURS), cx.wall);
            endpoint_keys::publish(tx, &found, cx.wall).await?;
            found.updated_at = cx.now;
            store::endpoint_update(tx, &found).await?;
            found.version += 1;
            audited(tx, cx, clinic, "webhook.rotate_secret", found.id).await?;
            Ok(found)
        })
    })
    .await
}
