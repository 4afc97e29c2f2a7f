//! Links: which operation takes what another one answered, for people and for tests that follow them.

use serde_json::{Map, Value, json};

/// From the success of one operation to another: a parameter of the other, and the pointer in the body to what it
/// takes.
struct Link {
    from: &'static str,
    to: &'static str,
    parameter: &'static str,
    pointer: &'static str,
}

const fn link(from: &'static str, to: &'static str, parameter: &'static str, pointer: &'static str) -> Link {
    Link { from, to, parameter, pointer }
}

const LINKS: &[Link] = &[
    link("createPractitioner", "getPractitioner", "id", "/data/practitioner_id"),
    link("createPractitioner", "updatePractitioner", "id", "/data/practitioner_id"),
    link("listPractitioners", "getPractitioner", "id", "/data/0/id"),
    link("createPatient", "getPatient", "id", "/data/patient_id"),
    link("createPatient", "updatePatient", "id", "/data/patient_id"),
    link("listPatients", "getPatient", "id", "/data/0/id"),
    link("createMedicationOrder", "getMedicationOrder", "id", "/data/medication_order_id"),
    link("createMedicationOrder", "cancelMedicationOrder", "id", "/data/medication_order_id"),
    link("createMedicationOrder", "resolveHold", "id", "/data/medication_order_id"),
    link("createMedicationOrder", "getMedicationRequest", "id", "/data/medication_request_id"),
    link("createMedicationOrder", "getPrescription", "id", "/data/medications/0/prescription_id"),
    link("createMedicationOrder", "advanceSandboxOrder", "id", "/data/medication_order_id"),
    link("listMedicationOrders", "getMedicationOrder", "id", "/data/0/id"),
    link("listPrescriptions", "getPrescription", "id", "/data/0/id"),
    link("createRefillRequest", "getRefillRequest", "id", "/data/refill_request_id"),
    link("createRefillRequest", "cancelRefillRequest", "id", "/data/refill_request_id"),
    link("createRefillRequest", "getMedicationOrder", "id", "/data/medication_order_id"),
    link("listRefillRequests", "getRefillRequest", "id", "/data/0/id"),
    link("listCarriers", "listCarrierServices", "carrierId", "/data/carriers/0/id"),
    link("createWebhook", "getWebhook", "id", "/data/webhook_id"),
    link("createWebhook", "updateWebhook", "id", "/data/webhook_id"),
    link("createWebhook", "testWebhook", "id", "/data/webhook_id"),
    link("createWebhook", "rotateWebhookSecret", "id", "/data/webhook_id"),
    link("createWebhook", "listWebhookDeliveries", "id", "/data/webhook_id"),
    link("createWebhook", "getWebhookStats", "id", "/data/webhook_id"),
    link("createWebhook", "deleteWebhook", "id", "/data/webhook_id"),
    link("createWebhook", "replayWebhook", "id", "/data/webhook_id"),
    link("createWebhook", "resendWebhookEvent", "id", "/data/webhook_id"),
    link("listWebhooks", "getWebhook", "id", "/data/0/webhook_id"),
    link("listEvents", "resendWebhookEvent", "eventId", "/data/0/event_id"),
    link("listWebhookDeliveries", "retryWebhookDelivery", "deliveryId", "/data/0/id"),
    link("createWebhookEndpoint", "getWebhookEndpoint", "webhookId", "/id"),
    link("createWebhookEndpoint", "updateWebhookEndpoint", "webhookId", "/id"),
    link("createWebhookEndpoint", "rotateWebhookEndpointSecret", "webhookId", "/id"),
    link("createWebhookEndpoint", "listWebhookEndpointDeliveries", "webhookId", "/id"),
    link("createWebhookEndpoint", "deleteWebhookEndpoint", "webhookId", "/id"),
    link("createWebhookEndpoint", "replayWebhookEndpoint", "webhookId", "/id"),
    link("createWebhookEndpoint", "resendWebhookEndpointEvent", "webhookId", "/id"),
    link("listOrderEvents", "resendWebhookEndpointEvent", "eventId", "/data/0/id"),
    link("listWebhookEndpointDeliveries", "retryWebhookEndpointDelivery", "deliveryId", "/data/0/id"),
    link("listWebhookEndpoints", "getWebhookEndpoint", "webhookId", "/data/0/id"),
    link("createOrder", "getOrder", "orderId", "/id"),
    link("createOrder", "getOrderTracking", "orderId", "/id"),
    link("createOrder", "cancelOrder", "orderId", "/id"),
    link("createOrder", "getPatientPrescription", "prescriptionId", "/prescriptionId"),
    link("listOrders", "getOrder", "orderId", "/data/0/id"),
    link("createRefill", "getRefill", "refillId", "/id"),
    link("createRefill", "cancelRefill", "refillId", "/id"),
    link("listRefills", "getRefill", "refillId", "/data/0/id"),
    link("listPatientPrescriptions", "getPatientPrescription", "prescriptionId", "/data/0/id"),
    link("listOrderEvents", "getOrderEvent", "eventId", "/data/0/id"),
    link("listEvents", "getEvent", "id", "/data/0/event_id"),
    link("listQueue", "getQueuedOrder", "id", "/data/0/id"),
    link("getAnyPrescription", "bindOriginal", "id", "/data/id"),
    link("createShipment", "getAnyShipment", "id", "/data/shipment_id"),
    link("createShipment", "getAnyShipmentTracking", "id", "/data/shipment_id"),
    link("createShipment", "moveShipment", "id", "/data/shipment_id"),
    link("createShipment", "cancelShipment", "id", "/data/shipment_id"),
    link("createShipment", "getShipmentLabel", "id", "/data/shipment_id"),
    link("createShipment", "getShipmentBarcode", "id", "/data/shipment_id"),
    link("createShipment", "getShipmentManifest", "id", "/data/shipment_id"),
    link("listQueue", "getVialLabels", "id", "/data/0/id"),
    link("listShipments", "getAnyShipment", "id", "/data/0/id"),
    link("listQueue", "listOrderLots", "id", "/data/0/id"),
    link("receiveStock", "listStockMoves", "id", "/data/lot_id"),
    link("listStock", "listStockMoves", "id", "/data/0/lot_id"),
    link("placeLegalHold", "releaseLegalHold", "id", "/data/id"),
    link("createLicense", "getLicense", "id", "/data/id"),
    link("createLicense", "updateLicense", "id", "/data/id"),
    link("createLicense", "deleteLicense", "id", "/data/id"),
    link("listLicenses", "getLicense", "id", "/data/0/id"),
    link("createPartner", "getPartner", "id", "/data/partner_id"),
    link("createPartner", "approvePartner", "id", "/data/partner_id"),
    link("createPartner", "suspendPartner", "id", "/data/partner_id"),
    link("createPartner", "recordAgreement", "id", "/data/partner_id"),
    link("createPartner", "listAgreements", "id", "/data/partner_id"),
    link("listPartners", "getPartner", "id", "/data/0/partner_id"),
    link("createClinic", "getAnyClinic", "id", "/data/clinic_id"),
    link("createClinic", "updateClinic", "id", "/data/clinic_id"),
    link("createClinic", "deleteClinic", "id", "/data/clinic_id"),
    link("createClinic", "createKey", "id", "/data/clinic_id"),
    link("listClinics", "getAnyClinic", "id", "/data/0/clinic_id"),
    link("listClinics", "listKeys", "id", "/data/0/clinic_id"),
    link("recordAgreement", "endAgreement", "baa_id", "/data/baa_id"),
    link("createKey", "getKey", "key_id", "/data/key_id"),
    link("createKey", "rotateKey", "key_id", "/data/key_id"),
    link("createKey", "revokeKey", "key_id", "/data/key_id"),
    link("createKey", "confineKey", "key_id", "/data/key_id"),
    link("createKey", "limitKey", "key_id", "/data/key_id"),
    link("listKeys", "getKey", "key_id", "/data/0/key_id"),
    link("inviteUser", "getUser", "id", "/data/user/user_id"),
    link("inviteUser", "updateUser", "id", "/data/user/user_id"),
    link("inviteUser", "resetUser", "id", "/data/user/user_id"),
    link("inviteUser", "listUserSessions", "id", "/data/user/user_id"),
    link("inviteUser", "revokeUserSessions", "id", "/data/user/user_id"),
    link("inviteUser", "deleteUser", "id", "/data/user/user_id"),
    link("listUsers", "getUser", "id", "/data/0/user_id"),
    link("listSessions", "endSession", "id", "/data/0/session_id"),
    link("listPasskeys", "removePasskey", "id", "/data/0/passkey_id"),
    link("addPasskey", "removePasskey", "id", "/data/passkey/passkey_id"),
    link("listClinicWebhooks", "getClinicWebhook", "webhookId", "/data/0/webhook_id"),
    link("listClinicWebhooks", "getClinicWebhookStats", "webhookId", "/data/0/webhook_id"),
    link("listClinicWebhooks", "listClinicWebhookDeliveries", "webhookId", "/data/0/webhook_id"),
    link("listClinicWebhooks", "replayClinicWebhook", "webhookId", "/data/0/webhook_id"),
    link("replayClinicWebhook", "getClinicWebhookReplay", "replayId", "/data/replay_id"),
    link("listClinicWebhookDeliveries", "retryClinicWebhookDelivery", "deliveryId", "/data/0/id"),
    link("listClinicWebhookDeliveries", "resendClinicWebhookEvent", "eventId", "/data/0/event_id"),
];

