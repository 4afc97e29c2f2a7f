//! The audit log as auditors read it: searched, compared with its chain, and taken elsewhere.

use std::convert::Infallible;

use axum::{
    body::Body,
    extract::State,
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use futures_util::stream;
use http::{HeaderValue, StatusCode, header::CONTENT_TYPE};
use nimbus_app::{
    actor::AUDITORS,
    audit::{
        AuditRow,
        disclosures::{self, Access, To, Wanted as Accounting},
        export::{Export, Wanted},
        look::{self, Checked as Compared, Found, Search},
        verify::{Difference, Wrong},
    },
};
use nimbus_core::ids::{base62, from_base62};
use serde::Serialize;
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::{
    Web,
    body::Incoming,
    checks::{count, id, timestamp},
    failure::Answer,
    fields::{Checked, Fields},
    partner_api::envelope::{self, List, Success},
    wire::{Lines, Time, json_response},
    words,
};

/// An entry of the audit log.
#[derive(Serialize, ToSchema)]
pub struct AuditEntryView {
    pub id: Uuid,
    /// Its place in the chain.
    pub sequence: i64,
    /// None, for an act that belongs to no clinic.
    pub clinic_id: Option<Uuid>,
    pub at: Time,
    #[schema(example = "key")]
    pub actor_kind: String,
    /// The id of the key or token, or the word of the part of the platform.
    #[schema(example = "019468f2-3b1c-7d5e-9a60-4f1e2b3c4d08")]
    pub actor: String,
    #[schema(example = "patient.read")]
    pub action: String,
    #[schema(example = "patient")]
    pub subject: String,
    pub subject_id: Option<Uuid>,
    #[schema(example = "req_0351qLz8iGm9ZZXlB7AwYG")]
    pub request_id: Option<String>,
    /// The caller's network address.
    #[schema(example = "192.0.2.7")]
    pub address: Option<String>,
    /// What the actor gave for it.
    #[schema(example = "the patient called")]
    pub reason: Option<String>,
}

impl AuditEntryView {
    fn of(sequence: i64, row: &AuditRow) -> Self {
        Self {
            id: row.id.0,
            sequence,
            clinic_id: row.clinic_id.map(|clinic| clinic.0),
            at: Time(row.at),
            actor_kind: row.actor_kind.clone(),
            actor: row.actor.clone(),
            action: row.action.clone(),
            subject: row.subject.clone(),
            subject_id: row.subject_id,
            request_id: row.request_id.clone(),
            address: row.address.clone(),
            reason: row.reason.clone(),
        }
    }
}

/// The query parameters of the search.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub struct AuditParams {
    /// How many entries, 1 to 100.
    #[param(minimum = 1, maximum = 100, default = 25)]
    pub limit: Option<u32>,
    /// `next_cursor` of the page before.
    pub cursor: Option<String>,
    /// Only those of this clinic.
    pub clinic_id: Option<String>,
    /// Only those about this record.
    pub subject_id: Option<String>,
    /// Only those about records of this kind.
    #[param(example = "patient", max_length = 50, pattern = r"^[0-9A-Za-z_.-]{1,50}$")]
    pub subject: Option<String>,
    /// Only those of this key, token or part of the platform.
    #[param(
        example = "019468f2-3b1c-7d5e-9a60-4f1e2b3c4d08",
        max_length = 50,
        pattern = r"^[0-9A-Za-z_.-]{1,50}$"
    )]
    pub actor: Option<String>,
    /// Only those in which this was done.
    #[param(example = "patient.read", max_length = 50, pattern = r"^[0-9A-Za-z_.-]{1,50}$")]
    pub action: Option<String>,
    /// The `X-Request-Id` of the reply.
    #[param(example = "req_0351qLz8iGm9ZZXlB7AwYG", max_length = 50, pattern = r"^[0-9A-Za-z_.-]{1,50}$")]
    pub request_id: Option<String>,
    /// Of this time or later (RFC 3339).
    #[param(format = DateTime)]
    pub from: Option<String>,
    /// Of before this time.
    #[param(format = DateTime)]
    pub until: Option<String>,
}

