//! Partners and the agreements with them, as staff keep them.

use axum::extract::State;
use nimbus_app::{
    Rendered,
    actor::{ADMINISTRATORS, OVERSEERS},
    tenancy::{
        Baa, BaaRecord, Partner, PartnerStatus,
        staff::{self, BaaEnd},
    },
};
use nimbus_core::{ids::PartnerId, time::Date};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{
    Web,
    body::Incoming,
    checks::{date, one_of, text},
    failure::Answer,
    fields::Fields,
    paging::{PageParams, page},
    partner_api::envelope::{self, List, Success},
    wire::{Day, Time},
    words,
};

const NOUN: &str = "Partner";
const NOUN_OF_BAA: &str = "Agreement";

#[derive(ToSchema)]
pub struct PartnerCreate {
    #[schema(min_length = 1, max_length = 200, example = "Example Health")]
    pub name: String,
}

#[derive(Serialize, ToSchema)]
pub struct PartnerView {
    pub partner_id: Uuid,
    #[schema(example = "Example Health")]
    pub name: String,
    #[schema(value_type = words::PartnerStatus)]
    pub status: &'static str,
    pub created_at: Time,
    pub updated_at: Time,
}

impl From<&Partner> for PartnerView {
    fn from(partner: &Partner) -> Self {
        Self {
            partner_id: partner.id.0,
            name: partner.name.clone(),
            status: partner.status.as_str(),
            created_at: Time(partner.created_at),
            updated_at: Time(partner.updated_at),
        }
    }
}

/// Days are those of UTC.
#[derive(ToSchema)]
pub struct BaaCreate {
    /// The first day on which it is in force.
    #[schema(format = Date)]
    pub effective_on: String,
    /// The last; it has no end if it is left out.
    #[schema(format = Date)]
    pub ends_on: Option<String>,
    /// SHA-256 of the signed document, in hexadecimal.
    #[schema(
        pattern = "^[0-9a-fA-F]{64}$",
        example = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
    )]
    pub document_hash: String,
}

#[derive(ToSchema)]
pub struct BaaEndBody {
    /// The last day on which it is in force, which may be over.
    #[schema(format = Date)]
    pub ends_on: String,
}

#[derive(Serialize, ToSchema)]
pub struct BaaView {
    pub baa_id: Uuid,
    pub partner_id: Uuid,
    pub effective_on: Day,
    /// The last day on which it is in force; null if it has no end.
    pub ends_on: Option<Day>,
    #[schema(example = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08")]
    pub document_hash: String,
    pub created_at: Time,
}

impl From<&Baa> for BaaView {
    fn from(baa: &Baa) -> Self {
        Self {
            baa_id: baa.id.0,
            partner_id: baa.partner_id.0,
            effective_on: Day(baa.effective_on),
            ends_on: baa.ends_on.map(Day),
            document_hash: baa.document_hash.clone(),
            created_at: Time(baa.created_at),
        }
    }
}

fn read_create(f: &mut Fields<'_>) -> Option<String> {
    f.required("name", text(1..=200))
}

fn read_baa(f: &mut Fields<'_>, partner_id: PartnerId) -> Option<BaaRecord> {
    let (effective_on, ends_on) = (f.required("effective_on", date), f.optional("ends_on", date));
    let document_hash = f.required("document_hash", text(1..=64));
    Some(BaaRecord { partner_id, effective_on: effective_on?, ends_on, document_hash: document_hash? })
}

fn read_end(f: &mut Fields<'_>) -> Option<Date> {
    f.required("ends_on", date)
}

fn render(partner: &Partner) -> Rendered {
    envelope::written(PartnerView::from(partner), "OK")
}

fn render_baa(baa: &Baa) -> Rendered {
    envelope::written(BaaView::from(baa), "OK")
}

#[utoipa::path(get, path = "/admin/partners", tag = "Partners", operation_id = "listPartners",
    security(("OpsToken" = ["super_admin", "support"])),
    params(PageParams, ("status" = Option<words::PartnerStatus>, Query, description = "Only those of this status")),
    responses((status = 200, description = "A page of partners", body = List<PartnerView>)))]
pub(crate) async fn list(State(web): State<Web>, request: Incoming) -> Answer {
    let call = web.staff(&request, OVERSEERS).await?;
    let (status, page) = request.query(|f| {
        let status = f.optional("status", one_of(PartnerStatus::ALL, PartnerStatus::as_str));
        Some((status, page(f)))
    })?;
    let found = staff::partner_page(&web.app, &call, status, page).await?;
    Ok(envelope::page(&found, |partner| PartnerView::from(partner)))
}

/// It is pending, and nothing works for it, until it is approved.
#[utoipa::path(post, path = "/admin/partners", tag = "Partners", operation_id = "createPartner",
    security(("OpsToken" = ["super_admin"])),
    request_body(content = PartnerCreate, description = "The partner"),
    responses((status = 200, description = "Made", body = Success<PartnerView>)))]
pub(crate) async fn create(State(web): State<Web>, mut request: Incoming) -> Answer {
    let mut call = web.staff(&request, ADMINISTRATORS).await?;
    let name = request.json(&mut call, read_create).await?;
    Ok(envelope::reply(staff::partner_create(&web.app, &call, name, render).await?))
}

