//! Whoever is let in and answered is on record, with what they asked: by the request ids of the audit log.

use std::collections::BTreeSet;

use serde_json::Value;

use super::Operation;
use crate::support::{Reply, Server};

/// What is about nobody: the deployment itself.
const OF_THE_DEPLOYMENT: [&str; 10] = [
    "get /.well-known/webhook-keys.json",
    "get /api/external/carriers",
    "get /api/external/event-types",
    "get /health",
    "get /health/live",
    "get /health/ready",
    "get /openapi/integration.json",
    "get /openapi/operations.json",
    "get /openapi/orders.json",
    "get /openapi/partner.json",
];

/// Readings of how things are set up, without anything of a patient. What changes them is on record.
const OF_SETTINGS: [&str; 33] = [
    "get /api/admin/clinics",
    "get /api/admin/clinics/{id}",
    "get /api/admin/clinics/{id}/formulary",
    "get /api/admin/clinics/{id}/keys",
    "get /api/admin/clinics/{id}/keys/{key_id}",
    "get /api/admin/clinics/{id}/refill-thresholds",
    "get /api/admin/clinics/{id}/webhooks/{webhookId}/replay/{replayId}",
    "get /api/admin/legal-holds",
    "get /api/admin/licenses",
    "get /api/admin/licenses/{id}",
    "get /api/admin/notices",
    "get /api/admin/partners",
    "get /api/admin/partners/{id}",
    "get /api/admin/partners/{id}/baa",
    "get /api/admin/rules",
    "get /api/admin/users",
    "get /api/admin/users/{id}",
    "get /api/admin/users/{id}/sessions",
    "get /api/external/clinic",
    "get /api/external/keys",
    "get /api/external/sandbox/fixtures",
    "get /api/external/webhook",
    "get /api/external/webhook/{id}",
    "get /api/external/webhook/{id}/replay/{replayId}",
    "get /api/pharmacy/inventory",
    "get /api/sandbox/fixtures",
    "get /api/staff/break-glass",
    "get /api/staff/passkeys",
    "get /api/staff/session",
    "get /api/staff/sessions",
    "get /webhooks",
    "get /webhooks/{webhookId}",
    "get /webhooks/{webhookId}/replay/{replayId}",
];

/// What found nothing to change here: a key that was revoked already, a factor or broken glass that was not there; and
/// what a passkey is to sign, which counts only once it has.
const WITHOUT_EFFECT: [&str; 7] = [
    "delete /api/staff/break-glass",
    "delete /api/staff/totp",
    "post /api/admin/clinics/{id}/keys/{key_id}/revoke",
    "post /api/external/keys/{id}/revoke",
    "post /api/staff/passkeys/start",
    "post /api/staff/session/passkey/start",
    "post /api/staff/session/step-up/passkey/start",
];

/// What was answered so far.
#[derive(Default)]
pub(super) struct Answered(Vec<(String, String)>);

impl Answered {
    /// Notes a reply, if the operation was done.
    pub(super) fn note(&mut self, operation: &Operation, reply: &Reply) {
        if (200..300).contains(&reply.status) {
            let id = reply.header("x-request-id").expect("every reply has one").to_owned();
            self.0.push((operation.name.clone(), id));
        }
    }

    /// Every one of them has a row in the audit log, but for those that are named above, and those have none.
    pub(super) fn all_on_record(&self, server: &Server) {
        assert!(self.0.len() > 150, "{} operations were answered", self.0.len());
        let output = server.store().output(&["audit", "export"]);
        let log = String::from_utf8(output.stdout).expect("a text");
        let request_of = |line: &str| -> Option<String> {
            let line: Value = serde_json::from_str(line).expect("a JSON object a line");
            line["request_id"].as_str().map(str::to_owned)
        };
        let on_record: BTreeSet<String> = log.lines().filter_map(request_of).collect();
        let missing: BTreeSet<&str> =
            self.0.iter().filter(|(_, id)| !on_record.contains(id)).map(|(name, _)| name.as_str()).collect();
        let silent = OF_THE_DEPLOYMENT.into_iter().chain(OF_SETTINGS).chain(WITHOUT_EFFECT);
        assert_eq!(missing, silent.collect(), "what leaves nothing in the audit log");
    }
}