/// What the log's words, request ids and actors are made of.
fn word(value: &Value) -> Checked<String> {
    let is_part = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-');
    let word = value.as_str().filter(|text| (1..=50).contains(&text.len()) && text.bytes().all(is_part));
    word.map(str::to_owned).ok_or_else(|| "must have 1 to 50 letters, digits, _, . and -".into())
}

fn read_search(f: &mut Fields<'_>) -> Option<Search> {
    Some(Search {
        limit: f.optional("limit", count(1..=100)).unwrap_or(25),
        before: f.optional("cursor", cursor),
        clinic_id: f.optional("clinic_id", id),
        subject_id: f.optional("subject_id", any_id),
        subject: f.optional("subject", word),
        actor: f.optional("actor", word),
        action: f.optional("action", word),
        request_id: f.optional("request_id", word),
        from: f.optional("from", timestamp),
        until: f.optional("until", timestamp),
    })
}

/// An id of any kind, as the log has it.
fn any_id(value: &Value) -> Checked<Uuid> {
    value.as_str().and_then(|text| Uuid::parse_str(text).ok()).ok_or_else(|| "must be a valid id".into())
}

/// What is beyond every entry is before none.
fn cursor(value: &Value) -> Checked<i64> {
    let number = value.as_str().and_then(from_base62);
    let sequence = number.map(|number| i64::try_from(number).unwrap_or(i64::MAX));
    sequence.ok_or_else(|| "must be the next cursor of the page before".into())
}

/// Newest first, by their places in the chain. What is rare may be found over several pages: one may have few entries, or
/// none, and still a `next_cursor`. What was done less than a second ago may not be in the chain yet.
#[utoipa::path(get, path = "/admin/audit", tag = "Audit", operation_id = "searchAudit",
    security(("OpsToken" = ["super_admin", "auditor"])),
    params(AuditParams),
    responses((status = 200, description = "A page of entries", body = List<AuditEntryView>)))]
pub(crate) async fn search(State(web): State<Web>, request: Incoming) -> Answer {
    let call = web.staff(&request, AUDITORS).await?;
    let wanted = request.query(read_search)?;
    let Found { items, before } = look::search(&web.app, &call, wanted).await?;
    let data = items.iter().map(|(sequence, row)| AuditEntryView::of(*sequence, row)).collect();
    let next_cursor = before.and_then(|before| u128::try_from(before).ok()).map(base62);
    let has_more = next_cursor.is_some();
    let page = List { success: true, data, has_more, next_cursor, unreadable: Vec::new() };
    Ok(json_response(StatusCode::OK, &page))
}

/// An access to a patient's records.
#[derive(Serialize, ToSchema)]
pub struct DisclosureView {
    /// The entry's place in the chain of the audit log.
    pub sequence: i64,
    pub at: Time,
    /// `disclosure`: to somebody else than the pharmacy, by a partner's key or a signed link. `staff`: the pharmacy's own.
    /// `platform`: a part of the platform.
    #[schema(value_type = words::DisclosureTo)]
    pub to: &'static str,
    /// `key`, `staff` (an operations token), `user` (a member of staff) or `system`.
    #[schema(example = "key")]
    pub actor_kind: String,
    /// The id of the key, the token or the member of staff, or the word of the part of the platform.
    #[schema(example = "019468f2-3b1c-7d5e-9a60-4f1e2b3c4d08")]
    pub actor: String,
    /// What the key or token is called, or who the member of staff is.
    #[schema(example = "Production key")]
    pub name: Option<String>,
    /// The partner whose key it is.
    #[schema(example = "Example Telehealth")]
    pub organisation: Option<String>,
    /// What was done, such as `order.read`.
    #[schema(example = "order.read")]
    pub action: String,
    /// The kind of the record that it was done to.
    #[schema(example = "order")]
    pub subject: String,
    pub subject_id: Option<Uuid>,
    #[schema(example = "req_0351qLz8iGm9ZZXlB7AwYG")]
    pub request_id: Option<String>,
    /// The network address that it was done from.
    #[schema(example = "192.0.2.7")]
    pub address: Option<String>,
    /// Why, where a reason was given.
    #[schema(example = "Question of the patient")]
    pub purpose: Option<String>,
}