#[utoipa::path(get, path = "/admin/partners/{id}", tag = "Partners", operation_id = "getPartner",
    security(("OpsToken" = ["super_admin", "support"])),
    params(("id" = String, Path, description = "The partner's id")),
    responses((status = 200, description = "The partner", body = Success<PartnerView>)))]
pub(crate) async fn show(State(web): State<Web>, request: Incoming) -> Answer {
    let call = web.staff(&request, OVERSEERS).await?;
    let found = staff::partner_get(&web.app, &call, request.id("id", NOUN)?).await?;
    Ok(envelope::found(PartnerView::from(&found)))
}

async fn set_status(web: Web, mut request: Incoming, status: PartnerStatus) -> Answer {
    let mut call = web.staff(&request, ADMINISTRATORS).await?;
    call.confirmed()?;
    let id = request.id("id", NOUN)?;
    request.no_body(&mut call).await?;
    Ok(envelope::reply(staff::partner_set_status(&web.app, &call, id, status, render).await?))
}

/// Its keys work, in production while an agreement is in force, and what waited for its webhooks goes out.
#[utoipa::path(post, path = "/admin/partners/{id}/approve", tag = "Partners", operation_id = "approvePartner",
    security(("OpsToken" = ["super_admin"])),
    params(("id" = String, Path, description = "The partner's id")),
    responses((status = 200, description = "Approved", body = Success<PartnerView>)))]
pub(crate) async fn approve(State(web): State<Web>, request: Incoming) -> Answer {
    set_status(web, request, PartnerStatus::Approved).await
}

/// Its keys and links stop within a second, and what its webhooks are to be sent waits.
#[utoipa::path(post, path = "/admin/partners/{id}/suspend", tag = "Partners", operation_id = "suspendPartner",
    security(("OpsToken" = ["super_admin"])),
    params(("id" = String, Path, description = "The partner's id")),
    responses((status = 200, description = "Suspended", body = Success<PartnerView>)))]
pub(crate) async fn suspend(State(web): State<Web>, request: Incoming) -> Answer {
    set_status(web, request, PartnerStatus::Suspended).await
}

#[utoipa::path(get, path = "/admin/partners/{id}/baa", tag = "Partners", operation_id = "listAgreements",
    security(("OpsToken" = ["super_admin", "support"])),
    params(("id" = String, Path, description = "The partner's id"), PageParams),
    responses((status = 200, description = "A page of business associate agreements", body = List<BaaView>)))]
pub(crate) async fn list_baas(State(web): State<Web>, request: Incoming) -> Answer {
    let call = web.staff(&request, OVERSEERS).await?;
    let partner = request.id("id", NOUN)?;
    let page = request.query(|f| Some(page(f)))?;
    let found = staff::baa_page(&web.app, &call, partner, page).await?;
    Ok(envelope::page(&found, |baa| BaaView::from(baa)))
}

/// In production nothing works for a partner but while one is in force (45 CFR 164.504(e)).
#[utoipa::path(post, path = "/admin/partners/{id}/baa", tag = "Partners", operation_id = "recordAgreement",
    security(("OpsToken" = ["super_admin"])),
    params(("id" = String, Path, description = "The partner's id")),
    request_body(content = BaaCreate, description = "The business associate agreement"),
    responses((status = 200, description = "On record", body = Success<BaaView>)))]
pub(crate) async fn record_baa(State(web): State<Web>, mut request: Incoming) -> Answer {
    let mut call = web.staff(&request, ADMINISTRATORS).await?;
    call.confirmed()?;
    let partner = request.id("id", NOUN)?;
    let record = request.json(&mut call, |f| read_baa(f, partner)).await?;
    Ok(envelope::reply(staff::baa_record(&web.app, &call, record, render_baa).await?))
}

#[utoipa::path(post, path = "/admin/partners/{id}/baa/{baa_id}/end", tag = "Partners", operation_id = "endAgreement",
    security(("OpsToken" = ["super_admin"])),
    params(
        ("id" = String, Path, description = "The partner's id"),
        ("baa_id" = String, Path, description = "The agreement's id")),
    request_body(content = BaaEndBody, description = "When it ends"),
    responses((status = 200, description = "The agreement as it is now", body = Success<BaaView>)))]
pub(crate) async fn end_baa(State(web): State<Web>, mut request: Incoming) -> Answer {
    let mut call = web.staff(&request, ADMINISTRATORS).await?;
    call.confirmed()?;
    let (partner, id) = (request.id("id", NOUN)?, request.id("baa_id", NOUN_OF_BAA)?);
    let ends_on = request.json(&mut call, read_end).await?;
    let end = BaaEnd { partner, id, ends_on };
    Ok(envelope::reply(staff::baa_end(&web.app, &call, end, render_baa).await?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fields::assert_described;

    #[test]
    fn schemas_describe_what_is_read() {
        assert_described::<PartnerCreate, _>(read_create);
        assert_described::<BaaCreate, _>(|f| read_baa(f, PartnerId(Uuid::nil())));
        assert_described::<BaaEndBody, _>(read_end);
    }
}
