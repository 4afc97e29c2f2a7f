//! Accounts of staff as administrators keep them: all, or those of their own clinic.

use axum::extract::State;
use nimbus_app::{
    Rendered,
    actor::USER_MANAGERS,
    staff::users::{self, NewUser, Update},
};
use nimbus_core::{access::Role, ids::UserId, staff::UserState};
use serde::Serialize;
use utoipa::ToSchema;

use super::staff::types::{InvitedUser, SessionView, StaffUser, render_invited, render_user};
use crate::{
    Web,
    body::Incoming,
    caching::{patched, versioned},
    checks::{email, id, one_of, text},
    failure::Answer,
    fields::Fields,
    paging::{PageParams, page},
    partner_api::envelope::{self, List, Nothing, Success},
    words,
};

const NOUN: &str = "User";
/// What an administrator can set; an account is opened by its owner.
pub(crate) const SETTABLE: &[UserState] = &[UserState::Active, UserState::Suspended];

#[derive(ToSchema)]
pub struct StaffUserCreate {
    /// What they sign in with, in any letter case.
    #[schema(format = Email, max_length = 254, example = "jane.okafor@example.com")]
    pub email: String,
    #[schema(min_length = 1, max_length = 100, example = "Jane Okafor")]
    pub name: String,
    /// `clinic_admin` stands alone.
    #[schema(min_items = 1, max_items = 6, value_type = Vec<words::StaffRole>)]
    pub roles: Vec<String>,
    /// The clinic that the account reaches, for the role `clinic_admin`.
    pub clinic_id: Option<uuid::Uuid>,
}

/// What is left out stays as it is.
#[derive(ToSchema)]
pub struct StaffUserUpdate {
    #[schema(nullable = false, min_length = 1, max_length = 100, example = "Jane Okafor")]
    pub name: Option<String>,
    /// Not one's own.
    #[schema(nullable = false, min_items = 1, max_items = 6, value_type = Option<Vec<words::StaffRole>>)]
    pub roles: Option<Vec<String>>,
    /// `null`: none.
    pub clinic_id: Option<uuid::Uuid>,
    /// `suspended` ends its sessions; `active` takes that back. Not one's own.
    #[schema(nullable = false, value_type = Option<words::SettableUserState>)]
    pub state: Option<String>,
}

/// How many sessions have ended.
#[derive(Serialize, ToSchema)]
pub struct SessionsEnded {
    #[schema(example = 2)]
    pub ended: u64,
}

fn read_create(f: &mut Fields<'_>) -> Option<NewUser> {
    let email = f.required("email", email);
    let name = f.required("name", text(1..=100));
    let roles = f.values(true, "roles", 1..=Role::ALL.len(), one_of(Role::ALL, Role::as_str));
    let clinic_id = f.optional("clinic_id", id);
    Some(NewUser { email: email?, name: name?, roles: roles?, clinic_id })
}

fn read_update(f: &mut Fields<'_>, id: UserId) -> Option<Update> {
    let name = f.change("name", text(1..=100));
    if f.is_null("roles") {
        f.refuse("roles", "cannot be removed");
    }
    let roles = f.values(false, "roles", 1..=Role::ALL.len(), one_of(Role::ALL, Role::as_str));
    let clinic_id = f.clearable("clinic_id", crate::checks::id);
    let state = f.change("state", one_of(SETTABLE, UserState::as_str));
    let suspended = state.map(|state| state == UserState::Suspended);
    Some(Update { id, name, roles, clinic_id, suspended })
}

fn render_ended(ended: &u64) -> Rendered {
    envelope::written(SessionsEnded { ended: *ended }, "OK")
}

/// Those that are not deleted, newest first.
#[utoipa::path(get, path = "/admin/users", tag = "Users", operation_id = "listUsers",
    security(("OpsToken" = ["super_admin", "clinic_admin"])),
    params(PageParams),
    responses((status = 200, description = "A page of accounts", body = List<StaffUser>)))]
pub(crate) async fn list(State(web): State<Web>, request: Incoming) -> Answer {
    let call = web.staff_reaching(&request, USER_MANAGERS).await?;
    let page = request.query(|f| Some(page(f)))?;
    let found = users::page(&web.app, &call, page).await?;
    Ok(envelope::page(&found, |user| StaffUser::from(user)))
}

/// Nobody is written to: the invitation is shown this once, to be passed on. It is good for 72 hours. Who administers a
/// clinic invites administrators of that clinic alone.
#[utoipa::path(post, path = "/admin/users", tag = "Users", operation_id = "inviteUser",
    security(("OpsToken" = ["super_admin", "clinic_admin"])),
    request_body(content = StaffUserCreate, description = "Whom to invite"),
    responses((status = 200, description = "The account, and what it is opened with", body = Success<InvitedUser>)))]
pub(crate) async fn create(State(web): State<Web>, mut request: Incoming) -> Answer {
    let mut call = web.staff_reaching(&request, USER_MANAGERS).await?;
    call.confirmed()?;
    let new = request.json(&mut call, read_create).await?;
    Ok(envelope::reply(users::create(&web.app, &call, new, render_invited).await?))
}