impl From<&Access> for DisclosureView {
    fn from(access: &Access) -> Self {
        let row = &access.row;
        Self {
            sequence: access.sequence,
            at: Time(row.at),
            to: To::of(row).as_str(),
            actor_kind: row.actor_kind.clone(),
            actor: row.actor.clone(),
            name: access.name.clone(),
            organisation: access.organisation.clone(),
            action: row.action.clone(),
            subject: row.subject.clone(),
            subject_id: row.subject_id,
            request_id: row.request_id.clone(),
            address: row.address.clone(),
            purpose: row.reason.clone(),
        }
    }
}

/// The query parameters of an accounting of disclosures.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub struct DisclosureParams {
    /// How many accesses, 1 to 100.
    #[param(minimum = 1, maximum = 100, default = 25)]
    pub limit: Option<u32>,
    /// `next_cursor` of the page before.
    pub cursor: Option<String>,
    /// Of this time or later (RFC 3339); six years ago, if not given.
    #[param(format = DateTime)]
    pub from: Option<String>,
    /// Of before this time.
    #[param(format = DateTime)]
    pub until: Option<String>,
}

/// Who had to do with a patient's records (the patient, and their orders, medication requests, prescriptions, refill
/// requests and shipments), newest first: what an accounting of disclosures is made of (45 CFR 164.528). Lists are there
/// by each patient that they showed. What was done less than a second ago may not be there yet.
#[utoipa::path(get, path = "/admin/patients/{id}/disclosures", tag = "Audit", operation_id = "listDisclosures",
    security(("OpsToken" = ["super_admin", "auditor"])),
    params(("id" = String, Path, description = "The patient's id"), DisclosureParams),
    responses((status = 200, description = "A page of accesses", body = List<DisclosureView>)))]
pub(crate) async fn disclosures(State(web): State<Web>, request: Incoming) -> Answer {
    let call = web.staff(&request, AUDITORS).await?;
    let patient = request.id("id", "Patient")?;
    let wanted = request.query(|f| {
        Some(Accounting {
            patient,
            limit: f.optional("limit", count(1..=100)).unwrap_or(25),
            before: f.optional("cursor", cursor),
            from: f.optional("from", timestamp),
            until: f.optional("until", timestamp),
        })
    })?;
    let found = disclosures::list(&web.app, &call, wanted).await?;
    let data: Vec<_> = found.items.iter().map(DisclosureView::from).collect();
    let next_cursor = found.before.and_then(|before| u128::try_from(before).ok()).map(base62);
    let has_more = next_cursor.is_some();
    Ok(json_response(
        StatusCode::OK,
        &List { success: true, data, has_more, next_cursor, unreadable: Vec::new() },
    ))
}

/// Where the audit log and its chain differ.
#[derive(Serialize, ToSchema)]
pub struct AuditDifference {
    #[schema(value_type = words::AuditWrong)]
    pub wrong: &'static str,
    /// The link's; of an entry that was never linked, that of the link before it.
    pub sequence: i64,
    /// Where several links are gone, the last of them.
    pub until: Option<i64>,
    /// The number of the checkpoint that it is about.
    pub checkpoint: Option<i64>,
    pub audit_id: Option<Uuid>,
    pub at: Option<Time>,
}

impl From<&Difference> for AuditDifference {
    fn from(difference: &Difference) -> Self {
        Self {
            wrong: Wrong::as_str(difference.wrong),
            sequence: difference.sequence,
            until: difference.until,
            checkpoint: difference.number,
            audit_id: difference.audit_id.map(|id| id.0),
            at: difference.at.map(Time),
        }
    }
}

/// What a comparison of the audit log with its chain found.
#[derive(Serialize, ToSchema)]
pub struct AuditVerification {
    /// Whether there are no differences among the links that were looked at.
    pub intact: bool,
    /// The first link that was looked at, and the last.
    pub from: i64,
    pub to: i64,
    /// How many links there are.
    pub length: i64,
    /// Whether the end was reached; otherwise go on with `from` as the one after `to`.
    pub finished: bool,
    /// The first hundred.
    pub differences: Vec<AuditDifference>,
    /// How many there are.
    pub count: i64,
    /// The time of the first entry that is not linked yet.
    pub unlinked_since: Option<Time>,
    /// The number of the newest signed checkpoint.
    pub checkpoint: Option<i64>,
    /// When the platform itself last compared all of it, and how many differences it knows of.
    pub compared_at: Option<Time>,
    pub known_differences: i64,
}

