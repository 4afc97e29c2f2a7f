//! Signing in and out, and the caller's sessions.

use axum::extract::State;
use nimbus_app::staff::{
    sessions,
    sign_in::{self, From, SignIn},
};
use serde_json::Value;
use utoipa::ToSchema;

use super::{
    begun, told,
    types::{CurrentSession, SessionView, SignInView, secret},
};
use crate::{
    Web,
    body::Incoming,
    checks::text,
    cookies::Cookie,
    failure::Answer,
    fields::{Checked, Fields},
    partner_api::envelope::{self, Nothing, Success},
};

#[derive(ToSchema)]
pub struct SignInBody {
    /// In any letter case.
    #[schema(min_length = 1, max_length = 254, example = "jane.okafor@example.com")]
    pub email: String,
    #[schema(min_length = 1, max_length = 200, example = "correct horse battery staple")]
    pub password: String,
}

/// An address as it was sent: whether it is one is not said here, nor whether anybody has it.
pub(super) fn address(value: &Value) -> Checked<String> {
    text(1..=254)(value)
}

fn read_sign_in(f: &mut Fields<'_>, from: From) -> Option<SignIn> {
    let email = f.required("email", address);
    let password = f.required("password", secret);
    Some(SignIn { email: email?, password: password?, from })
}

/// Answers with a session in a cookie or, where the account has a second factor, with a cookie that is good for giving
/// that within five minutes. An address that nobody has and a wrong password are answered alike. After four failures for
/// an account from one place each costs a wait, of 30 seconds doubling to 15 minutes; a browser in which the account was
/// signed in to before is a place of its own.
#[utoipa::path(post, path = "/staff/session", tag = "Staff", operation_id = "signIn", security(()),
    request_body(content = SignInBody, description = "An account"),
    responses((status = 200, description = "Signed in, or what is wanted besides", body = Success<SignInView>)))]
pub(crate) async fn sign_in(State(web): State<Web>, mut request: Incoming) -> Answer {
    let mut call = web.stranger(&request)?;
    let from = web.signs_in_from(&request);
    let command = request.json(&mut call, |f| read_sign_in(f, from)).await?;
    match sign_in::sign_in(&web.app, &call, command).await {
        Ok(signed_in) => Ok(begun(&web, &signed_in)),
        Err(error) => Err(web.not_let_in(&request, error)),
    }
}

/// The account that is signed in to, and until when.
#[utoipa::path(get, path = "/staff/session", tag = "Staff", operation_id = "getSession",
    security(("StaffSession" = [])),
    responses((status = 200, description = "The session", body = Success<CurrentSession>)))]
pub(crate) async fn show(State(web): State<Web>, request: Incoming) -> Answer {
    let call = web.session(&request).await?;
    let current = sessions::current(&web.app, &call).await.map_err(told)?;
    Ok(envelope::found(CurrentSession::from(&current)))
}

/// Ends this session. The browser stays known.
#[utoipa::path(delete, path = "/staff/session", tag = "Staff", operation_id = "signOut",
    security(("StaffSession" = [])),
    responses((status = 200, description = "Signed out", body = Success<Nothing>)))]
pub(crate) async fn sign_out(State(web): State<Web>, request: Incoming) -> Answer {
    let call = web.session(&request).await?;
    let render = |(): &()| envelope::written(Nothing {}, "Signed out");
    let mut response = envelope::reply(sessions::sign_out(&web.app, &call, render).await.map_err(told)?);
    Cookie::Session.forget(response.headers_mut(), web.has_secure_cookies());
    Ok(response)
}

/// One's own that are in force, newest first.
#[utoipa::path(get, path = "/staff/sessions", tag = "Staff", operation_id = "listSessions",
    security(("StaffSession" = [])),
    responses((status = 200, description = "The sessions", body = Success<Vec<SessionView>>)))]
pub(crate) async fn list(State(web): State<Web>, request: Incoming) -> Answer {
    let call = web.session(&request).await?;
    let found = sessions::list(&web.app, &call).await?;
    Ok(envelope::found(found.iter().map(SessionView::from).collect::<Vec<_>>()))
}

/// Ends one of one's own.
#[utoipa::path(delete, path = "/staff/sessions/{id}", tag = "Staff", operation_id = "endSession",
    security(("StaffSession" = [])),
    params(("id" = String, Path, description = "The session's id")),
    responses((status = 200, description = "Ended", body = Success<Nothing>)))]
pub(crate) async fn end(State(web): State<Web>, request: Incoming) -> Answer {
    let call = web.session(&request).await?;
    let id = request.id("id", "Session")?;
    let render = |(): &()| envelope::written(Nothing {}, "Session ended");
    Ok(envelope::reply(sessions::revoke(&web.app, &call, id, render).await.map_err(told)?))
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use super::*;
    use crate::fields::assert_described;

    #[test]
    fn schemas_describe_what_is_read() {
        let from = From { address: IpAddr::V4(Ipv4Addr::LOCALHOST), agent: None, device: None };
        assert_described::<SignInBody, _>(|f| read_sign_in(f, from));
    }
}
