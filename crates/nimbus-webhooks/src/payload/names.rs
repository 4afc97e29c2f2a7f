//! What events are called, which names an endpoint may subscribe to, and which scope reads them.

use nimbus_core::{
    access::{Scope, Scopes},
    event::{MedicationChange, PrescriptionChange, RefillChange},
};

/// What an endpoint gets that names no event types: the three published names.
pub const DEFAULT_EVENT_TYPES: &[&str] = &["shipment:created", "shipment:cancelled", "medication:updated"];
/// What it gets besides, if its key may read practitioners.
pub const PEOPLE_EVENT_TYPES: &[&str] =
    &["shipment:updated", "prescription:updated", "practitioner:activated"];

/// The names of an event: the broad one that handlers read, and the narrow one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EventName {
    pub name: &'static str,
    pub type_: &'static str,
    /// The older spelling of the narrow name, where there is one.
    pub older: Option<&'static str>,
}

const fn same(name: &'static str) -> EventName {
    EventName { name, type_: name, older: None }
}

const fn narrow(name: &'static str, type_: &'static str) -> EventName {
    EventName { name, type_, older: None }
}

pub(crate) const SHIPMENT_CREATED: EventName = same("shipment:created");
pub(crate) const SHIPMENT_UPDATED: EventName = same("shipment:updated");
pub(crate) const SHIPMENT_CANCELLED: EventName = same("shipment:cancelled");
pub(crate) const PRACTITIONER_ACTIVATED: EventName = same("practitioner:activated");
pub(crate) const WEBHOOK_TEST: EventName = same("webhook:test");
pub(crate) const WEBHOOK_DISABLED: EventName = same("webhook:disabled");

pub(crate) const fn medication(change: MedicationChange) -> EventName {
    const NAME: &str = "medication:updated";
    let (type_, older) = match change {
        MedicationChange::Validated => ("medication:validated", Some("medication_order:verified")),
        MedicationChange::Submitted => ("medication:submitted", Some("medication_order:submitted")),
        MedicationChange::Acknowledged => ("medication:acknowledged", Some("medication_order:acknowledged")),
        MedicationChange::Filled => ("medication:filled", Some("medication_order:filled")),
        MedicationChange::Shipped => ("medication:shipped", None),
        MedicationChange::Delivered => ("medication:delivered", None),
        MedicationChange::Cancelled => ("medication:cancelled", None),
        MedicationChange::Rejected => ("medication:rejected", None),
        MedicationChange::OnHold => ("medication:on_hold", None),
        MedicationChange::Released => ("medication:released", None),
        MedicationChange::Returned => ("medication:returned", None),
        MedicationChange::Lost => ("medication:lost", None),
        MedicationChange::CancellationDeclined => ("medication:cancellation_declined", None),
    };
    EventName { name: NAME, type_, older }
}

pub(crate) const fn prescription(change: PrescriptionChange) -> EventName {
    let type_ = match change {
        PrescriptionChange::Created => "prescription:created",
        PrescriptionChange::Verified => "prescription:verified",
        PrescriptionChange::OnHold => "prescription:on_hold",
        PrescriptionChange::Released => "prescription:released",
        PrescriptionChange::Completed => "prescription:completed",
        PrescriptionChange::Expired => "prescription:expired",
        PrescriptionChange::Discontinued => "prescription:discontinued",
        PrescriptionChange::RefillDue => "prescription:refill_due",
    };
    narrow("prescription:updated", type_)
}

pub(crate) const fn refill(change: RefillChange) -> EventName {
    let type_ = match change {
        RefillChange::Requested => "refill:requested",
        RefillChange::Approved => "refill:approved",
        RefillChange::Denied => "refill:denied",
        RefillChange::Processing => "refill:processing",
        RefillChange::Shipped => "refill:shipped",
        RefillChange::Delivered => "refill:delivered",
        RefillChange::Cancelled => "refill:cancelled",
    };
    narrow("refill:updated", type_)
}

