//! What staff are told of: keys and agreements that end soon.

use axum::extract::State;
use nimbus_app::{
    actor::OVERSEERS,
    notices::{self, Notice, NoticeKind},
};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{
    Web,
    body::Incoming,
    checks::one_of,
    failure::Answer,
    paging::{PageParams, page},
    partner_api::envelope::{self, List},
    wire::Time,
    words,
};

#[derive(Serialize, ToSchema)]
pub struct NoticeView {
    pub notice_id: Uuid,
    /// What ends: a key, or a business associate agreement.
    #[schema(value_type = words::NoticeSubject)]
    pub kind: &'static str,
    pub partner_id: Uuid,
    pub partner_name: String,
    /// The clinic of a key.
    pub clinic_id: Option<Uuid>,
    pub key_id: Option<Uuid>,
    #[schema(example = "Backend")]
    pub key_name: Option<String>,
    #[schema(example = "dev_4kQzEx")]
    pub key_prefix: Option<String>,
    pub baa_id: Option<Uuid>,
    /// So many days before the end, at most, this was told.
    #[schema(example = 7)]
    pub days: i64,
    /// From when on it does not work.
    pub ends_at: Time,
    /// Whether it still ends then: false once the key is rotated or revoked, or another end was set.
    pub open: bool,
    pub created_at: Time,
}

impl From<&Notice> for NoticeView {
    fn from(notice: &Notice) -> Self {
        let ending = &notice.ending;
        let id_of = |kind| (ending.kind == kind).then_some(ending.subject_id);
        Self {
            notice_id: notice.id.0,
            kind: ending.kind.as_str(),
            partner_id: ending.partner_id.0,
            partner_name: notice.partner_name.clone(),
            clinic_id: ending.clinic_id.map(|id| id.0),
            key_id: id_of(NoticeKind::Key),
            key_name: notice.key_name.clone(),
            key_prefix: notice.key_prefix.clone(),
            baa_id: id_of(NoticeKind::Agreement),
            days: notice.days,
            ends_at: Time(ending.ends_at),
            open: notices::is_open(notice),
            created_at: Time(notice.created_at),
        }
    }
}

/// Keys that end, and agreements that end without another after them: told 30, 7 and 1 days before, newest first. A key
/// that has a successor is not told of.
#[utoipa::path(get, path = "/admin/notices", tag = "Partners", operation_id = "listNotices",
    security(("OpsToken" = ["super_admin", "support"])),
    params(PageParams, ("kind" = Option<words::NoticeSubject>, Query, description = "Only those of what ends so")),
    responses((status = 200, description = "A page of notices", body = List<NoticeView>)))]
pub(crate) async fn list(State(web): State<Web>, request: Incoming) -> Answer {
    let call = web.staff(&request, OVERSEERS).await?;
    let (kind, page) = request.query(|f| {
        let kind = f.optional("kind", one_of(NoticeKind::ALL, NoticeKind::as_str));
        Some((kind, page(f)))
    })?;
    let found = notices::page(&web.app, &call, kind, page).await?;
    Ok(envelope::page(&found, |notice| NoticeView::from(notice)))
}
