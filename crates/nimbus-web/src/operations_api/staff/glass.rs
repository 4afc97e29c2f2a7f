//! Breaking the glass: reads of patient data for a reason and a while.

use axum::extract::State;
use nimbus_app::{
    actor::{BREAKERS, GLASS_READERS},
    staff::glass::{self, Break, BreakGlass, LONGEST_MINUTES},
};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::told;
use crate::{
    Web,
    body::Incoming,
    checks::{count, id, text},
    failure::Answer,
    fields::Fields,
    paging::{PageParams, page},
    partner_api::envelope::{self, List, Nothing, Success},
    wire::Time,
};

#[derive(ToSchema)]
pub struct BreakGlassBody {
    /// Why. It is on record with each read, and must not hold patient data.
    #[schema(
        min_length = 10,
        max_length = 500,
        example = "The clinic reports a wrong label on its order of today"
    )]
    pub reason: String,
    /// To what is of this clinic alone; all, if it is left out.
    pub clinic_id: Option<Uuid>,
    #[schema(minimum = 1, maximum = 60, example = 15)]
    pub minutes: u32,
}

fn read_break(f: &mut Fields<'_>) -> Option<Break> {
    let reason = f.required("reason", text(10..=500));
    let clinic_id = f.optional("clinic_id", id);
    let minutes = f.required("minutes", count(1..=LONGEST_MINUTES));
    Some(Break { reason: reason?, clinic_id, minutes: minutes? })
}

/// An access for a reason and a while.
#[derive(Serialize, ToSchema)]
pub struct BreakGlassView {
    pub break_glass_id: Uuid,
    pub user_id: Uuid,
    /// To what is of this clinic alone; null: to all.
    pub clinic_id: Option<Uuid>,
    #[schema(example = "The clinic reports a wrong label on its order of today")]
    pub reason: String,
    pub created_at: Time,
    pub expires_at: Time,
    /// When it was ended before that.
    pub ended_at: Option<Time>,
}

impl From<&BreakGlass> for BreakGlassView {
    fn from(glass: &BreakGlass) -> Self {
        Self {
            break_glass_id: glass.id.0,
            user_id: glass.user_id.0,
            clinic_id: glass.clinic_id.map(|id| id.0),
            reason: glass.reason.clone(),
            created_at: Time(glass.created_at),
            expires_at: Time(glass.expires_at),
            ended_at: glass.ended_at.map(Time),
        }
    }
}

/// Opens what a pharmacist reads, and nothing that changes anything, for at most an hour. Each read is on record with the
/// reason, and a warning goes to the log. Another one takes the place of the one before.
#[utoipa::path(post, path = "/staff/break-glass", tag = "Staff", operation_id = "breakGlass",
    security(("StaffSession" = ["super_admin", "support", "auditor"])),
    request_body(content = BreakGlassBody, description = "Why, and for how long"),
    responses((status = 200, description = "The access", body = Success<BreakGlassView>)))]
pub(crate) async fn begin(State(web): State<Web>, mut request: Incoming) -> Answer {
    let mut call = web.session(&request).await?;
    call.staff(BREAKERS)?;
    call.confirmed()?;
    let command = request.json(&mut call, read_break).await?;
    let glass = glass::begin(&web.app, &call, command).await.map_err(told)?;
    Ok(envelope::found(BreakGlassView::from(&glass)))
}

/// Ends the access that one has, if there is one.
#[utoipa::path(delete, path = "/staff/break-glass", tag = "Staff", operation_id = "endBreakGlass",
    security(("StaffSession" = [])),
    responses((status = 200, description = "There is none any more", body = Success<Nothing>)))]
pub(crate) async fn end(State(web): State<Web>, request: Incoming) -> Answer {
    let call = web.session(&request).await?;
    glass::end(&web.app, &call).await.map_err(told)?;
    Ok(envelope::found(Nothing {}))
}

/// Every such access there was, newest first: who, why, and until when.
#[utoipa::path(get, path = "/staff/break-glass", tag = "Staff", operation_id = "listBrokenGlass",
    security(("OpsToken" = ["super_admin", "auditor"])),
    params(PageParams),
    responses((status = 200, description = "A page of accesses", body = List<BreakGlassView>)))]
pub(crate) async fn list(State(web): State<Web>, request: Incoming) -> Answer {
    let call = web.staff(&request, GLASS_READERS).await?;
    let page = request.query(|f| Some(page(f)))?;
    let found = glass::page(&web.app, &call, page).await?;
    Ok(envelope::page(&found, |glass| BreakGlassView::from(glass)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fields::assert_described;

    #[test]
    fn schemas_describe_what_is_read() {
        assert_described::<BreakGlassBody, _>(read_break);
    }
}