/// Every event of the partner shape.
fn all() -> impl Iterator<Item = EventName> {
    let plain = [
        SHIPMENT_CREATED,
        SHIPMENT_UPDATED,
        SHIPMENT_CANCELLED,
        PRACTITIONER_ACTIVATED,
        WEBHOOK_TEST,
        WEBHOOK_DISABLED,
    ];
    plain
        .into_iter()
        .chain(MedicationChange::ALL.iter().map(|&change| medication(change)))
        .chain(PrescriptionChange::ALL.iter().map(|&change| prescription(change)))
        .chain(RefillChange::ALL.iter().map(|&change| refill(change)))
}

/// Whether an endpoint may subscribe to this: `*`, a broad or narrow name, an older name, or `prefix:*` of one.
pub fn is_known(event_type: &str) -> bool {
    if let Some(prefix) = event_type.strip_suffix('*') {
        let begins = |event: EventName| {
            event.type_.starts_with(prefix) || event.older.is_some_and(|older| older.starts_with(prefix))
        };
        return prefix.is_empty() || (prefix.ends_with(':') && all().any(begins));
    }
    all().any(|event| [Some(event.name), Some(event.type_), event.older].contains(&Some(event_type)))
}

/// The scope that an endpoint's key needs to be sent events of this name.
fn scope_of(event: &EventName) -> Scope {
    match event.name.split(':').next() {
        Some("shipment") => Scope::ShipmentsRead,
        Some("refill") => Scope::RefillsRead,
        Some("practitioner") => Scope::PractitionersRead,
        Some("webhook") => Scope::WebhooksRead,
        _ => Scope::OrdersRead,
    }
}

/// The name under which a subscription receives an event, or `None` if it does not: the older name if it is
/// listed, else the broad one, which handlers read. What concerns the endpoint itself is never filtered.
pub fn subscribed_name(event: &EventName, event_types: &[String], scopes: Scopes) -> Option<&'static str> {
    if !scopes.has(scope_of(event)) {
        return None;
    }
    let lists_older = |older: &&'static str| {
        event_types.iter().any(|listed| match listed.strip_suffix('*') {
            Some(prefix) => !prefix.is_empty() && older.starts_with(prefix),
            None => listed == older,
        })
    };
    if let Some(older) = event.older.filter(lists_older) {
        return Some(older);
    }
    let listed = event_types.iter().any(|listed| match listed.strip_suffix('*') {
        Some(prefix) => event.type_.starts_with(prefix) || event.name.starts_with(prefix),
        None => listed == event.name || listed == event.type_,
    });
    (listed || *event == WEBHOOK_DISABLED).then_some(event.name)
}

#[cfg(test)]
mod tests {
    use nimbus_core::access::Profile;

    use super::*;

    fn name(event: &EventName, listed: &[&str]) -> Option<&'static str> {
        let listed: Vec<String> = listed.iter().map(|&t| t.to_owned()).collect();
        subscribed_name(event, &listed, Scopes::profile(Profile::PharmacyPartner))
    }

    #[test]
    fn subscriptions_take_broad_narrow_older_and_prefix_names() {
        let filled = medication(MedicationChange::Filled);
        assert_eq!(name(&filled, &["medication:updated"]), Some("medication:updated"));
        assert_eq!(name(&filled, &["medication:filled"]), Some("medication:updated"));
        assert_eq!(name(&filled, &["medication:*"]), Some("medication:updated"));
        assert_eq!(name(&filled, &["*"]), Some("medication:updated"));
        assert_eq!(name(&filled, &["*", "medication_order:filled"]), Some("medication_order:filled"));
        assert_eq!(name(&filled, &["medication_order:*"]), Some("medication_order:filled"));
        assert_eq!(name(&filled, &["medication:shipped", "refill:*"]), None);
    }

    #[test]
    fn scopes_filter() {
        assert_eq!(name(&PRACTITIONER_ACTIVATED, &["*"]), None);
        let people = Scopes::profile(Profile::Integration);
        assert_eq!(
            subscribed_name(&PRACTITIONER_ACTIVATED, &["*".to_owned()], people),
            Some("practitioner:activated")
        );
    }

    #[test]
    fn unknown_names_are_not_known() {
        for known in ["*", "refill:*", "medication:shipped", "medication:updated", "medication_order:filled"]
        {
            assert!(is_known(known), "{known}");
        }
        for unknown in
            ["", "medication", "medication:", "medication_order:shipped", "med*", "x:*", "order.created"]
        {
            assert!(!is_known(unknown), "{unknown}");
        }
    }
}
