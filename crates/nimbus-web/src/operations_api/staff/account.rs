//! Opening an account, and its password.

use axum::extract::State;
use nimbus_app::staff::{
    invitations::{self, Accept},
    sessions::{self, PasswordChange},
};
use utoipa::ToSchema;

use super::{
    told,
    types::{StaffUser, secret},
};
use crate::{
    Web,
    body::Incoming,
    cookies::Cookie,
    failure::Answer,
    fields::Fields,
    partner_api::envelope::{self, Nothing, Success},
};

#[derive(ToSchema)]
pub struct InvitationAcceptance {
    /// Of the invitation.
    #[schema(min_length = 1, max_length = 200, example = "hjLBJ5Zv0T0FvUQ3a4nUXsYkH0rYJw8J1mUeP2sQb3E")]
    pub token: String,
    /// 12 to 128 characters, none of those that are tried first, without one's name or e-mail address.
    #[schema(min_length = 1, max_length = 200, example = "correct horse battery staple")]
    pub password: String,
}

fn read_acceptance(f: &mut Fields<'_>) -> Option<Accept> {
    let token = f.required("token", secret);
    let password = f.required("password", secret);
    Some(Accept { token: token?.to_string(), password: password? })
}

/// Opens an account, once, within 72 hours of the invitation; then its owner signs in. A token that is unknown, used or
/// past its time is answered alike.
#[utoipa::path(post, path = "/staff/invitations/accept", tag = "Staff", operation_id = "acceptInvitation", security(()),
    request_body(content = InvitationAcceptance, description = "The invitation and a password"),
    responses((status = 200, description = "The account is open", body = Success<StaffUser>)))]
pub(crate) async fn accept(State(web): State<Web>, mut request: Incoming) -> Answer {
    let mut call = web.stranger(&request)?;
    let command = request.json(&mut call, read_acceptance).await?;
    match invitations::accept(&web.app, &call, command).await {
        Ok(user) => Ok(envelope::found(StaffUser::from(&user))),
        Err(error) => Err(web.not_let_in(&request, error)),
    }
}

#[derive(ToSchema)]
pub struct PasswordChangeBody {
    #[schema(min_length = 1, max_length = 200, example = "correct horse battery staple")]
    pub current_password: String,
    /// 12 to 128 characters, none of those that are tried first, without one's name or e-mail address.
    #[schema(min_length = 1, max_length = 200, example = "seven green bottles on a wall")]
    pub new_password: String,
}

fn read_change(f: &mut Fields<'_>) -> Option<PasswordChange> {
    let current = f.required("current_password", secret);
    let new = f.required("new_password", secret);
    Some(PasswordChange { current: current?, new: new? })
}

/// Ends one's other sessions, and gives this one another cookie.
#[utoipa::path(post, path = "/staff/password", tag = "Staff", operation_id = "changePassword",
    security(("StaffSession" = [])),
    request_body(content = PasswordChangeBody, description = "The password, and another one"),
    responses((status = 200, description = "Changed", body = Success<Nothing>)))]
pub(crate) async fn change_password(State(web): State<Web>, mut request: Incoming) -> Answer {
    let mut call = web.session(&request).await?;
    let change = request.json(&mut call, read_change).await?;
    let cookie = sessions::change_password(&web.app, &call, change).await.map_err(told)?;
    let mut response = envelope::found(Nothing {});
    Cookie::Session.keep(response.headers_mut(), web.has_secure_cookies(), &cookie);
    Ok(response)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fields::assert_described;

    #[test]
    fn schemas_describe_what_is_read() {
        assert_described::<InvitationAcceptance, _>(read_acceptance);
        assert_described::<PasswordChangeBody, _>(read_change);
    }
}
