//! What events are called, which names an endpoint may subscribe to, and which scope reads them.

use std::collections::BTreeSet;

use nimbus_core::{
    access::{Scope, Scopes},
    event::{MedicationChange, OrderChange, PrescriptionChange, RefillChange},
};
use nimbus_store::endpoints::Shape;

/// What an endpoint of the partner shape gets that names no event types: the three published names.
const DEFAULT_EVENT_TYPES: &[&str] = &["shipment:created", "shipment:cancelled", "medication:updated"];
/// What it gets besides, if its key may read practitioners.
const PEOPLE_EVENT_TYPES: &[&str] = &["shipment:updated", "prescription:updated", "practitioner:activated"];

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
pub(crate) const KEY_ENDING: EventName = same("key:ending");
pub(crate) const AGREEMENT_ENDING: EventName = same("agreement:ending");
pub(crate) const ORDERS_SHIPMENT_UPDATED: EventName = same("shipment.updated");
pub(crate) const ORDERS_WEBHOOK_DISABLED: EventName = same("webhook.disabled");

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

pub(crate) const fn order(change: OrderChange) -> EventName {
    same(match change {
        OrderChange::Created => "order.created",
        OrderChange::Updated => "order.updated",
        OrderChange::Fulfilled => "order.fulfilled",
        OrderChange::Delivered => "order.delivered",
        OrderChange::Cancelled => "order.cancelled",
    })
}

/// The orders shape does not tell that a refill is processed: `order.updated` does.
pub(crate) const fn orders_refill(change: RefillChange) -> Option<EventName> {
    Some(same(match change {
        RefillChange::Requested => "refill.created",
        RefillChange::Approved => "refill.ready",
        RefillChange::Denied => "refill.denied",
        RefillChange::Shipped => "refill.shipped",
        RefillChange::Delivered => "refill.delivered",
        RefillChange::Cancelled => "refill.cancelled",
        RefillChange::Processing => return None,
    }))
}

/// Every event of a shape.
pub(super) fn all(shape: Shape) -> Box<dyn Iterator<Item = EventName>> {
    match shape {
        Shape::Partner => Box::new(all_of_partners()),
        Shape::Orders => Box::new(all_of_orders()),
    }
}

fn all_of_partners() -> impl Iterator<Item = EventName> {
    let plain = [
        SHIPMENT_CREATED,
        SHIPMENT_UPDATED,
        SHIPMENT_CANCELLED,
        PRACTITIONER_ACTIVATED,
        WEBHOOK_TEST,
        WEBHOOK_DISABLED,
        KEY_ENDING,
        AGREEMENT_ENDING,
    ];
    plain
        .into_iter()
        .chain(MedicationChange::ALL.iter().map(|&change| medication(change)))
        .chain(PrescriptionChange::ALL.iter().map(|&change| prescription(change)))
        .chain(RefillChange::ALL.iter().map(|&change| refill(change)))
}

fn all_of_orders() -> impl Iterator<Item = EventName> {
    let orders = OrderChange::ALL.iter().map(|&change| order(change));
    let refills = RefillChange::ALL.iter().filter_map(|&change| orders_refill(change));
    orders.chain(refills).chain([ORDERS_SHIPMENT_UPDATED, ORDERS_WEBHOOK_DISABLED])
}

/// What stands between the subject of an event's name and what happened to it.
const fn separator(shape: Shape) -> char {
    match shape {
        Shape::Partner => ':',
        Shape::Orders => '.',
    }
}

/// Whether an endpoint may subscribe to this: `*`, a name of the shape, narrow or older ones included, or all that
/// begin with one subject (`refill:*`, `refill.*`).
pub fn is_known(shape: Shape, event_type: &str) -> bool {
    if let Some(prefix) = event_type.strip_suffix('*') {
        let begins = |event: EventName| {
            event.type_.starts_with(prefix) || event.older.is_some_and(|older| older.starts_with(prefix))
        };
        return prefix.is_empty() || (prefix.ends_with(separator(shape)) && all(shape).any(begins));
    }
    all(shape).any(|event| [Some(event.name), Some(event.type_), event.older].contains(&Some(event_type)))
}

/// Everything that an endpoint may subscribe to, as `is_known` knows it.
pub fn known(shape: Shape) -> BTreeSet<String> {
    let mut known = BTreeSet::from(["*".to_owned()]);
    for event in all(shape) {
        for name in [Some(event.name), Some(event.type_), event.older].into_iter().flatten() {
            known.insert(name.to_owned());
        }
        for name in [Some(event.type_), event.older].into_iter().flatten() {
            if let Some((subject, _)) = name.split_once(separator(shape)) {
                known.insert(format!("{subject}{}*", separator(shape)));
            }
        }
    }
    known
}