impl From<&Compared> for AuditVerification {
    fn from(compared: &Compared) -> Self {
        let Compared { report, standing } = compared;
        Self {
            intact: report.count == 0,
            from: report.from + 1,
            to: report.to,
            length: report.length,
            finished: report.has_ended,
            differences: report.differences.iter().map(AuditDifference::from).collect(),
            count: report.count,
            unlinked_since: standing.unlinked_since.map(Time),
            checkpoint: standing.checkpoint.map(|(number, _)| number),
            compared_at: standing.walked_at.map(Time),
            known_differences: standing.differences,
        }
    }
}

/// The query parameters of the comparison.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub struct AuditVerifyParams {
    /// The link to begin at; the first, if not given.
    #[param(minimum = 1, maximum = 4_294_967_295_i64, default = 1)]
    pub from: Option<u32>,
}

/// Compares the log with its chain from a link on, for five seconds at most: whoever wants all of a long log goes on from
/// where it ended. A whole comparison that does not stop is `nimbus audit verify`.
#[utoipa::path(get, path = "/admin/audit/verify", tag = "Audit", operation_id = "verifyAudit",
    security(("OpsToken" = ["super_admin", "auditor"])),
    params(AuditVerifyParams),
    responses((status = 200, description = "What was found", body = Success<AuditVerification>)))]
pub(crate) async fn verify(State(web): State<Web>, request: Incoming) -> Answer {
    let call = web.staff(&request, AUDITORS).await?;
    let from = request.query(|f| Some(f.optional("from", count(1..=u32::MAX)).unwrap_or(1)))?;
    let compared = look::verify(&web.app, &call, i64::from(from) - 1).await?;
    Ok(envelope::found(AuditVerification::from(&compared)))
}

/// The query parameters of the export.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub struct AuditExportParams {
    /// Only entries of this clinic; of others there are hashes alone.
    pub clinic_id: Option<String>,
    /// Of this time or later (RFC 3339).
    #[param(format = DateTime)]
    pub from: Option<String>,
    /// Of before this time.
    #[param(format = DateTime)]
    pub until: Option<String>,
}

fn read_wanted(f: &mut Fields<'_>) -> Option<Wanted> {
    Some(Wanted {
        clinic: f.optional("clinic_id", id),
        since: f.optional("from", timestamp),
        until: f.optional("until", timestamp),
    })
}

/// Entries with their chain, a JSON object a line, oldest first, and at the end a signed checkpoint that covers them:
/// `nimbus audit verify --file` checks it without the platform, and the guide says how to do so by other means. At most a
/// million links at a time. A reply that breaks off has no checkpoint.
#[utoipa::path(get, path = "/admin/audit/export", tag = "Audit", operation_id = "exportAudit",
    security(("OpsToken" = ["super_admin", "auditor"])),
    params(AuditExportParams),
    responses((status = 200, description = "Entries and their chain, oldest first",
        body = Lines, content_type = "application/x-ndjson")))]
pub(crate) async fn export(State(web): State<Web>, request: Incoming) -> Answer {
    let call = web.staff(&request, AUDITORS).await?;
    call.confirmed()?;
    let wanted = request.query(read_wanted)?;
    let export = look::export(&web.app, &call, wanted).await?;
    let body = Body::from_stream(stream::unfold(Some((web, export)), chunk));
    let response: Response =
        ([(CONTENT_TYPE, HeaderValue::from_static("application/x-ndjson"))], body).into_response();
    Ok(response)
}

type Chunk = Result<Bytes, Infallible>;

/// The next lines. A log that cannot be read ends the reply, without the checkpoint that a whole one has.
async fn chunk(state: Option<(Web, Export)>) -> Option<(Chunk, Option<(Web, Export)>)> {
    let (web, mut export) = state?;
    match export.next(&web.app).await {
        Ok(lines) if lines.is_empty() => None,
        Ok(lines) => {
            let text: String = lines.iter().map(|line| line.to_text()).collect();
            Some((Ok(text.into()), Some((web, export))))
        }
        Err(error) => {
            tracing::error!(%error, "an export of the audit log broke off");
            None
        }
    }
}