/// Adds the links whose two operations a document has.
pub(super) fn add(paths: &mut Map<String, Value>) {
    let operations = || paths.values().filter_map(Value::as_object).flat_map(Map::values);
    let known: Vec<String> =
        operations().filter_map(|it| it["operationId"].as_str()).map(str::to_owned).collect();
    for operation in paths.values_mut().filter_map(Value::as_object_mut).flat_map(Map::values_mut) {
        let id = operation["operationId"].as_str().unwrap_or_default().to_owned();
        let all = LINKS.iter().filter(|link| link.from == id && known.iter().any(|it| it == link.to));
        let links: Map<String, Value> = all
            .map(|link| {
                let value = json!({
                    "operationId": link.to,
                    "parameters": {link.parameter: format!("$response.body#{}", link.pointer)},
                });
                (link.to.to_owned(), value)
            })
            .collect();
        if let Some(success) = success(operation).filter(|_| !links.is_empty()) {
            success["links"] = Value::Object(links);
        }
    }
}

/// The success of an operation; of one that answers what was there before with 200, the 201.
fn success(operation: &mut Value) -> Option<&mut Value> {
    let responses = operation["responses"].as_object_mut()?.iter_mut();
    let successes = responses.filter(|(status, _)| status.starts_with('2'));
    successes.max_by(|(one, _), (other, _)| one.cmp(other)).map(|(_, response)| response)
}

/// The operations that the table names and no document has.
#[cfg(test)]
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    LINKS.iter().flat_map(|link| [link.from, link.to])
}