/// What an endpoint gets that names no event types.
pub fn default_event_types(shape: Shape, scopes: Scopes) -> Vec<String> {
    let names: &[&[&str]] = match shape {
        Shape::Partner if scopes.has(Scope::PractitionersRead) => &[DEFAULT_EVENT_TYPES, PEOPLE_EVENT_TYPES],
        Shape::Partner => &[DEFAULT_EVENT_TYPES],
        Shape::Orders => &[&["*"]],
    };
    names.iter().copied().flatten().map(|&name| name.to_owned()).collect()
}

/// The scope that a key needs to be told of events of this name.
pub(super) fn scope_of(name: &str) -> Scope {
    match name.split([':', '.']).next() {
        Some("shipment") => Scope::ShipmentsRead,
        Some("refill") => Scope::RefillsRead,
        Some("practitioner") => Scope::PractitionersRead,
        Some("webhook" | "key" | "agreement") => Scope::WebhooksRead,
        _ => Scope::OrdersRead,
    }
}

fn lists(event: &EventName, event_types: &[String]) -> bool {
    event_types.iter().any(|listed| match listed.strip_suffix('*') {
        Some(prefix) => event.type_.starts_with(prefix) || event.name.starts_with(prefix),
        None => listed == event.name || listed == event.type_,
    })
}

/// The older name under which an event is listed, if it is.
fn listed_older(event: &EventName, event_types: &[String]) -> Option<&'static str> {
    event.older.filter(|older| {
        event_types.iter().any(|listed| match listed.strip_suffix('*') {
            Some(prefix) => !prefix.is_empty() && older.starts_with(prefix),
            None => listed == older,
        })
    })
}

/// The name under which a subscription receives an event of its shape, or `None` if it does not: the older name if
/// it is listed, else the broad one, which handlers read. That an endpoint was disabled is never filtered.
pub fn subscribed_name(event: &EventName, event_types: &[String], scopes: Scopes) -> Option<&'static str> {
    if !scopes.has(scope_of(event.name)) {
        return None;
    }
    if let Some(older) = listed_older(event, event_types) {
        return Some(older);
    }
    let is_news = *event == WEBHOOK_DISABLED || *event == ORDERS_WEBHOOK_DISABLED;
    (is_news || lists(event, event_types)).then_some(event.name)
}

/// The name under which an event, by its narrow one, is sent again to an endpoint that lists these: as if it were
/// subscribed to it. `None` for an event that is told no more.
pub fn resent_name(shape: Shape, type_: &str, event_types: &[String]) -> Option<&'static str> {
    let event = all(shape).find(|event| event.type_ == type_)?;
    Some(listed_older(&event, event_types).unwrap_or(event.name))
}

/// The narrow names of a shape's events that a reader with these scopes may see, of those listed, if a list is
/// given.
pub fn types_of(shape: Shape, event_types: Option<&[String]>, scopes: Scopes) -> Vec<&'static str> {
    let wanted = |event: &EventName| {
        let listed =
            event_types.is_none_or(|listed| lists(event, listed) || listed_older(event, listed).is_some());
        listed && scopes.has(scope_of(event.name))
    };
    all(shape).filter(wanted).map(|event| event.type_).collect()
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
    fn what_is_listed_is_known() {
        for shape in [Shape::Partner, Shape::Orders] {
            let known = known(shape);
            assert!(known.iter().all(|name| is_known(shape, name)), "{known:?}");
            assert!(known.len() > all(shape).count());
        }
        assert!(known(Shape::Partner).contains("refill:*") && known(Shape::Orders).contains("refill.*"));
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
            assert!(is_known(Shape::Partner, known), "{known}");
        }
        for unknown in
            ["", "medication", "medication:", "medication_order:shipped", "med*", "x:*", "order.created"]
        {
            assert!(!is_known(Shape::Partner, unknown), "{unknown}");
        }
        for known in ["*", "order.*", "refill.*", "webhook.*", "order.created", "shipment.updated"] {
            assert!(is_known(Shape::Orders, known), "{known}");
        }
        for unknown in ["order:*", "order", "refill.processing", "webhook.test", "medication:updated", "ord*"]
        {
            assert!(!is_known(Shape::Orders, unknown), "{unknown}");
        }
    }

    #[test]
    fn a_feed_shows_what_is_listed_and_allowed() {
        let listed = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>();
        let partner = Scopes::profile(Profile::PharmacyPartner);
        let types = |shape, names: &[&str]| types_of(shape, Some(&listed(names)), partner);
        assert_eq!(
            types(Shape::Orders, &["refill.ready", "webhook.*"]),
            ["refill.ready", "webhook.disabled"]
        );
        assert_eq!(types(Shape::Partner, &["medication_order:filled"]), ["medication:filled"]);
        assert_eq!(types(Shape::Partner, &["practitioner:activated"]), [""; 0]);
        assert_eq!(types_of(Shape::Orders, None, Scopes::all()).len(), all(Shape::Orders).count());
        assert_eq!(types_of(Shape::Orders, None, Scopes::of(&[Scope::OrdersRead])).len(), 5);
    }
}
