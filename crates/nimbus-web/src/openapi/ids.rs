//! The ids of examples: for each kind of resource one, the same wherever a document names it.

use nimbus_core::ids::{
    BaaId, BreakGlassId, ClinicId, DeliveryId, EndpointId, EventId, HoldId, KeyId, LegalHoldId, LicenseId,
    LineId, LotId, MoveId, NoticeId, OrderId, PartnerId, PasskeyId, PatientId, PractitionerId,
    PrescriptionId, RefillId, ReplayId, SessionId, ShipmentId, UserId, base62,
};
use uuid::Uuid;

use crate::surface::Surface;

/// A UUID v7 whose last digits tell the samples apart.
const FIRST: u128 = 0x0194_68f2_3b1c_7d5e_9a60_4f1e_2b3c_4d00;

/// The words that name a kind in fields and paths, the prefix of its ids, and the kind's number.
const KINDS: &[(&[&str], &str)] = &[
    (&["clinic", "assigned_clinic", "clinics"], ClinicId::PREFIX),
    (&["partner", "partners"], PartnerId::PREFIX),
    (&["practitioner", "practitioners"], PractitionerId::PREFIX),
    (&["patient", "patients", "clinic_row"], PatientId::PREFIX),
    (&["prescription", "prescriptions"], PrescriptionId::PREFIX),
    (&["medication_order", "order", "orders", "replaces", "subject"], OrderId::PREFIX),
    (&["medication_request", "medication_created", "request"], LineId::PREFIX),
    (&["refill_request", "refill", "refills", "refill_requests"], RefillId::PREFIX),
    (&["shipment", "shipments", "shipment_summary"], ShipmentId::PREFIX),
    (&["webhook", "webhooks", "endpoint"], EndpointId::PREFIX),
    (&["event", "events"], EventId::PREFIX),
    (&["delivery", "deliveries"], DeliveryId::PREFIX),
    (&["hold", "holds"], HoldId::PREFIX),
    (&["key", "keys"], KeyId::PREFIX),
    (&["license", "licenses", "state_license"], LicenseId::PREFIX),
    (&["legal_hold", "legal_holds"], LegalHoldId::PREFIX),
    (&["lot", "inventory"], LotId::PREFIX),
    (&["move"], MoveId::PREFIX),
    (&["replay"], ReplayId::PREFIX),
    (&["baa"], BaaId::PREFIX),
    (&["notice"], NoticeId::PREFIX),
    (&["successor"], KeyId::PREFIX),
    (&["user", "users"], UserId::PREFIX),
    (&["session", "sessions"], SessionId::PREFIX),
    (&["break_glass"], BreakGlassId::PREFIX),
    (&["passkey", "passkeys"], PasskeyId::PREFIX),
];

fn kind(noun: &str) -> Option<(usize, &'static str)> {
    let position = KINDS.iter().position(|(nouns, _)| nouns.contains(&noun))?;
    Some((position, KINDS[position].1))
}

/// The sample of what a noun such as `patient` names.
pub(super) fn sample(noun: &str) -> Uuid {
    let number = kind(noun).map_or(KINDS.len(), |(number, _)| number);
    Uuid::from_u128(FIRST + number as u128)
}

/// The prefix of the ids of what a noun names.
pub(super) fn prefix(noun: &str) -> Option<&'static str> {
    kind(noun).map(|(_, prefix)| prefix)
}

/// The sample as a surface writes it.
pub(super) fn text(noun: &str, surface: Surface) -> String {
    match (surface, prefix(noun)) {
        (Surface::Orders, Some(prefix)) => format!("{prefix}_{}", base62(sample(noun).as_u128())),
        _ => sample(noun).to_string(),
    }
}