#[utoipa::path(get, path = "/admin/users/{id}", tag = "Users", operation_id = "getUser",
    security(("OpsToken" = ["super_admin", "clinic_admin"])),
    params(("id" = String, Path, description = "The account's id")),
    responses((status = 200, description = "The account", body = Success<StaffUser>)))]
pub(crate) async fn show(State(web): State<Web>, request: Incoming) -> Answer {
    let call = web.staff_reaching(&request, USER_MANAGERS).await?;
    let found = users::get(&web.app, &call, request.id("id", NOUN)?).await?;
    Ok(versioned(envelope::found(StaffUser::from(&found)), found.version))
}

/// Its sessions end where roles or clinic change, or it is suspended. The last active `super_admin` stays one.
#[utoipa::path(patch, path = "/admin/users/{id}", tag = "Users", operation_id = "updateUser",
    security(("OpsToken" = ["super_admin", "clinic_admin"])),
    params(("id" = String, Path, description = "The account's id")),
    request_body(content = StaffUserUpdate, description = "The fields to change"),
    responses((status = 200, description = "The account as it is now", body = Success<StaffUser>)))]
pub(crate) async fn update(State(web): State<Web>, mut request: Incoming) -> Answer {
    let mut call = web.staff_reaching(&request, USER_MANAGERS).await?;
    call.confirmed()?;
    let id = request.id("id", NOUN)?;
    let command = request.json(&mut call, |f| read_update(f, id)).await?;
    Ok(patched(users::update(&web.app, &call, command, render_user).await?))
}

/// Its sessions end, and nothing opens it any more. The audit log goes on speaking of it. Not one's own, nor the last
/// active `super_admin`.
#[utoipa::path(delete, path = "/admin/users/{id}", tag = "Users", operation_id = "deleteUser",
    security(("OpsToken" = ["super_admin", "clinic_admin"])),
    params(("id" = String, Path, description = "The account's id")),
    responses((status = 200, description = "Deleted", body = Success<Nothing>)))]
pub(crate) async fn delete(State(web): State<Web>, request: Incoming) -> Answer {
    let call = web.staff_reaching(&request, USER_MANAGERS).await?;
    call.confirmed()?;
    let id = request.id("id", NOUN)?;
    let render = |(): &()| envelope::written(Nothing {}, "User deleted successfully");
    Ok(envelope::reply(users::delete(&web.app, &call, id, render).await?))
}

/// Takes password, second factors, known browsers and sessions from an account, and invites its owner anew.
#[utoipa::path(post, path = "/admin/users/{id}/reset", tag = "Users", operation_id = "resetUser",
    security(("OpsToken" = ["super_admin", "clinic_admin"])),
    params(("id" = String, Path, description = "The account's id")),
    responses((status = 200, description = "The account, and what it is opened with", body = Success<InvitedUser>)))]
pub(crate) async fn reset(State(web): State<Web>, mut request: Incoming) -> Answer {
    let mut call = web.staff_reaching(&request, USER_MANAGERS).await?;
    call.confirmed()?;
    let id = request.id("id", NOUN)?;
    request.no_body(&mut call).await?;
    Ok(envelope::reply(users::reset(&web.app, &call, id, render_invited).await?))
}

/// Those in force, newest first.
#[utoipa::path(get, path = "/admin/users/{id}/sessions", tag = "Users", operation_id = "listUserSessions",
    security(("OpsToken" = ["super_admin", "clinic_admin"])),
    params(("id" = String, Path, description = "The account's id")),
    responses((status = 200, description = "The sessions", body = Success<Vec<SessionView>>)))]
pub(crate) async fn sessions(State(web): State<Web>, request: Incoming) -> Answer {
    let call = web.staff_reaching(&request, USER_MANAGERS).await?;
    let found = users::sessions(&web.app, &call, request.id("id", NOUN)?).await?;
    Ok(envelope::found(found.iter().map(SessionView::from).collect::<Vec<_>>()))
}

/// All of them end at once.
#[utoipa::path(post, path = "/admin/users/{id}/sessions/revoke", tag = "Users", operation_id = "revokeUserSessions",
    security(("OpsToken" = ["super_admin", "clinic_admin"])),
    params(("id" = String, Path, description = "The account's id")),
    responses((status = 200, description = "Ended", body = Success<SessionsEnded>)))]
pub(crate) async fn revoke_sessions(State(web): State<Web>, mut request: Incoming) -> Answer {
    let mut call = web.staff_reaching(&request, USER_MANAGERS).await?;
    call.confirmed()?;
    let id = request.id("id", NOUN)?;
    request.no_body(&mut call).await?;
    Ok(envelope::reply(users::sessions_revoke(&web.app, &call, id, render_ended).await?))
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::fields::assert_described;

    #[test]
    fn schemas_describe_what_is_read() {
        assert_described::<StaffUserCreate, _>(read_create);
        assert_described::<StaffUserUpdate, _>(|f| read_update(f, UserId(Uuid::nil())));
    }
}
